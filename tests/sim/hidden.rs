//! Flows of callers who ask not to be shown, and of identities that peers assert to each other.
//!
//! Owns their table; the ledger holds that a hidden caller's number reaches no other peer. Read first: RFC 3323 §4; RFC 3325 §9.

use super::agent::plan::{Act, On, Rule, when};
use super::flow::{Flow, Way};

const RING: Rule = when(On::Start, 200, Act::Ring { status: 180, sdp: false });
const ANSWER: Rule = when(On::Start, 1_500, Act::Answer);
const HANG_UP: Rule = when(On::Up, 4_000, Act::Bye);

/// Headers that name the caller in every way there is; the marks are secrets of the PBX.
const NAMES: [(&str, &str); 6] = [
    ("P-Asserted-Identity", "\"mark-pbx-Ann\" <sip:+4930555900@10.1.0.10>"),
    ("P-Preferred-Identity", "<sip:mark-pbx-ann@10.1.0.10>"),
    ("Remote-Party-ID", "<sip:mark-pbx-ann@10.1.0.10>;party=calling;privacy=full"),
    ("Diversion", "<sip:+4930555900@10.1.0.10>;reason=no-answer;text=mark-pbx-desk"),
    ("History-Info", "<sip:mark-pbx-desk@10.1.0.10>;index=1"),
    ("Call-Info", "<http://10.1.0.10/mark-pbx-ann.png>;purpose=icon"),
];

fn from_a_pbx(name: &'static str, privacy: Option<&'static str>) -> Flow {
    let flow = Flow::new(name, &[200]).caller(&[HANG_UP, when(On::Up, 1_000, Act::Reinvite)]);
    flow.callee(&[RING, ANSWER]).with(|flow| {
        flow.way = Way::Outbound;
        flow.caller.headers = NAMES.to_vec();
        flow.caller.headers.extend(privacy.map(|words| ("Privacy", words)));
    })
}

/// All of them.
pub fn all() -> Vec<Flow> {
    vec![
        from_a_pbx("hidden_caller_is_shown_to_nobody", Some("id")),
        from_a_pbx("hidden_caller_where_headers_are_opened", Some("user;header"))
            .alone(|shape| shape.key = "pass_headers: [Diversion, History-Info, Call-Info]"),
        from_a_pbx("hidden_caller_of_a_believed_pbx", Some("id"))
            .alone(|shape| shape.key = "asserted_identity: in"),
        from_a_pbx("asserted_caller_is_told_to_the_trusted", None)
            .alone(|shape| shape.key = "asserted_identity: both"),
        Flow::new("hidden_caller_from_a_trunk", &[200]).caller(&[HANG_UP]).callee(&[RING, ANSWER]).with(
            |flow| {
                flow.way = Way::Inbound;
                flow.caller.headers = vec![("Privacy", "id")];
            },
        ),
    ]
}
