//! What DNS may say of a peer's names, and what becomes of it.

use smallvec::smallvec;

use super::super::fixture::{INSIDE, OUTSIDE, PBX, SPARE, TRUNK, address, changed, plan};
use super::*;
use crate::sip::Transport;

const CARRIER: PartyId = PartyId(20);
const OTHER: PartyId = PartyId(21);

fn at(seconds: u64) -> Tick {
    Tick::from_micros(seconds * 1_000_000)
}

fn domain(host: &str, port: Option<u16>, party: PartyId) -> Aim {
    Aim::Name(Domain { host: host.into(), port, party })
}

/// The trunk by a name and an address, the spare trunk by another name.
fn policy() -> Policy {
    let mut plan = plan();
    changed(&mut plan, TRUNK, |peer| peer.targets.insert(0, domain("sip.example.com", None, CARRIER)));
    changed(&mut plan, SPARE, |peer| peer.targets = vec![domain("sbc.example.net", Some(5071), OTHER)]);
    Policy::build(plan).unwrap()
}

fn found(rows: &[(&str, u16, u16)]) -> Resolution {
    let one = |(number, (at, rank, weight)): (u16, &(&str, u16, u16))| Found {
        address: address(at),
        transports: smallvec![Transport::Tls],
        rank: *rank,
        weight: *weight,
        record: number,
    };
    Resolution::Found { list: (0..).zip(rows).map(one).collect(), ttl: Duration::from_secs(60) }
}

fn follow(policy: &Policy) -> Located {
    let mut located = Located::new();
    located.follow(at(0), policy);
    located
}

fn targets(located: &Located, policy: &Policy, peer: PeerId) -> Vec<String> {
    let targets = located.targets(policy.peer(peer).unwrap(), 0);
    targets.iter().map(|target| target.address.to_string()).collect()
}

#[test]
fn names_and_addresses_keep_the_order_of_the_policy() {
    let policy = policy();
    let mut located = follow(&policy);
    assert_eq!(targets(&located, &policy, TRUNK), ["203.0.113.1:5061"], "nothing is known of the name yet");
    assert!(targets(&located, &policy, SPARE).is_empty());
    let list = [("198.51.100.9:5061", 1, 0), ("203.0.113.1:5061", 2, 0)];
    let learned = located.learn(at(1), &policy, CARRIER, found(&list));
    assert_eq!((learned.moved, learned.refused.len()), (true, 0));
    assert_eq!(located.learn(at(1), &policy, CARRIER, found(&list)), Learned::default(), "the same again");
    assert_eq!(
        targets(&located, &policy, TRUNK),
        ["198.51.100.9:5061", "203.0.113.1:5061"],
        "each place once"
    );
    let trunk = policy.peer(TRUNK).unwrap();
    let target = located.target_at(trunk, address("198.51.100.9:5061")).unwrap();
    assert_eq!((target.party, &*target.name.unwrap().request_host), (CARRIER, "sip.example.com"));
    located.learn(at(1), &policy, OTHER, found(&[("198.51.100.7:5071", 0, 0)]));
    let spare = policy.peer(SPARE).unwrap();
    let target = located.target_at(spare, address("198.51.100.7:5071")).unwrap();
    assert_eq!(&*target.name.unwrap().request_host, "sbc.example.net:5071");
    assert_eq!(
        policy.party(CARRIER).map(|(peer, domain)| (peer.id, domain.unwrap().to_string())),
        Some((TRUNK, "sip.example.com".to_owned()))
    );
    assert_eq!(policy.party(trunk.party).map(|(peer, domain)| (peer.id, domain)), Some((TRUNK, None)));
    assert!(policy.party(PartyId::NONE).is_none());
}

#[test]
fn dns_leads_neither_back_here_nor_to_another_peer_nor_nowhere() {
    let policy = policy();
    let mut located = follow(&policy);
    located.learn(at(1), &policy, OTHER, found(&[("198.51.100.77:5071", 0, 0)]));
    // What DNS says of the trunk's name, and whether it is used.
    let table = [
        ("198.51.100.9:5061", true),
        ("192.168.9.2:5061", false),
        ("203.0.113.3:5061", true),
        ("198.51.100.7:5061", false),
        ("198.51.100.77:5061", false),
        ("0.0.0.0:5061", false),
        ("0.1.2.3:5061", false),
        ("127.0.0.1:5061", false),
        ("224.0.0.1:5061", false),
        ("255.255.255.255:5061", false),
        ("[2001:db8::1]:5061", false),
        ("[::ffff:198.51.100.9]:5061", false),
    ];
    for (told, used) in table {
        let refused = located.learn(at(2), &policy, CARRIER, found(&[(told, 0, 0)])).refused;
        assert_eq!(refused.is_empty(), used, "{told}: {refused:?}");
        let again = located.learn(at(2), &policy, CARRIER, found(&[(told, 0, 0)])).refused;
        assert!(again.is_empty(), "{told} is told once");
        assert_eq!(targets(&located, &policy, TRUNK).len(), 1 + usize::from(used), "{told}");
    }
    // By a transport that the policy does not allow it leads nowhere.
    let Resolution::Found { mut list, ttl } = found(&[("198.51.100.9:5060", 0, 0)]) else { unreachable!() };
    list[0].transports = smallvec![Transport::Udp];
    located.learn(at(3), &policy, CARRIER, Resolution::Found { list, ttl });
    assert_eq!(targets(&located, &policy, TRUNK), ["203.0.113.1:5061"]);
}

