//! What an order may name: what the policy knows, and what it knows instead where the name is not among it.
//!
//! Owns the check and the lists. Refuses to guess which one was meant. Read first: `../suspended.rs`.

use std::collections::BTreeSet;

use super::{Kind, SHORT, bare};
use crate::policy::Policy;
use crate::policy::number::DIGITS_MAX;

/// Names that are told in place of one that nobody knows.
pub const KNOWN_TOLD_MAX: usize = 64;

/// Characters of a number or name that calls may be of.
const NUMBER_CHARS_MAX: usize = 64;

/// The policy does not know what an order names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Why, with the cure.
    pub why: String,
    /// What it knows of that kind, the first of them where they are many.
    pub known: Vec<String>,
}

impl Kind {
    /// The name as the table holds it.
    ///
    /// # Errors
    /// The policy knows no such thing.
    pub fn known(self, name: &str, policy: &Policy) -> Result<Box<str>, Unknown> {
        match self {
            Self::Site => one_of(self, name, policy.sites.iter().map(|site| &*site.name)),
            Self::Peer => one_of(self, name, policy.peers.iter().flatten().map(|peer| &*peer.name)),
            Self::Credential => {
                let demands = policy.peers.iter().flatten().filter_map(|peer| peer.demand.as_deref());
                let users = demands.flat_map(|demand| &demand.credentials).map(|one| &*one.user);
                one_of(self, name, users)
            }
            Self::Destination => destination(name, policy),
            Self::Number => number(name),
        }
    }
}

fn one_of<'a>(kind: Kind, name: &str, known: impl Iterator<Item = &'a str>) -> Result<Box<str>, Unknown> {
    let known: BTreeSet<&str> = known.collect();
    if known.contains(name) {
        return Ok(name.into());
    }
    let kind = kind.name();
    let why = if known.is_empty() {
        format!("the policy names no {kind}")
    } else {
        format!("the policy names no {kind} {name:?}; write one as it does, letter by letter")
    };
    Err(Unknown { why, known: known.into_iter().take(KNOWN_TOLD_MAX).map(str::to_owned).collect() })
}

/// A prefix with `+`, a country by its two letters, or the short codes.
fn destination(name: &str, policy: &Policy) -> Result<Box<str>, Unknown> {
    if name == SHORT {
        return Ok(name.into());
    }
    if let Some(digits) = name.strip_prefix('+') {
        let well = (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|one| one.is_ascii_digit());
        return if well { Ok(name.into()) } else { Err(no_destination(name, Vec::new())) };
    }
    let region = name.to_ascii_uppercase();
    let mut diallings = policy.peers.iter().flatten().filter_map(|peer| peer.dialling.as_deref());
    let Some(dialling) = diallings.next() else {
        let why = format!(
            "no peer has a dial plan, so that no number's country is certain: name {name:?} by its prefix, as in +371"
        );
        return Err(Unknown { why, known: Vec::new() });
    };
    let known: BTreeSet<&str> = dialling.world.regions().collect();
    if known.contains(&*region) {
        return Ok(region.into());
    }
    Err(no_destination(name, known.into_iter().map(str::to_owned).collect()))
}

fn no_destination(name: &str, known: Vec<String>) -> Unknown {
    let why = format!(
        "{name:?} is no destination: write a prefix (+ and 1 to {DIGITS_MAX} digits), a country by its two letters, or {SHORT}"
    );
    Unknown { why, known }
}

/// A number or extension; which of them are somebody's is known to the PBX alone.
fn number(name: &str) -> Result<Box<str>, Unknown> {
    let plain = |one: u8| one.is_ascii_alphanumeric() || b"-_.!~'()&=$,/*#".contains(&one);
    let text = bare(name);
    if !text.is_empty() && text.len() <= NUMBER_CHARS_MAX && text.bytes().all(plain) {
        return Ok(text.into());
    }
    let why = format!(
        "{name:?} is no number: write it as it is dialled or shown, without spaces, as in +37127913000 or 201"
    );
    Err(Unknown { why, known: Vec::new() })
}
