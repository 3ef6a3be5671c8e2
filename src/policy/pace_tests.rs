//! The rate and the line at their limits, and what a long line costs.
//!
//! Owns no settings but its own. Read first: `pace`.

use super::*;

fn pace(calls: u32, burst: u32, queue_max: u32) -> Pace {
    Pace { per_second: NonZeroU32::new(calls), burst, queue_max, ..Pace::default() }
}

fn ms(millis: u64) -> Tick {
    Tick::from_micros(millis * 1_000)
}

/// A call that finds the line so at this time; whether it left.
fn call(line: &mut Line, now: Tick, pace: &Pace) -> bool {
    let ready = line.ready(now, pace, None).is_ok();
    if ready {
        line.leave(now, pace, None);
    }
    ready
}

#[test]
fn a_rate_lets_one_call_through_each_interval_and_a_burst_after_a_pause() {
    for (calls, burst, at, leave) in [
        (1, 1, vec![0, 999, 1_000, 1_001, 2_000], vec![true, false, true, false, true]),
        (2, 1, vec![0, 499, 500, 999, 1_000], vec![true, false, true, false, true]),
        (1, 2, vec![0, 0, 0, 999, 1_000], vec![true, true, false, false, true]),
        (
            1,
            3,
            vec![0, 0, 0, 0, 3_000, 3_000, 3_000, 3_000],
            vec![true, true, true, false, true, true, true, false],
        ),
    ] {
        let (mut line, pace) = (Line::default(), pace(calls, burst, 9));
        let left: Vec<bool> = at.iter().map(|at| call(&mut line, ms(5_000 + at), &pace)).collect();
        assert_eq!(left, leave, "{calls} a second, burst {burst}: {at:?}");
    }
}

#[test]
fn without_a_rate_every_call_leaves() {
    let (mut line, pace) = (Line::default(), Pace::default());
    assert!((0..1_000).all(|_| call(&mut line, ms(1), &pace)));
}

/// Comes to a line; its place if it waits.
fn come(line: &mut Line, now: Tick, pace: &Pace) -> Option<Place> {
    come_as(line, now, pace, 1).ok()
}

/// The same, of a caller behind one source.
fn come_as(line: &mut Line, now: Tick, pace: &Pace, caller: u64) -> Result<Place, NoPlace> {
    come_from(line, now, pace, (0, caller))
}

/// The same, of a caller behind some source.
fn come_from(line: &mut Line, now: Tick, pace: &Pace, who: (u64, u64)) -> Result<Place, NoPlace> {
    let turn = line.ready(now, pace, None).expect_err("the rate is used up");
    line.join(now, pace, turn, &parties(who))
}

fn parties((source, number): (u64, u64)) -> Parties {
    Parties { source, caller: source * 1_000_000 + number, ..Parties::default() }
}

#[test]
fn a_line_is_as_long_as_it_may_be_and_no_longer() {
    for limit in [0, 1, 2, 5] {
        let (mut line, pace) = (Line::default(), pace(10, 1, limit));
        assert!(call(&mut line, ms(0), &pace));
        let places: Vec<Place> = (0..limit).filter_map(|_| come(&mut line, ms(0), &pace)).collect();
        assert_eq!((places.len() as u32, line.waiting()), (limit, limit));
        assert!(come(&mut line, ms(0), &pace).is_none(), "limit + 1 at {limit}");
        drop(places);
        assert_eq!(line.waiting(), 0, "who goes leaves the line");
    }
}

#[test]
fn who_would_wait_longer_than_two_seconds_does_not_wait_at_all() {
    let (mut line, pace) = (Line::default(), pace(1, 1, 100));
    assert!(call(&mut line, ms(0), &pace));
    let places: Vec<Option<Place>> = (0..3).map(|_| come(&mut line, ms(0), &pace)).collect();
    let waits: Vec<bool> = places.iter().map(Option::is_some).collect();
    assert_eq!(waits, [true, true, false], "turns at 1 s, 2 s and 3 s");
}

