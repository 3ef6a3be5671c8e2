//! What somebody can do who forges a peer's address, overhears a challenge, or asks from elsewhere at the same moment: to the
//! rightful user, nothing. Attack rows A4, A6, A10.

use std::sync::Arc;
use std::time::Duration;

use ringfence::policy::Policy;
use ringfence::policy::peer::PassedHeader;
use ringfence::sip::digest::Hash;
use ringfence::sip::{ConnectionId, Flow, HeaderName, Transport};

use super::credentials::{Client, OFFICE, challenged, challenges, demand, invite};
use super::edge::{Edge, OTHER, PBX, TRUNK, alter, from, plan};
use super::texts::{Request, answer, tag};

const GUESSER: Client = Client { password: "guessed it, did I?", ..OFFICE };

/// The PBX and its neighbour must show a password, of the same user in the same realm.
fn policy() -> Arc<Policy> {
    let demand = Arc::new(demand(&["office"], &[Hash::Sha256]));
    plan(|plan| {
        alter(plan, 0, |peer| peer.demand = Some(Arc::clone(&demand)));
        alter(plan, 2, |peer| peer.demand = Some(demand));
    })
}

/// A challenge, as it was overheard.
fn overheard(edge: &mut Edge, sender: &str, mark: &str) -> String {
    challenges(&challenged(edge, &invite(sender, mark))).remove(0)
}

/// What a signed request hears.
fn heard(edge: &mut Edge, request: &Request) -> Vec<u16> {
    edge.hear(from(&request.sender), &request.text()).statuses(&request.sender)
}

#[test]
fn a6_requests_of_two_sources_that_look_alike_take_no_count_from_each_other() {
    let mut edge = Edge::under(policy());
    // The same Call-ID, tag, branch and CSeq within the same second, as a copy of what was overheard would have.
    let (ours, theirs) = (invite(PBX, "alike"), invite(OTHER, "alike"));
    let (our_line, their_line) = (overheard(&mut edge, PBX, "alike"), overheard(&mut edge, OTHER, "alike"));
    assert_ne!(our_line, their_line);
    let again = |request: &Request| request.clone().with(|request| request.branch.push_str("-a"));
    assert_eq!(heard(&mut edge, &OFFICE.sign(&again(&theirs), &their_line, false)), [100]);
    assert_eq!(heard(&mut edge, &OFFICE.sign(&again(&ours), &our_line, false)), [100], "its first count");
}

#[test]
fn a4_one_overheard_nonce_is_one_wrong_answer_and_locks_nobody_out() {
    let mut edge = Edge::under(policy());
    let line = overheard(&mut edge, PBX, "before");
    let mut answers = Vec::new();
    for n in 1..=50 {
        let forged = Client { count: n, ..GUESSER }.sign(&invite(PBX, &format!("forged{n}")), &line, false);
        answers.push(heard(&mut edge, &forged));
    }
    assert!(answers.iter().all(|statuses| *statuses == [401]), "{answers:?}");
    assert_eq!(edge.count("wrong_passwords"), 1);
    // What was overheard is worth nothing any more, not even to who knows the password; and that one is told so.
    let seen = edge.hear(from(PBX), &OFFICE.sign(&invite(PBX, "same"), &line, false).text());
    assert_eq!(seen.statuses(PBX), [401]);
    let fresh = challenges(&seen.to(PBX)[0]).remove(0);
    assert!(fresh.ends_with("stale=true"), "{fresh}");
    assert_eq!(heard(&mut edge, &OFFICE.sign(&invite(PBX, "fresh"), &fresh, false)), [100]);
}

#[test]
fn a6_an_overheard_proof_is_told_once_and_its_nonce_is_worth_nothing_any_more() {
    let mut edge = Edge::under(policy());
    let line = overheard(&mut edge, PBX, "before");
    let proven = OFFICE.sign(&invite(PBX, "real"), &line, false);
    assert_eq!(heard(&mut edge, &proven), [100]);
    let mut told = Vec::new();
    for n in 0..20 {
        let replay = proven.clone().with(|request| {
            request.branch = format!("z9hG4bK-replay{n}");
            request.call_id = format!("replay{n}");
        });
        let seen = edge.hear(from(PBX), &replay.text());
        told.push((seen.statuses(PBX), seen.codes(), seen.records.len()));
    }
    assert_eq!(told.remove(0), (vec![403], vec![39203], 1));
    assert!(told.iter().all(|one| *one == (vec![401], vec![], 0)), "{told:?}");
}

