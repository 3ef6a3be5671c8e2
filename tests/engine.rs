//! The engine driven with bytes and time by hand: every answer it gives by itself, and what it lets through.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that fails says so by a panic")]

#[path = "engine/edge.rs"]
mod edge;
#[path = "engine/texts.rs"]
mod texts;

#[path = "engine/answers.rs"]
mod answers;
#[path = "engine/attacks.rs"]
mod attacks;
#[path = "engine/callers.rs"]
mod callers;
#[path = "engine/calls.rs"]
mod calls;
#[path = "engine/caps.rs"]
mod caps;
#[path = "engine/credentials.rs"]
mod credentials;
#[path = "engine/destinations.rs"]
mod destinations;
#[path = "engine/detectors.rs"]
mod detectors;
#[path = "engine/dial_plans.rs"]
mod dial_plans;
#[path = "engine/doors.rs"]
mod doors;
#[path = "engine/emergency.rs"]
mod emergency;
#[path = "engine/flooding.rs"]
mod flooding;
#[path = "engine/forwarding.rs"]
mod forwarding;
#[path = "engine/helped.rs"]
mod helped;
#[path = "engine/helped_everywhere.rs"]
mod helped_everywhere;
#[path = "engine/lasting.rs"]
mod lasting;
#[path = "engine/life.rs"]
mod life;
#[path = "engine/lists.rs"]
mod lists;
#[path = "engine/locks.rs"]
mod locks;
#[path = "engine/media.rs"]
mod media;
#[path = "engine/media_news.rs"]
mod media_news;
#[path = "engine/media_renewals.rs"]
mod media_renewals;
#[path = "engine/media_rig.rs"]
mod media_rig;
#[path = "engine/messages.rs"]
mod messages;
#[path = "engine/names.rs"]
mod names;
#[path = "engine/networks.rs"]
mod networks;
#[path = "engine/numbers.rs"]
mod numbers;
#[path = "engine/orders.rs"]
mod orders;
#[path = "engine/oversize.rs"]
mod oversize;
#[path = "engine/pauses.rs"]
mod pauses;
#[path = "engine/proofs.rs"]
mod proofs;
#[path = "engine/redirects.rs"]
mod redirects;
#[path = "engine/roaming.rs"]
mod roaming;
#[path = "engine/sessions.rs"]
mod sessions;
#[path = "engine/suspending.rs"]
mod suspending;
#[path = "engine/targets.rs"]
mod targets;
#[path = "engine/transfers.rs"]
mod transfers;
#[path = "engine/transfers_bound.rs"]
mod transfers_bound;
#[path = "engine/transfers_joined.rs"]
mod transfers_joined;
#[path = "engine/transfers_made.rs"]
mod transfers_made;
#[path = "engine/trust.rs"]
mod trust;
