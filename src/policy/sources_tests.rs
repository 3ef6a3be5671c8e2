//! Strangers, bans and buckets, at their limits; the rows of the attack table that they prove.

use super::super::code;
use super::super::fixture::{INSIDE, OUTSIDE, PBX, TRUNK, changed, flow, now, plan, policy};
use super::*;
use crate::clock::Wall;
use crate::policy::Plan;

const SEED: [u8; 32] = [3; 32];

fn at(micros: u64) -> Now {
    Now { tick: Tick::from_micros(micros), wall: Wall::from_micros(i64::try_from(micros).unwrap()) }
}

fn settled(policy: &Policy) -> Sources {
    let mut sources = Sources::new(&policy.sources, SEED);
    sources.follow(policy);
    sources
}

fn drained(sources: &mut Sources, policy: &Policy, now: Now) -> Vec<Alert> {
    let mut alerts = Vec::new();
    sources.drain_alerts(policy, now, &mut alerts);
    alerts.into_iter().map(|alert: Box<Alert>| *alert).collect()
}

#[test]
fn a_flow_is_known_by_listener_and_longest_prefix() {
    let policy = policy();
    let mut sources = settled(&policy);
    let table = [
        (INSIDE, "10.0.0.5:5060", SourceVerdict::Listed(PBX)),
        (OUTSIDE, "203.0.113.15:1", SourceVerdict::Listed(TRUNK)),
        (OUTSIDE, "[::ffff:203.0.113.15]:1", SourceVerdict::Listed(TRUNK)),
        (OUTSIDE, "203.0.113.16:1", SourceVerdict::Stranger { sample: true }),
        (OUTSIDE, "10.0.0.5:5060", SourceVerdict::Stranger { sample: true }),
        (ListenerIdOf::UNKNOWN, "10.0.0.5:5060", SourceVerdict::Stranger { sample: false }),
    ];
    for (listener, remote, expected) in table {
        assert_eq!(sources.screen(&policy, now(9), &flow(listener, remote)), expected, "{remote}");
    }
    assert_eq!(sources.counts().listed, 3);
}

struct ListenerIdOf;
impl ListenerIdOf {
    const UNKNOWN: crate::sip::ListenerId = crate::sip::ListenerId(9);
}

#[test]
fn a1_a_stranger_is_met_with_silence_then_banned_and_the_ban_expires_and_doubles() {
    let policy = policy();
    let mut sources = settled(&policy);
    let stranger = flow(OUTSIDE, "192.0.2.66:5060");
    let mut frame = |now: Now| sources.screen(&policy, now, &stranger);
    for number in 0..21 {
        assert_eq!(frame(now(10)), SourceVerdict::Stranger { sample: number == 0 }, "{number}");
    }
    // The 21st was one too many: 15 minutes of ban, to the microsecond.
    assert_eq!(frame(now(10)), SourceVerdict::Banned);
    assert_eq!(frame(at(909_999_999)), SourceVerdict::Banned);
    assert!(matches!(frame(at(910_000_000)), SourceVerdict::Stranger { .. }));
    for _ in 0..20 {
        assert!(matches!(frame(at(910_000_000)), SourceVerdict::Stranger { .. }));
    }
    assert_eq!(frame(at(910_000_000)), SourceVerdict::Banned);
    assert_eq!(frame(at(910_000_000 + 1_799_999_999)), SourceVerdict::Banned, "twice as long");
    assert!(matches!(frame(at(910_000_000 + 1_800_000_000)), SourceVerdict::Stranger { .. }));
    assert_eq!(sources.counts().bans, 2);
    assert_eq!(sources.bans(now(10).tick).0, 1);
    assert_eq!(sources.bans(now(9_000).tick).0, 0);
}

#[test]
fn a_ban_is_never_longer_than_the_longest_and_is_forgotten() {
    let mut plan = plan();
    plan.sources = Settings {
        ban_after: 1,
        ban_first: Duration::from_secs(10),
        ban_max: Duration::from_secs(25),
        ..Settings::default()
    };
    let policy = Policy::build(plan).unwrap();
    let mut sources = settled(&policy);
    let stranger = flow(OUTSIDE, "192.0.2.66:5060");
    let mut time = 100;
    // Each row: how long the ban lasts, then how long the source is quiet after it.
    for (lasts, quiet) in [(10, 1), (20, 1), (25, 1), (25, 25), (25, 26), (10, 0)] {
        sources.screen(&policy, now(time), &stranger);
        sources.screen(&policy, now(time), &stranger);
        assert_eq!(
            sources.judge(&policy, now(time + lasts - 1).tick, &stranger),
            SourceVerdict::Banned,
            "{lasts}"
        );
        assert_ne!(
            sources.judge(&policy, now(time + lasts).tick, &stranger),
            SourceVerdict::Banned,
            "{lasts}"
        );
        time += lasts + quiet;
    }
}