/// svcrack does either. A guess is only tried under a nonce that is good, so that who keeps one that is not learns nothing.
#[test]
fn a4_a_guesser_is_locked_out_after_five_whether_it_fetches_a_nonce_for_each_guess_or_keeps_one() {
    for keeps in [false, true] {
        let mut edge = Edge::under(policy());
        let mut line = overheard(&mut edge, PBX, "first");
        let mut sent = 0;
        let locked = (1..=40).find(|n| {
            if !keeps && *n > 1 {
                line = overheard(&mut edge, PBX, &format!("fetch{n}"));
            }
            sent += 1;
            let guess =
                Client { count: *n, ..GUESSER }.sign(&invite(PBX, &format!("guess{n}")), &line, false);
            let seen = edge.hear(from(PBX), &guess.text());
            let answer = seen.to(PBX).remove(0);
            let next = challenges(&answer).pop().unwrap_or_default();
            if next.ends_with("stale=true") {
                line = next;
            }
            answer.status() == Some(403)
        });
        assert_eq!(locked, Some(if keeps { 9 } else { 5 }), "one guess and one stale answer by turns");
        assert_eq!((edge.count("wrong_passwords"), sent), (5, if keeps { 9 } else { 5 }));
        assert_eq!(heard(&mut edge, &OFFICE.sign(&invite(PBX, "late"), &line, false)).len(), 1);
        let line = overheard(&mut edge, PBX, "right");
        assert_eq!(heard(&mut edge, &OFFICE.sign(&invite(PBX, "right"), &line, false)), [403], "{keeps}");
    }
}

/// Whoever overhears datagrams may guess in another's name: streams from there, which nobody forges, go on.
#[test]
fn a4_five_guesses_by_datagrams_lock_no_stream_and_five_by_a_stream_lock_both() {
    for by_stream in [false, true] {
        let mut edge = Edge::under(policy());
        let flow = |by_stream| if by_stream { stream(7) } else { from(PBX) };
        let text = |by_stream, request: &Request| if by_stream { over_tcp(request) } else { request.text() };
        let mut codes = Vec::new();
        for n in 0..5 {
            let line = overheard(&mut edge, PBX, &format!("fetch{n}"));
            let guess = GUESSER.sign(&invite(PBX, &format!("guess{n}")), &line, false);
            codes.extend(edge.hear(flow(by_stream), &text(by_stream, &guess)).alerts);
        }
        let lock = codes.iter().find(|alert| alert.code.number == 39202).expect("a lock");
        let held = if by_stream { "datagrams and streams" } else { "datagrams" };
        assert!(lock.evidence.contains(&("holds_for", held.to_owned())), "{lock:?}");
        for (try_stream, locked) in [(false, true), (true, by_stream)] {
            let line = overheard(&mut edge, PBX, &format!("right{try_stream}"));
            let right = OFFICE.sign(&invite(PBX, &format!("right{try_stream}")), &line, false);
            edge.hear(flow(try_stream), &text(try_stream, &right));
            edge.pass(Duration::from_secs(1));
            let proven = edge.count("proven") > 0;
            assert_eq!(proven, !locked, "guessed by a stream: {by_stream}, tried by one: {try_stream}");
        }
    }
}

/// The same, where the PBX may ask so often.
fn slow(requests_per_second: u32) -> Arc<Policy> {
    plan(|plan| {
        alter(plan, 0, |pbx| {
            pbx.demand = Some(Arc::new(demand(&["office"], &[Hash::Sha256])));
            pbx.requests_per_second_max = requests_per_second;
            pbx.requests_burst_max = requests_per_second;
        });
    })
}

