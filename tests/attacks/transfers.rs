//! C1, B10: transfers (REFER) that shall lead where nobody may call, or say more than a number.

use crate::sim::policy::{Shape, yaml};
use crate::sim::text::Sip;
use crate::site::{
    Call, PBX, Sent, Site, TRUNK, by_callee, final_to, in_dialog, request, request_to, shown, to,
};

const MODES: [&str; 3] = ["refuse", "judge-and-pass", "perform"];

/// A site of one mode, where 900 numbers are barred.
fn site(mode: &'static str) -> Site {
    let key = match mode {
        "refuse" => "transfers: refuse",
        "judge-and-pass" => "transfers: judge-and-pass",
        _ => "transfers: perform",
    };
    Site::of(&yaml(&Shape { key, ..Shape::default() }))
}

fn refer(call: &Call, from: &str, refer_to: &str, cseq: u32) -> Sip {
    let mut refer = if from == PBX {
        in_dialog(&call.invite_a, &call.ok_a, "REFER", cseq, "c1")
    } else {
        by_callee(call, "REFER", cseq, "c1")
    };
    refer.add("Refer-To", refer_to);
    refer
}

/// Who asked is refused, and nothing else is said.
fn assert_refused(sent: &Sent, from: &str, what: &str) {
    let status = final_to(sent, from);
    assert!(status.is_some_and(|status| status >= 400), "{what}: {}", shown(sent));
    assert_eq!(sent.len(), 1, "{what}: {}", shown(sent));
}

#[test]
fn c1_no_transfer_leads_to_a_barred_number_whatever_it_is_written_as() {
    for mode in MODES {
        let mut site = site(mode);
        let call = site.establish("c1");
        #[rustfmt::skip]
        let table = [
            "<sip:+19005550199@10.1.0.1>",
            "<sips:+19005550199@10.1.0.1>",
            "<tel:+19005550199>",
            "<tel:+1-900-555-0199>",
            "<sip:+1%39005550199@10.1.0.1>",
            "<sip:+19005550199;phone-context=+49@10.1.0.1;user=phone>",
            "<sip:+19005550199@10.1.0.1?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>",
            "<sip:+12125550101:x@10.1.0.1>",
            "<sip:+12125550101@10.1.0.1;maddr=192.0.2.66>",
            "<sip:+12125550101@10.1.0.1;ttl=1>",
            "<sip:+12125550101@10.1.0.1>, <sip:+12125550102@10.1.0.1>",
            "<urn:service:sos>",
        ];
        for (cseq, value) in (10..).zip(table) {
            for from in [PBX, TRUNK] {
                let sent = site.send(from, &refer(&call, from, value, cseq));
                assert_refused(&sent, from, &format!("{mode} {value} {from}"));
            }
        }
        assert!(site.alerted(32218), "{mode}");
        site.hang_up(&call);
        site.must_become_empty();
    }
}

#[test]
fn c1_outside_a_call_there_is_no_transfer() {
    for mode in MODES {
        let mut site = site(mode);
        for (mark, from) in [("c1a", PBX), ("c1b", TRUNK)] {
            let mut alone = request("REFER", "sip:+12125550100@10.1.0.1", from, mark);
            alone.add("Refer-To", "<sip:+12125550101@10.1.0.1>").add("Contact", &format!("<sip:x@{from}>"));
            assert_refused(&site.send(from, &alone), from, mode);
        }
        site.must_become_empty();
    }
}

#[test]
fn b10_what_a_refer_to_embeds_is_nowhere_in_what_leaves() {
    for mode in ["judge-and-pass", "perform"] {
        let mut site = site(mode);
        let call = site.establish("b10");
        let value = "\"Evil\" <sip:+12125550101@evil.example:5099;x=evil?Route=%3Csip:evil.example%3E&From=evil>;evil=1";
        let mut asks = refer(&call, PBX, value, 10);
        asks.add("Referred-By", "<sip:evil@evil.example>");
        let sent = site.send(PBX, &asks);
        let method = if mode == "perform" { "INVITE" } else { "REFER" };
        let leaves = request_to(&sent, TRUNK, method).unwrap_or_else(|| panic!("{mode}: {}", shown(&sent)));
        assert!(leaves.uri().contains("+12125550101") || method == "REFER");
        for message in to(&sent, TRUNK) {
            let text = String::from_utf8_lossy(&message.write()).to_lowercase();
            assert!(!text.contains("evil"), "{mode}: {text}");
        }
    }
}
