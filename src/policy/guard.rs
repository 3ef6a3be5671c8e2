//! Whether a request proves a password: the nonce, then the lock, then the response (worked out before), then the count.
//!
//! Owns that order, and that it tells nobody which users there are. Refuses to know headers and answers.
//! Read first: RFC 7616 §3.4.6, §5; RFC 8760 §2.3; attack rows A4 to A7.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use super::credential::{Credential, Demand, DigestUri};
use super::lockout::{Freed, LOCKS_MAX, Lock, Lockouts, Told, Try, Wrong};
use super::nonce::{Bound, Mark, NONCES_MAX, NonceText, Nonces, Use};
use super::proofs::{PROOFS_MAX, Proofs, Whence};
use super::sources::Settings;
use super::table::Medium;
use super::{Peer, PeerId, Policy};
use crate::clock::Tick;
use crate::sip::ListenerId;
use crate::sip::Uri;
use crate::sip::digest::{Authorization, Ha1, Hash, Qop, User};

/// A request that claims to prove a password.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// What it brings.
    pub authorization: &'a Authorization<'a>,
    /// Its method.
    pub method: &'a [u8],
    /// Its Request-URI.
    pub uri: &'a [u8],
    /// For whom its nonce must have been made.
    pub bound: Bound,
    /// Whether a peer lists its source, or somebody there proved a password lately.
    pub trusted: bool,
    /// Whether its source has shown that it is its own, as a stream's has by the handshake of TCP.
    pub shown: bool,
    /// Whether what it proves may be asked for now.
    pub room: bool,
}

/// What is to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It proves the password.
    Proven,
    /// Its nonce is too old, or none of ours: ask again, `stale`. Nothing was tried and nothing counted.
    Stale,
    /// It proves nothing: why, for the owner of this edge alone; and the lock that followed.
    Wrong(&'static str, Wrong),
    /// Who asks is locked out; whether it was right counts for nothing. What follows from that it tried.
    Locked(Wrong),
    /// It proves the password, and came before.
    Replayed,
    /// It proves the password, and its peer may not ask for more now: its count is not taken, for it will come again.
    NoRoom,
}

/// Nonces and locks. The engine owns one.
#[derive(Debug)]
pub struct Guard {
    nonces: Nonces,
    lockouts: Option<Lockouts>,
    /// Of roaming users; made with the locks.
    proofs: Option<Proofs>,
    guesses: Guesses,
    /// What each peer must show by the policy in force.
    demands: Vec<(PeerId, Arc<Demand>)>,
    seed: [u8; 32],
    /// Nobody's: what a user that there is not is held against.
    dummies: [Ha1; 3],
}

impl Guard {
    /// Nobody has tried yet. `seeds` are secret to the process.
    #[must_use]
    pub fn new(seeds: [[u8; 32]; 3]) -> Self {
        let [key, seed, nobody] = seeds;
        let dummies = Hash::ALL.map(|hash| Ha1::new(hash, b"", b"", &nobody));
        Self {
            nonces: Nonces::new(key, NONCES_MAX),
            lockouts: None,
            proofs: None,
            guesses: Guesses::default(),
            demands: Vec::new(),
            seed,
            dummies,
        }
    }

    /// A new policy is in force. The table of locks is made with the first policy that asks for passwords; a user whose
    /// password changed is locked out no more, for what was wrong before was wrong for another.
    pub fn follow(&mut self, policy: &Policy) {
        let Settings { ban_first, ban_max, .. } = policy.sources;
        if let Some(lockouts) = &mut self.lockouts {
            lockouts.set(ban_first, ban_max);
        } else if policy.peers.iter().flatten().any(|peer| peer.demand.is_some()) {
            self.lockouts = Some(Lockouts::new(self.seed, LOCKS_MAX, ban_first, ban_max));
            self.proofs = Some(Proofs::new(self.seed, PROOFS_MAX));
        }
        let asks = |peer: &Arc<Peer>| Some((peer.id, Arc::clone(peer.demand.as_ref()?)));
        let demands: Vec<(PeerId, Arc<Demand>)> = policy.peers.iter().flatten().filter_map(asks).collect();
        for (peer, before) in &self.demands {
            let after = demands.iter().find(|(known, _)| known == peer).map(|(_, after)| after);
            for old in &before.credentials {
                let user = old.user.as_bytes();
                // Another choice of hashes is no other password: one key that stands says so.
                let stands = |new: &Arc<Credential>| old.keys.iter().any(|key| new.keys.contains(key));
                let new = after.and_then(|after| after.find(user));
                if new.is_some_and(stands) {
                    continue;
                }
                // What was proven with a password that is none any more shows nothing.
                if let Some(proofs) = &mut self.proofs {
                    proofs.forget(user);
                }
                if let Some(lockouts) = self.lockouts.as_mut().filter(|_| new.is_some()) {
                    lockouts.forgive(user);
                }
            }
        }
        self.demands = demands;
    }

