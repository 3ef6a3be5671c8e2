//! Who is told who is calling: every trust against every wish for privacy, through the whole engine.

use std::sync::Arc;

use ringfence::policy::form::{Form, Substitute};
use ringfence::policy::identity::{CallerIn, Identity};
use ringfence::policy::peer::PassedHeader;
use ringfence::policy::{Numbers, Policy};
use ringfence::sip::{HeaderName, Message};

use super::edge::{Edge, PBX, TRUNK, alter, from, plan};
use super::texts::{Request, answer, header};

fn identity(believed: bool, told: bool) -> Identity {
    Identity { believed, told, ..Identity::default() }
}

fn trust(pbx: Identity, trunk: Identity) -> Arc<Policy> {
    plan(|plan| {
        alter(plan, 0, |peer| peer.identity = pbx);
        alter(plan, 1, |peer| peer.identity = trunk);
    })
}

/// An INVITE with another From and more headers.
fn invite(sender: &str, caller: &str, more: &str) -> String {
    let text = Request::new("INVITE", sender).text();
    let text = text.replace(&format!("From: <sip:+12125550100@{sender}>"), &format!("From: {caller}"));
    text.replace("CSeq:", &format!("{more}CSeq:"))
}

fn shown(message: &Message) -> [String; 3] {
    let from = header(message, "From").split(";tag=").next().unwrap_or_default().to_owned();
    [from, header(message, "P-Asserted-Identity"), header(message, "Privacy")]
}

const NOBODY: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
const ANN: &str = "\"Ann\" <sip:+12125550142@x>";
const PAI: &str = "P-Asserted-Identity: \"Ann\" <sip:+12125550142@10.0.0.2>\r\n";