fn stream(connection: u64) -> Flow {
    Flow { transport: Transport::Tcp, connection: ConnectionId(connection), ..from(PBX) }
}

fn over_tcp(request: &Request) -> String {
    request.text().replace("SIP/2.0/UDP", "SIP/2.0/TCP")
}

/// What somebody may send who forges the PBX's address and has heard nothing, one of each kind.
fn forged(mark: &str) -> Vec<Request> {
    let marked = |method: &str| {
        Request::new(method, PBX).with(|request| {
            request.branch = format!("z9hG4bK{mark}{method}");
            request.call_id = format!("{mark}{method}");
        })
    };
    let line = "Digest realm=\"edge.example\", nonce=\"AAAA\", algorithm=SHA-256, qop=\"auth\"";
    let guess = GUESSER.sign(&marked("INVITE").with(|request| request.branch.push('g')), line, false);
    let methods = ["INVITE", "MESSAGE", "OPTIONS", "REGISTER", "SUBSCRIBE", "BYE", "INFO", "NONSENSE"];
    methods.iter().map(|method| marked(method)).chain([guess]).collect()
}

#[test]
fn a10_forged_datagrams_do_not_keep_the_peer_from_being_asked() {
    let mut edge = Edge::under(slow(5));
    for second in 0..10 {
        for n in 0..20 {
            for request in forged(&format!("f{second}-{n}")) {
                edge.hear(from(PBX), &request.text());
            }
        }
        // The first of the real one, over any transport, under no nonce.
        let real = invite(PBX, &format!("udp{second}"));
        let seen = edge.hear(from(PBX), &real.text());
        assert_eq!(seen.statuses(PBX), [401], "{second}: over UDP");
        let line = challenges(&seen.to(PBX)[0]).remove(0);
        assert_eq!(
            heard(&mut edge, &OFFICE.sign(&real.with(|real| real.branch.push('a')), &line, false)),
            [100]
        );
        let real = invite(PBX, &format!("tcp{second}"));
        assert_eq!(edge.hear(stream(7), &over_tcp(&real)).statuses(PBX), [401], "{second}: over TCP");
        let options =
            Request::new("OPTIONS", PBX).with(|request| request.branch.push_str(&format!("o{second}")));
        assert_eq!(
            edge.hear(stream(7), &over_tcp(&options)).statuses(PBX),
            [200],
            "{second}: OPTIONS over TCP"
        );
        edge.pass(Duration::from_secs(1));
    }
}

#[test]
fn a10_the_flood_of_challenges_is_bounded_and_told() {
    let mut edge = Edge::under(slow(5));
    let mut answered = 0;
    for n in 0..3_000 {
        let seen = edge.hear(from(PBX), &invite(PBX, &format!("f{n}")).text());
        answered += seen.sent.len();
        assert!(
            seen.sent.is_empty() || seen.statuses(PBX) == [401],
            "no refusal, which would end a real call"
        );
    }
    assert_eq!(answered, 1_000);
    let alerts = edge.pass(Duration::from_secs(2)).alerts;
    let told: Vec<_> = alerts.iter().filter(|alert| alert.code.number == 32001).collect();
    assert_eq!((told.len(), told[0].count), (1, 2_000), "{told:?}");
    assert!(told[0].text.contains("forges its address"), "{}", told[0].text);
    assert_eq!(heard(&mut edge, &invite(PBX, "later")), [401]);
}

#[test]
fn a10_what_proves_nothing_over_a_stream_spends_nothing_of_what_is_proven() {
    let mut edge = Edge::under(slow(5));
    let line = overheard(&mut edge, PBX, "before");
    let mut refused = 0;
    for n in 0..1_200 {
        let seen = edge.hear(stream(3), &over_tcp(&invite(PBX, &format!("s{n}"))));
        refused += usize::from(seen.statuses(PBX) == [480]);
    }
    assert_eq!(refused, 50, "over a stream it is told so: law 7");
    for n in 1..=5 {
        let signed = Client { count: n, ..OFFICE }.sign(&invite(PBX, &format!("real{n}")), &line, false);
        assert_eq!(heard(&mut edge, &signed), [100], "{n}");
    }
}