#[test]
fn an_address_is_its_peers_until_its_calls_are_over() {
    let policy = policy();
    let mut located = follow(&policy);
    let (old, new) = (address("198.51.100.9:5061"), address("198.51.100.10:5061"));
    assert_eq!(located.peer_at(OUTSIDE, old.ip()), None);
    located.learn(at(1), &policy, CARRIER, found(&[("198.51.100.9:5061", 0, 0)]));
    assert_eq!(
        (located.peer_at(OUTSIDE, old.ip()), located.leads_to(OUTSIDE, old.ip())),
        (Some(TRUNK), true)
    );
    assert_eq!(located.peer_at(INSIDE, old.ip()), None, "on its own listener alone");
    located.learn(at(100), &policy, CARRIER, found(&[("198.51.100.10:5061", 0, 0)]));
    assert_eq!(
        (located.peer_at(OUTSIDE, old.ip()), located.leads_to(OUTSIDE, old.ip())),
        (Some(TRUNK), false)
    );
    assert!(located.any_gone());
    located.forget(at(400), |_, _| false);
    assert_eq!(located.peer_at(OUTSIDE, old.ip()), Some(TRUNK), "an answer may still come");
    located.forget(at(401), |listener, ip| (listener, ip) == (OUTSIDE, old.ip()));
    assert_eq!(located.peer_at(OUTSIDE, old.ip()), Some(TRUNK), "a call stands with it");
    located.forget(at(401), |_, _| false);
    assert_eq!(located.peer_at(OUTSIDE, old.ip()), None);
    assert_eq!(located.peer_at(OUTSIDE, new.ip()), Some(TRUNK));
    // DNS that names another address each time fills nothing.
    for turn in 0..200 {
        let told = format!("198.18.0.{turn}:5061");
        located.learn(at(500 + turn), &policy, CARRIER, found(&[(told.as_str(), 0, 0)]));
    }
    assert_eq!(located.reached.len(), GONE_MAX + 1);
}

#[test]
fn what_dns_does_not_answer_stands_and_what_it_denies_does_not() {
    let policy = policy();
    let mut located = follow(&policy);
    assert_eq!(located.knowledge(CARRIER), Knowledge::Unknown);
    located.learn(at(1), &policy, CARRIER, found(&[("198.51.100.9:5061", 0, 0)]));
    assert_eq!(located.knowledge(CARRIER), Knowledge::Fresh { until: at(61) });
    located.learn(at(61), &policy, CARRIER, Resolution::Stale);
    assert_eq!((located.knowledge(CARRIER), targets(&located, &policy, TRUNK).len()), (Knowledge::Stale, 2));
    located.learn(at(99), &policy, CARRIER, Resolution::Nowhere { why: String::new() });
    assert_eq!(
        (located.knowledge(CARRIER), targets(&located, &policy, TRUNK).len()),
        (Knowledge::Nowhere, 1)
    );
}

#[test]
fn a_reload_keeps_where_names_lead_as_far_as_the_new_policy_allows() {
    let first = policy();
    let mut located = follow(&first);
    located.learn(at(1), &first, CARRIER, found(&[("198.51.100.9:5061", 0, 0)]));
    located.follow(at(2), &first);
    assert_eq!(targets(&located, &first, TRUNK), ["198.51.100.9:5061", "203.0.113.1:5061"]);
    let mut plan = plan();
    changed(&mut plan, TRUNK, |peer| {
        peer.targets.insert(0, domain("sip.example.com", None, CARRIER));
        peer.transports = smallvec![Transport::Udp];
    });
    let plain = Policy::build(plan.clone()).unwrap();
    located.follow(at(3), &plain);
    assert_eq!(targets(&located, &plain, TRUNK), ["203.0.113.1:5061"], "it was found by TLS alone");
    assert_eq!(located.peer_at(OUTSIDE, address("198.51.100.9:1").ip()), Some(TRUNK), "its calls may live");
    changed(&mut plan, TRUNK, |peer| {
        peer.targets.remove(0);
    });
    let without = Policy::build(plan).unwrap();
    located.follow(at(4), &without);
    assert_eq!(located.told().count(), 0);
    assert_eq!(
        located.learn(at(5), &without, CARRIER, found(&[("198.51.100.9:5061", 0, 0)])),
        Learned::default()
    );
    assert_eq!(targets(&located, &without, PBX), ["10.0.0.5:5061"]);
}