#[test]
fn c10_identity_and_privacy_by_trust_outward() {
    let open = "\"Ann\" <sip:+12125550142@192.0.2.1>";
    let told = "<sip:+12125550142@192.0.2.1>";
    #[rustfmt::skip]
    let table = [
        // PBX believed, trunk told, more headers: From, P-Asserted-Identity, Privacy
        (false, false, "", [open, "", ""]),
        (false, false, PAI, [open, "", ""]),
        (true, false, PAI, [open, "", ""]),
        // The site's own caller is judged by policy, so it may be asserted whatever the PBX asserts.
        (false, true, "", [open, told, ""]),
        (true, true, PAI, [open, told, ""]),
        (false, true, "P-Asserted-Identity: <sip:+19995550100@x>\r\n", [open, told, ""]),
        (false, false, "Privacy: id\r\n", [NOBODY, "", "id"]),
        (true, false, "Privacy: id\r\n", [NOBODY, "", "id"]),
        (false, true, "Privacy: id\r\n", [NOBODY, told, "id"]),
        (true, true, "Privacy: user;critical\r\n", [NOBODY, told, "id;user;critical"]),
        (true, true, "Privacy: header\r\n", [NOBODY, told, "id;header"]),
        (false, true, "Privacy: none\r\n", [open, told, "none"]),
        (false, false, "Privacy: history;made-up\r\n", [open, "", "history"]),
        (false, true, "Remote-Party-ID: <sip:+12125550142@x>;privacy=\"full\"\r\n", [NOBODY, told, "id"]),
        (false, false, "Remote-Party-ID: <sip:+12125550142@x>;privacy=off\r\n", [open, "", ""]),
    ];
    for (believed, told, more, expected) in table {
        let mut edge = Edge::under(trust(identity(believed, false), identity(false, told)));
        let seen = edge.hear(from(PBX), &invite(PBX, ANN, more));
        let leaving = seen.to(TRUNK).remove(0);
        assert_eq!(shown(&leaving), expected, "{believed} {told} {more}");
        let text = String::from_utf8_lossy(leaving.bytes()).into_owned();
        let text = text.split("\r\n\r\n").next().unwrap_or_default();
        for secret in ["10.0.0.", "Remote-Party", "made-up", "19995550100"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        let mut records = seen.records;
        records.extend(edge.hear(from(TRUNK), &answer(&leaving, 486, "b", TRUNK)).records);
        assert_eq!(records[0].from, "+12125550142", "the record knows the caller");
    }
}

#[test]
fn c10_identity_and_privacy_by_trust_inward() {
    let open = "\"Ann\" <sip:+12125550142@10.0.0.1>";
    let told = "<sip:+12125550142@10.0.0.1>";
    let spoofed = "P-Asserted-Identity: <sip:+19995550100@x>\r\n";
    #[rustfmt::skip]
    let table = [
        // trunk believed, PBX told
        (false, false, spoofed, [open, "", ""]),
        // Nobody vouches for From of a trunk that is not believed.
        (false, true, spoofed, [open, "", ""]),
        (true, true, "", [open, told, ""]),
        (true, false, PAI, [open, "", ""]),
        (true, true, "Privacy: id\r\n", [NOBODY, told, "id"]),
        (true, false, "Privacy: id\r\n", [NOBODY, "", "id"]),
        (false, true, "Privacy: id\r\n", [NOBODY, "", "id"]),
    ];
    for (believed, told, more, expected) in table {
        let mut edge = Edge::under(trust(identity(false, told), identity(believed, false)));
        let leaving = edge.hear(from(TRUNK), &invite(TRUNK, ANN, more)).to(PBX).remove(0);
        assert_eq!(shown(&leaving), expected, "{believed} {told} {more}");
    }
}

#[test]
fn the_caller_is_named_by_the_first_header_of_caller_in_that_stands_there() {
    use CallerIn::{Diversion, From, PAssertedIdentity, RemotePartyId};
    let rpid =
        "Remote-Party-ID: <sip:+17775550100@x>;party=called, \"R\" <sip:+18885550100@x>;party=calling\r\n";
    #[rustfmt::skip]
    let table = [
        (&[From][..], PAI, Ok("+12125550142")),
        (&[PAssertedIdentity, From], "P-Asserted-Identity: <sip:+19995550100@x>\r\n", Ok("+19995550100")),
        (&[PAssertedIdentity, From], "P-Asserted-Identity: <tel:+19995550100>, <sip:+19995550100@x>\r\n", Ok("+19995550100")),
        (&[PAssertedIdentity, From], "", Ok("+12125550142")),
        (&[PAssertedIdentity], "", Ok("")),
        (&[PAssertedIdentity, From], "P-Asserted-Identity: <tel:+1>, <sip:+19995550100@x>\r\n", Err(400)),
        (&[PAssertedIdentity, From], "P-Asserted-Identity: <sip:a@x>, <sip:b@x>\r\n", Err(400)),
        (&[PAssertedIdentity, From], "P-Asserted-Identity: nobody\r\n", Err(400)),
        (&[RemotePartyId, From], rpid, Ok("+18885550100")),
        (&[RemotePartyId, From], "Remote-Party-ID: <sip:a@x>, <sip:b@x>\r\n", Err(400)),
        (&[Diversion, From], "Diversion: <sip:+16665550100@x>;reason=busy, <sip:+15555550100@x>\r\n", Ok("+16665550100")),
        (&[Diversion, From], "Diversion: nobody\r\n", Err(400)),
    ];
    for (caller_in, more, expected) in table {
        let pbx = Identity { caller_in: caller_in.iter().copied().collect(), believed: true, told: false };
        let mut edge = Edge::under(trust(pbx, Identity::default()));
        let seen = edge.hear(from(PBX), &invite(PBX, ANN, more));
        match expected {
            Err(status) => assert_eq!(seen.statuses(PBX), [status], "{more}"),
            Ok(caller) => {
                let leaving = seen.to(TRUNK).remove(0);
                let user = shown(&leaving)[0].split("<sip:").nth(1).unwrap_or_default().to_owned();
                let at =
                    if caller.is_empty() { "192.0.2.1>".to_owned() } else { format!("{caller}@192.0.2.1>") };
                assert_eq!(user, at, "{more}");
                assert!(!shown(&leaving)[0].contains("Ann") || caller == "+12125550142", "{more}");
                let records = edge.hear(from(TRUNK), &answer(&leaving, 486, "b", TRUNK)).records;
                assert_eq!(records[0].from, caller, "{more}");
            }
        }
    }
}

#[test]
fn a_caller_that_stands_in_is_the_one_that_is_asserted() {
    let main = Some(Substitute::Number("+12125550100".into()));
    let numbers = Numbers { caller: Form::E164, substitute: main, ..Numbers::default() };
    let policy = plan(|plan| {
        alter(plan, 1, |trunk| {
            trunk.identity = identity(false, true);
            trunk.numbers = numbers;
        });
    });
    for (more, from_value, privacy) in
        [("", "<sip:12125550100@192.0.2.1>", ""), ("Privacy: id\r\n", NOBODY, "id")]
    {
        let mut edge = Edge::under(Arc::clone(&policy));
        let leaving = edge.hear(from(PBX), &invite(PBX, "<sip:150@x>", more)).to(TRUNK).remove(0);
        assert_eq!(shown(&leaving), [from_value, "<sip:12125550100@192.0.2.1>", privacy]);
    }
}

#[test]
fn who_was_reached_and_early_media_cross_by_trust_alone() {
    let more =
        "P-Asserted-Identity: \"Bob\" <sip:+13125550177@198.51.100.5>\r\nP-Early-Media: sendrecv, evil\r\n";
    for (believed, told, privacy, expected) in [
        (false, false, "", ["", "", ""]),
        (true, false, "", ["", "", ""]),
        (false, true, "", ["", "", ""]),
        (true, true, "", ["<sip:+13125550177@10.0.0.1>", "", "sendrecv"]),
        (true, true, "Privacy: id\r\n", ["<sip:+13125550177@10.0.0.1>", "id", "sendrecv"]),
        (true, false, "Privacy: id\r\n", ["", "id", ""]),
    ] {
        let mut edge = Edge::under(trust(identity(false, told), identity(believed, false)));
        let leaving = edge.hear(from(PBX), &invite(PBX, ANN, "")).to(TRUNK).remove(0);
        for status in [183, 200] {
            let text =
                answer(&leaving, status, "b-1", TRUNK).replace("CSeq:", &format!("{more}{privacy}CSeq:"));
            let crossed = edge.hear(from(TRUNK), &text).to(PBX).remove(0);
            let [_, asserted, asked] = shown(&crossed);
            let crossed = [asserted, asked, header(&crossed, "P-Early-Media")];
            assert_eq!(crossed, expected, "{believed} {told} {privacy} {status}");
        }
    }
}

#[test]
fn what_pass_headers_opens_is_rebuilt_and_names_no_hidden_caller() {
    let opened = ["Diversion", "History-Info", "Call-Info", "Alert-Info"];
    let open = |plan: &mut ringfence::policy::Plan, told: bool| {
        alter(plan, 1, |trunk| {
            trunk.identity = identity(false, told);
            trunk.numbers.caller = Form::E164;
            trunk.pass_headers =
                opened.map(|name| PassedHeader::Known(HeaderName::read(name.as_bytes()))).into();
            trunk.pass_headers.push(PassedHeader::Named("X-Who".into()));
        });
    };
    let more = "Diversion: \"Desk\" <sip:+12125550111@10.0.0.2;x=y>;reason=no-answer;counter=2;x=10.0.0.2, <sip:150@10.0.0.2>\r\n\
                History-Info: <sip:+12125550111@10.0.0.2?Reason=x>;index=1, <sip:150@10.0.0.2>;index=1.1\r\n\
                Call-Info: <http://pictures.example/ann.png>;purpose=icon\r\nAlert-Info: <urn:alert:tone:x>\r\nX-Who: Ann\r\n";
    let diverted = "<sip:12125550111@192.0.2.1>;reason=no-answer;counter=2";
    let history = ["<sip:12125550111@192.0.2.1>;index=1", "<sip:anonymous@anonymous.invalid>;index=1.1"];
    for (privacy, told, names) in
        [("", false, true), ("Privacy: id\r\n", false, false), ("Privacy: id\r\n", true, true)]
    {
        let mut edge = Edge::under(plan(|plan| open(plan, told)));
        let text = invite(PBX, ANN, &format!("{more}{privacy}"));
        let leaving = edge.hear(from(PBX), &text).to(TRUNK).remove(0);
        let lines = |name: HeaderName| {
            leaving.lines(name).map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(HeaderName::Diversion),
            if names { vec![diverted] } else { vec![] },
            "{privacy} {told}"
        );
        assert_eq!(lines(HeaderName::HistoryInfo), if names { history.to_vec() } else { vec![] });
        assert_eq!(lines(HeaderName::CallInfo).len(), usize::from(names));
        assert_eq!(lines(HeaderName::AlertInfo).len(), 1);
        let text = String::from_utf8_lossy(leaving.bytes()).into_owned();
        assert_eq!(text.contains("X-Who: Ann"), names);
        assert!(
            !text.contains("10.0.0.2")
                || text.split("\r\n\r\n").next().is_some_and(|head| !head.contains("10.0.0.2"))
        );
        assert!(!text.contains("sip:150"), "{text}");
    }
}
