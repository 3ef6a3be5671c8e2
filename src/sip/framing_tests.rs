//! Streams cut anywhere give the same messages. Read first: RFC 3261 §18.3; RFC 5626 §4.4.1.

use proptest::prelude::*;

use bytes::Bytes;

use super::super::message::Message;
use super::super::parse::{parse, parse_frame};
use super::*;

fn message(body: &str) -> String {
    format!(
        "MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKa\r\nFrom: sip:c@d;tag=1\r\nTo: sip:a@b\r\n\
         Call-ID: x\r\nCSeq: 1 MESSAGE\r\nContent-Length:\r\n  {}\r\n\r\n{body}",
        body.len()
    )
}

/// Along the framer's line ends the same is read as without them.
fn reads_the_same(frame: Frame<'_>) {
    let limits = Limits::default();
    let read = |message: Message| {
        let lines: Vec<_> = message.headers().map(|line| (line.name, line.value.to_vec())).collect();
        (message.bytes().to_vec(), message.body().to_vec(), lines)
    };
    let along = parse_frame(frame, &limits).map(read);
    assert_eq!(along, parse(Bytes::copy_from_slice(frame.bytes), &limits).map(read));
}

/// Everything that comes out of a stream cut into reads of `step` octets; an error ends the list.
fn frames(stream: &[u8], step: usize) -> Vec<String> {
    frames_within(stream, step, &Limits::default())
}

fn frames_within(stream: &[u8], step: usize, limits: &Limits) -> Vec<String> {
    let (mut framer, mut out) = (Framer::default(), Vec::new());
    for chunk in stream.chunks(step) {
        framer.push(chunk);
        loop {
            match framer.next(limits) {
                Ok(None) => break,
                Ok(Some(Framed::Message(frame))) => {
                    reads_the_same(frame);
                    out.push(String::from_utf8_lossy(frame.bytes).into_owned());
                }
                Ok(Some(Framed::KeepAlivePing)) => out.push("ping".into()),
                Ok(Some(Framed::Pong)) => out.push("pong".into()),
                Err(refused) => {
                    out.push(format!("{:?} {} {}", refused.cause, refused.status, refused.answer.is_some()));
                    return out;
                }
            }
        }
    }
    out
}

#[test]
fn messages_come_out_whole_however_the_stream_is_cut() {
    let messages = [message(""), message("hello\r\n\r\nthere"), message("SIP/2.0 200 OK\r\n\r\n")];
    let stream = messages.concat();
    for step in [1, 2, 3, 7, 50, 200, 10_000] {
        assert_eq!(frames(stream.as_bytes(), step), messages, "{step}");
    }
}

