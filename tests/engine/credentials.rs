//! A peer that must show a password: asked, proven, replayed, guessed at; through the whole engine.

use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::Input;
use ringfence::policy::Policy;
use ringfence::policy::credential::{Credential, Demand, DigestUri};
use ringfence::policy::route::Pattern;
use ringfence::policy::verdict::Said;
use ringfence::sip::digest::{Answer, Challenge, Ha1, Hash};
use ringfence::sip::{HeaderName, Message};

use super::edge::{Edge, OTHER, PBX, PBX_TOO, Seen, TRUNK, alter, from, plan};
use super::texts::{Request, answer, header, tag};

const PASSWORD: &str = "correct horse battery";
const CALLER: &str = "+12125550100";

/// A demand with one user for each name, all with the same password.
pub fn demand(users: &[&str], hashes: &[Hash]) -> Demand {
    let credential = |user: &&str| {
        let key = |hash: &Hash| Ha1::new(*hash, user.as_bytes(), b"edge.example", PASSWORD.as_bytes());
        Arc::new(Credential {
            user: Arc::from(*user),
            keys: hashes.iter().map(key).collect(),
            callers: vec![Pattern::Exact(Arc::from(CALLER))],
            owned: None,
        })
    };
    Demand {
        realm: "edge.example".into(),
        hashes: hashes.iter().copied().collect(),
        proxy: false,
        uri: DigestUri::Request,
        credentials: users.iter().map(credential).collect(),
    }
}

fn policy(change: impl FnOnce(&mut Demand)) -> Arc<Policy> {
    let mut demand = demand(&["office"], &[Hash::Sha256, Hash::Sha512T256]);
    change(&mut demand);
    let demand = Some(Arc::new(demand));
    plan(|plan| {
        alter(plan, 0, |peer| peer.demand = demand.clone());
        alter(plan, 2, |peer| peer.demand = demand);
    })
}

/// An INVITE as long as a PBX's, with another mark in what tells it from others.
pub fn invite(sender: &str, mark: &str) -> Request {
    Request::new("INVITE", sender).with(|request| {
        request.branch = format!("z9hG4bK-{mark}");
        request.call_id = format!("call-{mark}@example.com");
        request.from_tag = format!("from-{mark}");
        request.more.push_str("User-Agent: A PBX of some make, its version and where it was made\r\nAllow: ");
        request.more.push_str("INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO, NOTIFY, REFER\r\n");
    })
}

/// Who answers a challenge.
#[derive(Clone, Copy)]
pub struct Client {
    pub user: &'static str,
    pub password: &'static str,
    pub count: u32,
}

pub const OFFICE: Client = Client { user: "office", password: PASSWORD, count: 1 };

