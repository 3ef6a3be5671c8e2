//! Flows of calls that come faster than a trunk takes them, of trunks that ask for a pause, and of transports that fail.
//!
//! Owns their table. Read first: RFC 3261 §20.33, §21.5.4, §18.1.1; DESIGN.md §2.

use super::agent::plan::{Act, On, Rule, when};
use super::flow::Flow;
use super::wire::MS;

const RING: Rule = when(On::Start, 100, Act::Ring { status: 180, sdp: false });
const ANSWER: Rule = when(On::Start, 300, Act::Answer);
const HANG_UP: Rule = when(On::Up, 4_000, Act::Bye);
const PAUSE: Rule = when(On::Start, 50, Act::Refuse(503));

/// So many calls at once to trunks of one call a second.
fn crowd(name: &'static str, calls: usize, second: bool) -> Flow {
    let flow = Flow::new(name, &[200]).caller(&[HANG_UP]).callee(&[RING, ANSWER]).second(&[RING, ANSWER]);
    flow.alone(|shape| {
        shape.cps = "1";
        shape.second = second;
    })
    .with(|flow| {
        flow.calls = calls;
        flow.apart = 100 * MS;
    })
}

/// All of them.
pub fn all() -> Vec<Flow> {
    let mut flows = waiting();
    flows.extend(pausing());
    flows.extend(falling_back());
    flows
}

fn waiting() -> Vec<Flow> {
    vec![
        crowd("paced_calls_wait_for_their_turn", 3, false),
        crowd("paced_out_past_two_seconds", 4, false).with(|flow| {
            flow.finals = vec![200, 480];
            flow.alerts = vec![32001];
        }),
        crowd("cancelled_in_the_line", 3, false).with(|flow| {
            flow.caller.rules = vec![when(On::Start, 800, Act::Cancel), HANG_UP];
            flow.finals = vec![200, 487];
        }),
        crowd("paced_calls_go_elsewhere", 2, true),
        crowd("paced_calls_wait_where_all_are_busy", 4, true),
        crowd("failover_takes_the_next_trunks_turn", 2, true).callee(&[PAUSE]).with(|flow| {
            flow.callee.rules = vec![when(On::Start, 50, Act::Refuse(408))];
            flow.finals = vec![200, 480];
        }),
    ]
}

fn pausing() -> Vec<Flow> {
    let paused = |name, seconds: u32| {
        let flow = Flow::new(name, &[200]).caller(&[HANG_UP]).callee(&[PAUSE, RING, ANSWER]);
        flow.second(&[RING, ANSWER]).alone(|_| {}).with(|flow| {
            flow.callee.pause = Some(seconds);
            flow.alerts = vec![32001];
        })
    };
    vec![
        paused("failover_on_a_pause", 5),
        paused("a_pause_is_waited_for", 1).with(|flow| flow.shape.second = false),
        paused("a_long_pause_for_one_number_is_cut", 5).with(|flow| flow.shape.second = false),
    ]
}

fn falling_back() -> Vec<Flow> {
    let flow = Flow::new("tcp_refused_falls_back_to_udp", &[200]).caller(&[HANG_UP]).callee(&[RING, ANSWER]);
    vec![flow.alone(|shape| shape.transport = "tcp, udp").with(|flow| flow.alerts = vec![32011])]
}
