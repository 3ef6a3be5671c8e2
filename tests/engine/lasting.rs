//! What outlives the process: calls that a crash leaves open are ended at the next start, bans stand.

use std::time::Duration;

use ringfence::call::record::Disposition;
use ringfence::engine::Input;
use ringfence::policy::Kept;
use ringfence::policy::kept::{BAN, DIALOG};

use super::calls::Talk;
use super::edge::{Edge, PBX, STRANGER, Seen, TRUNK, from, plan};
use super::texts::{answer, header};

/// An edge with a store that holds these rows.
fn recalled(rows: Vec<Kept>) -> (Edge, Seen) {
    let mut edge = Edge::new();
    let seen = edge.input(Input::Recall(rows));
    (edge, seen)
}

/// The rows of a kind as a store holds them after all that was kept.
fn held(kept: &[Kept], kind: &str) -> Vec<Kept> {
    let mut rows: Vec<Kept> = Vec::new();
    for row in kept.iter().filter(|row| row.kind == kind) {
        rows.retain(|known| known.key != row.key);
        rows.extend(row.value.is_some().then(|| row.clone()));
    }
    rows
}

/// The rows of an edge in which one call is up.
fn crashed() -> (Vec<Kept>, Talk) {
    let (mut edge, _) = recalled(Vec::new());
    let talk = Talk::begin(&mut edge);
    // A refresh of its dialogs, or nothing: the row is there at once, and not once a second.
    let rows = held(&edge.kept, DIALOG);
    assert_eq!(rows.len(), 1, "one call, one row");
    (rows, talk)
}

#[test]
fn a_call_that_is_over_leaves_no_row_and_one_that_is_set_up_has_none() {
    let (mut edge, _) = recalled(Vec::new());
    let talk = Talk::begin(&mut edge);
    assert_eq!(held(&edge.kept, DIALOG).len(), 1);
    let seen = edge.hear(from(PBX), &talk.request_a("BYE", 2).text());
    assert!(held(&edge.kept, DIALOG).is_empty());
    let bye = seen.to(TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&bye, 200, "", TRUNK));
    edge.pass(Duration::from_secs(64));
    assert!(held(&edge.kept, DIALOG).is_empty());
}

#[test]
fn an_edge_without_a_store_keeps_nothing() {
    let mut edge = Edge::new();
    Talk::begin(&mut edge);
    edge.pass(Duration::from_secs(5));
    assert!(edge.kept.is_empty());
}

#[test]
fn f6_calls_that_a_crash_left_open_are_ended_on_both_legs_recorded_once_and_told() {
    let (rows, talk) = crashed();
    let (mut edge, seen) = recalled(rows.clone());
    assert_eq!(seen.codes(), [39903]);
    let bye = seen.to(TRUNK).remove(0);
    assert_eq!(bye.method().as_bytes(), b"BYE");
    // RFC 3261 §12.2.1.1: the dialog that stood, and the next number in it.
    assert_eq!(bye.call_id(), talk.invite_b.call_id());
    assert_eq!(bye.from_tag(), talk.invite_b.from_tag());
    assert_eq!(bye.to_tag(), Some(&b"b-1"[..]));
    assert!(bye.cseq().number > talk.invite_b.cseq().number);
    let inside = seen.to(PBX).remove(0);
    assert_eq!(inside.method().as_bytes(), b"BYE");
    assert_eq!(inside.from_tag(), Some(talk.local_a.as_bytes()));
    assert!(header(&inside, "Reason").contains("restart"));
    let [record] = &seen.records[..] else { panic!("{:?}", seen.records) };
    assert_eq!((record.disposition, record.code, record.legs.len()), (Disposition::Answered, Some(39903), 2));
    assert!(record.answered.is_some() && record.ended >= record.answered.unwrap());
    // Until its BYEs are answered the row stays, and says that the record is written.
    let again = held(&edge.kept, DIALOG);
    assert_eq!(again.len(), 1);
    let (_, twice) = recalled(again);
    assert!(twice.records.is_empty(), "a second crash writes no second record");
    assert_eq!(twice.to(TRUNK).remove(0).method().as_bytes(), b"BYE");
    edge.hear(from(TRUNK), &answer(&bye, 200, "", TRUNK));
    edge.hear(from(PBX), &answer(&inside, 200, "", PBX));
    assert!(held(&edge.kept, DIALOG).is_empty());
    edge.pass(Duration::from_secs(64));
    edge.assert_empty();
}

#[test]
fn a_bye_that_nobody_answers_is_given_up_and_its_row_goes() {
    let (rows, _) = crashed();
    let (mut edge, _) = recalled(rows);
    edge.pass(Duration::from_secs(70));
    assert!(held(&edge.kept, DIALOG).is_empty());
    edge.assert_empty();
}

#[test]
fn a_call_whose_peers_are_known_no_more_is_recorded_and_told() {
    let (rows, _) = crashed();
    let stranger = plan(|plan| {
        plan.peers.iter_mut().flatten().for_each(|peer| {
            std::sync::Arc::get_mut(peer).unwrap().name = format!("new-{}", peer.name).into();
        });
    });
    let mut edge = Edge::under(stranger);
    let seen = edge.input(Input::Recall(rows));
    assert!(seen.sent.is_empty());
    assert_eq!((seen.codes(), seen.records.len()), (vec![39903], 1));
    assert!(held(&edge.kept, DIALOG).is_empty());
}

#[test]
fn rows_that_cannot_be_read_are_taken_away_and_harm_nothing() {
    for value in ["", "{}", "[1]", "{\"legs\":[]}", "\u{0}"] {
        let (edge, seen) = recalled(vec![Kept::row(DIALOG, "1", value), Kept::row(BAN, "nowhere", value)]);
        assert!(seen.sent.is_empty() && seen.records.is_empty() && seen.alerts.is_empty());
        assert_eq!(edge.kept.iter().filter(|row| row.value.is_none()).count(), 2, "{value:?}");
    }
}

#[test]
fn a_ban_stands_over_a_restart_for_the_time_that_is_left() {
    let (mut edge, _) = recalled(Vec::new());
    for _ in 0..30 {
        edge.hear(from(STRANGER), "OPTIONS sip:a SIP/2.0\r\n\r\n");
    }
    assert_eq!(edge.count("bans"), 1);
    edge.pass(Duration::from_secs(2));
    let rows = held(&edge.kept, BAN);
    assert_eq!(rows.len(), 1);
    let (mut edge, _) = recalled(rows.clone());
    edge.hear(from(STRANGER), "OPTIONS sip:a SIP/2.0\r\n\r\n");
    assert_eq!(edge.count("banned_frames"), 1);
    edge.pass(Duration::from_secs(15 * 60));
    edge.hear(from(STRANGER), "OPTIONS sip:a SIP/2.0\r\n\r\n");
    assert_eq!(edge.count("banned_frames"), 1, "and no longer");
    // Long after, it is forgotten, and its row goes.
    let mut edge = Edge::new();
    edge.set_clock(3 * 24 * 3600);
    edge.input(Input::Recall(rows));
    assert!(edge.kept.iter().any(|row| row.kind == BAN && row.value.is_none()));
}
