//! Which event met which phase of a call in the plays, and which pair none of them met.
//!
//! Owns the pairs that cannot be, each with its reason. Refuses to know the plays, and the transaction machines: every
//! state of those meets every event in the tables of `tests/machines.rs`.

use ringfence::call::visits::Visits;

/// Seeds after which every pair must have been met; of fewer, the report alone is printed.
const ENOUGH: usize = 2_000;

/// Pairs that no play can meet: phase (`*` for each), event, reason.
const IMPOSSIBLE: &[(&str, &str, &str)] = &[
    ("*", "sought", "no endpoint here names another call in a transfer"),
    ("Setup", "placed", PLACED),
    ("Hangup", "placed", PLACED),
    ("Hangup", "end: parted", "a call that was placed and is over has said so, and is wanted no more"),
    ("Setup", "timer Parting", ENDED),
    ("Talk", "timer Parting", ENDED),
    ("*", "table full", "no play has so many calls"),
    ("*", "end: command", "no command ends a call yet"),
    ("*", "end: media", "the relay here has a socket for everybody, and hears no silence"),
    ("Setup", "timer Retransmit2xxA", ACCEPTED),
    ("Setup", "timer Retransmit2xxB", ACCEPTED),
    ("Setup", "timer AckA", ACCEPTED),
    ("Setup", "timer AckB", ACCEPTED),
    ("Setup", "timer Duration", "it is armed by the step that leaves Setup"),
    ("Setup", "timer SessionA", TIMED),
    ("Setup", "timer SessionB", TIMED),
    ("Setup", "timer Linger", ENDED),
    ("Talk", "timer Pace", "a call waits for its turn while it asks no target, so none can answer meanwhile"),
    ("Talk", "timer Try", SET_UP),
    ("Talk", "timer Progress", SET_UP),
    ("Talk", "timer Linger", ENDED),
    (
        "Hangup",
        "CANCEL",
        "every INVITE that waits is answered as the call ends; a CANCEL finds open ones only",
    ),
    ("Hangup", "timer Pace", DISARMED),
    ("Hangup", "timer Try", DISARMED),
    ("Hangup", "timer Progress", DISARMED),
    ("Hangup", "timer Ring", DISARMED),
    ("Hangup", "timer Reliable", DISARMED),
    ("Hangup", "timer Duration", DISARMED),
    ("Hangup", "timer SessionA", DISARMED),
    ("Hangup", "timer SessionB", DISARMED),
    ("Hangup", "timer KeepAlive", DISARMED),
];

const PLACED: &str = "a call has another one placed while it talks, and recalls it as it ends";
const ACCEPTED: &str = "it is armed where a 2xx of ours goes out, and the first of those ends Setup";
const TIMED: &str = "a session is timed from a 2xx that the caller heard, or once its leg is up";
const ENDED: &str = "it is armed as the call ends, and nothing leads back from Hangup";
const SET_UP: &str = "the answer disarms the deadlines of Setup, and only Setup arms them";
const DISARMED: &str = "the beginning of Hangup disarms it, and nothing in Hangup arms it again";

/// Prints the table; says which pairs were not met though they can be, and which were met though they are listed.
pub fn unproven(visits: &Visits, seeds: usize) -> Vec<String> {
    let mut missing = Vec::new();
    let mut table: Vec<(&'static str, Vec<u64>)> = Vec::new();
    for (phase, event, count) in visits.pairs() {
        let listed = IMPOSSIBLE.iter().find(|(at, of, _)| (*at == phase || *at == "*") && *of == event);
        match (listed, count) {
            (None, 0) => missing.push(format!("{event} never met a call in {phase}")),
            (Some((.., why)), 1..) => {
                missing.push(format!("{event} met a call in {phase}, and is listed as impossible: {why}"));
            }
            (Some(_), 0) | (None, _) => {}
        }
        match table.iter_mut().find(|(name, _)| *name == event) {
            Some((_, counts)) => counts.push(count),
            None => table.push((event, vec![count])),
        }
    }
    eprintln!(
        "simulation: events met by calls in\n{:<22} {:>10} {:>10} {:>10}",
        "", "Setup", "Talk", "Hangup"
    );
    for (event, counts) in table {
        let counts: Vec<String> = counts.iter().map(|count| format!("{count:>10}")).collect();
        eprintln!("{event:<22} {}", counts.join(" "));
    }
    if seeds < ENOUGH { Vec::new() } else { missing }
}
