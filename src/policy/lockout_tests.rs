//! Who is locked out by which guesses, who is not, and what of it is told.

use proptest::prelude::*;

use super::*;

const FIRST: Duration = Duration::from_secs(900);
const MOST: Duration = Duration::from_secs(86_400);

fn at(seconds: u64) -> Tick {
    Tick::from_micros(seconds * 1_000_000)
}

fn lockouts() -> Lockouts {
    Lockouts::new([3; 32], 64, FIRST, MOST)
}

fn who(source: &str, user: &'static str, trusted: bool) -> Try<'static> {
    let peer = trusted.then_some(PeerId(1));
    Try {
        peer,
        listener: ListenerId(1),
        source: source.parse().unwrap(),
        medium: Medium::Streams,
        user: user.as_bytes(),
        trusted,
        known: false,
        exists: true,
    }
}

fn is_locked(lockouts: &Lockouts, now: Tick, who: &Try<'_>) -> bool {
    lockouts.lock_of(now, who) != Lock::Open
}

#[test]
fn a4_five_wrong_in_ten_minutes_lock_the_pair_and_nobody_else() {
    let mut lockouts = lockouts();
    let guesser = who("192.0.2.1", "office", true);
    for (n, expected) in [(1, false), (2, false), (3, false), (4, false), (5, true)] {
        let wrong = lockouts.wrong(at(n), &guesser);
        assert_eq!(wrong == Wrong::Locked { lasts: FIRST, nth: 1 }, expected, "{n}");
        assert_eq!(is_locked(&lockouts, at(n), &guesser), expected, "{n}");
    }
    assert!(!is_locked(&lockouts, at(5), &who("192.0.2.2", "office", true)), "from elsewhere");
    assert!(!is_locked(&lockouts, at(5), &who("192.0.2.1", "other", true)), "another user");
    assert!(is_locked(&lockouts, at(904), &guesser));
    assert!(!is_locked(&lockouts, at(905), &guesser));
    // The second lock is twice as long; the window slides.
    for n in 0..4 {
        assert_eq!(lockouts.wrong(at(1_000 + n), &guesser), Wrong::Borne);
    }
    assert_eq!(lockouts.wrong(at(1_601), &guesser), Wrong::Borne, "the first is 601 s ago");
    assert_eq!(lockouts.wrong(at(1_601), &guesser), Wrong::Locked { lasts: FIRST * 2, nth: 2 });
    assert_eq!(lockouts.locked(at(1_602)), 1);
}

#[test]
fn a_right_one_forgives_the_slips_of_its_pair() {
    let mut lockouts = lockouts();
    let phone = who("192.0.2.1", "office", true);
    for round in 0..5 {
        for n in 0..4 {
            assert_eq!(lockouts.wrong(at(round * 10 + n), &phone), Wrong::Borne);
        }
        lockouts.right(&phone);
    }
}

#[test]
fn a4_a_strangers_source_is_locked_whatever_user_it_names() {
    let mut lockouts = lockouts();
    let users = ["a", "b", "c", "d", "e"];
    for (n, user) in users.into_iter().enumerate() {
        let wrong = lockouts.wrong(at(1), &who("192.0.2.9", user, false));
        assert_eq!(wrong != Wrong::Borne, n == 4, "{user}");
    }
    assert!(is_locked(&lockouts, at(1), &who("192.0.2.9", "f", false)));
}

#[test]
fn a4_a_user_that_a_thousand_strangers_guess_at_is_locked_for_strangers_alone() {
    let mut lockouts = Lockouts::new([3; 32], LOCKS_MAX, FIRST, MOST);
    let locked = (0..1_000_u32).filter(|n| {
        let source = IpAddr::V4(std::net::Ipv4Addr::from(0xc612_0000 + n));
        lockouts.wrong(at(1), &Try { source, ..who("192.0.2.1", "office", false) }) != Wrong::Borne
    });
    assert_eq!(locked.count(), 20, "at the 50th, and each 50th after");
    assert!(is_locked(&lockouts, at(2), &who("203.0.113.77", "office", false)));
    assert!(!is_locked(&lockouts, at(2), &who("203.0.113.77", "other", false)));
    assert!(!is_locked(&lockouts, at(2), &who("10.0.0.5", "office", true)), "the rightful user gets in");
}

#[test]
fn another_password_forgives_its_user_everywhere_and_no_stranger() {
    let mut lockouts = Lockouts::new([3; 32], LOCKS_MAX, FIRST, MOST);
    let (office, other, stranger) = (
        who("192.0.2.1", "office", true),
        who("192.0.2.1", "other", true),
        who("192.0.2.9", "office", false),
    );
    for who in [office, other, stranger] {
        (0..5).for_each(|_| {
            lockouts.wrong(at(1), &who);
        });
        assert!(is_locked(&lockouts, at(2), &who));
    }
    for n in 0..50_u32 {
        let source = IpAddr::V4(std::net::Ipv4Addr::from(0xc612_0000 + n));
        lockouts.wrong(at(1), &Try { source, ..who("192.0.2.1", "office", false) });
    }
    let fresh = who("203.0.113.77", "office", false);
    assert!(is_locked(&lockouts, at(2), &fresh), "guessed at from anywhere");
    lockouts.forgive(b"office");
    assert!(!is_locked(&lockouts, at(2), &office) && !is_locked(&lockouts, at(2), &fresh));
    assert!(is_locked(&lockouts, at(2), &other), "another user's");
    assert!(is_locked(&lockouts, at(2), &stranger), "whoever guessed is a guesser still");
    assert_eq!(lockouts.wrong(at(3), &office), Wrong::Borne, "it begins anew");
}

#[test]
fn an_entry_has_the_size_that_is_told() {
    assert_eq!(size_of::<Slot<Entry>>(), 96);
}

#[test]
fn the_table_is_bounded_and_locks_outlive_slips() {
    let mut lockouts = Lockouts::new([3; 32], 4, FIRST, MOST);
    let guesser = who("192.0.2.1", "office", true);
    (0..5).for_each(|_| {
        lockouts.wrong(at(1), &guesser);
    });
    for n in 0..1_000_u32 {
        let source = IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0000 + n));
        lockouts.wrong(at(2), &Try { source, ..who("192.0.2.1", "x", true) });
    }
    assert!(is_locked(&lockouts, at(2), &guesser));
    assert_eq!(lockouts.table.iter().count(), 4);
}