#[test]
fn a1_a_listed_source_is_never_banned_and_a_source_listed_later_is_unbanned() {
    let first = policy();
    let mut sources = settled(&first);
    // The PBX speaks to the wrong listener: it is told, and never banned.
    for _ in 0..100 {
        let verdict = sources.screen(&first, now(1), &flow(OUTSIDE, "10.0.0.5:5060"));
        assert!(matches!(verdict, SourceVerdict::Stranger { .. }));
    }
    assert_eq!(sources.counts().bans, 0);
    let later = flow(OUTSIDE, "[2001:db8::77]:5060");
    for _ in 0..22 {
        sources.screen(&first, now(1), &later);
    }
    assert_eq!(sources.judge(&first, now(1).tick, &later), SourceVerdict::Banned);
    let mut plan = plan();
    changed(&mut plan, TRUNK, |trunk| trunk.sources.push("2001:db8::77/128".parse().unwrap()));
    let second = Policy::build(plan).unwrap();
    sources.follow(&second);
    assert_eq!(sources.screen(&second, now(2), &later), SourceVerdict::Listed(TRUNK));
    assert_eq!(sources.bans(now(2).tick).0, 0);
    assert_ne!(
        sources.judge(&first, now(2).tick, &later),
        SourceVerdict::Banned,
        "the ban is lifted, not hidden"
    );
}

#[test]
fn a2_a_user_agent_is_evidence_and_nothing_else() {
    let policy = policy();
    let mut sources = settled(&policy);
    let stranger = flow(OUTSIDE, "192.0.2.66:5060");
    assert_eq!(sources.screen(&policy, now(5), &stranger), SourceVerdict::Stranger { sample: true });
    sources.sampled(&stranger, b"OPTIONS", b"Cisco-SIPGateway/IOS-12.x");
    assert_eq!(sources.screen(&policy, now(5), &stranger), SourceVerdict::Stranger { sample: false });
    assert_eq!(sources.due(), Some(now(6).tick));
    assert!(drained(&mut sources, &policy, at(5_999_999)).is_empty());
    let alerts = drained(&mut sources, &policy, now(6));
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!((alert.code.number, alert.count, alert.sip_status), (32201, 2, None));
    assert_eq!(alert.source, Some("192.0.2.66:5060".parse().unwrap()));
    let agent = ("user_agent", "Cisco-SIPGateway/IOS-12.x".to_owned());
    assert!(alert.evidence.contains(&agent) && alert.evidence.contains(&("method", "OPTIONS".to_owned())));
    assert!(alert.evidence.contains(&("listener", "outside".to_owned())));
    for _ in 0..40 {
        sources.screen(&policy, now(7), &stranger);
    }
    assert_eq!(sources.judge(&policy, now(7).tick, &stranger), SourceVerdict::Banned);
}

#[test]
fn a_stranger_that_goes_on_is_told_again_with_what_was_folded() {
    let mut plan = plan();
    plan.sources.ban_after = 1_000;
    let policy = Policy::build(plan).unwrap();
    let mut sources = settled(&policy);
    let stranger = flow(OUTSIDE, "192.0.2.66:5060");
    sources.screen(&policy, now(5), &stranger);
    assert_eq!(drained(&mut sources, &policy, now(6)).len(), 1);
    for second in 7..10 {
        sources.screen(&policy, now(second), &stranger);
    }
    assert_eq!(sources.due(), Some(now(6 + 900).tick));
    let again = drained(&mut sources, &policy, now(906));
    assert_eq!(again.iter().map(|alert| alert.count).collect::<Vec<_>>(), [3]);
    assert_eq!(sources.due(), None);
}

