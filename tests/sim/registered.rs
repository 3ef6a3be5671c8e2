//! Flows of a trunk that calls whoever is registered there: granted, renewed, refused, lost, given back.
//!
//! Owns their table. Read first: RFC 3261 §10; RFC 5626 §4.5.

use super::agent::guard::Guard;
use super::agent::plan::{Act, On, when};
use super::agent::registrar::{Bound, Registrar};
use super::flow::{Deed, Flow, Way};
use super::wire::SECOND;

const LOGIN: &str = "user: ringfence, password: { env: TRUNK_PASSWORD }, realm: trunk.example";

/// A call that comes from the trunk a while after the start, and talks for so long that a minute is renewed meanwhile.
fn registered(name: &'static str, registrar: Registrar) -> Flow {
    Flow::new(name, &[200])
        .caller(&[when(On::Up, 75_000, Act::Bye)])
        .callee(&[
            when(On::Start, 100, Act::Ring { status: 180, sdp: false }),
            when(On::Start, 300, Act::Answer),
        ])
        .alone(|shape| {
            shape.login = LOGIN;
            shape.register = "expires: 2m";
        })
        .with(|flow| {
            flow.way = Way::Inbound;
            flow.registrars = [Some(registrar), None];
            flow.bound = [Bound::Held, Bound::Never];
        })
}

/// All of them.
pub fn all() -> Vec<Flow> {
    let usual = Registrar::USUAL;
    let guarded = Registrar { guard: Some(Guard { status: 401, ..Guard::USUAL }), ..usual };
    let stale = Registrar { guard: Some(Guard { uses: 1, ..Guard::USUAL }), ..usual };
    vec![
        registered("registered_and_renewed", usual),
        registered("registered_with_a_login", guarded),
        registered("registered_with_a_login_over_tcp", guarded).with(|flow| flow.shape.transport = "tcp"),
        registered("registered_for_longer_than_was_asked", Registrar { least: 600, ..guarded }),
        // The nonce is used up by then: the farewell is asked who it is, and waits for that.
        registered("registration_is_given_back_at_a_drain", stale)
            .with(|flow| flow.deeds = vec![(80 * SECOND, Deed::Drain(30_000))])
            .with(|flow| flow.bound[0] = Bound::GivenBack),
        registered("registration_is_given_back_at_a_reload", guarded)
            .with(|flow| flow.deeds = vec![(20 * SECOND, Deed::ReloadUnregistered)])
            .with(|flow| flow.bound[0] = Bound::GivenBack),
        registered("registration_goes_on_over_a_reload", guarded)
            .with(|flow| flow.deeds = vec![(20 * SECOND, Deed::Reload)]),
        registered("registration_is_refused", Registrar { refuses: Some(403), ..usual })
            .with(|flow| (flow.alerts, flow.bound) = (vec![39209], [Bound::Never; 2])),
        registered("registration_is_lost_and_held_again", usual)
            .caller(&[when(On::Up, 170_000, Act::Bye)])
            .with(|flow| {
                flow.deeds = vec![(20 * SECOND, Deed::Cut("trunk")), (100 * SECOND, Deed::Mend("trunk"))];
                flow.alerts = vec![39209];
            }),
        registered(
            "registered_at_the_second_where_the_first_cannot",
            Registrar { refuses: Some(503), ..usual },
        )
        .with(|flow| {
            flow.shape.named = true;
            flow.registrars[1] = Some(usual);
            flow.bound = [Bound::Never, Bound::Held];
            flow.way = Way::Outbound;
        }),
    ]
}