#[test]
fn a4_two_peers_behind_one_address_share_no_lock_and_an_ipv6_source_counts_by_its_64() {
    let mut lockouts = lockouts();
    let (one, other) = (who("2001:db8::1", "office", true), who("2001:db8::1", "office", true));
    let other = Try { peer: Some(PeerId(2)), ..other };
    for n in 0..5_u16 {
        let source = IpAddr::from([0x2001, 0xdb8, 0, 0, n, n, n, n]);
        lockouts.wrong(at(1), &Try { source, ..one });
    }
    assert!(is_locked(&lockouts, at(2), &one), "the same /64");
    assert!(!is_locked(&lockouts, at(2), &other), "another peer there");
    assert!(!is_locked(&lockouts, at(2), &who("2001:db8:0:1::1", "office", true)), "another /64");
    let told: Vec<Told> = lockouts.told(at(2)).collect();
    let expected = Told {
        peer: Some(PeerId(1)),
        source: Some("2001:db8::".parse().unwrap()),
        user: Some("office".to_owned()),
        medium: Medium::Streams,
        left: FIRST - Duration::from_secs(1),
        nth: 1,
    };
    assert_eq!(told, [expected]);
}

#[test]
fn a4_a_source_of_a_peer_that_guesses_at_many_users_has_one_guess_at_each_and_its_rightful_users_go_on() {
    let mut lockouts = lockouts();
    let nobody =
        |n: u32| Try { exists: false, ..who("192.0.2.1", ["a", "b", "c", "d", "e"][n as usize % 5], true) };
    let office = who("192.0.2.1", "office", true);
    // Limit - 1, limit, limit + 1: different users, so that no pair is locked before.
    let names: Vec<String> = (0..1_000).map(|n| format!("user{n}")).collect();
    for (n, name) in (1_u32..).zip(&names) {
        let who = Try { user: name.as_bytes(), ..nobody(0) };
        let wrong = lockouts.wrong(at(1), &who);
        match n {
            ..WRONG_FROM_SOURCE_MAX => assert_eq!(wrong, Wrong::Borne, "{n}"),
            WRONG_FROM_SOURCE_MAX => assert_eq!(wrong, Wrong::Crowded { lasts: FIRST, nth: 1 }),
            _ => assert_eq!(wrong, Wrong::Quiet, "{n}"),
        }
    }
    assert!(lockouts.table.iter().count() <= 22, "users that there are not take no room from then on");
    assert_eq!(lockouts.lock_of(at(2), &office), Lock::Open, "who is right gets in");
    assert_eq!(lockouts.wrong(at(2), &office), Wrong::Quiet);
    assert_eq!(lockouts.lock_of(at(2), &office), Lock::Quiet, "one guess");
    assert_eq!(lockouts.repeated(at(2), &nobody(1)), Wrong::Quiet);
    let elsewhere = who("192.0.2.2", "office", true);
    assert_eq!(
        (lockouts.lock_of(at(2), &elsewhere), lockouts.repeated(at(2), &elsewhere)),
        (Lock::Open, Wrong::Copied)
    );
    // It ends.
    assert_eq!(lockouts.wrong(at(902), &nobody(1)), Wrong::Borne);
}