    /// Whether somebody who roams has proven a password from there lately.
    #[must_use]
    pub fn knows(&self, now: Tick, listener: ListenerId, source: IpAddr) -> bool {
        self.proofs.as_ref().is_some_and(|proofs| proofs.know_source(now, listener, source))
    }

    /// A nonce to ask with.
    #[must_use]
    pub fn nonce(&self, now: Tick, salt: u64, bound: &Bound) -> NonceText {
        self.nonces.make(now, salt, bound)
    }

    /// Judges a claim, and counts what it is. `found` is the credential of the user named, if there is one: whether there
    /// is changes neither the answer nor the work done.
    pub fn judge(
        &mut self,
        now: Tick,
        asked: &Demand,
        found: Option<&Credential>,
        claim: &Claim<'_>,
    ) -> Proof {
        let authorization = claim.authorization;
        // A nonce that we did not make for this source can lock nobody out: whoever forges a source never saw one.
        let Some(mark) = self.nonces.known(now, &authorization.nonce, &claim.bound) else {
            return Proof::Stale;
        };
        if self.nonces.is_spent(mark) {
            // Copies of what was wrong hear what it heard; whatever else comes is not even tried.
            let copied = self.guesses.has(&self.seed, mark, claim);
            return if copied { Proof::Wrong(COPIED, Wrong::Copied) } else { Proof::Stale };
        }
        let user = match &authorization.user {
            User::Named(name) | User::Hashed(name) => &**name,
        };
        let Bound { source, peer, listener } = claim.bound;
        let whence = Whence { listener, user, source };
        let known = self.proofs.as_ref().is_some_and(|proofs| proofs.know(now, &whence));
        let medium = if claim.shown { Medium::Streams } else { Medium::Datagrams };
        let (trusted, exists) = (claim.trusted, found.is_some());
        let who = Try { peer, listener, source, medium, user, trusted, known, exists };
        let hash = authorization.algorithm.hash;
        let dummy = self.dummies.iter().find(|dummy| dummy.hash() == hash);
        let named = matches!(authorization.user, User::Named(_));
        let key = found.filter(|_| named).and_then(|found| found.key(hash));
        // The same work whether or not there is such a user, and whether or not it is locked: in a source that guesses at
        // many, only a user that there is has its one guess behind it.
        let proven = key.or(dummy).is_some_and(|key| authorization.is_proven_by(key, claim.method, b""));
        let right = black_box(proven) & key.is_some();
        let lock = self.lockouts.as_ref().map_or(Lock::Open, |lockouts| lockouts.lock_of(now, &who));
        if lock != Lock::Open {
            let is_new = self.guessed(now, mark, claim);
            let pressed = self.lockouts.as_mut().filter(|_| lock == Lock::Locked && is_new);
            let quiet = if lock == Lock::Quiet { Wrong::Quiet } else { Wrong::Borne };
            return Proof::Locked(pressed.map_or(quiet, |lockouts| lockouts.pressed(now, &who)));
        }
        let fault = terms_fault(asked, claim).or((!right).then_some("the password or the user is wrong"));
        if let Some(why) = fault {
            return Proof::Wrong(why, self.wrong(now, mark, claim, &who));
        }
        // Whoever knows the password guesses nothing: a machine that writes another digest-uri locks nobody out.
        if !names_request(asked.uri, &authorization.uri, claim.uri) {
            let is_new = self.guesses.is_new(&self.seed, mark, claim);
            return Proof::Wrong(MISNAMED, if is_new { Wrong::Borne } else { Wrong::Copied });
        }
        if !claim.room {
            return Proof::NoRoom;
        }
        let count = authorization.counted.map_or(0, |counted| counted.count);
        match self.nonces.take(now, mark, count) {
            Use::Taken => {
                self.right(now, &who);
                Proof::Proven
            }
            Use::Replayed => {
                self.guessed(now, mark, claim);
                Proof::Replayed
            }
            Use::Gone => Proof::Stale,
        }
    }

