//! The torture messages of RFC 4475 and RFC 5118 against the reader: every file of the index has a row here, and the row
//! says what the index's `parser` column says.
//!
//! Where the index leaves the choice, the reader refuses: nothing that had to be mended goes on.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may fail and say so")]

#[path = "torture_parse/rows.rs"]
mod rows;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use ringfence::sip::error::Cause;
use ringfence::sip::framing::{Framed, Framer};
use ringfence::sip::parse::{Limits, parse};
use ringfence::sip::write::{Text, refusal, response_to};
use ringfence::sip::{Malformed, Message};

use ringfence::sip::HeaderName as H;

enum Row {
    /// Accepted, and these facts hold.
    Accept(fn(&Message)),
    /// Refused for this cause with this status.
    Refuse(Cause, u16, Reply),
}

use Row::{Accept, Refuse};

/// What a stateless reply can be made of.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Whole,
    Silence,
}

use Reply::{Silence, Whole};

fn torture() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/torture");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no ../shared/corpus/torture");
    None
}

/// File names and classes of an index.
fn index(folder: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder.join("index.tsv")).unwrap();
    let row = |line: &str| {
        let mut cells = line.split('\t');
        let file = cells.next().unwrap().to_owned();
        (file, cells.nth(1).unwrap().to_owned())
    };
    text.lines().skip(1).map(row).collect()
}

fn read(folder: &Path, file: &str) -> (Bytes, Result<Message, Box<Malformed>>) {
    let bytes = Bytes::from(std::fs::read(folder.join(file)).unwrap());
    (bytes.clone(), parse(bytes, &Limits::default()))
}

fn walk(folder: &str, rows: &[(&str, Row)]) {
    let Some(folder) = torture().map(|torture| torture.join(folder)) else { return };
    let index = index(&folder);
    assert_eq!(index.len(), rows.len(), "every file of the index has a row");
    for (file, class) in index {
        let (_, row) =
            rows.iter().find(|(name, _)| *name == file).unwrap_or_else(|| panic!("{file} has no row"));
        println!("{file} ({class})");
        match (row, read(&folder, &file)) {
            (Accept(facts), (_, Ok(message))) => {
                facts(&message);
                gives_back_its_essentials(&message);
            }
            (Refuse(cause, status, reply), (_, Err(refused))) => {
                assert_ne!(class, "valid", "{file}");
                assert_eq!((refused.cause, refused.status), (*cause, *status), "{file}: {}", refused.reason);
                assert_eq!(&replies(&refused), reply, "{file}");
            }
            (Accept(_), (_, Err(refused))) => panic!("{file} refused: {refused:?}"),
            (Refuse(..), (_, Ok(_))) => panic!("{file} accepted"),
        }
    }
}

/// What a stateless reply can be made of; where it can, it reads as SIP unless the request's own lines cannot.
fn replies(refused: &Malformed) -> Reply {
    let source = "192.0.2.77:5060".parse().unwrap();
    let reason = Text::new(refused.reason.as_bytes()).unwrap();
    match refused.answer.as_deref().and_then(|answer| refusal(answer, source, refused.status, reason)) {
        None => Silence,
        Some(reply) => {
            assert!(reply.starts_with(format!("SIP/2.0 {} ", refused.status).as_bytes()));
            assert!(reply.ends_with(b"Content-Length: 0\r\n\r\n"));
            Whole
        }
    }
}

/// RFC 4475 §3.1.1.2: To, From, Call-ID, CSeq and Via come back octet for octet (folds become one space).
fn gives_back_its_essentials(message: &Message) {
    if !message.is_request() {
        return;
    }
    let source = "192.0.2.77:5060".parse().unwrap();
    let reply = response_to(message, source, 400, Text::fixed("Bad Request"), None).finish(b"");
    let reply = parse(reply, &Limits::default()).unwrap();
    for name in [H::To, H::From, H::CallId, H::CSeq] {
        let line =
            |message: &Message| ringfence::sip::text::unfold(message.header(name).unwrap()).into_owned();
        assert_eq!(line(&reply), line(message), "{name:?}");
    }
    assert_eq!(reply.via_count(), message.via_count());
    let lower = |message: &Message| {
        message
            .values(H::Via)
            .skip(1)
            .map(|via| ringfence::sip::text::unfold(via).into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(lower(&reply), lower(message));
    assert_eq!(reply.top_via().branch, message.top_via().branch);
}

#[test]
fn rfc4475_as_its_index_says() {
    walk("rfc4475", &rows::rfc4475());
}

#[test]
fn rfc5118_as_its_index_says() {
    walk("rfc5118", &rows::rfc5118());
}

#[test]
fn torture_on_a_stream_gives_the_same_octets_however_it_is_cut() {
    let Some(torture) = torture() else { return };
    let limits = Limits::default();
    for set in ["rfc4475", "rfc5118"] {
        let folder = torture.join(set);
        for (file, _) in index(&folder) {
            let (bytes, read) = read(&folder, &file);
            let framed = |step: usize| {
                let mut framer = Framer::default();
                for chunk in bytes.chunks(step) {
                    framer.push(chunk);
                    match framer.next(&limits) {
                        Ok(Some(Framed::Message(frame))) => return Some(frame.bytes.to_vec()),
                        Ok(Some(Framed::KeepAlivePing | Framed::Pong) | None) => (),
                        Err(_) => return None,
                    }
                }
                None
            };
            let whole = framed(usize::MAX);
            assert_eq!(framed(1), whole, "{file}");
            if let Ok(message) = read {
                // RFC 4475 §3.4.1 and the INVITE of §3.1.1.1 apart, what a datagram holds a stream holds too.
                let want = message.header(H::ContentLength).map(|_| message.bytes().to_vec());
                assert_eq!(whole, want, "{file}");
            }
        }
    }
}