#[test]
fn a4_when_a_crowd_ends_nothing_tells_the_users_that_there_are_from_those_that_there_are_not() {
    let mut lockouts = lockouts();
    let office = who("192.0.2.1", "office", true);
    let ghost = Try { exists: false, user: b"ghost", ..office };
    for n in 0..WRONG_FROM_SOURCE_MAX {
        lockouts.wrong(at(1), &Try { user: format!("user{n}").as_bytes(), ..ghost });
    }
    for now in [2, 3, 4, 5, 6, 900] {
        if lockouts.lock_of(at(now), &office) == Lock::Open {
            assert_eq!(lockouts.wrong(at(now), &office), Wrong::Quiet);
        }
        assert_eq!(lockouts.wrong(at(now), &ghost), Wrong::Quiet);
    }
    assert_eq!(lockouts.lock_of(at(900), &office), Lock::Quiet, "its one guess is spent");
    assert_eq!(lockouts.locked(at(900)), 1, "the source alone");
    for n in 1..=5 {
        for one in [&office, &ghost] {
            assert_eq!(lockouts.lock_of(at(901), one), Lock::Open, "{n} {one:?}");
            let expected = if n < 5 { Wrong::Borne } else { Wrong::Locked { lasts: FIRST, nth: 1 } };
            assert_eq!(lockouts.wrong(at(901), one), expected, "{n} {one:?}");
        }
    }
}

#[test]
fn a4_behind_one_address_who_proved_a_password_and_who_has_not_are_not_to_blame_for_each_other() {
    let proven = Try { peer: None, ..who("192.0.2.1", "office", true) };
    let stranger = who("192.0.2.1", "colleague", false);
    let mut crowd = lockouts();
    for n in 0..WRONG_FROM_SOURCE_MAX {
        crowd.wrong(at(1), &Try { user: format!("user{n}").as_bytes(), ..proven });
    }
    assert_eq!(crowd.locked(at(2)), 1);
    assert_eq!(crowd.lock_of(at(2), &stranger), Lock::Open);
    let mut banned = lockouts();
    (0..5).for_each(|_| {
        banned.wrong(at(1), &stranger);
    });
    assert_eq!(banned.lock_of(at(2), &stranger), Lock::Locked);
    assert_eq!(banned.wrong(at(2), &proven), Wrong::Borne, "told, and counted by itself");
    assert_eq!(banned.lock_of(at(2), &proven), Lock::Open);
}

#[test]
fn a_source_that_is_unlocked_has_no_lock_left_however_many_there_were() {
    let mut lockouts = Lockouts::new([3; 32], LOCKS_MAX, FIRST, MOST);
    let names: Vec<String> = (0..300).map(|n| format!("user{n}")).collect();
    for (n, user) in (0_u64..).zip(&names) {
        // Slowly, so that the source is no crowd.
        (0..5).for_each(|_| {
            let peer = Some(PeerId(n as u16 % 7));
            let one = who("192.0.2.1", "", true);
            lockouts.wrong(at(1 + n), &Try { peer, user: user.as_bytes(), ..one });
        });
    }
    let elsewhere = who("192.0.2.2", "office", true);
    (0..5).for_each(|_| {
        lockouts.wrong(at(300), &elsewhere);
    });
    let before = lockouts.locked(at(301));
    let source = Some(elsewhere.source);
    assert_eq!(lockouts.free(at(301), &Freed { user: None, source }), [(Medium::Streams, 1)]);
    let source = Some("192.0.2.1".parse().unwrap());
    assert_eq!(lockouts.free(at(301), &Freed { user: None, source }), [(Medium::Streams, before - 1)]);
    assert_eq!(lockouts.locked(at(301)), 0);
}

