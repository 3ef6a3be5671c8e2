//! What a timer costs: armed and cancelled, armed and fired, among many others.
//!
//! Owns nothing but its rounds. `cargo bench --bench timers`, or `benches/instructions` for instruction counts.

mod meter;

use std::hint::black_box;
use std::time::Duration;

use meter::Bench;
use ringfence::clock::Tick;
use ringfence::engine::timers::Wheel;

/// Timers that stand in the wheel meanwhile: 64*T1 of a thousand calls a second, two transactions each.
const STANDING: u32 = 64_000;

fn standing() -> Wheel<u32> {
    let mut wheel = Wheel::new();
    for n in 0..STANDING {
        wheel.insert(Tick::from_micros(u64::MAX / 4 + u64::from(n) * 500), n);
    }
    wheel
}

fn main() {
    let mut cancelled = standing();
    let mut fired = standing();
    let (mut now, mut later) = (Tick::ZERO, Tick::ZERO);
    meter::main(vec![
        Bench::new("timer armed and cancelled", move |rounds| {
            for _ in 0..rounds {
                now = now.after(Duration::from_micros(10));
                let id = cancelled.insert(now.after(Duration::from_secs(32)), 1);
                black_box(cancelled.cancel(id));
            }
        }),
        Bench::new("timer armed and fired after 32 s", move |rounds| {
            for _ in 0..rounds {
                later = later.after(Duration::from_micros(500));
                fired.insert(later.after(Duration::from_secs(32)), 1);
                while let Some(item) = fired.expire(later) {
                    black_box(item);
                }
                black_box(fired.next_deadline());
            }
        }),
    ]);
}
