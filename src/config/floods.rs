//! `floods`, as it is written and told.
//!
//! Owns the step from its keys to the policy's settings, and what `check` says of them. Refuses to judge.
//! Read first: `table/floods.rs`; `policy/tdos`.

use std::collections::BTreeMap;

use super::fields::Fields;
use super::peers::reference;
use super::problem::Cause;
use super::routes::patterns;
use crate::clock::time_text;
use crate::policy::route::Pattern;
use crate::policy::tdos::Settings;
use crate::policy::{PeerId, Policy};

/// Reads `floods`; `None` where it is not written.
pub fn floods(root: &Fields<'_>, peers: &BTreeMap<&str, PeerId>) -> Option<Settings> {
    root.node("floods")?;
    let fields = root.section("floods")?;
    let mut allow = patterns(&fields, "allow");
    for pattern in &mut allow {
        if let Pattern::List(list) = pattern {
            let mut sorted = list.to_vec();
            sorted.sort_unstable();
            *list = sorted.into();
        }
    }
    let failover = fields.words("failover", |text| reference(text, "peer", peers));
    let settings = Settings {
        calls_per_minute: fields.count("calls_per_minute"),
        trunk_calls_per_minute: fields.count_if("trunk_calls_per_minute"),
        times: fields.count("times"),
        sustained: fields.time("sustained"),
        caller_per_minute: fields.count("caller_per_minute"),
        reserved: fields.count("reserved"),
        known_after: fields.time("known_after"),
        known_for: fields.time("known_for"),
        again_after: fields.time("again_after"),
        again_within: fields.time("again_within"),
        ring_max: fields.time("ring_max"),
        quiet: fields.time("quiet"),
        allow,
        failover: failover.into_iter().map(|(peer, _)| peer).collect(),
    };
    if settings.again_after >= settings.again_within {
        let cause = Cause::new("again_within is not above again_after: nobody could be let in");
        fields.error("again_within", cause.cure("raise again_within or lower again_after"));
    }
    Some(settings)
}

/// What `check` says.
pub fn sentences(policy: &Policy) -> Vec<String> {
    let Some(floods) = &policy.floods else {
        let text = "Nothing but the caps of the trunk and its channels holds off a flood of calls to one number: write floods: {} for that.";
        return vec![text.to_owned()];
    };
    vec![
        format!(
            "More than {} calls within a minute to one number, and more than {} times what it is used to, for {}: each caller has {} a minute.",
            floods.calls_per_minute,
            floods.times,
            time_text(floods.sustained),
            floods.caller_per_minute
        ),
        format!(
            "If that goes on, or takes more than 80 % of the channels: {} % of them are for callers who are known (who talked for {}, or were called, within {}); others must call a second time after {}. Past 95 % only those who are known are let in.",
            floods.reserved,
            time_text(floods.known_after),
            time_text(floods.known_for),
            time_text(floods.again_after)
        ),
        "Calls from inside, and calls back of who helps within 4h of an emergency call, are never held off."
            .to_owned(),
    ]
}