#[test]
fn f6_a_flood_of_a_million_sources_keeps_its_memory_and_its_alerts_bounded_and_loses_no_count() {
    let mut plan = plan();
    plan.sources = Settings { strangers_max: 4_096, bans_max: 256, ban_after: 1, ..Settings::default() };
    let policy = Policy::build(plan).unwrap();
    let mut sources = settled(&policy);
    let mut alerts = Vec::new();
    let (mut frames, mut due) = (0_u64, None);
    for number in 0..1_000_000_u32 {
        // 100 seconds; every fourth source sends twice and is banned for it.
        let moment = at(u64::from(number) * 100);
        let remote = std::net::SocketAddr::from((std::net::Ipv4Addr::from(0x2000_0000 + number), 5060));
        let flow = Flow { remote, ..flow(OUTSIDE, "192.0.2.1:1") };
        for _ in 0..=u32::from(number % 4 == 0) {
            assert!(matches!(sources.screen(&policy, moment, &flow), SourceVerdict::Stranger { .. }));
            frames += 1;
        }
        if sources.due().is_some_and(|due| due <= moment.tick) {
            sources.drain_alerts(&policy, moment, &mut alerts);
            due = sources.due();
        }
    }
    sources.drain_alerts(&policy, now(3_600), &mut alerts);
    assert!(due.is_some());
    assert_eq!(sources.counts().strangers, frames);
    assert_eq!(sources.counts().sampled, 10 * 100 + 9, "ten a second are read, and one burst");
    assert!(sources.bans(at(99_999_900).tick).0 <= 256);
    assert!(alerts.len() <= 12 * (16 + 32 + 1), "{}", alerts.len());
    let told: u64 =
        alerts.iter().filter(|alert| alert.code == code::SOURCE_NOT_IN_ACL).map(|alert| alert.count).sum();
    assert_eq!(told, frames, "what is folded is counted");
}

#[test]
fn f6_a_listed_peer_beside_a_flood_goes_on() {
    let policy = policy();
    let mut sources = settled(&policy);
    for number in 0..100_000_u32 {
        let remote = std::net::SocketAddr::from((std::net::Ipv4Addr::from(0x2000_0000 + number), 5060));
        sources.screen(&policy, now(1), &Flow { remote, ..flow(OUTSIDE, "192.0.2.1:1") });
        if number % 1_000 == 0 {
            let listed = sources.screen(&policy, now(1), &flow(OUTSIDE, "203.0.113.1:5061"));
            assert_eq!(listed, SourceVerdict::Listed(TRUNK));
        }
    }
}

#[test]
fn a_listed_peer_over_its_bucket_is_answered_and_not_banned() {
    let mut plan = plan();
    plan.sources.over_bucket_answers_per_second_max = 2;
    let policy = Policy::build(plan).unwrap();
    let mut sources = settled(&policy);
    // Burst 5: limit - 1, limit, limit + 1.
    for _ in 0..5 {
        assert_eq!(sources.bucket(&policy, now(1), PBX, Charged::Own), Bucket::Fits);
    }
    for _ in 0..2 {
        let Bucket::Answer(refusal) = sources.bucket(&policy, now(1), PBX, Charged::Own) else {
            panic!("an answer is due")
        };
        assert_eq!((refusal.code.number, refusal.status, refusal.retry_after), (32001, 480, Some(1)));
    }
    assert_eq!(sources.bucket(&policy, now(1), PBX, Charged::Own), Bucket::Drop);
    assert_eq!(sources.bucket(&policy, now(1), TRUNK, Charged::Own), Bucket::Fits, "each peer has its own");
    assert_eq!(sources.bucket(&policy, at(1_099_999), PBX, Charged::Own), Bucket::Drop);
    assert_eq!(sources.bucket(&policy, at(1_100_000), PBX, Charged::Own), Bucket::Fits, "ten a second");
    assert_eq!(sources.screen(&policy, now(1), &flow(INSIDE, "10.0.0.5:1")), SourceVerdict::Listed(PBX));
    let alerts = drained(&mut sources, &policy, now(2));
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!((alert.code.number, alert.count, alert.peer.as_deref()), (32001, 4, Some("pbx")));
    assert_eq!(sources.due(), None);
    assert_eq!(sources.bucket(&policy, now(1), PeerId(99), Charged::Own), Bucket::Drop);
}

