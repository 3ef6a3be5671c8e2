//! What is explained, of a policy with a password, a name and a PBX that sends messages.

use super::order::{Asks, Over};
use super::*;

const HA1: &str = "b0b1f1b5a6dbd6a1a5c2fbbc4f20a6ee41d2e8f2bdc4d8f0b7a3d7a2b2c0c1d2";

/// A PBX that shows a password, one that may send messages, and a trunk behind a name.
fn source() -> Source {
    let text = format!(
        "listeners:\n  lan: {{ bind: \"10.0.0.1:5060\" }}\n  wan: {{ bind: \"192.0.2.1:5060\" }}\npeers:\n  \
         pbx: {{ side: inside, listener: lan, sources: [10.0.0.2, 10.0.0.5], targets: [\"10.0.0.2:5060\"], plain_signalling: allow, \
         plain_media: allow,\n    credentials: [{{ user: ann, ha1: {{ sha_256: {HA1}, sha_512_256: {HA1} }}, from: [\"+12125550100\"] }}] }}\n  \
         chat: {{ side: inside, listener: lan, sources: [10.0.0.9], targets: [\"10.0.0.9:5060\"], plain_signalling: allow, \
         plain_media: allow, allow: [message], refusal: {{ blocked: 486 }} }}\n  \
         trunk: {{ side: outside, listener: wan, sources: [203.0.113.32/27], targets: [sip.example.net], plain_signalling: allow, plain_media: allow, \
         number_format: e164, cps: 1 }}\nsites:\n  \
         office: {{ peers: [pbx, chat, trunk], channels: 10, dids: [\"+12125550100\"], domains: [edge.example] }}\ncaps: none\nroutes:\n  \
         - {{ name: out, direction: outbound, to: [trunk] }}\npolicy:\n  outbound:\n    \
         - blocklist: {{ prefixes: [\"+1900\"] }}\n    - blocklist: {{ prefixes: [\"+1\"], observe: {{ until: 2026-12-05 }} }}\n"
    );
    let days = crate::clock::Wall::from_micros(1_795_219_200_000_000);
    Source { dated: days, today: days, ..Source::of_text("site.yaml", &text) }
}

fn asked(order: Order) -> Explanation {
    let to = order.to.clone().or(Some("+12125550142".to_owned()));
    let order = Order { to: to.filter(|_| order.uri.is_none()), ..order };
    explain(&source(), &order).unwrap_or_else(|failed| panic!("{failed}"))
}

fn from(peer: &str) -> Order {
    Order { from_peer: Some(peer.to_owned()), ..Order::default() }
}

#[test]
fn a_name_counts_as_found_and_the_number_leaves_in_the_trunks_form() {
    let told = asked(Order { caller: Some("+12125550100".to_owned()), ..from("pbx") });
    assert_eq!(told.verdict(), Verdict::Admitted);
    let text = told.text(100, false);
    assert!(
        text.contains("target 1    trunk at sip.example.net over")
            && text.contains(": INVITE sip:12125550142@sip.example.net"),
        "{text}"
    );
    assert!(text.contains("credential  ann, its password taken as shown"), "{text}");
    assert!(text.contains("observe     17:7    policy.outbound[1].blocklist (+1...)"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(told.text(100, true).contains("\u{1b}[1;32mADMITTED\u{1b}[0m"));
}

#[test]
fn whoever_may_not_call_so_is_refused_as_by_the_edge() {
    let told = asked(Order { caller: Some("+12125550199".to_owned()), ..from("pbx") });
    assert_eq!(told.verdict(), Verdict::Refused(403));
    let text = told.text(usize::MAX, false);
    assert!(
        text.contains("32106 identity_mismatch") && text.contains("peers.pbx.credentials[0].from"),
        "{text}"
    );
    let failed =
        explain(&source(), &Order { to: Some("1".to_owned()), user: Some("bob".to_owned()), ..from("pbx") });
    assert!(failed.unwrap_err().contains("pbx has no user bob: it has \"ann\""));
}

#[test]
fn a_message_has_a_trail_too_and_a_preset_names_its_place() {
    let order = |peer: &str, to: &str| Order { method: Asks::Message, to: Some(to.to_owned()), ..from(peer) };
    let carried = asked(order("chat", "+12125550142"));
    assert_eq!(carried.verdict(), Verdict::Admitted);
    let text = carried.text(usize::MAX, false);
    assert!(text.contains("MESSAGE sip:12125550142@sip.example.net"), "{text}");
    assert!(text.contains("match       13:5    routes[0] (out)"), "{text}");
    let refused = asked(order("pbx", "+12125550142"));
    assert_eq!(refused.verdict(), Verdict::Refused(405));
    assert!(
        refused.text(usize::MAX, false).contains("policy.screen.methods: built-in default; peers.pbx.allow"),
        "{}",
        refused.text(usize::MAX, false)
    );
    let blocked = asked(order("chat", "+19005551234"));
    assert_eq!(blocked.verdict(), Verdict::Refused(486));
    let text = blocked.text(usize::MAX, false);
    assert!(text.contains("status by   site.yaml:7:") && text.contains("peers.chat.refusal"), "{text}");
}

#[test]
fn the_source_finds_its_peer_as_the_running_edge_does() {
    let at = |source: &str| {
        asked(Order { source: Some(source.to_owned()), over: Some(Over::Tcp), ..Order::default() })
    };
    assert_eq!(at("10.0.0.9:40000").peer.as_ref().map(|peer| &*peer.name), Some("chat"));
    assert_eq!(at("10.0.0.5").peer.as_ref().map(|peer| &*peer.name), Some("pbx"));
    let nobody = at("203.0.113.7");
    assert_eq!((nobody.verdict(), nobody.peer.is_none()), (Verdict::Silence, true));
    let value: serde_json::Value = serde_json::from_str(&nobody.json()).unwrap();
    assert_eq!(
        (&value["verdict"], &value["peer"], &value["status"]),
        (&"silence".into(), &().into(), &().into())
    );
}

#[test]
fn what_cannot_be_read_is_met_as_the_edge_meets_it() {
    // A start line that is none has nobody to answer, even at a listed peer.
    let told = asked(Order { uri: Some("sip:a b@10.0.0.1".to_owned()), ..from("chat") });
    assert_eq!(told.verdict(), Verdict::Silence);
    let text = told.text(usize::MAX, false);
    assert!(
        text.contains("it came to its end before any rule") && text.contains("39101 malformed"),
        "{text}"
    );
}