pub fn challenges(response: &Message) -> Vec<String> {
    let name = if response.status() == Some(407) {
        HeaderName::ProxyAuthenticate
    } else {
        HeaderName::WwwAuthenticate
    };
    response.lines(name).map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

impl Client {
    /// The same request again, as the next, with the answer to the topmost challenge.
    pub fn again(self, request: &Request, challenged: &Message) -> Request {
        let line = challenges(challenged).remove(0);
        let mut next = request.clone();
        next.branch += "-a";
        next.cseq += 1;
        self.sign(&next, &line, challenged.status() == Some(407))
    }

    pub fn sign(self, request: &Request, line: &str, proxy: bool) -> Request {
        let challenge = Challenge::read(line.as_bytes()).unwrap().unwrap();
        let hash = challenge.algorithm.hash;
        let ha1 = Ha1::new(hash, self.user.as_bytes(), &challenge.realm, self.password.as_bytes());
        let with = Answer {
            user: self.user,
            ha1: &ha1,
            method: request.method.as_bytes(),
            uri: request.uri.as_bytes(),
            cnonce: b"0a4f113b",
            count: self.count,
            body: b"",
        };
        let value = String::from_utf8(challenge.answer(&with).unwrap()).unwrap();
        let name = if proxy { "Proxy-Authorization" } else { "Authorization" };
        request.clone().with(|request| request.more.push_str(&format!("{name}: {value}\r\n")))
    }
}

/// Sends an INVITE without credentials and hands out its challenge.
pub fn challenged(edge: &mut Edge, request: &Request) -> Message {
    let seen = edge.hear(from(&request.sender), &request.text());
    assert_eq!(seen.sent.len(), 1);
    seen.to(&request.sender).remove(0)
}

/// A whole attempt of somebody who answers a challenge.
fn attempt(edge: &mut Edge, client: Client, sender: &str, mark: &str) -> Seen {
    let request = invite(sender, mark);
    let response = challenged(edge, &request);
    edge.hear(from(sender), &client.again(&request, &response).text())
}

#[test]
fn who_shows_no_password_is_asked_and_leaves_no_state() {
    let mut edge = Edge::under(policy(|_| {}));
    let request = invite(PBX, "one");
    let seen = edge.hear(from(PBX), &request.text());
    assert_eq!((seen.statuses(PBX), seen.codes(), seen.records.len()), (vec![401], vec![], 0));
    assert_eq!(seen.sent.len(), 1, "nothing but the challenge");
    let response = seen.to(PBX).remove(0);
    let offered = challenges(&response);
    assert_eq!(offered.len(), 2);
    assert!(offered[0].contains("algorithm=SHA-256, qop=\"auth\""), "{offered:?}");
    assert!(offered[1].contains("algorithm=SHA-512-256, qop=\"auth\""), "{offered:?}");
    assert!(offered.iter().all(|line| line.starts_with("Digest realm=\"edge.example\", nonce=\"")));
    assert!(header(&response, "Warning").is_empty() && header(&response, "Reason").is_empty());
    edge.assert_empty();
    // A copy gets a copy; its ACK is nobody's, and an ACK asks for nothing.
    assert_eq!(edge.hear(from(PBX), &request.text()).sent, seen.sent);
    let ack =
        Request { method: "ACK".into(), to_tag: tag(response.to_tag()), body: String::new(), ..request };
    assert!(edge.hear(from(PBX), &ack.text()).sent.is_empty());
    assert_eq!((edge.count("challenged"), edge.count("stray_acks"), edge.count("proven")), (2, 1, 0));
    edge.assert_empty();
}

#[test]
fn who_shows_it_gets_in_and_the_record_names_the_user() {
    for hash in Hash::ALL {
        let mut edge = Edge::under(policy(|demand| *demand = self::demand(&["office"], &[hash])));
        let seen = attempt(&mut edge, OFFICE, PBX, "one");
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![100], vec![]), "{hash:?}");
        let leaving = seen.to(TRUNK).remove(0);
        let text = String::from_utf8_lossy(leaving.bytes()).into_owned();
        assert!(!text.contains("Authorization") && !text.contains("office"), "{text}");
        let seen = edge.hear(from(TRUNK), &answer(&leaving, 486, "b", TRUNK));
        assert_eq!(seen.records[0].credential.as_deref(), Some("office"));
        assert_eq!(edge.count("proven"), 1);
    }
}

#[test]
fn a_407_is_answered_by_proxy_authorization_alone() {
    let mut edge = Edge::under(policy(|demand| demand.proxy = true));
    let request = invite(PBX, "one");
    let response = challenged(&mut edge, &request);
    assert_eq!(response.status(), Some(407));
    let wrong_name = OFFICE.again(&request, &response);
    let wrong_name = wrong_name.text().replace("Proxy-Authorization", "Authorization");
    assert_eq!(edge.hear(from(PBX), &wrong_name).statuses(PBX), [407]);
    let seen = edge.hear(from(PBX), &OFFICE.again(&request, &response).text().replace("one-a", "one-b"));
    assert_eq!(seen.statuses(PBX), [100]);
}