#[test]
fn first_come_first_served_and_a_place_given_up_moves_the_rest_on() {
    let (mut line, pace) = (Line::default(), pace(1, 1, 100));
    assert!(call(&mut line, ms(0), &pace));
    let first = come(&mut line, ms(10), &pace).expect("a place");
    let second = come(&mut line, ms(20), &pace).expect("a place");
    assert_eq!(line.ready(ms(900), &pace, Some(&first)), Err(ms(1_000)));
    assert_eq!(line.ready(ms(1_000), &pace, Some(&second)), Err(ms(2_000)), "one is before it");
    assert_eq!(line.ready(ms(1_000), &pace, None), Err(ms(3_000)), "nobody overtakes those that wait");
    drop(first);
    assert_eq!(line.ready(ms(1_000), &pace, Some(&second)), Ok(()));
    line.leave(ms(1_000), &pace, Some(&second));
    assert_eq!(line.waiting(), 0);
    assert_eq!(line.ready(ms(1_999), &pace, None), Err(ms(2_001)));
    assert!(call(&mut line, ms(2_000), &pace));
}

/// Who still waits of those that came.
fn kept(places: &[Place]) -> usize {
    places.iter().filter(|place| !place.is_lost()).count()
}

#[test]
fn c8_a_caller_alone_has_the_whole_line_and_gives_up_to_others_what_is_above_a_quarter() {
    for (queue_max, share) in [(1, 1), (2, 1), (7, 1), (8, 2), (9, 2), (100, 25)] {
        let (mut line, pace) = (Line::default(), pace(1_000, 1, queue_max));
        assert!(call(&mut line, ms(0), &pace));
        let greedy: Vec<Place> = (0..queue_max).map_while(|_| come(&mut line, ms(0), &pace)).collect();
        assert_eq!((greedy.len() as u32, kept(&greedy) as u32), (queue_max, queue_max), "alone");
        let mut left = queue_max;
        let mut others = Vec::new();
        for caller in 2..10 {
            for nth in 1..=share + 1 {
                let place = come_as(&mut line, ms(0), &pace, caller);
                // Up to its own share, and only from who holds more than that.
                if nth <= share && left > share {
                    left -= 1;
                    others.push(place.expect("a place"));
                } else {
                    assert_eq!(place.err(), Some(NoPlace::Full), "{queue_max}: caller {caller}, {nth}");
                }
            }
        }
        assert_eq!((kept(&greedy) as u32, kept(&others)), (left, others.len()), "{queue_max}");
        assert_eq!((left, line.waiting()), (share.min(queue_max), queue_max), "{queue_max}");
        assert!(greedy.iter().take(left as usize).all(|place| !place.is_lost()), "the newest go first");
        assert_eq!(come(&mut line, ms(0), &pace).map(drop), None, "and it takes none of theirs");
        drop((greedy, others));
        assert_eq!(line.waiting(), 0);
    }
}

#[test]
fn c8_a_line_that_is_full_by_its_rate_is_shared_as_well() {
    let (mut line, pace) = (Line::default(), pace(1, 1, 100));
    assert!(call(&mut line, ms(0), &pace));
    let greedy = [come(&mut line, ms(0), &pace), come(&mut line, ms(0), &pace)].map(Option::unwrap);
    assert_eq!(come_as(&mut line, ms(0), &pace, 1).err(), Some(NoPlace::Late));
    let other = come_as(&mut line, ms(0), &pace, 2).expect("the second turn");
    assert_eq!(greedy.each_ref().map(Place::is_lost), [false, true]);
    assert_eq!(line.ready(ms(1_000), &pace, Some(&other)), Err(ms(2_000)), "behind the first");
    line.leave(ms(1_000), &pace, Some(&greedy[0]));
    assert_eq!(line.ready(ms(2_000), &pace, Some(&other)), Ok(()));
    // What a pause keeps back is no caller's doing.
    let mut line = Line::default();
    assert!(call(&mut line, ms(0), &pace));
    let greedy = [come(&mut line, ms(0), &pace), come(&mut line, ms(0), &pace)].map(Option::unwrap);
    assert_eq!(line.join(ms(0), &pace, ms(30_000), &parties((0, 2))).err(), Some(NoPlace::Late));
    assert_eq!(kept(&greedy), 2);
}

