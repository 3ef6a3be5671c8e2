//! The bound of the client transactions: what is refused there, and what leaves all the same.
//!
//! Owns the table at its limit less one, at it, and one above. Read first: DESIGN.md law 9.

use bytes::Bytes;
use ringfence::call::{Branch, Failure, Side};
use ringfence::clock::Tick;
use ringfence::engine::transactions::{CallKey, Outcome, Owner, Transactions};
use ringfence::policy::PeerId;
use ringfence::transaction::Timing;

use super::words::{BOB, hop};

const CALL: Owner = Owner::Call { key: CallKey { index: 3, generation: 9 }, side: Side::B };

/// Tables that hold so many client transactions, all taken but so many.
fn filled(clients_max: usize, free: usize) -> Transactions {
    let mut tables = Transactions::new(Timing::default(), [1, 2], 100, clients_max);
    for branch in 0..clients_max - free {
        assert_eq!(start(&mut tables, branch, "INVITE", CALL), (1, false), "{branch}");
    }
    tables
}

/// Starts a request: how many copies leave at once, and whether its owner hears that there is no room.
fn start(tables: &mut Transactions, branch: usize, method: &str, owner: Owner) -> (usize, bool) {
    let mut out = Vec::new();
    let bytes = Bytes::from(format!("{method} sip:bob@{BOB} SIP/2.0\r\n\r\n"));
    tables.start(
        Tick::ZERO,
        Branch(branch as u64),
        (method == "INVITE", false),
        hop(BOB, 0),
        bytes,
        owner,
        &mut out,
    );
    let sent = out.iter().filter(|outcome| matches!(outcome, Outcome::Send { .. })).count();
    let full = |outcome: &Outcome| {
        matches!(outcome, Outcome::ClientFailed { branch: of, owner: whose, failure: Failure::Full }
            if of.0 == branch as u64 && *whose == owner)
    };
    (sent, out.iter().any(full))
}

#[test]
fn f6_what_begins_something_is_refused_at_the_limit_and_not_before() {
    for method in ["INVITE", "OPTIONS", "MESSAGE", "INFO", "UPDATE", "PRACK"] {
        for (free, starts) in [(1, true), (0, false)] {
            let mut tables = filled(16, free);
            assert_eq!(tables.clients_are_full(), !starts);
            for owner in [CALL, Owner::Probe(PeerId(1)), Owner::Standalone(7)] {
                let mut tables = filled(16, free);
                let expected = if starts { (1, false) } else { (0, true) };
                assert_eq!(start(&mut tables, 99, method, owner), expected, "{method}, {free} free");
                assert_eq!(tables.clients(), 16, "{method}");
                assert_eq!(start(&mut tables, 100, method, owner), (0, true), "{method}, limit + 1");
            }
            assert_eq!(start(&mut tables, 99, method, Owner::Nobody).0, usize::from(starts));
        }
    }
}

#[test]
fn f6_bye_and_cancel_have_a_reserve_and_leave_once_where_that_is_used_up() {
    for method in ["BYE", "CANCEL"] {
        let mut tables = filled(16, 0);
        for branch in 100..102 {
            assert_eq!(
                start(&mut tables, branch, method, CALL),
                (1, false),
                "{method}: an eighth in reserve"
            );
        }
        assert_eq!((tables.clients(), tables.timers()), (18, 18 + 16 + 2), "each with its timers");
        for branch in 102..200 {
            assert_eq!(start(&mut tables, branch, method, CALL), (1, true), "{method}: sent, and not kept");
        }
        assert_eq!((tables.clients(), tables.timers()), (18, 18 + 16 + 2), "nothing grows");
    }
}

#[test]
fn f6_room_comes_back_when_nobody_answers() {
    let mut tables = filled(16, 0);
    let mut out = Vec::new();
    assert!(tables.clients_are_full());
    while let Some(at) = tables.next_deadline() {
        tables.expire(at, &mut out);
    }
    assert_eq!((tables.clients(), tables.timers(), tables.clients_are_full()), (0, 0, false));
    assert_eq!(start(&mut tables, 5, "INVITE", CALL), (1, false));
}