#[test]
fn a6_a_proof_counts_once_for_one_request_from_one_source_for_five_minutes() {
    let mut edge = Edge::under(policy(|_| {}));
    let request = invite(PBX, "one");
    let response = challenged(&mut edge, &request);
    let proven = OFFICE.again(&request, &response);
    // Another method, another number: nothing that the proof covers.
    let mut other = proven.clone().with(|request| request.uri = "sip:+19005550100@10.0.0.1".into());
    assert_eq!(edge.hear(from(PBX), &other.text()).statuses(PBX), [401]);
    let spent = challenged(&mut edge, &invite(PBX, "spent"));
    other = OFFICE.again(&request, &spent).with(|request| request.method = "MESSAGE".into());
    assert_eq!(edge.hear(from(PBX), &other.text()).statuses(PBX), [401]);
    // Another source: its nonce is none of ours there.
    let seen = edge.hear(from(PBX_TOO), &proven.text());
    assert_eq!(seen.statuses(PBX_TOO), [401]);
    assert!(challenges(&seen.to(PBX_TOO)[0])[0].ends_with("stale=true"));
    assert_eq!(edge.hear(from(PBX), &proven.text()).statuses(PBX), [100], "itself");
    // The next count of the same nonce needs no challenge, in any order within the window.
    let line = challenges(&response).remove(0);
    for (count, mark) in [(4, "four"), (2, "two"), (3, "three")] {
        let signed = Client { count, ..OFFICE }.sign(&invite(PBX, mark), &line, false);
        assert_eq!(edge.hear(from(PBX), &signed.text()).statuses(PBX), [100], "{count}");
    }
    // Again as another request.
    let replay = proven.clone().with(|request| request.branch = "z9hG4bK-replay".into());
    let replay = replay.with(|request| request.call_id = "replay".into());
    let seen = edge.hear(from(PBX), &replay.text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![39203]));
    assert_eq!((seen.to(TRUNK).len(), seen.records.len()), (0, 1));
    // A copy of it is asked anew, and nothing more is told.
    let seen = edge.hear(from(PBX), &replay.text());
    assert_eq!((seen.statuses(PBX), seen.codes(), seen.records.len()), (vec![401], vec![], 0));
    edge.pass(Duration::from_secs(301));
    let signed = Client { count: 5, ..OFFICE }.sign(&invite(PBX, "late"), &line, false);
    let seen = edge.hear(from(PBX), &signed.text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![401], vec![]));
    let offered = challenges(&seen.to(PBX)[0]);
    assert!(offered.iter().all(|line| line.ends_with("stale=true")), "{offered:?}");
}

#[test]
fn a4_five_wrong_passwords_lock_their_source_and_user_and_nobody_else() {
    let mut edge = Edge::under(policy(|_| {}));
    let guesser = Client { password: "guessed it, did I?", ..OFFICE };
    for n in 1..=5 {
        let seen = attempt(&mut edge, guesser, PBX, &format!("guess{n}"));
        let expected = if n < 5 { (vec![401], vec![32202]) } else { (vec![403], vec![39202, 32202]) };
        assert_eq!((seen.statuses(PBX), seen.codes()), expected, "{n}");
        assert!(seen.to(TRUNK).is_empty());
        // The attempt that is refused for good leaves its record; one that is asked again has not ended.
        let told: Vec<_> =
            seen.records.iter().map(|record| (record.status, record.code, &*record.why)).collect();
        let refused = (403, Some(32202), "bad_credentials: the password or the user is wrong");
        assert_eq!(told, if n < 5 { vec![] } else { vec![refused] });
        let evidence = [("user", "office".to_owned()), ("holds_for", "datagrams".to_owned())];
        assert_eq!(seen.alerts[0].evidence, evidence[..if n < 5 { 1 } else { 2 }], "{n}");
    }
    let seen = attempt(&mut edge, OFFICE, PBX, "right-and-late");
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32202]), "the right one is too late");
    assert_eq!(seen.records.len(), 1);
    assert!(seen.records[0].why.contains("too many wrong passwords"), "{}", seen.records[0].why);
    let seen = attempt(&mut edge, OFFICE, PBX_TOO, "rightful");
    assert_eq!(seen.statuses(PBX_TOO), [100], "from elsewhere it gets in");
    edge.pass(Duration::from_secs(15 * 60 + 1));
    assert_eq!(attempt(&mut edge, OFFICE, PBX, "after").statuses(PBX), [100]);
    assert_eq!(edge.count("wrong_passwords"), 5);
}