#[test]
fn tables_follow_a_policy_that_changes_their_size() {
    let first = policy();
    let mut sources = settled(&first);
    let stranger = flow(OUTSIDE, "192.0.2.66:5060");
    for _ in 0..22 {
        sources.screen(&first, now(1), &stranger);
    }
    let same = Policy::build(Plan { generation: 2, ..plan() }).unwrap();
    sources.follow(&same);
    assert_eq!(sources.bans(now(1).tick).0, 1, "a reload keeps bans");
    let mut plan = plan();
    plan.sources.bans_max = 8;
    let smaller = Policy::build(plan).unwrap();
    sources.follow(&smaller);
    assert_eq!(sources.bans(now(1).tick).0, 0);
    assert!(matches!(sources.screen(&smaller, now(1), &stranger), SourceVerdict::Stranger { .. }));
}

#[test]
fn f6_forged_datagrams_push_no_ban_out_that_streams_earned_and_no_rate() {
    let mut plan = plan();
    plan.sources = Settings { strangers_max: 64, bans_max: 64, ban_after: 2, ..Settings::default() };
    let policy = Policy::build(plan).unwrap();
    let mut sources = settled(&policy);
    let stream = |host: u32| Flow {
        transport: crate::sip::Transport::Tls,
        remote: std::net::SocketAddr::from((std::net::Ipv4Addr::from(0x1000_0000 + host), 5060)),
        ..flow(OUTSIDE, "192.0.2.1:1")
    };
    let (banned, begun) = (stream(1), stream(2));
    for _ in 0..3 {
        sources.screen(&policy, now(10), &banned);
    }
    sources.screen(&policy, now(10), &begun);
    for host in 0..100_000_u32 {
        let remote = std::net::SocketAddr::from((std::net::Ipv4Addr::from(0x2000_0000 + host), 5060));
        let forged = Flow { transport: crate::sip::Transport::Udp, remote, ..banned };
        for _ in 0..3 {
            sources.screen(&policy, now(11), &forged);
        }
    }
    let (count, told) = sources.bans(now(11).tick);
    assert!(count <= 64 && told.len() == BANS_TOLD_MAX, "{count} {}", told.len());
    assert_eq!(sources.judge(&policy, now(11).tick, &banned), SourceVerdict::Banned);
    // One was counted before the flood, so the second after it is one too many.
    sources.screen(&policy, now(11), &begun);
    assert_ne!(sources.judge(&policy, now(11).tick, &begun), SourceVerdict::Banned);
    sources.screen(&policy, now(11), &begun);
    assert_eq!(sources.judge(&policy, now(11).tick, &begun), SourceVerdict::Banned);
}

#[test]
fn f6_a_table_full_of_what_streams_earned_has_no_room_for_a_ban_of_datagrams() {
    let mut plan = plan();
    plan.sources = Settings { strangers_max: 4_096, bans_max: 4, ban_after: 1, ..Settings::default() };
    let policy = Policy::build(plan).unwrap();
    let mut sources = settled(&policy);
    let by = |transport, host: u32| Flow {
        transport,
        remote: std::net::SocketAddr::from((std::net::Ipv4Addr::from(0x1000_0000 + host), 5060)),
        ..flow(OUTSIDE, "192.0.2.1:1")
    };
    let (udp, tcp) = (crate::sip::Transport::Udp, crate::sip::Transport::Tcp);
    let insist = |sources: &mut Sources, seconds, flow: &Flow| {
        (0..2).for_each(|_| {
            sources.screen(&policy, now(seconds), flow);
        });
        let counts = sources.counts();
        (counts.bans, counts.bans_of_streams, counts.bans_unplaced)
    };
    // Limit - 1, limit, limit + 1.
    for host in 1..=3 {
        assert_eq!(insist(&mut sources, 10, &by(tcp, host)), (u64::from(host), u64::from(host), 0));
    }
    assert_eq!(insist(&mut sources, 10, &by(udp, 4)), (4, 3, 0));
    assert_eq!(insist(&mut sources, 10, &by(tcp, 5)), (5, 4, 0), "a datagram's ban makes room");
    assert_eq!(insist(&mut sources, 10, &by(udp, 6)), (5, 4, 1), "and has none");
    for host in [1, 2, 3, 5] {
        assert!(sources.bans_streams(now(11).tick, by(tcp, host).remote.ip()), "{host}");
    }
    assert_eq!(
        insist(&mut sources, 11, &by(tcp, 7)),
        (6, 5, 1),
        "one of streams has the place of the one that ends first"
    );
    // What has ended keeps nobody out.
    assert_eq!(insist(&mut sources, 10_000, &by(udp, 8)), (7, 5, 1));
}
