//! The detectors, as they are written.
//!
//! Owns the step from their keys to the rules. Refuses to judge. Read first: `rules.rs`.

use super::fields::Fields;
use crate::policy::rules::{CallbackTrap, Detector, DialPlanGuessing, SequentialNumbers, Steps, TestCalls};

/// Their keys.
pub const NAMES: [&str; 4] = ["sequential_numbers", "test_calls", "dial_plan_guessing", "callback_trap"];

/// Reads one of them.
pub fn detector(name: &str, fields: &Fields<'_>) -> Detector {
    match name {
        "sequential_numbers" => {
            Detector::SequentialNumbers(SequentialNumbers { gap: fields.count("gap"), steps: steps(fields) })
        }
        "test_calls" => Detector::TestCalls(TestCalls { short: fields.time("short"), steps: steps(fields) }),
        "dial_plan_guessing" => Detector::DialPlanGuessing(DialPlanGuessing { steps: steps(fields) }),
        _ => Detector::CallbackTrap(CallbackTrap {
            ring: fields.time("ring"),
            watch: fields.time("watch"),
            call_max: fields.time("max_duration"),
            dids: fields.count("dids"),
        }),
    }
}

fn steps(fields: &Fields<'_>) -> Steps {
    Steps {
        warn: fields.count("warn"),
        block: fields.count("block"),
        window: fields.time("window"),
        bar: fields.time("bar"),
    }
}