#[test]
fn a10_a_known_nonce_alone_spends_nothing_of_the_peers_own_bucket() {
    let mut edge = Edge::under(slow(5));
    let line = overheard(&mut edge, PBX, "before");
    for method in ["OPTIONS", "REGISTER", "SUBSCRIBE"] {
        for n in 0..20 {
            let request =
                Request::new(method, PBX).with(|request| request.branch.push_str(&format!("{method}{n}")));
            edge.hear(from(PBX), &OFFICE.sign(&request, &line, false).text());
        }
    }
    for n in 1..=5 {
        let signed = Client { count: n, ..OFFICE }.sign(&invite(PBX, &format!("real{n}")), &line, false);
        assert_eq!(heard(&mut edge, &signed), [100], "{n}");
    }
    // Over its own bucket it is told so, and each copy of that proof again: none of them is a replay.
    let sixth = Client { count: 6, ..OFFICE }.sign(&invite(PBX, "real6"), &line, false);
    for _ in 0..3 {
        let seen = edge.hear(from(PBX), &sixth.text());
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![480], vec![]));
    }
    edge.pass(Duration::from_secs(1));
    assert_eq!(heard(&mut edge, &sixth), [100]);
}

/// Everything that comes back for one datagram, all copies until the last timer ends, is no more than what came; and nothing of
/// it is remembered.
#[test]
fn a10_no_datagram_that_proves_nothing_brings_more_back_than_it_is_nor_leaves_a_trace() {
    let mut edge = Edge::under(slow(5));
    let invite = |mark: &str| Request::new("INVITE", PBX).with(|request| request.branch.push_str(mark));
    let more = |mark: &str, more: &str| invite(mark).with(|request| request.more.push_str(more)).text();
    let tagged = |method: &str| {
        Request::new(method, PBX).with(|request| {
            request.branch.push_str(&format!("tag{method}"));
            request.to_tag = "0123456789abcdef".into();
        })
    };
    let tiny = |method: &str| {
        format!(
            "{method} sip:1@a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK{method}\r\nf:<sip:1@a>;tag=1\r\nt:<sip:1@a>\r\n\
             i:1{method}\r\nCSeq:1 {method}\r\nMax-Forwards:0\r\nl:0\r\n\r\n"
        )
    };
    let mut datagrams: Vec<String> = forged("one").iter().map(Request::text).collect();
    datagrams.extend([
        invite("hops").text().replace("Max-Forwards: 70", "Max-Forwards: 0"),
        tagged("INVITE").text().replace("Max-Forwards: 70", "Max-Forwards: 0"),
        tagged("BYE").text(),
        tagged("INFO").text(),
        more("require", "Require: a-thing-that-is-not-served\r\n"),
        invite("scheme").text().replace("INVITE sip:", "INVITE urn:"),
        more("twice", "Authorization: Digest realm=\"edge.example\", nonce=\"\"\r\n"),
        more("twice2", &"Authorization: Digest realm=\"edge.example\"\r\n".repeat(9)),
        invite("caller").text().replace("From: <sip:+12125550100@", "From: <sip:%ZZ@"),
        "INVITE sip:1@a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKm\r\n\r\n".to_owned(),
        "INVITE sip:1@a SIP/9.0\r\nVia: SIP/2.0/UDP a\r\nFrom: x\r\nTo: x\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n".to_owned(),
    ]);
    for method in ["INVITE", "OPTIONS", "REGISTER", "BYE", "CANCEL", "MESSAGE", "ACK"] {
        datagrams.push(tiny(method));
        datagrams.push(tagged(method).text().replace(";tag=0123456789abcdef", ";tag=9"));
    }
    // Until every bucket is full, and then some.
    for round in 0..3 {
        for text in &datagrams {
            let text = text.replace("z9hG4bK", &format!("z9hG4bK{round}"));
            let mut seen = edge.hear(from(PBX), &text);
            let (gauges, _, _) = edge.status();
            assert_eq!(gauges, ringfence::engine::Gauges::default(), "left by {text}");
            if round == 0 {
                let later = edge.pass(Duration::from_secs(40));
                seen.sent.extend(later.sent);
                seen.records.extend(later.records);
            }
            let back: usize = seen.sent.iter().map(|(_, bytes)| bytes.len()).sum();
            assert!(back <= text.len(), "{back} octets for {}: {text}\n{:?}", text.len(), seen.sent);
            assert!(seen.records.is_empty(), "a record of {text}");
        }
    }
    edge.assert_empty();
}

