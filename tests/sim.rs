//! Simulation: calls across the edge on virtual time, over a wire that loses, doubles and reorders.
//!
//! `SIM_SEED=n` plays one seed and prints its ladder; `SIM_SEEDS=n` plays that many (default 2,000);
//! `SIM_FIRST=n` begins elsewhere. What fails prints its line for `tests/sim/seeds.txt`, which is always played.
//! `SIM_FLOW=name` plays one flow on a calm wire and prints its ladder.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, clippy::print_stderr, reason = "a test crate")]
#![allow(dead_code, reason = "the simulator's modules serve several test crates")]

#[path = "sim/mod.rs"]
mod sim;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ringfence::call::visits::Visits;
use sim::coverage;
use sim::play::{self, Outcome};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// One seed; a panic of the engine is a fault like any other.
fn storm(seed: u64) -> Result<(u64, Visits), String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| play::storm(seed)));
    match outcome {
        Ok(outcome) if outcome.faults.is_empty() => Ok((outcome.steps, outcome.visits)),
        Ok(outcome) => {
            let line = format!("{seed} {}", outcome.names.join(" "));
            Err(format!("line for seeds.txt: {line}\n{}", report(&format!("SIM_SEED={seed}"), &outcome)))
        }
        Err(_) => Err(format!("SIM_SEED={seed}: panicked")),
    }
}

fn report(name: &str, outcome: &Outcome) -> String {
    let faults = outcome.faults.join("\n  ");
    format!("{name} flows: {}\n  {faults}\n{}", outcome.names.join(" "), outcome.ladder)
}

/// Plays seeds on every core; each seed is alone on its thread. Returns the faults, lowest seed first.
fn storms(seeds: &[u64]) -> (Vec<(u64, String)>, Visits) {
    let (next, steps) = (AtomicU64::new(0), AtomicU64::new(0));
    let visits = Mutex::new(Visits::default());
    let faults = Mutex::new(Vec::new());
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = seeds.get(usize::try_from(index).unwrap()) else { return };
                    match storm(*seed) {
                        Ok((more, met)) => {
                            steps.fetch_add(more, Ordering::Relaxed);
                            visits.lock().unwrap().add(&met);
                        }
                        Err(text) => faults.lock().unwrap().push((*seed, text)),
                    }
                    if index > 0 && index % 500 == 0 {
                        let seconds = began.elapsed().as_secs_f32();
                        eprintln!("simulation: {index} of {} seeds, {seconds:.1} s", seeds.len());
                    }
                }
            });
        }
    });
    eprintln!(
        "simulation: {} seeds, {} steps, {:.1} s",
        seeds.len(),
        steps.load(Ordering::Relaxed),
        began.elapsed().as_secs_f32()
    );
    let mut faults = faults.into_inner().unwrap();
    faults.sort();
    (faults, visits.into_inner().unwrap())
}

#[test]
fn calls_survive_a_wire_that_loses_doubles_and_reorders() {
    if let Some(seed) = number("SIM_SEED") {
        let outcome = play::storm(seed);
        eprintln!("{}", report(&format!("SIM_SEED={seed}"), &outcome));
        assert!(outcome.faults.is_empty(), "seed {seed} fails");
        return;
    }
    let first = number("SIM_FIRST").unwrap_or(1);
    let seeds: Vec<u64> = (first..first + number("SIM_SEEDS").unwrap_or(2_000)).collect();
    let (faults, mut visits) = storms(&seeds);
    for (_, text) in faults.iter().take(3) {
        eprintln!("{text}");
    }
    let failed: Vec<u64> = faults.iter().map(|(seed, _)| *seed).collect();
    assert!(failed.is_empty(), "{} seeds fail: {failed:?}", failed.len());
    // A storm may keep a flow from what it is about; on a calm wire it is met.
    for flow in sim::flows::all() {
        visits.add(&play::calm(&flow).visits);
    }
    let unproven = coverage::unproven(&visits, seeds.len());
    assert!(unproven.is_empty(), "{}", unproven.join("\n"));
}