/// The admin puts the password right on both sides and reloads: nobody waits for a lock that stood for the old one. A
/// reload that changes another peer's frees nobody.
#[test]
fn a4_another_password_frees_its_user_at_once() {
    let mut edge = Edge::under(policy(|_| {}));
    let guesser = Client { password: "guessed it, did I?", ..OFFICE };
    for n in 1..=5 {
        attempt(&mut edge, guesser, PBX, &format!("guess{n}"));
    }
    edge.input(Input::Reload(policy(|_| {})));
    assert_eq!(attempt(&mut edge, OFFICE, PBX, "same").statuses(PBX), [403], "nothing changed");
    edge.input(Input::Reload(policy(|demand| *demand = self::demand(&["office"], &Hash::ALL))));
    assert_eq!(
        attempt(&mut edge, OFFICE, PBX, "hashes").statuses(PBX),
        [403],
        "the same password by more hashes"
    );
    edge.input(Input::Reload(policy(|demand| {
        for credential in &mut demand.credentials {
            let credential = Arc::make_mut(credential);
            let key =
                |hash: &Hash| Ha1::new(*hash, b"office", demand.realm.as_bytes(), b"guessed it, did I?");
            credential.keys = demand.hashes.iter().map(key).collect();
        }
    })));
    assert_eq!(attempt(&mut edge, guesser, PBX, "changed").statuses(PBX), [100]);
}

#[test]
fn a5_the_answers_tell_nothing_of_which_users_there_are() {
    let play = |user: &'static str| {
        let mut edge = Edge::under(policy(|_| {}));
        let guesser = Client { user, password: "guessed it, did I?", count: 1 };
        let mut heard = Vec::new();
        for n in 0..7 {
            let seen = attempt(&mut edge, guesser, PBX, &format!("guess{n}"));
            heard.extend(seen.sent.into_iter().map(|(_, bytes)| bytes));
        }
        heard
    };
    assert_eq!(play("office"), play("nobody"), "octet for octet");
}

#[test]
fn a7_two_proofs_broken_ones_and_too_many_are_refused() {
    let mut edge = Edge::under(policy(|_| {}));
    let request = invite(PBX, "one");
    let response = challenged(&mut edge, &request);
    let proven = OFFICE.again(&request, &response).text();
    let line = proven.lines().find(|line| line.starts_with("Authorization")).unwrap().to_owned();
    let with = |mark: &str, more: &str| proven.replace("one-a", mark).replace(&line, more);
    for (mark, more) in [
        ("two", format!("{line}\r\n{line}")),
        ("broken", line.replace("nc=00000001", "nc=1")),
        ("twice", line.replace("realm=", "realm=\"x\", realm=")),
        (
            "many",
            ["Authorization: Digest username=\"a\", realm=\"b\", nonce=\"c\", uri=\"d\", \
              response=\"0123456789abcdef0123456789abcdef\""; 9]
                .join("\r\n"),
        ),
        ("long", line.replace("cnonce=\"", &format!("cnonce=\"{}", "x".repeat(2_000)))),
    ] {
        let seen = edge.hear(from(PBX), &with(mark, &more));
        assert_eq!((seen.statuses(PBX), seen.to(TRUNK).len()), (vec![400], 0), "{mark}");
    }
    // For another realm, or of another scheme, it is none of ours.
    for (mark, more) in [("realm", line.replace("edge.", "x.")), ("scheme", "Authorization: Bearer x".into())]
    {
        assert_eq!(edge.hear(from(PBX), &with(mark, &more)).statuses(PBX), [401], "{mark}");
    }
    assert_eq!(edge.hear(from(PBX), &with("last", &line)).statuses(PBX), [100], "and it was never counted");
}