/// RFC 3261 §8.2: who asks is settled first; then the attempt of whom it is leaves its record.
#[test]
fn who_asks_is_settled_before_what_it_asks_for() {
    for (mark, altered) in [
        ("hops", ("Max-Forwards: 70", "Max-Forwards: 0")),
        ("require", ("CSeq:", "Require: a-thing-that-is-not-served\r\nCSeq:")),
    ] {
        let mut edge = Edge::under(policy());
        let request = invite(PBX, mark);
        let seen = edge.hear(from(PBX), &request.text().replace(altered.0, altered.1));
        assert_eq!((seen.statuses(PBX), seen.codes(), seen.records.len()), (vec![401], vec![], 0), "{mark}");
        let proven = OFFICE.again(&request, &seen.to(PBX)[0]);
        let seen = edge.hear(from(PBX), &proven.text().replace(altered.0, altered.1));
        assert_eq!(seen.records.len(), 1, "{mark}");
        assert_eq!(seen.records[0].credential.as_deref(), Some("office"));
    }
}

/// Law 2: a password is not asked for where anybody on the way can guess at its proof, and what is refused for that is refused
/// as any forged datagram.
#[test]
fn no_password_is_asked_for_in_the_open_where_the_policy_wants_tls() {
    let mut edge = Edge::under(plan(|plan| {
        alter(plan, 0, |pbx| {
            pbx.demand = Some(Arc::new(demand(&["office"], &[Hash::Sha256])));
            pbx.plain_signalling = false;
        });
    }));
    let seen = edge.hear(from(PBX), &invite(PBX, "udp").text());
    assert_eq!((seen.statuses(PBX), seen.codes(), seen.records.len()), (vec![403], vec![32209], 0));
    edge.assert_empty();
    let seen = edge.hear(stream(1), &over_tcp(&invite(PBX, "tcp")));
    assert_eq!((seen.statuses(PBX), seen.codes(), seen.records.len()), (vec![403], vec![32209], 1));
}

/// A9: who sent a call on pays for it at many carriers: nobody says it was somebody whom its credential does not list, where
/// some peer would hear it. What names nobody, and the number called as the last of the history, are no such word.
#[test]
fn a9_nobody_names_as_diverting_whom_its_credential_does_not_list() {
    let opened = |open: bool| {
        let demand = Arc::new(demand(&["office"], &[Hash::Sha256]));
        plan(|plan| {
            alter(plan, 0, |peer| peer.demand = Some(demand));
            let known = [HeaderName::Diversion, HeaderName::HistoryInfo].map(PassedHeader::Known);
            alter(plan, if open { 1 } else { 0 }, |peer| peer.pass_headers = known.to_vec());
        })
    };
    let (own, other, called) =
        ("<sip:+12125550100@x>", "<sip:+19995550100@x>", "<sip:+13125550199@10.0.0.1>");
    let table = [
        (format!("Diversion: {own};reason=no-answer"), true),
        (format!("Diversion: {other};reason=no-answer"), false),
        (format!("Diversion: {own}, {other}"), false),
        (format!("Diversion: {own}\r\nDiversion: {other}"), false),
        (format!("Diversion: {other};privacy=full"), false),
        ("Diversion: <tel:+19995550100>".to_owned(), false),
        ("Diversion: <sip:%2B19995550100@x>".to_owned(), false),
        (format!("Diversion: {called}"), false),
        ("Diversion: <sip:anonymous@anonymous.invalid>, <sip:x.example>".to_owned(), true),
        (format!("History-Info: {own};index=1, {called};index=1.1"), true),
        (format!("History-Info: {called};index=1"), true),
        (format!("History-Info: {other};index=1, {called};index=1.1"), false),
        (format!("History-Info: {called};index=1, {own};index=1.1"), false),
        (format!("History-Info: {own};index=1, {other};index=1.1"), false),
        ("History-Info: <sip:anonymous@anonymous.invalid>;index=1".to_owned(), true),
    ];
    for (n, (line, may)) in table.iter().enumerate() {
        for open in [true, false] {
            let mut edge = Edge::under(opened(open));
            let request = invite(PBX, &format!("diverted{n}"));
            let request = request.with(|request| request.more.push_str(&format!("{line}\r\n")));
            let response = challenged(&mut edge, &request);
            let seen = edge.hear(from(PBX), &OFFICE.again(&request, &response).text());
            if *may || !open {
                assert_eq!(seen.statuses(PBX), [100], "{line} {open}");
                continue;
            }
            assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32106]), "{line}");
            assert_eq!(seen.alerts[0].rule.as_deref(), Some("peers.pbx.credentials[0].from"));
            let header = line.split(':').next().unwrap();
            assert!(seen.alerts[0].text.contains(header), "{}", seen.alerts[0].text);
            assert!(seen.to(TRUNK).is_empty());
        }
    }
}

