//! Where media may go: row E7 of the attacks.

use super::*;

fn audio(rest: &str) -> String {
    format!("{}{rest}", savp(KEY))
}

#[test]
fn e7_media_goes_to_the_peers_networks_alone() {
    let wide =
        LegSettings { networks: Arc::from(["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]), ..pbx() };
    let lab = LegSettings { loopback: true, ..wide.clone() };
    let v6 = LegSettings { advertise: "2001:db8::1".parse().unwrap(), ..wide.clone() };
    let own = "m=audio 20500 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e\r\n";
    let cases = [
        ("its own network", pbx(), PBX, audio(""), None),
        ("a third party", pbx(), "8.8.8.8", audio(""), Some(Misplaced::Foreign)),
        ("another private network", pbx(), "10.0.0.1", audio(""), Some(Misplaced::Foreign)),
        (
            "c= of the stream",
            pbx(),
            PBX,
            audio("").replace("a=crypto", "c=IN IP4 8.8.8.8\r\na=crypto"),
            Some(Misplaced::Foreign),
        ),
        ("a=rtcp elsewhere", pbx(), PBX, audio("a=rtcp:53 IN IP4 8.8.8.8\r\n"), Some(Misplaced::Foreign)),
        ("metadata", wide.clone(), "169.254.169.254", audio(""), Some(Misplaced::LinkLocal)),
        ("multicast", wide.clone(), "239.1.2.3", audio(""), Some(Misplaced::Multicast)),
        ("broadcast", wide.clone(), "255.255.255.255", audio(""), Some(Misplaced::Broadcast)),
        ("reserved", wide.clone(), "240.0.0.1", audio(""), Some(Misplaced::Broadcast)),
        ("this network", wide.clone(), "0.0.0.1", audio(""), Some(Misplaced::Broadcast)),
        ("loopback", wide.clone(), "127.0.0.1", audio(""), Some(Misplaced::Loopback)),
        ("loopback in a lab", lab, "127.0.0.1", audio(""), None),
        ("our own media port", pbx(), "192.168.77.1", own.to_owned(), Some(Misplaced::Own)),
        ("our address and another port", pbx(), "192.168.77.1", audio(""), None),
        ("the other family", wide, "2001:db8::7", audio(""), Some(Misplaced::Family)),
        ("link-local", v6.clone(), "fe80::1", audio(""), Some(Misplaced::LinkLocal)),
        ("multicast, too", v6.clone(), "ff02::1", audio(""), Some(Misplaced::Multicast)),
        ("loopback, too", v6.clone(), "::1", audio(""), Some(Misplaced::Loopback)),
        ("the same family", v6, "2001:db8::7", audio(""), None),
    ];
    for (name, caller, address, lines, misplaced) in cases {
        let mut call = Call::new(caller, trunk());
        let found = call.offer(A, &sdp(address, &lines)).map(|_| ());
        assert_eq!(found, misplaced.map_or(Ok(()), |cause| Err(Refusal::Place(cause))), "{name}");
        assert!(misplaced.is_none_or(|cause| !cause.to_string().is_empty()));
        // The same in an answer: that peer is the caller's now.
    }
}

#[test]
fn e7_an_answer_may_not_send_media_elsewhere_either() {
    for (address, cause) in
        [("8.8.8.8", Misplaced::Foreign), ("127.0.0.1", Misplaced::Loopback), (PBX, Misplaced::Foreign)]
    {
        let mut call = Call::new(pbx(), trunk());
        call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
        assert_eq!(call.answer(B, &sdp(address, &savp(KEY))).unwrap_err(), Refusal::Place(cause));
    }
    let (mut call, _, _) = agreed();
    assert_eq!(call.offer(B, &sdp("8.8.8.8", &savp(KEY))).unwrap_err(), Refusal::Place(Misplaced::Foreign));
}

#[test]
fn ipv6_on_one_leg_and_ipv4_on_the_other() {
    let caller = LegSettings {
        advertise: "2001:db8::1".parse().unwrap(),
        networks: Arc::from(["2001:db8::/32".parse().unwrap()]),
        ..pbx()
    };
    let mut call = Call::new(caller, trunk());
    let asked = call.offer(A, &sdp("2001:db8::7", &savp(KEY))).unwrap();
    assert!(asked.text.contains("c=IN IP4 198.51.100.1") && !asked.text.contains("IP6"), "{}", asked.text);
    let answered = call.answer(B, &sdp(TRUNK, &savp(KEY))).unwrap();
    assert!(
        answered.text.contains("c=IN IP6 2001:db8::1") && !answered.text.contains("IP4"),
        "{}",
        answered.text
    );
    assert_eq!(answered.terms(A).remote, Some("[2001:db8::7]:4000".parse().unwrap()));
    assert_eq!(answered.terms(B).remote, Some(format!("{TRUNK}:4000").parse().unwrap()));
}

#[test]
fn a_peer_behind_nat_is_known_by_what_authenticates_or_by_its_networks() {
    use crate::media::order::Learning;
    let nat = |settings: LegSettings| LegSettings { behind_nat: true, ..settings };
    for (caller, lines) in [(nat(pbx()), savp(KEY)), (nat(plain(pbx())), AVP.to_owned()), (pbx(), savp(KEY))]
    {
        let reach = caller.reach();
        assert_eq!((&reach.networks, &reach.own), (&caller.networks, &caller.own));
        let (behind, srtp) = (caller.behind_nat, caller.private);
        let mut call = Call::new(caller, trunk());
        call.offer(A, &sdp(PBX, &lines)).unwrap();
        let answered = call.answer(B, &sdp(TRUNK, &savp(KEY))).unwrap();
        let expected = match (behind, srtp) {
            (true, true) => Learning::Authenticated(reach),
            (true, false) => Learning::Networks(reach),
            (false, _) => Learning::Signalled,
        };
        assert_eq!(answered.terms(A).learning, expected);
        assert_eq!(answered.terms(B).learning, Learning::Signalled);
    }
}

#[test]
fn rtcp_goes_where_it_is_wanted() {
    let rows = [
        ("", Some(4001), None),
        ("a=rtcp:5005\r\n", Some(5005), None),
        ("a=rtcp:5005 IN IP4 192.168.77.8\r\n", Some(5005), None),
        ("a=rtcp-mux\r\n", Some(4000), Some(())),
        ("a=rtcp:4000\r\n", None, None),
    ];
    for (line, port, shared) in rows {
        let mut call = Call::new(pbx(), trunk());
        let asked = call.offer(A, &sdp(PBX, &audio(line))).unwrap();
        assert_eq!(asked.stream().mux, shared.is_some(), "{line}");
        let answered =
            call.answer(B, &sdp(TRUNK, &audio(&line.replace(" IN IP4 192.168.77.8", "")))).unwrap();
        let terms = answered.terms(A);
        assert_eq!(terms.remote_rtcp.map(|place| place.port()), port, "{line}");
        assert_eq!(answered.stream().mux, shared.is_some(), "{line}");
        assert_eq!(call.ports.out(), 4, "{line}: it may ask for the other port later");
        // What was open for two ports is opened for the one that is shared.
        let opened = |orders: &[Order], leg| {
            orders.iter().rev().find_map(|order| match order {
                Order::Open { spot, local } if spot.leg == leg => Some(local.rtcp.is_none()),
                Order::Open { .. } | Order::Set { .. } | Order::Shut { .. } | Order::Close { .. } => None,
            })
        };
        assert_eq!(
            (opened(&asked.orders, B), opened(&answered.orders, A)),
            (Some(false), Some(shared.is_some()))
        );
        assert_eq!(opened(&answered.orders, B), shared.map(|()| true), "{line}");
    }
}

#[test]
fn no_port_left_is_told_and_nothing_leaks() {
    let mut call = Call::with_ports(pbx(), trunk(), 20_000..=20_001);
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    let mut other = Anchor::new(MediaId(8), Arc::new(pbx()), Arc::new(trunk()));
    let whence = Whence { leg: A, fork: 1 };
    let offer = sdp(PBX, &savp(KEY));
    let refused = call.step(|_, means| other.offer(whence, offer.as_bytes(), means).map(|_| ()));
    assert_eq!(refused, Err(Refusal::Ports));
    assert_eq!(call.ports.out(), 4, "those of the first call");
    assert_eq!(call.close().1, 0);
}

#[test]
fn an_answer_that_shares_a_port_unasked_is_taken_as_if_it_did_not() {
    let mut call = Call::new(pbx(), trunk());
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    let answered = call.answer(B, &sdp(TRUNK, &audio("a=rtcp-mux\r\n"))).unwrap();
    let terms = answered.terms(B);
    assert_eq!(terms.remote_rtcp.map(|place| place.port()), Some(4_001));
    assert!(!answered.text.contains("rtcp-mux"), "{}", answered.text);
}

#[test]
fn a_peer_that_shared_its_port_may_stop() {
    for (leg, other, place, far) in [(A, B, PBX, TRUNK), (B, A, TRUNK, PBX)] {
        let mut call = Call::new(pbx(), trunk());
        call.offer(A, &sdp(PBX, &audio("a=rtcp-mux\r\n"))).unwrap();
        let shared = call.answer(B, &sdp(TRUNK, &audio("a=rtcp-mux\r\n"))).unwrap();
        assert_eq!(shared.terms(leg).remote_rtcp.map(|place| place.port()), Some(4_000));
        call.settle(1).unwrap();
        let asked = call.offer(leg, &sdp(place, &audio(""))).unwrap();
        assert!(!asked.stream().mux, "{}", asked.text);
        let answered = call.answer(other, &sdp(far, &audio(""))).unwrap();
        let stream = answered.stream();
        assert_eq!((stream.mux, stream.rtcp), (false, None), "{}", answered.text);
        assert_eq!(answered.terms(leg).remote_rtcp.map(|place| place.port()), Some(4_001));
        for at in [A, B] {
            let opened = answered.orders.iter().find_map(|order| match order {
                Order::Open { spot, local } if spot.leg == at => Some(*local),
                Order::Open { .. } | Order::Set { .. } | Order::Shut { .. } | Order::Close { .. } => None,
            });
            assert!(opened.is_some_and(|local| local.rtcp == Some(local.rtp + 1)), "{at:?} {opened:?}");
        }
        assert_eq!(call.close().1, 0);
    }
}