#[test]
fn a9_a_credential_calls_as_whom_it_may() {
    let mut edge = Edge::under(policy(|_| {}));
    for (mark, altered, expected) in [
        ("other", ("From: <sip:+12125550100@", "From: <sip:+19995550100@"), 403),
        ("nobody", ("From: <sip:+12125550100@", "From: <sip:anonymous@"), 403),
        ("asserts", ("CSeq:", "P-Asserted-Identity: <sip:+19995550100@x>\r\nCSeq:"), 403),
        ("prefers", ("CSeq:", "P-Preferred-Identity: <sip:+19995550100@x>\r\nCSeq:"), 403),
        ("party", ("CSeq:", "Remote-Party-ID: <sip:+19995550100@x>;party=calling\r\nCSeq:"), 403),
        (
            "party in quotes",
            ("CSeq:", "Remote-Party-ID: <sip:+19995550100@x>;party=\"calling\"\r\nCSeq:"),
            403,
        ),
        ("party of none", ("CSeq:", "Remote-Party-ID: <sip:+19995550100@x>\r\nCSeq:"), 403),
        ("unreadable", ("CSeq:", "P-Asserted-Identity: <sip:+1@x>, <sip:+2@x>\r\nCSeq:"), 400),
        ("unreadable too", ("CSeq:", "P-Preferred-Identity: <sip:+1@x>, <sip:+2@x>\r\nCSeq:"), 400),
        ("called party", ("CSeq:", "Remote-Party-ID: <sip:+19995550100@x>;party=called\r\nCSeq:"), 100),
        ("preferred itself", ("CSeq:", "P-Preferred-Identity: <sip:+12125550100@x>\r\nCSeq:"), 100),
        ("itself", ("CSeq:", "P-Asserted-Identity: <sip:+12125550100@x>\r\nCSeq:"), 100),
    ] {
        let mark = &mark.replace(' ', "-");
        let request = invite(PBX, mark);
        let response = challenged(&mut edge, &request);
        let text = OFFICE.again(&request, &response).text().replace(altered.0, altered.1);
        let seen = edge.hear(from(PBX), &text);
        assert_eq!(seen.statuses(PBX), [expected], "{mark}");
        if expected == 403 {
            assert_eq!(seen.codes(), [32106], "{mark}");
            assert_eq!(seen.alerts[0].evidence, [("credential", "office".to_owned())]);
            let rule = "peers.pbx.credentials[0].from";
            let alert = &seen.alerts[0];
            let named = if mark == "nobody" { "anonymous" } else { "+19995550100" };
            assert_eq!(alert.rule.as_deref(), Some(rule), "{mark}");
            assert!(alert.text.contains(named), "{mark}: {}", alert.text);
            let caller = if ["other", "nobody"].contains(&&**mark) { named } else { CALLER };
            assert_eq!(alert.from.as_deref(), Some(caller), "{mark}");
            let step = seen.records[0].trail.last().unwrap();
            assert_eq!((&*step.rule, &step.said), (rule, &Said::Refuse), "{mark}");
            assert_eq!(seen.records[0].credential.as_deref(), Some("office"));
        }
    }
}

#[test]
fn a9_who_became_somebody_else_within_its_call_is_refused_and_the_call_goes_on() {
    let mut edge = Edge::under(policy(|_| {}));
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
    let claims = ["P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"];
    for (cseq, (method, claim)) in
        (3..).zip(["INVITE", "UPDATE"].iter().flat_map(|method| claims.map(|claim| (*method, claim))))
    {
        let other = within(method, cseq, &format!("{claim}: <sip:+19995550100@x>\r\n"));
        let seen = edge.hear(from(PBX), &other.text());
        assert_eq!((seen.statuses(PBX), seen.to(TRUNK).len()), (vec![403], 0), "{method} {claim}");
        assert_eq!(seen.codes(), [32106], "{method} {claim}");
        assert_eq!(seen.alerts[0].rule.as_deref(), Some("peers.pbx.credentials[0].from"));
    }
    // As itself it may; and a BYE ends the call whatever it says.
    let itself = within("INVITE", 20, "P-Asserted-Identity: <sip:+12125550100@x>\r\n");
    assert_eq!(edge.hear(from(PBX), &itself.text()).statuses(PBX), [100]);
    let bye = within("BYE", 21, "P-Asserted-Identity: <sip:+19995550100@x>\r\n");
    assert_eq!(edge.hear(from(PBX), &bye.text()).statuses(PBX).first(), Some(&200));
}

