//! Flows towards a trunk that is a name with two SRV targets, the first of which dies under load and comes back.
//!
//! Owns their table. Read first: RFC 3263 §4.2, §4.3; RFC 2782; DESIGN.md §2.

use super::agent::plan::{Act, On, when};
use super::flow::{Deed, Flow, Way};
use super::wire::SECOND;

/// Calls 9 s apart that talk for 75 s. The first two are up at the first target when it is cut off, the third finds it
/// silent, the next ones go to the second target at once; it is mended while they talk, answers the probe that it is asked
/// by then, and takes the last calls again.
pub const DIES_UNDER_LOAD: &str = "srv_target_dies_under_load";

/// All of them.
pub fn all() -> Vec<Flow> {
    let answers =
        [when(On::Start, 100, Act::Ring { status: 180, sdp: false }), when(On::Start, 300, Act::Answer)];
    let flow = |name| {
        Flow::new(name, &[200]).callee(&answers).second(&answers).alone(|shape| shape.named = true).with(
            |flow| {
                flow.way = Way::Outbound;
            },
        )
    };
    vec![
        flow(DIES_UNDER_LOAD).caller(&[when(On::Up, 75_000, Act::Bye)]).with(|flow| {
            flow.calls = 10;
            flow.apart = 9 * SECOND;
            flow.deeds = vec![(12 * SECOND, Deed::Cut("trunk")), (70 * SECOND, Deed::Mend("trunk"))];
            flow.alerts = vec![32011];
            // The last copy of an INVITE that was given up may reach the mended target just before timer B: its 2xx comes
            // when nobody waits for it any more (RFC 3261 §17.1.1.2), and the target ends that call by itself.
            flow.tolerated = vec!["a 2xx was never acknowledged"];
        }),
        flow("srv_target_says_503").caller(&[when(On::Up, 4_000, Act::Bye)]).callee(&[when(
            On::Start,
            50,
            Act::Refuse(503),
        )]),
    ]
}
