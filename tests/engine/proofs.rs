//! What somebody can do who forges a peer's address, overhears a challenge, or asks from elsewhere at the same moment: to the
//! rightful user, nothing. Attack rows A4, A6, A10.

use std::sync::Arc;

use ringfence::policy::Policy;
use ringfence::sip::digest::Hash;

use super::credentials::{Client, OFFICE, challenged, challenges, demand, invite};
use super::edge::{Edge, OTHER, PBX, alter, from, plan};
use super::texts::Request;

const GUESSER: Client = Client { password: "guessed it, did I?", ..OFFICE };

/// The PBX and its neighbour must show a password, of the same user in the same realm.
fn policy() -> Arc<Policy> {
    let demand = Arc::new(demand(&["office"], &[Hash::Sha256]));
    plan(|plan| {
        alter(plan, 0, |peer| peer.demand = Some(Arc::clone(&demand)));
        alter(plan, 2, |peer| peer.demand = Some(demand));
    })
}

/// A challenge, as it was overheard.
fn overheard(edge: &mut Edge, sender: &str, mark: &str) -> String {
    challenges(&challenged(edge, &invite(sender, mark))).remove(0)
}

/// What a signed request hears.
fn heard(edge: &mut Edge, request: &Request) -> Vec<u16> {
    edge.hear(from(&request.sender), &request.text()).statuses(&request.sender)
}

#[test]
fn a6_requests_of_two_sources_that_look_alike_take_no_count_from_each_other() {
    let mut edge = Edge::under(policy());
    // The same Call-ID, tag, branch and CSeq within the same second, as a copy of what was overheard would have.
    let (ours, theirs) = (invite(PBX, "alike"), invite(OTHER, "alike"));
    let (our_line, their_line) = (overheard(&mut edge, PBX, "alike"), overheard(&mut edge, OTHER, "alike"));
    assert_ne!(our_line, their_line);
    let again = |request: &Request| request.clone().with(|request| request.branch.push_str("-a"));
    assert_eq!(heard(&mut edge, &OFFICE.sign(&again(&theirs), &their_line, false)), [100]);
    assert_eq!(heard(&mut edge, &OFFICE.sign(&again(&ours), &our_line, false)), [100], "its first count");
}

#[test]
fn a4_one_overheard_nonce_is_one_wrong_answer_and_locks_nobody_out() {
    let mut edge = Edge::under(policy());
    let line = overheard(&mut edge, PBX, "before");
    let mut answers = Vec::new();
    for n in 1..=50 {
        let forged = Client { count: n, ..GUESSER }.sign(&invite(PBX, &format!("forged{n}")), &line, false);
        answers.push(heard(&mut edge, &forged));
    }
    assert!(answers.iter().all(|statuses| *statuses == [401]), "{answers:?}");
    assert_eq!(edge.count("wrong_passwords"), 1);
    // What was overheard is worth nothing any more, not even to who knows the password; and that one is told so.
    let seen = edge.hear(from(PBX), &OFFICE.sign(&invite(PBX, "same"), &line, false).text());
    assert_eq!(seen.statuses(PBX), [401]);
    let fresh = challenges(&seen.to(PBX)[0]).remove(0);
    assert!(fresh.ends_with("stale=true"), "{fresh}");
    assert_eq!(heard(&mut edge, &OFFICE.sign(&invite(PBX, "fresh"), &fresh, false)), [100]);
}

#[test]
fn a6_an_overheard_proof_is_told_once_and_its_nonce_is_worth_nothing_any_more() {
    let mut edge = Edge::under(policy());
    let line = overheard(&mut edge, PBX, "before");
    let proven = OFFICE.sign(&invite(PBX, "real"), &line, false);
    assert_eq!(heard(&mut edge, &proven), [100]);
    let mut told = Vec::new();
    for n in 0..20 {
        let replay = proven.clone().with(|request| {
            request.branch = format!("z9hG4bK-replay{n}");
            request.call_id = format!("replay{n}");
        });
        let seen = edge.hear(from(PBX), &replay.text());
        told.push((seen.statuses(PBX), seen.codes(), seen.records.len()));
    }
    assert_eq!(told.remove(0), (vec![403], vec![39203], 1));
    assert!(told.iter().all(|one| *one == (vec![401], vec![], 0)), "{told:?}");
}

/// svcrack does either. A guess is only tried under a nonce that is good, so that who keeps one that is not learns nothing.
#[test]
fn a4_a_guesser_is_locked_out_after_five_whether_it_fetches_a_nonce_for_each_guess_or_keeps_one() {
    for keeps in [false, true] {
        let mut edge = Edge::under(policy());
        let mut line = overheard(&mut edge, PBX, "first");
        let mut sent = 0;
        let locked = (1..=40).find(|n| {
            if !keeps && *n > 1 {
                line = overheard(&mut edge, PBX, &format!("fetch{n}"));
            }
            sent += 1;
            let guess =
                Client { count: *n, ..GUESSER }.sign(&invite(PBX, &format!("guess{n}")), &line, false);
            let seen = edge.hear(from(PBX), &guess.text());
            let answer = seen.to(PBX).remove(0);
            let next = challenges(&answer).pop().unwrap_or_default();
            if next.ends_with("stale=true") {
                line = next;
            }
            answer.status() == Some(403)
        });
        assert_eq!(locked, Some(if keeps { 9 } else { 5 }), "one guess and one stale answer by turns");
        assert_eq!((edge.count("wrong_passwords"), sent), (5, if keeps { 9 } else { 5 }));
        assert_eq!(heard(&mut edge, &OFFICE.sign(&invite(PBX, "late"), &line, false)).len(), 1);
        let line = overheard(&mut edge, PBX, "right");
        assert_eq!(heard(&mut edge, &OFFICE.sign(&invite(PBX, "right"), &line, false)), [403], "{keeps}");
    }
}