#[test]
fn a_lock_that_was_lifted_keeps_no_new_one_from_being_told() {
    let mut lockouts = Lockouts::new([3; 32], LOCKS_MAX, FIRST, MOST);
    let lock = |lockouts: &mut Lockouts, n: u32, user: &'static str| {
        let source = IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0000 + n));
        (0..5).for_each(|_| {
            lockouts.wrong(at(1), &Try { source, ..who("192.0.2.1", user, true) });
        });
    };
    for n in 0..300 {
        lock(&mut lockouts, n, "office");
    }
    assert_eq!(lockouts.told(at(2)).count(), LOCKS_TOLD_MAX);
    lockouts.set(FIRST / 2, MOST);
    lockouts.forgive(b"office");
    lock(&mut lockouts, 1, "other");
    let told: Vec<Option<String>> = lockouts.told(at(2)).map(|told| told.user).collect();
    assert_eq!(told, [Some("other".to_owned())]);
}

#[test]
fn a4_one_that_is_locked_and_goes_on_is_told_once_and_no_more() {
    let mut lockouts = lockouts();
    let guesser = who("192.0.2.1", "office", true);
    (0..5).for_each(|_| {
        lockouts.wrong(at(1), &guesser);
    });
    let heard: Vec<Wrong> = (0..100).map(|_| lockouts.pressed(at(2), &guesser)).collect();
    let loud = heard.iter().filter(|wrong| **wrong != Wrong::Quiet).count();
    assert_eq!(loud, 15, "with the five before, the limit");
    assert!(matches!(heard[14], Wrong::Crowded { .. }), "{heard:?}");
    assert_eq!(lockouts.lock_of(at(2), &guesser), Lock::Quiet);
}

#[test]
fn locks_are_lifted_by_user_by_source_or_by_both_and_no_others() {
    let names = ["office", "other"];
    let sources = ["192.0.2.1", "192.0.2.2"];
    let table: &[(Option<&str>, Option<&str>, usize)] = &[
        (Some("office"), None, 2),
        (Some("nobody"), None, 0),
        (Some("office"), Some("192.0.2.1"), 1),
        (Some("other"), Some("192.0.2.9"), 0),
        (None, Some("192.0.2.2"), 2),
        (None, Some("198.51.100.1"), 1),
        (None, None, 0),
    ];
    for (user, source, freed) in table {
        let mut lockouts = lockouts();
        for (name, source) in names.iter().flat_map(|name| sources.map(|source| (name, source))) {
            (0..5).for_each(|_| {
                lockouts.wrong(at(1), &who(source, name, true));
            });
        }
        // A stranger's source.
        (0..5).for_each(|_| {
            lockouts.wrong(at(1), &who("198.51.100.1", "office", false));
        });
        assert_eq!((lockouts.locked(at(2)), lockouts.told(at(2)).count()), (5, 5));
        let wanted =
            Freed { user: user.map(str::as_bytes), source: source.map(|source| source.parse().unwrap()) };
        let lifted: usize = lockouts.free(at(2), &wanted).iter().map(|(_, lifted)| lifted).sum();
        assert_eq!(lifted, *freed, "{user:?} {source:?}");
        assert_eq!((lockouts.locked(at(2)), lockouts.told(at(2)).count()), (5 - freed, 5 - freed));
    }
}

#[test]
fn locks_are_told_by_name_in_a_bounded_list_and_nothing_in_a_name_reaches_a_terminal() {
    let mut lockouts = Lockouts::new([3; 32], LOCKS_MAX, FIRST, MOST);
    for n in 0..1_000_u32 {
        let source = IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0000 + n));
        (0..5).for_each(|_| {
            lockouts.wrong(at(1 + u64::from(n)), &Try { source, ..who("192.0.2.1", "\x1b[2J\n", true) });
        });
    }
    let told: Vec<Told> = lockouts.told(at(600)).collect();
    assert_eq!(told.len(), LOCKS_TOLD_MAX);
    assert!(told.iter().all(|lock| lock.user.as_deref() == Some("\\x1b[2J\\n")));
}