#[test]
fn a9_nor_does_it_within_its_call() {
    let mut edge = Edge::under(plan(|plan| {
        alter(plan, 0, |peer| peer.demand = Some(Arc::new(demand(&["office"], &[Hash::Sha256]))));
        alter(plan, 1, |peer| {
            peer.pass_headers =
                [HeaderName::Diversion, HeaderName::HistoryInfo].map(PassedHeader::Known).to_vec()
        });
    }));
    let request = invite(PBX, "one");
    let response = challenged(&mut edge, &request);
    let proven = OFFICE.again(&request, &response);
    let leaving = edge.hear(from(PBX), &proven.text()).to(TRUNK).remove(0);
    let seen = edge.hear(from(TRUNK), &answer(&leaving, 200, "b", TRUNK));
    let ok = seen.to(PBX).into_iter().find(|message| message.status() == Some(200)).unwrap();
    let within = |method: &str, cseq, more: &str| Request {
        method: method.into(),
        to_tag: tag(ok.to_tag()),
        branch: format!("z9hG4bK-in-{method}{cseq}"),
        cseq,
        more: more.into(),
        body: String::new(),
        ..proven.clone()
    };
    edge.hear(from(PBX), &within("ACK", 2, "").text());
    let other = within("UPDATE", 3, "Diversion: <sip:+19995550100@x>\r\n");
    let seen = edge.hear(from(PBX), &other.text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32106]));
    let itself = within("UPDATE", 4, "Diversion: <sip:+12125550100@x>\r\n");
    assert!(edge.hear(from(PBX), &itself.text()).codes().is_empty());
    // A machine that repeats its history ends it with whom the call was for, whatever contact the request names: holding
    // a call is no forgery. Nobody else may stand there, nor the same number before the last.
    let (own, other, called) =
        ("<sip:+12125550100@x>", "<sip:+19995550100@x>", "<sip:+13125550199@10.0.0.1>");
    for (n, (history, may)) in [
        (format!("{own};index=1, {called};index=1.1"), true),
        (format!("{called};index=1"), true),
        (format!("{other};index=1, {called};index=1.1"), false),
        (format!("{called};index=1, {own};index=1.1"), false),
        (format!("{own};index=1, {other};index=1.1"), false),
    ]
    .into_iter()
    .enumerate()
    {
        let cseq = 5 + u32::try_from(n).unwrap();
        let seen =
            edge.hear(from(PBX), &within("UPDATE", cseq, &format!("History-Info: {history}\r\n")).text());
        assert_eq!(seen.codes(), if may { vec![] } else { vec![32106] }, "{history}");
        assert_eq!(seen.statuses(PBX) == [403], !may, "{history}");
    }
}
