//! B11 and C: where a call goes, how often it may come round, how long it lasts and how many there are.

use crate::sim::flows;
use crate::sim::play;
use crate::sim::policy::{EDGE_INSIDE, EDGE_OUTSIDE, Shape, yaml};
use crate::sim::text::Sip;
use crate::sim::wire::SECOND;
use crate::site::{PBX, SDP, Site, TRUNK, TRUNK2, final_to, invite, request_to, response_to, shown, to};

/// Plays a flow of the simulation's table on a calm wire, changed or not.
fn flow(name: &str, change: impl FnOnce(&mut crate::sim::flow::Flow)) {
    let mut flow =
        flows::all().into_iter().find(|flow| flow.name == name).unwrap_or_else(|| panic!("no flow {name}"));
    change(&mut flow);
    let outcome = play::calm(&flow);
    assert!(outcome.faults.is_empty(), "{name}: {}\n{}", outcome.faults.join("\n"), outcome.ladder);
}

#[test]
fn b11_a_foreign_host_in_the_request_uri_is_no_next_hop() {
    let mut site = Site::new();
    for (index, host) in
        ["evil.example", "192.0.2.66", "192.0.2.66:5060;lr", "[2001:db8::66]", "198.51.100.20:5060"]
            .iter()
            .enumerate()
    {
        let mut message = invite(&format!("b11{index}"), "+12125550100");
        message.start = Sip::request("INVITE", &format!("sip:+12125550100@{host}")).start;
        let sent = site.send(PBX, &message);
        assert_eq!(final_to(&sent, PBX), Some(403), "{host}: {}", shown(&sent));
        assert!(sent.iter().all(|(at, _)| at.to_string() == PBX), "{host}: {}", shown(&sent));
    }
    assert!(site.alerted(39207));
    site.must_become_empty();
}

#[test]
fn c5_hops_are_counted_read_and_ended() {
    let cases: [(Option<&str>, &[u16], Option<&str>); 8] = [
        (Some("0"), &[483], None),
        (Some("1"), &[], Some("0")),
        (Some("70"), &[], Some("69")),
        (Some("255"), &[], Some("254")),
        (None, &[], Some("69")),
        (Some("256"), &[400], None),
        (Some("-1"), &[400], None),
        (Some("many"), &[400], None),
    ];
    for (index, (hops, refused, left)) in cases.into_iter().enumerate() {
        let mut site = Site::new();
        let mut message = invite(&format!("c5{index}"), "+12125550100");
        message.headers.retain(|(name, _)| name != "Max-Forwards");
        if let Some(hops) = hops {
            message.add("Max-Forwards", hops);
        }
        let sent = site.send(PBX, &message);
        match left {
            Some(left) => {
                let carried = request_to(&sent, TRUNK, "INVITE")
                    .unwrap_or_else(|| panic!("{hops:?}: {}", shown(&sent)));
                assert_eq!(carried.header("Max-Forwards"), Some(left), "{hops:?}");
            }
            None => {
                let status = final_to(&sent, PBX);
                assert!(status.is_some_and(|status| refused.contains(&status)), "{hops:?}: {}", shown(&sent));
                assert_eq!(to(&sent, TRUNK).count(), 0);
            }
        }
    }
}

#[test]
fn c5_our_own_invite_that_comes_back_is_a_loop() {
    let mut site = Site::of(&yaml(&Shape::default()).replace("called: [\"+4930*\"]", "called: [\"+*\"]"));
    let sent = site.send(PBX, &invite("loop", "+12125550100"));
    let mut back = request_to(&sent, TRUNK, "INVITE").expect("an INVITE");
    back.start = Sip::request("INVITE", &format!("sip:+12125550100@{EDGE_OUTSIDE}")).start;
    back.headers.insert(0, ("Via".to_owned(), format!("SIP/2.0/UDP {TRUNK};branch=z9hG4bKproxy;rport")));
    back.set("Max-Forwards", "60");
    let sent = site.send(TRUNK, &back);
    assert_eq!(final_to(&sent, TRUNK), Some(482), "{}", shown(&sent));
    assert_eq!(to(&sent, PBX).count(), 0);
    assert!(site.alerted(39104));
}

#[test]
fn c6_calls_that_point_at_each_other_end_by_their_hops_and_never_branch() {
    let text = yaml(&Shape { concurrent_calls: 1_000, ..Shape::default() })
        .replace("called: [\"+4930*\"]", "called: [\"+*\"]")
        .replace("called: [\"+1*\"]", "called: [\"+*\"]");
    let mut site = Site::of(&text);
    let mut from_pbx = true;
    let mut next = invite("c6", "+12125550100");
    let mut legs = 0;
    loop {
        let (from, towards) = if from_pbx { (PBX, TRUNK) } else { (TRUNK, PBX) };
        let sent = site.send(from, &next);
        let out: Vec<Sip> = to(&sent, towards)
            .filter(|message| message.method() == "INVITE" && message.status().is_none())
            .collect();
        let Some(invite_out) = out.first() else {
            assert!(matches!(final_to(&sent, from), Some(483 | 482)), "{}", shown(&sent));
            break;
        };
        assert_eq!(out.len(), 1, "the edge forked");
        legs += 1;
        assert!(legs <= 70, "it never ends");
        // A peer that forwards the call to where it came from, as a back-to-back agent that keeps Max-Forwards.
        let face = if from_pbx { EDGE_OUTSIDE } else { EDGE_INSIDE };
        let mut bounced = crate::site::request(
            "INVITE",
            &format!("sip:+12125550100@{face}"),
            towards,
            &format!("c6{legs}"),
        );
        bounced.set("Max-Forwards", invite_out.header("Max-Forwards").unwrap_or("70"));
        bounced.add("Contact", &format!("<sip:bounce@{towards}>")).sdp(SDP);
        next = bounced;
        from_pbx = !from_pbx;
    }
    assert!(site.alerted(32006) || site.alerted(39104));
    site.pass(200 * SECOND);
    let gauges = site.gauges();
    assert!(crate::sim::ledger::is_empty(&gauges), "left behind: {gauges:?}");
}

