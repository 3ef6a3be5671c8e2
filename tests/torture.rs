//! The torture messages of RFC 4475 and RFC 5118 through the whole engine: every file of the index, as a datagram and on
//! a stream, and what must come of it.
//!
//! The rows below are the index's column `required_outcome` in a form a test can check. Skips, and says so, where the
//! corpus is absent.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, clippy::print_stderr, reason = "a test crate")]
#![allow(dead_code, reason = "the simulator's modules serve several test crates")]

#[path = "sim/mod.rs"]
mod sim;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ringfence::engine::Input;
use ringfence::sip::framing::{Framed, Framer};
use ringfence::sip::parse::Limits;
use ringfence::sip::{ConnectionId, Flow, Transport};

use sim::edge::Edge;
use sim::policy::{EDGE_INSIDE, PEERS, address};
use sim::wire::SECOND;

/// What must come of a message.
#[derive(Debug, Clone, Copy)]
enum Must {
    /// One final answer with one of these statuses, and nothing on the far side.
    Answer(&'static [u16]),
    /// Crosses to the far side and its final answer comes back, or is refused with one of these.
    CrossOr(&'static [u16]),
    /// No answer to anybody.
    Silence,
    /// Silence, or one of these.
    SilenceOr(&'static [u16]),
    /// A stream that stays open and waits for more octets.
    Wait,
}

use Must::{Answer, CrossOr, Silence, SilenceOr, Wait};

/// Refusals of policy or routing that the index allows wherever a call could go on.
const POLICY: &[u16] = &[403, 404, 480, 484, 486, 488, 600, 603, 606];
const REGISTER: &[u16] = &[405, 403, 404, 501];
const UNKNOWN: &[u16] = &[501, 405, 403, 404];
const OPTIONS: &[u16] = &[200, 403, 404, 480];
const BAD: &[u16] = &[400];

/// File, outcome over UDP, outcome on a stream where it differs.
const RFC4475: &[(&str, Must, Option<Must>)] = &[
    ("wsinv", Answer(&[481]), None),
    ("intmeth", Answer(UNKNOWN), None),
    ("esc01", CrossOr(POLICY), None),
    ("escnull", Answer(REGISTER), None),
    ("esc02", Answer(UNKNOWN), None),
    ("lwsdisp", Answer(OPTIONS), None),
    ("longreq", CrossOr(POLICY), None),
    ("dblreq", Answer(REGISTER), Some(Answer(REGISTER))),
    ("semiuri", Answer(OPTIONS), None),
    ("transports", Answer(OPTIONS), None),
    ("mpart01", Answer(&[405, 403, 404, 501, 415]), None),
    ("unreason", Silence, None),
    ("noreason", Silence, None),
    ("badinv01", SilenceOr(BAD), None),
    ("clerr", Answer(BAD), Some(Wait)),
    ("ncl", Answer(BAD), None),
    ("scalar02", Answer(BAD), None),
    ("scalarlg", Silence, None),
    ("quotbal", Answer(BAD), None),
    ("ltgtruri", Answer(BAD), None),
    ("lwsruri", Answer(BAD), None),
    ("lwsstart", Answer(BAD), None),
    ("trws", Answer(&[400, 200, 403, 404, 480]), None),
    ("escruri", Answer(BAD), None),
    ("baddate", CrossOr(&[400, 403, 404, 480, 484, 486, 488, 603]), None),
    ("regbadct", Answer(&[400, 405, 403, 404, 501]), None),
    ("badaspec", Answer(&[400, 200, 403, 404, 480]), None),
    ("baddn", Answer(&[400, 200, 403, 404, 480]), None),
    ("badvers", Answer(&[505]), None),
    ("mismatch01", Answer(BAD), None),
    ("mismatch02", Answer(&[501, 400]), None),
    ("bigcode", Silence, None),
    ("badbranch", Answer(&[400, 200, 403, 404, 480]), None),
    ("insuf", SilenceOr(BAD), None),
    ("unkscm", Answer(&[416]), None),
    ("novelsc", Answer(&[416, 404]), None),
    ("unksm2", Answer(REGISTER), None),
    ("bext01", Answer(&[420]), None),
    ("invut", CrossOr(&[415, 403, 404, 480, 484]), None),
    ("regaut01", Answer(REGISTER), None),
    ("multi01", Answer(BAD), None),
    ("mcl01", Answer(BAD), None),
    ("bcast", Silence, None),
    ("zeromf", Answer(&[200, 483, 403, 404, 480]), None),
    ("cparam01", Answer(REGISTER), None),
    ("cparam02", Answer(REGISTER), None),
    ("regescrt", Answer(REGISTER), None),
    ("sdp01", CrossOr(&[406, 400, 403, 404, 480, 484, 486, 488, 603]), None),
    ("inv2543", CrossOr(POLICY), Some(Answer(BAD))),
    ("test", SilenceOr(BAD), None),
];

const RFC5118: &[(&str, Must, Option<Must>)] = &[
    ("ipv6-good", Answer(REGISTER), None),
    ("ipv6-bad", Answer(BAD), None),
    ("port-ambiguous", Answer(REGISTER), None),
    ("port-unambiguous", Answer(REGISTER), None),
    ("via-received-param-with-delim", Answer(&[481]), None),
    ("via-received-param-no-delim", Answer(OPTIONS), None),
    // The three SDP files announce fewer octets than they hold: a datagram's surplus is noise, a stream's is no message.
    ("ipv6-in-sdp", CrossOr(POLICY), None),
    ("mult-ip-in-header", Answer(&[481]), None),
    ("mult-ip-in-sdp", CrossOr(POLICY), None),
    // It is read, as the RFC asks; its Contact is then refused, since a mapped address hides who is called (D8).
    ("ipv4-mapped-ipv6", Answer(BAD), None),
    ("ipv6-bug-abnf-3-colons", Answer(&[200, 403, 404, 480, 400]), None),
    ("ipv6-correct-abnf-2-colons", Answer(OPTIONS), None),
];

fn corpus(set: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/torture").join(set);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no ../shared/corpus/torture/{set}");
    None
}

/// What came of one message.
#[derive(Debug, Default)]
struct Came {
    finals: Vec<u16>,
    answers: Vec<Vec<u8>>,
    crossed: Vec<Vec<u8>>,
    elsewhere: Vec<String>,
    /// A stream: whether it could not be framed and is to be closed, or waits for octets.
    broken: bool,
    waits: bool,
}

/// The edge of the torture: the host of its inside listener is what most of the messages are addressed to, and every
/// name and number is routed to the trunk.
fn edge() -> Edge {
    let text = sim::policy::yaml(&sim::policy::Shape::default())
        .replace("inside: { bind", "inside: { advertise: \"example.com\", bind")
        .replace("called: [\"+1*\"]", "called: [\"*\"]")
        .replace("transports: [udp]", "transports: [udp, tcp]");
    let (settings, policy) = sim::policy::load(&text);
    Edge::new(settings, policy, [5; 32])
}

fn status_of(bytes: &[u8]) -> Option<u16> {
    let text = bytes.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn flow(edge: &Edge, transport: Transport) -> Flow {
    let port = if transport == Transport::Udp { 5060 } else { 41_000 };
    let connection = ConnectionId(u64::from(transport != Transport::Udp));
    let remote = std::net::SocketAddr::new(address(PEERS[0].1).ip(), port);
    Flow { listener: edge.listener(address(EDGE_INSIDE)).unwrap(), transport, remote, connection }
}

/// Plays one file as one datagram, or as a stream's octets in one piece.
fn play(bytes: &[u8], transport: Transport) -> Came {
    let mut edge = edge();
    let flow = flow(&edge, transport);
    let mut came = Came::default();
    if transport == Transport::Udp {
        edge.input(SECOND, Input::Frame { flow, frame: bytes.into() });
    } else {
        let mut framer = Framer::default();
        framer.push(bytes);
        loop {
            match framer.next(&Limits::default()) {
                Ok(Some(Framed::Message(message))) => {
                    edge.input(SECOND, Input::Frame { flow, frame: message })
                }
                Ok(Some(Framed::KeepAlivePing | Framed::Pong)) => {}
                Ok(None) => break,
                Err(malformed) => {
                    came.broken = true;
                    edge.input(SECOND, Input::Broken { flow, malformed });
                    break;
                }
            }
        }
        came.waits = !came.broken && framer.pending() != ringfence::sip::framing::Pending::Nothing;
    }
    settle(&mut edge, &mut came);
    came
}

/// Lets the far side answer 486 to what crosses, and time pass until the edge is empty.
fn settle(edge: &mut Edge, came: &mut Came) {
    let mut at = SECOND;
    let mut seen = BTreeSet::new();
    for _ in 0..2_000 {
        let said = std::mem::take(&mut edge.said);
        for (hop, bytes) in said.sends {
            let bytes = bytes.to_vec();
            if hop.remote.ip() == address(PEERS[0].1).ip() {
                let status = status_of(&bytes);
                if status.is_some_and(|status| status >= 200) && seen.insert(bytes.clone()) {
                    came.finals.extend(status);
                }
                came.answers.push(bytes);
            } else if hop.remote.ip() == address(PEERS[2].1).ip() {
                if bytes.starts_with(b"INVITE ") && seen.insert(bytes.clone()) {
                    let invite = sim::text::Sip::read(&bytes).expect("the edge writes readable messages");
                    let busy = sim::text::Sip::response(&invite, 486, "Busy Here", "mark-trunk-x").write();
                    came.crossed.push(bytes);
                    let to = edge.address(hop.listener).unwrap();
                    edge.frame(at, hop.remote, to, hop.transport, hop.connection.0, &busy);
                }
            } else {
                came.elsewhere.push(format!("{hop:?}"));
            }
        }
        if !edge.said.sends.is_empty() {
            continue;
        }
        let Some(until) = edge.until.filter(|until| *until < 200 * SECOND) else { break };
        at = until.max(at);
        edge.input(at, Input::Wake);
    }
    let gauges = edge.gauges(at).clone();
    assert!(sim::ledger::is_empty(&gauges), "something is left behind: {gauges:?}");
}

fn check(name: &str, must: Must, transport: Transport, came: &Came) -> Option<String> {
    let crossed = came.crossed.len();
    let one_of =
        |statuses: &[u16]| came.finals.len() == 1 && came.finals.iter().all(|one| statuses.contains(one));
    let well = match must {
        Answer(statuses) => one_of(statuses) && crossed == 0,
        CrossOr(statuses) => (crossed == 1 && came.finals == [486]) || (crossed == 0 && one_of(statuses)),
        Silence => came.answers.is_empty() && crossed == 0,
        SilenceOr(statuses) => (came.answers.is_empty() || one_of(statuses)) && crossed == 0,
        Wait => came.answers.is_empty() && crossed == 0 && came.waits,
    };
    let text = format!("{name} over {transport}: must {must:?}, finals {:?}, crossed {crossed}", came.finals);
    (!well || !came.elsewhere.is_empty()).then(|| format!("{text} {:?}", came.elsewhere))
}

fn walk(set: &str, rows: &[(&str, Must, Option<Must>)]) {
    let Some(folder) = corpus(set) else { return };
    let index = fs::read_to_string(folder.join("index.tsv")).unwrap();
    let listed: BTreeSet<&str> = index
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next())
        .map(|name| name.trim_end_matches(".dat"))
        .collect();
    let known: BTreeSet<&str> = rows.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(listed, known, "a row for every file of the index");
    let mut faults = Vec::new();
    for (name, over_udp, on_stream) in rows {
        let path =
            [folder.join(format!("{name}.dat")), folder.join(name)].into_iter().find(|path| path.is_file());
        let bytes = fs::read(path.unwrap()).unwrap();
        faults.extend(check(name, *over_udp, Transport::Udp, &play(&bytes, Transport::Udp)));
        let mut came = play(&bytes, Transport::Tcp);
        if *name == "dblreq" {
            // On a stream the second message is one of its own; only the first is the row's.
            came.finals.truncate(1);
            came.crossed.clear();
        }
        if set == "rfc5118" && came.broken {
            // The surplus octets of the SDP files are no message: the stream is closed, perhaps with a 400 for them.
            came.finals.truncate(1);
        }
        faults.extend(check(name, on_stream.unwrap_or(*over_udp), Transport::Tcp, &came));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn f4_rfc4475_through_the_whole_engine() {
    walk("rfc4475", RFC4475);
}

#[test]
fn f4_rfc5118_through_the_whole_engine() {
    walk("rfc5118", RFC5118);
}

fn file(name: &str) -> Option<Vec<u8>> {
    let folder = corpus("rfc4475")?;
    Some(fs::read(folder.join(format!("{name}.dat"))).unwrap())
}

fn lines_of<'a>(bytes: &'a [u8], name: &[u8]) -> Vec<&'a [u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| line.starts_with(name)).collect()
}

#[test]
fn f4_an_unknown_method_gets_its_identity_back_octet_for_octet_and_learns_what_is_allowed() {
    let Some(bytes) = file("intmeth") else { return };
    let came = play(&bytes, Transport::Tcp);
    let answer = came.answers.first().expect("an answer");
    for name in [b"From:".as_slice(), b"Call-ID:", b"CSeq:"] {
        assert_eq!(lines_of(answer, name), lines_of(&bytes, name));
    }
    assert!(!lines_of(answer, b"Allow:").is_empty());
}

#[test]
fn f4_all_34_vias_come_back_in_order() {
    let Some(bytes) = file("longreq") else { return };
    let came = play(&bytes, Transport::Tcp);
    let answer = came.answers.last().expect("an answer");
    let limits = Limits::default();
    let sent = ringfence::sip::parse::parse(bytes.into(), &limits).unwrap();
    let back = ringfence::sip::parse::parse(answer.clone().into(), &limits).unwrap();
    let branch = |value: &[u8]| value.split(|byte| *byte == b';').next().map(<[u8]>::to_vec);
    let sent: Vec<_> = sent.values(ringfence::sip::HeaderName::Via).map(branch).collect();
    let back: Vec<_> = back.values(ringfence::sip::HeaderName::Via).map(branch).collect();
    assert_eq!(sent.len(), 34);
    assert_eq!(sent, back);
}

#[test]
fn f4_escapes_are_not_undone_twice_and_nothing_of_the_old_uri_is_repaired() {
    let Some(bytes) = file("esc01") else { return };
    let came = play(&bytes, Transport::Udp);
    for crossed in &came.crossed {
        let text = String::from_utf8_lossy(crossed);
        let line = text.lines().next().unwrap_or_default();
        assert!(!line.contains("valueA") && !line.contains("sips:user@example.com@"), "{line}");
    }
    let Some(bytes) = file("baddate") else { return };
    for crossed in &play(&bytes, Transport::Udp).crossed {
        assert!(!String::from_utf8_lossy(crossed).contains("EST"), "the bad Date went on");
    }
}