#[test]
fn a4_what_datagrams_guessed_locks_datagrams_alone_and_what_streams_guessed_locks_both() {
    let by = |medium, user| Try { medium, ..who("192.0.2.1", user, true) };
    let stranger = |medium| Try { medium, ..who("198.51.100.1", "office", false) };
    for (earned, streams_too) in [(Medium::Datagrams, false), (Medium::Streams, true)] {
        let mut lockouts = lockouts();
        for n in 1..=5 {
            let expected = if n < 5 { Wrong::Borne } else { Wrong::Locked { lasts: FIRST, nth: 1 } };
            assert_eq!(lockouts.wrong(at(1), &by(earned, "office")), expected, "{n}");
            assert_eq!(lockouts.wrong(at(1), &stranger(earned)), expected, "{n}");
        }
        for who in [by(Medium::Datagrams, "office"), stranger(Medium::Datagrams)] {
            assert!(is_locked(&lockouts, at(2), &who), "{earned:?}");
        }
        for who in [by(Medium::Streams, "office"), stranger(Medium::Streams)] {
            assert_eq!(is_locked(&lockouts, at(2), &who), streams_too, "{earned:?}");
        }
        assert!(lockouts.told(at(2)).all(|told| told.medium == earned));
        let user = Some(&b"office"[..]);
        assert_eq!(lockouts.free(at(2), &Freed { user, source: None }), [(earned, 1)]);
        // A source that guesses at many.
        for n in 0..WRONG_FROM_SOURCE_MAX {
            lockouts.wrong(at(3), &Try { user: format!("user{n}").as_bytes(), ..by(earned, "") });
        }
        assert_eq!(lockouts.wrong(at(4), &by(Medium::Datagrams, "office")), Wrong::Quiet);
        assert_eq!(lockouts.lock_of(at(4), &by(Medium::Datagrams, "office")), Lock::Quiet, "its one guess");
        let streams = by(Medium::Streams, "office");
        assert_eq!(lockouts.lock_of(at(4), &streams), Lock::Open, "{earned:?}: a forger spends none of it");
        let expected = if streams_too { Wrong::Quiet } else { Wrong::Borne };
        assert_eq!(lockouts.wrong(at(4), &streams), expected, "{earned:?}");
    }
    // A user that is guessed at from everywhere.
    let mut lockouts = Lockouts::new([3; 32], LOCKS_MAX, FIRST, MOST);
    let strange = |n: u32, medium| Try {
        source: IpAddr::V4(std::net::Ipv4Addr::from(0xc612_0000 + n)),
        ..stranger(medium)
    };
    (0..50).for_each(|n| {
        lockouts.wrong(at(1), &strange(n, Medium::Datagrams));
    });
    assert!(is_locked(&lockouts, at(2), &strange(99, Medium::Datagrams)));
    assert!(!is_locked(&lockouts, at(2), &strange(99, Medium::Streams)));
}

/// What one step of a play does: who, from where, at which peer, and whether it is right.
fn step() -> impl Strategy<Value = (u8, u8, Option<u16>, bool, u64)> {
    (0..4_u8, 0..3_u8, proptest::option::of(0..2_u16), prop::bool::weighted(0.1), 0..120_u64)
}

proptest! {
    /// A4: whatever others do, who was never wrong is never locked out of a listed source; and no pair has more than five
    /// guesses in ten minutes.
    #[test]
    fn a4_whoever_was_never_wrong_gets_in_and_nobody_guesses_more_than_five_times(
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let users = ["office", "other", "third", "nobody"];
        let sources = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];
        let mut lockouts = Lockouts::new([3; 32], LOCKS_MAX, FIRST, MOST);
        let mut guessed: std::collections::HashMap<(u8, u8, Option<u16>), Vec<u64>> = Default::default();
        let mut now = 1;
        for (user, source, peer, right, later) in steps {
            now += later;
            let trier = |user: u8, source: u8, peer: Option<u16>| Try {
                peer: peer.map(PeerId),
                exists: user < 3,
                ..who(sources[usize::from(source)], users[usize::from(user)], peer.is_some())
            };
            let one = trier(user, source, peer);
            if lockouts.lock_of(at(now), &one) != Lock::Open {
                lockouts.pressed(at(now), &one);
            } else if right && user < 3 {
                lockouts.right(&one);
                // Slips are forgiven, and count anew.
                guessed.entry((user, source, peer)).or_default().clear();
            } else {
                lockouts.wrong(at(now), &one);
                let times = guessed.entry((user, source, peer)).or_default();
                times.push(now);
                times.retain(|time| now - time < WRONG_WINDOW.as_secs());
                // Of a user that there is: the others have no password that a guess could hit.
                prop_assert!(times.len() <= WRONG_MAX || user == 3 && peer.is_some(), "{user} {source} {peer:?}: {times:?}");
            }
            for user in 0..3 {
                for source in 0..3 {
                    for peer in [Some(0), Some(1)] {
                        let clean = !guessed.contains_key(&(user, source, peer));
                        let open = lockouts.lock_of(at(now), &trier(user, source, peer)) == Lock::Open;
                        prop_assert!(open || !clean, "{user} {source} {peer:?} at {now}");
                    }
                }
            }
        }
    }
}
