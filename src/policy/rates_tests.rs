//! What a call costs, step by step, and what a deck says of numbers that it does not know.

use proptest::prelude::*;

use super::*;

const fn rate(per_minute: u64, connect: u64, first_s: u32, then_s: u32) -> Rate {
    Rate { per_minute: Money(per_minute), connect: Money(connect), first_s, then_s }
}

#[test]
fn a_call_is_billed_in_steps() {
    for (rate, talked, expected) in [
        (rate(60, 0, 1, 1), 0, 1),
        (rate(60, 0, 1, 1), 1, 1),
        (rate(60, 0, 1, 1), 61, 61),
        (rate(60, 7, 60, 60), 0, 67),
        (rate(60, 7, 60, 60), 60, 67),
        (rate(60, 7, 60, 60), 61, 127),
        (rate(60, 0, 30, 6), 29, 30),
        (rate(60, 0, 30, 6), 30, 30),
        (rate(60, 0, 30, 6), 31, 36),
        (rate(60, 0, 30, 6), 37, 42),
        (rate(1, 0, 1, 1), 1, 1),
        (rate(0, 5, 60, 60), 10_000, 5),
    ] {
        assert_eq!(rate.cost(Duration::from_secs(talked)).0, expected, "{rate:?} {talked}");
    }
    assert_eq!(rate(60, 0, 1, 1).cost(Duration::from_millis(1_001)).0, 2, "a second begun is a second");
    assert_eq!(rate(u64::MAX, u64::MAX, 60, 60).cost(Duration::MAX).0, u64::MAX);
}

#[test]
fn what_a_deck_does_not_know_costs_the_worst_of_it() {
    let mut deck = Deck::default();
    assert!(deck.add("1", rate(10, 0, 1, 1)));
    assert!(deck.add("1876", rate(900, 3, 60, 60)));
    assert!(deck.add("1876", rate(900, 3, 60, 60)), "the same again");
    assert!(!deck.add("1876", rate(901, 3, 60, 60)), "another price");
    assert!(!deck.add("18x", rate(1, 0, 1, 1)));
    assert!(!deck.add("", rate(1, 0, 1, 1)));
    assert!(deck.add("44", rate(20, 5, 30, 90)));
    assert_eq!(deck.len(), 3);
    assert_eq!(deck.dearest(), rate(901, 5, 60, 90));
    let longest = |digits: &str| deck.rates.longest(digits.as_bytes()).map(|(length, _)| length);
    assert_eq!(longest("18765550100"), Some(4));
    assert_eq!(longest("12125550100"), Some(1));
    assert_eq!(longest("37127913000"), None);
}

proptest! {
    /// What a sum pays for costs no more than it, and one second more does.
    #[test]
    fn what_is_paid_for_is_the_longest_talk_that_costs_no_more(
        per_minute in 1_u64..100_000_000,
        connect in 0_u64..5_000_000,
        (first, then) in prop_oneof![Just((1, 1)), Just((60, 60)), Just((30, 6)), (1_u32..120, 1_u32..120)],
        money in 0_u64..1_000_000_000,
    ) {
        let rate = rate(per_minute, connect, first, then);
        let paid = rate.paid_for(Money(money));
        if paid > Duration::ZERO {
            prop_assert!(rate.cost(paid).0 <= money);
        }
        prop_assert!(rate.cost(paid + Duration::from_secs(1)).0 > money);
    }
}
