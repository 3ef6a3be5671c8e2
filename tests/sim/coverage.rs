//! Which event met which phase of a call in the plays, and which pair none of them met.
//!
//! Owns the pairs that cannot be, each with its reason. Refuses to know the plays.

use ringfence::call::visits::Visits;

/// Seeds after which every pair must have been met; of fewer, the report alone is printed.
const ENOUGH: usize = 2_000;

/// Pairs that no play can meet: phase (`*` for each), event, reason.
const IMPOSSIBLE: &[(&str, &str, &str)] = &[];

/// Prints the table; says which pairs were not met though they can be, and which were met though they are listed.
pub fn unproven(visits: &Visits, seeds: usize) -> Vec<String> {
    let mut missing = Vec::new();
    let mut table: Vec<(String, Vec<u64>)> = Vec::new();
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