#[test]
fn c8_a_source_that_shows_a_new_number_each_time_leaves_a_place_to_another_source() {
    let (mut line, pace) = (Line::default(), pace(1_000, 1, 8));
    assert!(call(&mut line, ms(0), &pace));
    // Each place another number's; then two of one number, which goes first.
    let crowd: Vec<Place> =
        (0..7).filter_map(|nth| come_from(&mut line, ms(0), &pace, (1, nth)).ok()).collect();
    let other = come_from(&mut line, ms(0), &pace, (2, 0)).expect("room");
    assert_eq!(come_from(&mut line, ms(0), &pace, (1, 9)).err(), Some(NoPlace::Full), "nor from itself");
    let more = come_from(&mut line, ms(0), &pace, (2, 1)).expect("a place of the crowd");
    assert_eq!((kept(&crowd), crowd[6].is_lost()), (6, true), "the newest goes");
    assert_eq!(come_from(&mut line, ms(0), &pace, (2, 2)).err(), Some(NoPlace::Full), "it has its quarter");
    let third = come_from(&mut line, ms(0), &pace, (3, 0)).expect("another one of the crowd");
    assert_eq!((kept(&crowd), line.waiting()), (5, 8));
    drop((crowd, other, more, third));
    // Of a source that holds too much, a caller who does so as well gives up first.
    let mut line = Line::default();
    assert!(call(&mut line, ms(0), &pace));
    let numbers = [1, 1, 1, 2, 3, 4, 5, 6];
    let crowd = numbers.map(|nth| come_from(&mut line, ms(0), &pace, (1, nth)).expect("room"));
    let _others = [0, 1].map(|nth| come_from(&mut line, ms(0), &pace, (2, nth)).expect("a place"));
    let lost: Vec<bool> = crowd.iter().map(Place::is_lost).collect();
    assert_eq!(lost, [false, false, true, false, false, false, false, true]);
}

#[test]
fn f6_ten_thousand_that_wait_are_looked_at_a_few_times_each_and_nothing_stays() {
    const WAITING: usize = 10_000;
    let mut line = Line::default();
    let pace = Pace { wait_max: Duration::from_secs(60), ..pace(1_000, 1, WAITING as u32) };
    assert!(call(&mut line, ms(0), &pace));
    let mut places: Vec<Option<Place>> = (0..WAITING as u64)
        .map(|nth| Some(come_as(&mut line, ms(0), &pace, nth % 3_000).expect("a place")))
        .collect();
    // Half of them give up all over the line, each other one looks again each time.
    for nth in 0..WAITING {
        let at = nth * 7_919 % WAITING;
        if nth % 2 == 0 {
            places[at] = None;
        }
        let place = places[at].as_ref();
        assert!(line.ready(ms(0), &pace, place).is_err());
    }
    let mut now = ms(1);
    for place in places.drain(..).flatten() {
        now = now.after(Duration::from_millis(1));
        assert_eq!(line.ready(now, &pace, Some(&place)), Ok(()));
        line.leave(now, &pace, Some(&place));
    }
    assert!(line.looked <= 3 * WAITING, "{} looks for {WAITING}", line.looked);
    // Who joins and goes behind one that stays leaves nothing behind.
    let first = come(&mut line, now, &pace);
    for nth in 0..WAITING as u64 {
        drop(come_as(&mut line, now, &pace, nth).expect("a place"));
    }
    let (places, callers) = (line.waiting.len(), line.callers.known.len());
    assert!(places <= 2 + SWEPT_FROM + 1 && callers <= 2 + SWEPT_FROM + 1, "{places} {callers}");
    drop(first);
}