#[test]
fn a10_a_forged_source_gets_no_more_bytes_than_it_costs() {
    let mut edge = Edge::under(policy(|demand| *demand = self::demand(&["office"], &Hash::ALL)));
    let mut counts = [0; 4];
    for length in 0..400 {
        let request = Request::new("INVITE", PBX).with(|request| {
            request.branch = format!("z9hG4bK{length}");
            request.more.push_str(&format!("X: {}\r\n", "x".repeat(length)));
        });
        let text = request.text();
        let seen = edge.hear(from(PBX), &text);
        let (_, bytes) = &seen.sent[0];
        assert!(bytes.len() <= text.len(), "{} for {}", bytes.len(), text.len());
        counts[challenges(&seen.to(PBX)[0]).len()] += 1;
    }
    assert!(counts[1] > 0 && counts[2] > 0 && counts[3] > 0, "as many as fit: {counts:?}");
    // What is too small even for one is refused.
    let tiny = Request::new("INVITE", PBX).with(|request| {
        request.body = String::new();
        request.more = String::new();
        request.contact = String::new();
    });
    let seen = edge.hear(from(PBX), &tiny.text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![39105]));
    assert_eq!(edge.count("challenges_withheld"), 1);
    // Guesses with nonces that were never given lock nobody out.
    for n in 0..20 {
        let line = "Digest realm=\"edge.example\", nonce=\"AAAA\", algorithm=SHA-256, qop=\"auth\"";
        let guess = Client { password: "x", ..OFFICE }.sign(&invite(PBX, &format!("spoof{n}")), line, false);
        let seen = edge.hear(from(PBX), &guess.text());
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![401], vec![]));
    }
    assert_eq!(attempt(&mut edge, OFFICE, PBX, "rightful").statuses(PBX), [100]);
}

#[test]
fn what_stands_is_not_asked_again() {
    let mut edge = Edge::under(policy(|_| {}));
    let request = invite(PBX, "one");
    let response = challenged(&mut edge, &request);
    let proven = OFFICE.again(&request, &response);
    let seen = edge.hear(from(PBX), &proven.text());
    assert_eq!(edge.hear(from(PBX), &proven.text()).statuses(PBX), [100], "a retransmission is no replay");
    let leaving = seen.to(TRUNK).remove(0);
    let seen = edge.hear(from(TRUNK), &answer(&leaving, 200, "b", TRUNK));
    let ok = seen.to(PBX).into_iter().find(|message| message.status() == Some(200)).unwrap();
    let within = |method: &str, cseq| Request {
        method: method.into(),
        to_tag: tag(ok.to_tag()),
        branch: format!("z9hG4bK-in-{method}"),
        cseq,
        more: String::new(),
        body: String::new(),
        ..proven.clone()
    };
    edge.hear(from(PBX), &within("ACK", 2).text());
    assert_eq!(edge.hear(from(PBX), &within("BYE", 3).text()).statuses(PBX), [200]);
    // OPTIONS is answered and REGISTER refused, whoever asks.
    let options = Request::new("OPTIONS", PBX).with(|request| request.branch = "z9hG4bKo".into());
    assert_eq!(edge.hear(from(PBX), &options.text()).statuses(PBX), [200]);
    let register = Request::new("REGISTER", PBX).with(|request| request.branch = "z9hG4bKr".into());
    assert_eq!(edge.hear(from(PBX), &register.text()).statuses(PBX), [405]);
}

#[test]
fn a_message_is_asked_too_and_carried_once_proven() {
    let mut edge = Edge::under(policy(|_| {}));
    let message = Request::new("MESSAGE", OTHER).with(|request| {
        request.more.push_str(&format!("User-Agent: {}\r\n", "x".repeat(300)));
    });
    let seen = edge.hear(from(OTHER), &message.text());
    assert_eq!((seen.statuses(OTHER), seen.to(TRUNK).len()), (vec![401], 0));
    let proven = OFFICE.again(&message, &seen.to(OTHER)[0]);
    let seen = edge.hear(from(OTHER), &proven.text());
    assert_eq!(seen.to(TRUNK).len(), 1);
}