proptest! {
    /// In one read the head is found by one search, octet by octet it never is.
    #[test]
    fn a_stream_in_one_read_is_judged_as_octet_by_octet(
        edits in proptest::collection::vec((0_usize..600, 0_usize..12), 0..4),
        bodies in proptest::collection::vec("[a-z\r\n]{0,20}", 1..4),
    ) {
        const PUT: [&[u8]; 12] =
            [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r\n ", b" ", b":", b"x", b"\0", b"l: 3\r\n", b"C", b"SIP/2.0"];
        let mut stream: Vec<u8> = bodies.iter().flat_map(|body| message(body).into_bytes()).collect();
        for (at, what) in edits {
            let at = at.min(stream.len());
            // Over what was there, so that lengths lie too.
            let end = (at + PUT[what].len()).min(stream.len());
            stream.splice(at..end, PUT[what].iter().copied());
        }
        let limits = Limits { head_bytes_max: 300, uri_bytes_max: 20, ..Limits::default() };
        let judged = |step| -> Vec<String> {
            let mut all = frames_within(&stream, step, &limits);
            // A run of line ends is told apart by where it is cut, and how much of a broken head is there to be answered.
            all.retain(|one| one != "ping" && one != "pong");
            all.iter_mut().for_each(|one| {
                let told = one.strip_suffix(" true").or_else(|| one.strip_suffix(" false")).map(str::len);
                one.truncate(told.unwrap_or(one.len()));
            });
            all
        };
        prop_assert_eq!(judged(1), judged(100_000));
    }
}

#[test]
fn heads_as_long_as_may_be_are_taken_and_one_octet_more_is_not() {
    let text = message("x");
    let head = text.find("\r\n\r\n").unwrap();
    for (head_bytes_max, taken) in [(head + 2, true), (head + 1, false)] {
        let limits = Limits { head_bytes_max, ..Limits::default() };
        for step in [1, 100_000] {
            let out = frames_within(text.as_bytes(), step, &limits);
            assert_eq!(out == [text.clone()], taken, "{head_bytes_max} {step} {out:?}");
        }
    }
}

#[test]
fn keep_alives_stand_between_messages() {
    let text = message("x");
    for (stream, want) in [
        ("\r\n\r\n".to_owned(), vec!["ping"]),
        ("\r\n".to_owned(), vec!["pong"]),
        ("\r\n".repeat(500), vec!["ping"]),
        (format!("{text}\r\n\r\n{text}"), vec![&text, "ping", &text]),
        (format!("\r\n{text}"), vec!["pong", &text]),
    ] {
        assert_eq!(frames(stream.as_bytes(), 100_000), want, "{stream:?}");
    }
    assert_eq!(frames(b"\r\n\r\n", 2), ["pong", "ping"], "a ping cut in two is still answered");
    assert_eq!(frames(b"\r\n\r\n", 1), ["pong", "ping"]);
}

#[test]
fn f2_lengths_that_lie_end_the_stream_with_an_answer() {
    let good = message("");
    for (length, cause) in [
        ("Content-Length: -1", "ContentLength 400 true"),
        ("Content-Length: +5", "ContentLength 400 true"),
        ("Content-Length: 0x5", "ContentLength 400 true"),
        ("Content-Length: five", "ContentLength 400 true"),
        ("Content-Length:", "ContentLength 400 true"),
        ("Content-Length: 4294967296", "ContentLength 400 true"),
        ("Content-Length: 0\r\nContent-Length: 0", "ContentLength 400 true"),
        ("Content-Length: 0\r\nl: 5", "ContentLength 400 true"),
        ("X-Nothing: 0", "ContentLength 400 true"),
        ("Content-Length: 65535", "Oversize 513 true"),
        ("Content-Length: 4294967295", "Oversize 513 true"),
    ] {
        let stream = good.replace("Content-Length:\r\n  0", length) + &good;
        for step in [1, 100_000] {
            assert_eq!(frames(stream.as_bytes(), step), [cause], "{length}");
        }
    }
}

#[test]
fn what_is_not_sip_ends_the_stream_early() {
    for (stream, want) in [
        ("\x16\x03\x01\x02\x00", "NotSip 400 false"),
        ("GET / HTTP/1.1\r\n", "NotSip 400 false"),
        ("\n", "Framing 400 false"),
        ("\rx", "Framing 400 false"),
        ("OPTIONS sip:a@b SIP/2.0\nVia", "Framing 400 false"),
        ("OPTIONS sip:a@b SIP/2.0\r\nVia: x\ry", "Framing 400 true"),
    ] {
        assert_eq!(frames(stream.as_bytes(), 1).last().map(String::as_str), Some(want), "{stream:?}");
    }
}

#[test]
fn f3_heads_are_bounded() {
    let limits = Limits { head_bytes_max: 1_000, uri_bytes_max: 100, ..Limits::default() };
    let refused = |stream: String| {
        let mut framer = Framer::default();
        for (at, chunk) in stream.as_bytes().chunks(10).enumerate() {
            framer.push(chunk);
            if let Err(refused) = framer.next(&limits) {
                assert_eq!(framer.pending(), Pending::Nothing);
                assert!(framer.next(&limits).is_err(), "a broken stream stays broken");
                return (refused.status, at * 10);
            }
        }
        panic!("not refused")
    };
    assert_eq!(refused(format!("OPTIONS sip:{}", "a".repeat(5_000))), (414, 350));
    assert_eq!(refused(format!("OPTIONS sip:a@b SIP/2.0\r\nX: {}", "a".repeat(5_000))), (513, 1_000));
    assert_eq!(refused(format!("OPTIONS sip:a@b SIP/2.0\r\n{}", "X: y\r\n".repeat(5_000))), (513, 1_000));
}

#[test]
fn f1_it_says_what_it_is_in_the_middle_of_and_holds_nothing_between() {
    let limits = Limits::default();
    let text = message("hello").into_bytes();
    let head = text.len() - 5;
    let mut framer = Framer::default();
    for (part, want) in [
        (&text[..1], Pending::Head),
        (&text[1..head - 1], Pending::Head),
        (&text[head - 1..head], Pending::Body),
        (&text[head..head + 4], Pending::Body),
    ] {
        framer.push(part);
        assert_eq!(framer.next(&limits), Ok(None));
        assert_eq!(framer.pending(), want);
    }
    framer.push(&text[head + 4..]);
    assert!(matches!(framer.next(&limits), Ok(Some(Framed::Message(frame))) if frame.bytes == text));
    assert_eq!(framer.next(&limits), Ok(None));
    assert_eq!((framer.pending(), framer.buffer.capacity()), (Pending::Nothing, 0));
}

#[test]
fn f1_a_trimmed_framer_holds_what_is_unfinished_and_goes_on_with_it() {
    let limits = Limits::default().within(1_400);
    assert_eq!((limits.message_bytes_max, limits.head_bytes_max), (1_400, 1_400));
    assert_eq!(limits.within(9_999), limits, "never more");
    let (whole, rest) = (message("hello"), message("goodbye"));
    let mut stream = whole.repeat(300).into_bytes();
    stream.extend_from_slice(&rest.as_bytes()[..100]);
    let mut framer = Framer::default();
    framer.push(&stream);
    for n in 0..300 {
        assert!(matches!(framer.next(&limits), Ok(Some(Framed::Message(_)))), "{n}");
        framer.trim();
    }
    assert!(matches!(framer.next(&limits), Ok(None)));
    framer.trim();
    assert!(framer.buffer.capacity() <= 200, "{}", framer.buffer.capacity());
    framer.push(&rest.as_bytes()[100..]);
    assert!(
        matches!(framer.next(&limits), Ok(Some(Framed::Message(frame))) if frame.bytes == rest.as_bytes())
    );
    // Limit, limit + 1.
    let sized = |length: usize| {
        let head = message("").len() + length.to_string().len() - 1;
        message(&"b".repeat(length - head))
    };
    assert_eq!(frames_within(sized(1_400).as_bytes(), 9_999, &limits).len(), 1);
    for (length, outcome) in [(1_400, sized(1_400)), (1_401, "Oversize 513 true".to_owned())] {
        let text = sized(length);
        assert_eq!((text.len(), frames_within(text.as_bytes(), 9_999, &limits)), (length, vec![outcome]));
    }
}

/// However many lines a head has, a few ends of them are remembered while its body is waited for, and the reader finds the rest.
#[test]
fn f3_a_head_of_many_lines_makes_the_framer_remember_no_more() {
    let text = message("").replace("Call-ID: x", &format!("{}Call-ID: x", "X-Y: z\r\n".repeat(180)));
    let whole = text.replace("\r\n  0\r\n", "\r\n  5\r\n");
    let mut framer = Framer::default();
    framer.push(whole.as_bytes());
    assert!(matches!(framer.next(&Limits::default()), Ok(None)));
    assert_eq!(
        (framer.pending(), framer.ends.len(), framer.ends.capacity()),
        (Pending::Body, LINES_USUAL, LINES_USUAL)
    );
    framer.push(b"hello");
    let Ok(Some(Framed::Message(frame))) = framer.next(&Limits::default()) else { panic!("no message") };
    reads_the_same(frame);
    assert_eq!(frame.bytes.len(), whole.len() + 5);
}
