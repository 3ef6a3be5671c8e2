//! The common face of the bench programs: times by default, `--list` and `--count NAME N` for `benches/instructions`.
//!
//! Owns how a round is timed and how its allocations are counted. A bench is a name and a closure that runs so many
//! rounds; what it prepares before, it prepares outside the closure.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Time that one sample aims at.
const SAMPLE: Duration = Duration::from_millis(40);
/// Samples taken; the median is shown, and the fastest beside it.
const SAMPLES: usize = 25;

/// A named piece of work.
pub struct Bench<'a> {
    name: &'static str,
    run: Box<dyn FnMut(u64) + 'a>,
}

impl<'a> Bench<'a> {
    /// `run(n)` does the work n times.
    pub fn new(name: &'static str, run: impl FnMut(u64) + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// Does what the command line asks for.
pub fn main(mut benches: Vec<Bench<'_>>) {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["--list"] => benches.iter().for_each(|bench| println!("{}", bench.name)),
        ["--count", name, rounds] => {
            let bench =
                benches.iter_mut().find(|bench| bench.name == name).expect("a name that --list shows");
            (bench.run)(rounds.parse().expect("a number of rounds"));
        }
        ref filters => {
            println!("{:<36} {:>12} {:>12} {:>16}", "bench", "median", "fastest", "allocated");
            for bench in &mut benches {
                if filters.is_empty() || filters.iter().any(|filter| bench.name.contains(filter)) {
                    measure(bench);
                }
            }
        }
    }
}

fn measure(bench: &mut Bench<'_>) {
    let mut rounds = 1_u64;
    loop {
        let took = timed(bench, rounds);
        if took >= SAMPLE / 4 || rounds > 1 << 30 {
            let wanted = SAMPLE.as_nanos() / took.as_nanos().max(1);
            rounds = (rounds * u64::try_from(wanted).unwrap_or(1).max(1)).max(1);
            break;
        }
        rounds *= 4;
    }
    let mut samples: Vec<f64> =
        (0..SAMPLES).map(|_| timed(bench, rounds).as_secs_f64() * 1e9 / rounds as f64).collect();
    samples.sort_by(f64::total_cmp);
    let before = allocated();
    (bench.run)(rounds);
    let bytes = (allocated() - before) as f64 / rounds as f64;
    println!(
        "{:<36} {:>9.1} ns {:>9.1} ns {:>10.1} bytes",
        bench.name,
        samples[SAMPLES / 2],
        samples[0],
        bytes
    );
}

fn timed(bench: &mut Bench<'_>, rounds: u64) -> Duration {
    let began = Instant::now();
    (bench.run)(rounds);
    began.elapsed()
}

/// Bytes this thread ever allocated, by the allocator's own count.
fn allocated() -> u64 {
    tikv_jemalloc_ctl::thread::allocatedp::read().expect("the allocator keeps statistics").get()
}
