//! Credentials: what a peer must show before it may call, and as whom each of them may call.
//!
//! Owns users, their HA1 and the terms they are asked on. Refuses to know passwords, headers and nonces.
//! Read first: RFC 3261 §22; RFC 8760 §2; RFC 7616 §5.2, §5.8.

use std::sync::Arc;

use smallvec::SmallVec;

use super::owned::Owned;
use super::route::Pattern;
use crate::sip::digest::{Ha1, Hash};

/// Hashes in the order they are offered, the one liked best first.
pub type Hashes = SmallVec<[Hash; 3]>;

/// One user of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name.
    pub user: Arc<str>,
    /// One for each hash that the peer is offered.
    pub keys: SmallVec<[Ha1; 2]>,
    /// As whom it may call: users of From and P-Asserted-Identity.
    pub callers: Vec<Pattern>,
    /// The numbers that it may show outside, where they are others than its peer's.
    pub owned: Option<Arc<Owned>>,
}

impl Credential {
    /// Its key for a hash.
    #[must_use]
    pub fn key(&self, hash: Hash) -> Option<&Ha1> {
        self.keys.iter().find(|key| key.hash() == hash)
    }

    /// Whether it may call as everybody whom a pattern fits.
    fn covers(&self, pattern: &Pattern) -> bool {
        let every = |text: &str| self.may_call_as(text);
        self.callers.iter().any(|own| own == pattern || *own == Pattern::Any)
            || match pattern {
                Pattern::Exact(exact) => every(exact),
                Pattern::List(list) => list.iter().all(|entry| every(entry)),
                // What begins with a longer prefix begins with the shorter one too.
                Pattern::Prefix(prefix) => self
                    .callers
                    .iter()
                    .any(|own| matches!(own, Pattern::Prefix(shorter) if prefix.starts_with(&**shorter))),
                Pattern::SiteDid | Pattern::Any => false,
            }
    }

    /// Whether it may call as this user.
    #[must_use]
    pub fn may_call_as(&self, caller: &str) -> bool {
        self.callers.iter().any(|pattern| pattern.fits(caller))
    }
}

/// What the digest-uri of an answer must name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DigestUri {
    /// The Request-URI (RFC 7616 §3.4.6): what was proven for one number dials no other.
    #[default]
    Request,
    /// The Request-URI, or a host alone, without a user: for machines that write no more (sipp).
    Host,
}

/// That a peer must prove a password, and how it is asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The realm.
    pub realm: Arc<str>,
    /// The hashes offered, best first.
    pub hashes: Hashes,
    /// Whether it is asked by 407 instead of 401.
    pub proxy: bool,
    /// What its digest-uri must name.
    pub uri: DigestUri,
    /// Its users.
    pub credentials: Vec<Arc<Credential>>,
}

impl Demand {
    /// The status it is asked with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        if self.proxy { 407 } else { 401 }
    }

    /// The credential of a user; names are compared exactly.
    #[must_use]
    pub fn find(&self, user: &[u8]) -> Option<&Arc<Credential>> {
        self.credentials.iter().find(|credential| credential.user.as_bytes() == user)
    }
}

/// What a reload asks less of a peer than before, one sentence each.
pub(super) fn weaker(name: &str, old: Option<&Demand>, new: Option<&Demand>, weaker: &mut Vec<String>) {
    let Some(old) = old else { return };
    let Some(new) = new else {
        weaker.push(format!("peer {name} shows no password any more"));
        return;
    };
    for hash in new.hashes.iter().filter(|hash| !hash.is_sound() && !old.hashes.contains(hash)) {
        weaker.push(format!("peer {name} may prove its password by {}", hash.token()));
    }
    if new.uri == DigestUri::Host && old.uri != new.uri {
        weaker.push(format!("peer {name} may prove its password without naming the number it calls"));
    }
    for credential in &new.credentials {
        let user = &credential.user;
        match old.find(user.as_bytes()) {
            None => weaker.push(format!("peer {name} has another credential: {user}")),
            Some(before) => {
                if credential.callers.iter().any(|caller| !before.covers(caller)) {
                    weaker.push(format!("credential {user} of peer {name} may call as somebody else"));
                }
                let shows = |credential: &Credential| credential.owned.clone().unwrap_or_default();
                if before.owned.is_some() && !shows(before).covers(&shows(credential)) {
                    weaker.push(format!("credential {user} of peer {name} may show more numbers (owns)"));
                }
            }
        }
    }
}