#[test]
fn c7_a_call_ends_at_its_cap_and_nothing_resets_it() {
    flow("max_duration_reached", |_| {});
    flow("reinvite_resets_no_duration", |_| {});
}

#[test]
fn c8_the_call_above_the_cap_is_refused_and_no_other() {
    flow("cap_reached", |_| {});
    let mut site = Site::of(&yaml(&Shape { concurrent_calls: 3, ..Shape::default() }));
    let calls: Vec<_> = (0..3).map(|index| site.establish(&format!("c8{index}"))).collect();
    for index in 3..6 {
        let sent = site.send(PBX, &invite(&format!("c8{index}"), "+12125550100"));
        let refused = response_to(&sent, PBX, 480).unwrap_or_else(|| panic!("{}", shown(&sent)));
        assert!(refused.header("Retry-After").is_some());
        assert_eq!(to(&sent, TRUNK).count(), 0);
    }
    assert!(site.alerted(10004));
    for call in &calls {
        site.hang_up(call);
    }
    assert!(site.gauges().reserved.is_empty(), "a channel was not given back: {:?}", site.gauges().reserved);
    let again = site.establish("c8again");
    site.hang_up(&again);
    site.must_become_empty();
}

/// Whatever way a call ends, its channel comes back: with a cap of one, every flow is followed by another call.
#[test]
fn c8_every_way_to_end_gives_the_channel_back() {
    for name in [
        "caller_hangs_up",
        "callee_hangs_up",
        "cancel_while_ringing",
        "cancel_races_answer",
        "busy_486",
        "declined_603",
        "fails_over_on_503",
        "fails_over_on_silence",
        "fails_over_on_transport_error",
        "all_targets_fail",
        "rings_too_long",
        "ack_never_comes",
        "byes_cross",
        "max_duration_reached",
        "callee_loses_power",
        "caller_loses_power",
        "redirect_is_refused",
    ] {
        flow(name, |flow| {
            flow.alone = true;
            flow.shape.concurrent_calls = 1;
        });
    }
}

/// A phone may still ring at a target that was given up: its place is taken until that INVITE has ended.
#[test]
fn c8_a_target_that_was_given_up_keeps_its_place_until_its_invite_ends() {
    let mut site = Site::of(&yaml(&Shape { post_dial_max: "5s", ..Shape::default() }));
    let held = |site: &mut Site, name: &str| {
        let reserved = site.gauges().reserved;
        reserved.into_iter().find(|(holder, _)| holder == name).map_or(0, |(_, count)| count)
    };
    let sent = site.send(PBX, &invite("c8g", "+12125550100"));
    let first = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(TRUNK, &Sip::response(&first, 100, "Trying", ""));
    let sent = site.pass(6 * SECOND);
    assert!(request_to(&sent, TRUNK, "CANCEL").is_some(), "{}", shown(&sent));
    let second = request_to(&sent, TRUNK2, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert_eq!((held(&mut site, "peer trunk"), held(&mut site, "peer trunk2")), (1, 1));
    assert_eq!(held(&mut site, "site lab"), 1, "one call takes one channel, wherever it rings");
    site.send(TRUNK2, &Sip::response(&second, 486, "Busy Here", "busy"));
    assert_eq!((held(&mut site, "peer trunk"), held(&mut site, "peer trunk2")), (1, 0));
    assert_eq!(held(&mut site, "site lab"), 1);
    site.send(TRUNK, &Sip::response(&first, 487, "Request Terminated", "gone"));
    assert!(site.gauges().reserved.is_empty(), "{:?}", site.gauges().reserved);
    site.must_become_empty();
}

#[test]
fn b1_the_number_that_leaves_is_the_number_that_was_judged() {
    let mut site = Site::new();
    for (dialled, leaves) in [
        ("+12125550100;isub=1", Some("+12125550100")),
        ("+12125550100;npdi;rn=+19005550100", Some("+12125550100")),
        ("+12125550100;phone-context=+1900", Some("+12125550100")),
        ("%252B12125550100", None),
        ("+1%25302125550100", None),
        ("+1%EF%BC%99005550100", None),
    ] {
        let mark = dialled.replace(|letter: char| !letter.is_ascii_alphanumeric(), "");
        let sent = site.send(PBX, &invite(&mark, dialled));
        let out = request_to(&sent, TRUNK, "INVITE")
            .map(|invite| String::from_utf8_lossy(&invite.write()).into_owned());
        match leaves {
            Some(number) => {
                let out = out.unwrap_or_else(|| panic!("{dialled}: {}", shown(&sent)));
                assert!(out.starts_with(&format!("INVITE sip:{number}@")), "{dialled}: {out}");
            }
            None => {
                assert!(out.is_none(), "{dialled}: {out:?}");
                assert_eq!(final_to(&sent, PBX), Some(484), "{dialled}");
            }
        }
    }
}