    /// A right one. It is remembered of who roams alone: no stranger's guess locks any user of a listed source out.
    fn right(&mut self, now: Tick, who: &Try<'_>) {
        if let Some(lockouts) = &mut self.lockouts {
            lockouts.right(who);
        }
        let Try { listener, user, source, .. } = *who;
        if let Some(proofs) = self.proofs.as_mut().filter(|_| who.peer.is_none()) {
            proofs.insert(now, &Whence { listener, user, source });
        }
    }

    /// Counts a wrong one. UDP repeats a request until it is answered: the copies of one guess are one guess.
    fn wrong(&mut self, now: Tick, mark: Mark, claim: &Claim<'_>, who: &Try<'_>) -> Wrong {
        let is_new = self.guessed(now, mark, claim);
        self.lockouts.as_mut().map_or(Wrong::Borne, |lockouts| match is_new {
            true => lockouts.wrong(now, who),
            false => lockouts.repeated(now, who),
        })
    }

    /// Remembers what was wrong under a nonce; whether it is no copy. Whoever forges a datagram's source may have overheard the
    /// nonce: it is good for one wrong answer, and the next must fetch another, which goes to the source.
    fn guessed(&mut self, now: Tick, mark: Mark, claim: &Claim<'_>) -> bool {
        if !claim.shown {
            self.nonces.spend(now, mark);
        }
        self.guesses.is_new(&self.seed, mark, claim)
    }

    /// What is locked now, by name.
    pub fn locks(&self, now: Tick) -> impl Iterator<Item = Told> {
        self.lockouts.iter().flat_map(move |lockouts| lockouts.told(now))
    }

    /// Lifts locks; how many of each kind.
    pub fn free(&mut self, now: Tick, freed: &Freed<'_>) -> Vec<(Medium, usize)> {
        self.lockouts.as_mut().map(|lockouts| lockouts.free(now, freed)).unwrap_or_default()
    }

    /// Nonces remembered, and pairs, sources and users locked out now.
    #[must_use]
    pub fn gauges(&self, now: Tick) -> (usize, usize) {
        (self.nonces.len(), self.lockouts.as_ref().map_or(0, |lockouts| lockouts.locked(now)))
    }
}

/// What an answer falls short of, whoever gives it: nothing that was not offered is taken (attack row A7).
fn terms_fault(asked: &Demand, claim: &Claim<'_>) -> Option<&'static str> {
    let authorization = claim.authorization;
    if authorization.algorithm.session || !asked.hashes.contains(&authorization.algorithm.hash) {
        return Some("the algorithm is none that was offered");
    }
    authorization.counted.is_none_or(|counted| counted.qop != Qop::Auth).then_some("qop is not auth")
}

/// The password is right, and the request another one.
const MISNAMED: &str = "the password is right, but the digest-uri is not the Request-URI; where the machine writes its \
                        host alone there, set `digest_uri: host` for this peer";

/// What came before was wrong, and told.
const COPIED: &str = "a copy of what was wrong";

/// Wrong proofs remembered, so that copies of one are told from another.
const GUESSES_MAX: usize = 64;

/// The last wrong proofs; the oldest makes room.
#[derive(Debug, Default)]
struct Guesses(VecDeque<u64>);

impl Guesses {
    /// Whether this proof was not among the last wrong ones; it is now.
    fn is_new(&mut self, seed: &[u8; 32], mark: Mark, claim: &Claim<'_>) -> bool {
        let guess = Self::of(seed, mark, claim);
        if self.0.contains(&guess) {
            return false;
        }
        if self.0.len() >= GUESSES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(guess);
        true
    }

    /// Whether it was.
    fn has(&self, seed: &[u8; 32], mark: Mark, claim: &Claim<'_>) -> bool {
        self.0.contains(&Self::of(seed, mark, claim))
    }

    fn of(seed: &[u8; 32], mark: Mark, claim: &Claim<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        let authorization = claim.authorization;
        (seed, mark, claim.bound.source, claim.method, claim.uri).hash(&mut hasher);
        (authorization.response.as_bytes(), &authorization.cnonce, &authorization.uri).hash(&mut hasher);
        authorization.counted.map(|counted| counted.count).hash(&mut hasher);
        hasher.finish()
    }
}

/// RFC 7616 §3.4.6: the digest-uri must be that of the request, or a proof for one number would dial another.
fn names_request(rule: DigestUri, named: &[u8], requested: &[u8]) -> bool {
    if named == requested {
        return true;
    }
    let (Ok(named), Ok(requested)) = (Uri::read(named), Uri::read(requested)) else { return false };
    match (rule, &named) {
        (DigestUri::Host, Uri::Sip(uri)) if uri.user.is_none() => true,
        (DigestUri::Host | DigestUri::Request, _) => named.equivalent(&requested),
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