#[test]
fn what_failed_once_does_not_fail_again() {
    let mut faults = Vec::new();
    for line in include_str!("sim/seeds.txt").lines() {
        let mut words = line.split('#').next().unwrap().split_whitespace();
        let Some(seed) = words.next() else { continue };
        let names: Vec<&str> = words.collect();
        let outcome = play::again(seed.parse().unwrap(), &names);
        if !outcome.faults.is_empty() {
            faults.push(report(line, &outcome));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn one_seed_is_one_play() {
    let ladders: Vec<String> = (0..2).map(|_| play::storm(77).ladder.to_string()).collect();
    assert_eq!(ladders.first(), ladders.last());
}

#[test]
fn every_flow_draws_its_ladder_on_a_calm_wire() {
    let mut faults = Vec::new();
    let only = std::env::var("SIM_FLOW").ok();
    for flow in sim::flows::all() {
        if only.as_ref().is_some_and(|only| only != flow.name) {
            continue;
        }
        let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| play::calm(&flow))) else {
            faults.push(format!("{} panicked", flow.name));
            continue;
        };
        if only.is_some() {
            eprintln!("{}", report(flow.name, &outcome));
        }
        if !outcome.faults.is_empty() {
            faults.push(report(flow.name, &outcome));
            continue;
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots");
        settings.set_prepend_module_to_snapshot(false);
        let drawn = catch_unwind(AssertUnwindSafe(|| {
            settings.bind(|| {
                insta::assert_snapshot!(format!("ladder_{}", flow.name), outcome.ladder.to_string())
            });
        }));
        if drawn.is_err() {
            faults.push(format!("{}: another ladder than the reviewed one", flow.name));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_flow_ends_as_it_must_where_media_is_anchored() {
    let mut faults = Vec::new();
    let only = std::env::var("SIM_FLOW").ok();
    for mut flow in sim::flows::all() {
        if only.as_ref().is_some_and(|only| only != flow.name) {
            continue;
        }
        flow.shape.anchored = true;
        // Where its media goes is told to nobody but this edge.
        flow.diary.retain(|line| *line != "new offer");
        match catch_unwind(AssertUnwindSafe(|| play::calm(&flow))) {
            Ok(outcome) if outcome.faults.is_empty() => {}
            Ok(outcome) => faults.push(report(flow.name, &outcome)),
            Err(_) => faults.push(format!("{} panicked", flow.name)),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The endpoints complain about the edge, so they must not give each other reason to.
#[test]
fn endpoints_are_sound_without_the_edge() {
    let needs_the_edge = [
        "forked_answer_is_ended",
        "redirect_is_refused",
        "blocked_number",
        "unrouted_number",
        "hops_used_up",
        "cap_reached",
        "rings_too_long",
        "ack_never_comes",
        "callee_loses_power",
        "caller_loses_power",
        "caller_loses_power_while_ringing",
        "bye_in_early_dialog",
        "only_the_caller_is_reliable",
        "caller_never_acknowledges_ringing",
        "prack_names_nothing",
        "prack_names_nothing_in_an_early_dialog",
        "prack_after_cancel",
        "update_without_sdp_to_a_peer_that_takes_none",
        "early_update_to_a_peer_that_takes_none",
        "update_crosses_as_reinvite",
        "update_as_reinvite_outlasts_its_sender",
        "update_as_reinvite_is_taken_too_late",
        "prack_offer_crosses_as_update",
        "prack_offer_to_a_peer_that_takes_no_update",
        "callee_never_describes_its_media",
        "callee_describes_its_media_in_what_rings_alone",
        "silent_target_times_out_while_the_next_rings",
        "late_first_answer_is_forgotten_while_the_next_rings",
        "callee_never_acknowledges_its_reinvite",
        "bye_before_the_callee_acknowledges_its_reinvite",
        "callee_hangs_up_on_a_caller_without_power",
    ];
    for flow in sim::flows::all() {
        let alone = flow.alone || flow.name.starts_with("fails_over") || flow.name.contains("failover");
        if alone || flow.name == "all_targets_fail" || needs_the_edge.contains(&flow.name) {
            continue;
        }
        for seed in 0..40 {
            let weather = if seed == 0 { sim::wire::Weather::CALM } else { sim::wire::Weather::STORM };
            let faults = sim::direct::play(&flow, weather, seed);
            assert!(faults.is_empty(), "{} seed {seed}: {}", flow.name, faults.join("\n"));
        }
    }
}

#[test]
fn the_site_is_a_policy_the_reader_accepts() {
    use sim::policy::{Shape, loads, yaml};
    for transport in ["udp", "tcp"] {
        let whole = Shape { transport, ..Shape::default() };
        let lesser = Shape { second: false, ..whole };
        assert_eq!(loads(&[&yaml(&whole), &yaml(&lesser)]).len(), 2);
    }
}
