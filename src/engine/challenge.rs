//! The challenge: a peer whose policy names credentials proves a password before its request outside a dialog goes on.
//!
//! Owns which requests are asked and what is answered. Refuses to know what proves a password (`policy::guard`).
//! Read first: RFC 3261 §22; RFC 8760 §2; RFC 7616 §3.4.6; attack rows A4 to A10.
//!
//! INVITE and MESSAGE are asked; OPTIONS is answered and everything else refused, whoever asks, so neither is. ACK cannot
//! be (RFC 3261 §22.1), and CANCEL, which has no second try, counts from the peer of its INVITE alone. A request within a
//! dialog is not asked again: the dialog began with a proof, its tag has 64 random bits, and it counts only from the same
//! peer; a machine that has no answer to a challenge of its BYE would leave the call up. No challenge leaves any state,
//! and none over UDP is larger than what it answers: a forged source makes no flood of us.

use std::sync::Arc;

use super::Engine;
use super::admission::Judged;
use super::intake::Arrived;
use super::refuse::{self, Wrong};
use super::requests::refusal_alert;
use crate::call::ServerId;
use crate::clock::{Now, time_text};
use crate::policy::alert::{Alert, shortened};
use crate::policy::code;
use crate::policy::credential::{Credential, Demand};
use crate::policy::guard::{Claim, Proof};
use crate::policy::lockout;
use crate::policy::nonce::Bound;
use crate::policy::sources::{Bucket, Charged};
use crate::sip::digest::{Authorization, Offer, User};
use crate::sip::{ConnectionId, HeaderName, Method, Transport};

/// Lines of credentials that are looked at, whatever their realms; more are refused.
const AUTHORIZATIONS_MAX: usize = 8;

/// What is told of a proof that came before, and what to do.
pub(super) const REPLAYED: &str = "the same proof of a password came before in another request: let the peer speak TLS, for \
                                   somebody on the way may repeat what it hears; or mend a machine that does not count nc";

/// What the wire hears of a wrong proof, whatever is wrong with it.
const REFUSED: &str = "the credentials are refused";

/// What came of asking.
#[derive(Debug)]
pub(super) enum Passed {
    /// Nothing is asked of it.
    Unasked,
    /// It proves this credential's password.
    Proven(Arc<Credential>),
    /// It has been answered.
    Answered,
}

impl Engine {
    /// Which bucket a request outside a dialog is charged to. Where a peer must prove a password, a request that shows no
    /// nonce which was made for its source may have been sent by anybody: it spends nothing of the peer's own.
    pub(super) fn charged(&self, now: Now, arrived: &Arrived<'_>) -> Charged {
        let Some(demand) = arrived.peer.demand.as_ref().filter(|_| arrived.proven.is_none()) else {
            return Charged::Own;
        };
        let bound = bound(arrived);
        let shown = match claimed(arrived, demand) {
            Ok(Some(authorization)) => self.guard.knows(now.tick, &authorization.nonce, &bound),
            Ok(None) | Err(_) => false,
        };
        if shown { Charged::Own } else { Charged::Unproven }
    }

    /// Asks a request outside a dialog for what its peer must show.
    pub(super) fn prove(&mut self, now: Now, arrived: &Arrived<'_>, server: ServerId) -> Passed {
        if let Some(credential) = arrived.proven {
            return Passed::Proven(Arc::clone(credential));
        }
        let Some(demand) = &arrived.peer.demand else { return Passed::Unasked };
        if !matches!(arrived.message.method(), Method::Invite | Method::Message) {
            return Passed::Unasked;
        }
        // Whatever is said now is said without a transaction: who has proven nothing costs no memory.
        let bound = bound(arrived);
        let claimed = match claimed(arrived, demand) {
            Ok(claimed) => claimed,
            Err(wrong) => {
                self.transactions.forget(server);
                self.refuse_stateless(now, arrived, &wrong);
                return Passed::Answered;
            }
        };
        let Some(authorization) = claimed else {
            self.transactions.forget(server);
            self.ask(now, arrived, demand, &bound, false);
            return Passed::Answered;
        };
        // Whoever forges the peer's address never saw a nonce: the peer itself may be silent still.
        if self.guard.knows(now.tick, &authorization.nonce, &bound) {
            self.sources.answered(now.tick, arrived.peer.id);
        }
        let found = match &authorization.user {
            User::Named(name) => demand.find(name),
            User::Hashed(_) => None,
        };
        let message = arrived.message;
        let claim = Claim {
            authorization: &authorization,
            method: message.method().as_bytes(),
            uri: message.request_uri(),
            bound,
            trusted: true,
            shown: arrived.flow.connection != ConnectionId::NONE,
        };
        let proof = self.guard.judge(now.tick, demand, found.map(|found| &**found), &claim);
        if let (Proof::Proven, Some(found)) = (proof, found) {
            self.counts.proven += 1;
            return Passed::Proven(Arc::clone(found));
        }
        // A lock is told once: whatever bucket is full, its alert must not be lost.
        self.follow_guess(now, arrived, &claim, proof);
        // Who guesses spends nothing of what those have who prove it, and is heard no oftener than who shows nothing.
        if proof != Proof::Stale {
            self.sources.give_back(arrived.policy, arrived.peer.id);
            let bucket = self.sources.bucket(arrived.policy, now, arrived.peer.id, Charged::Unproven);
            match bucket {
                Bucket::Fits => {}
                Bucket::Answer(refusal) => {
                    self.transactions.forget(server);
                    self.refuse_quietly(arrived, &Wrong::from(*refusal));
                    return Passed::Answered;
                }
                Bucket::Drop => {
                    self.transactions.forget(server);
                    return Passed::Answered;
                }
            }
        }
        self.unproven(now, arrived, (demand, server), &claim, proof);
        Passed::Answered
    }

    /// Counts a guess, and tells of the lock that followed from it.
    fn follow_guess(&mut self, now: Now, arrived: &Arrived<'_>, claim: &Claim<'_>, proof: Proof) {
        let lock = match proof {
            Proof::Wrong(_, lock) | Proof::Locked(lock) => lock,
            Proof::Proven | Proof::Stale | Proof::Replayed => return,
        };
        // The first of these copies was counted.
        let is_guess = matches!(proof, Proof::Wrong(..)) && lock != lockout::Wrong::Copied;
        self.counts.wrong_passwords += u64::from(is_guess);
        match lock {
            lockout::Wrong::Borne | lockout::Wrong::Quiet | lockout::Wrong::Copied => {}
            lockout::Wrong::Locked { lasts, nth } => {
                self.alert(brute_force(now, arrived, claim, (lasts, nth), LOCKED));
            }
            lockout::Wrong::Guessed { lasts, nth } => {
                self.alert(brute_force(now, arrived, claim, (lasts, nth), GUESSED));
            }
            lockout::Wrong::Crowded { lasts, nth } => self.alert(crowded(now, arrived, lasts, nth)),
        }
    }

    /// What a request hears that brought a proof and proved nothing.
    fn unproven(
        &mut self,
        now: Now,
        arrived: &Arrived<'_>,
        (demand, server): (&Demand, ServerId),
        claim: &Claim<'_>,
        proof: Proof,
    ) {
        let locked_out = "too many wrong passwords from this source for this user";
        let (code, why) = match proof {
            Proof::Proven | Proof::Stale => {
                self.transactions.forget(server);
                return self.ask(now, arrived, demand, &claim.bound, true);
            }
            // It was told when its source was found to guess at many; from there on it costs neither alert nor record.
            Proof::Wrong(_, lockout::Wrong::Quiet) | Proof::Locked(lockout::Wrong::Quiet) => {
                self.transactions.forget(server);
                return self.refuse_quietly(arrived, &Wrong::new(403, code::BAD_CREDENTIALS, REFUSED));
            }
            // The first of these copies was told.
            Proof::Wrong(_, lockout::Wrong::Copied) => {
                self.transactions.forget(server);
                return self.ask(now, arrived, demand, &claim.bound, false);
            }
            Proof::Wrong(why, _) => (code::BAD_CREDENTIALS, why),
            Proof::Locked(_) => (code::BAD_CREDENTIALS, locked_out),
            Proof::Replayed => (code::NONCE_REPLAYED, REPLAYED),
        };
        let again = matches!(proof, Proof::Wrong(_, lockout::Wrong::Borne));
        let status = if again { demand.status() } else { 403 };
        let wrong = Wrong::new(status, code, why);
        let mut alert = refusal_alert(now, arrived, &wrong);
        alert.evidence.push(("user", claimed_user(claim)));
        self.alert(alert);
        if again {
            self.transactions.forget(server);
            return self.ask(now, arrived, demand, &claim.bound, false);
        }
        // Why it was wrong is for the owner's alert; the wire says the same for each cause.
        let mut said = wrong.clone();
        if !matches!(proof, Proof::Replayed) {
            said.refusal.text = REFUSED.to_owned();
        }
        // The attempt ends here, and leaves its record. It has shown that its source is its own, by a nonce that was made for
        // it, so its transaction may be kept: copies are answered from there.
        let judged = Judged { alerted: true, ..Judged::default() };
        self.refuse_saying(now, arrived, server, (&said, &wrong), judged);
    }

    /// Asks for a password: every hash offered, the one liked best on top, as many of them as fit.
    pub(super) fn ask(
        &mut self,
        now: Now,
        arrived: &Arrived<'_>,
        demand: &Demand,
        bound: &Bound,
        stale: bool,
    ) {
        self.counts.challenged += 1;
        let bits = self.stateless_bits(arrived);
        let nonce = self.guard.nonce(now.tick, bits, bound);
        let offer = |hash: &_| Offer { realm: &demand.realm, nonce: &nonce, hash: *hash, stale };
        let offers: smallvec::SmallVec<[Offer<'_>; 3]> = demand.hashes.iter().map(offer).collect();
        let tag = caller_tag(bits);
        // Attack row A10: over UDP nobody has shown that the source is its own.
        let most = match arrived.flow.transport {
            Transport::Udp => arrived.message.bytes().len(),
            Transport::Tcp | Transport::Tls => usize::MAX,
        };
        for count in (1..=offers.len()).rev() {
            let offered = offers.get(..count).unwrap_or_default();
            let bytes = refuse::challenge(arrived.message, &arrived.flow, demand.proxy, offered, &tag);
            if bytes.len() <= most {
                // Whoever roams was nobody in particular when it was asked.
                if !arrived.peer.roaming {
                    self.sources.asked(now.tick, arrived.peer.id);
                }
                return self.send_back(arrived, bytes);
            }
        }
        self.counts.challenges_withheld += 1;
        if arrived.peer.roaming {
            // It may be anybody, and hears nothing.
            return;
        }
        let why = "the request is smaller than the challenge it would get, and a forged source could make a flood of that: \
                   let the peer speak TCP or TLS, or offer fewer `algorithms`";
        self.refuse_stateless(now, arrived, &Wrong::new(403, code::AMPLIFICATION_REFUSED, why));
    }
}

/// For whom the nonces are that a peer is asked with.
fn bound(arrived: &Arrived<'_>) -> Bound {
    Bound {
        source: arrived.flow.remote.ip(),
        listener: arrived.flow.listener,
        // Who roams was asked before anybody knew who it is.
        peer: (!arrived.peer.roaming).then_some(arrived.peer.id),
    }
}

/// The tag of an answer without a transaction.
fn caller_tag(bits: u64) -> [u8; 16] {
    crate::call::identity::hex16(bits)
}

/// The one Authorization (Proxy-Authorization where 407 asks) that is meant for the demand's realm; those for other realms
/// are somebody else's (RFC 3261 §22.3).
pub(super) fn claimed<'a>(
    arrived: &Arrived<'a>,
    demand: &Demand,
) -> Result<Option<Authorization<'a>>, Wrong> {
    let bad = |why| Wrong::new(400, code::HEADER_VALUE_INVALID, why);
    let name = if demand.proxy { HeaderName::ProxyAuthorization } else { HeaderName::Authorization };
    let mut ours = None;
    for (at, line) in arrived.message.lines(name).enumerate() {
        if at >= AUTHORIZATIONS_MAX {
            return Err(bad("too many credentials"));
        }
        let unreadable = |_| bad("the credentials cannot be read");
        let realm = Authorization::realm_of(line).map_err(unreadable)?;
        if realm.is_none_or(|realm| *realm != *demand.realm.as_bytes()) {
            continue;
        }
        let Some(read) = Authorization::read(line).map_err(unreadable)? else { continue };
        if ours.replace(read).is_some() {
            return Err(bad("more than one proof for one realm"));
        }
    }
    Ok(ours)
}

pub(super) fn claimed_user(claim: &Claim<'_>) -> String {
    let (User::Named(name) | User::Hashed(name)) = &claim.authorization.user;
    shortened(&String::from_utf8_lossy(name))
}

/// Who is locked out by the guesses at a peer that lists the source: this source, as this user.
const LOCKED: &str = "this source is locked out as this user, and what comes from other sources goes on";

/// By those of one stranger.
pub(super) const LOCKED_STRANGER: &str =
    "this source is locked out whoever it says it is, and what comes from other sources goes on";

/// By those of many strangers.
pub(super) const GUESSED: &str = "from many sources that no peer lists: all of those are locked out as this user, and what \
                                  comes from listed sources, or has proven a password before, goes on";

/// The alert of a lock; `whom` says who is locked out.
pub(super) fn brute_force(
    now: Now,
    arrived: &Arrived<'_>,
    claim: &Claim<'_>,
    (lasts, nth): (std::time::Duration, u32),
    whom: &str,
) -> Box<Alert> {
    let text = format!(
        "Too many wrong passwords within ten minutes: {whom}. It lasts {}, the {nth}. time. If it is the peer itself, put \
         its password right on both sides, and lift the lock with `ringfence unlock`.",
        time_text(lasts)
    );
    let wrong = Wrong::new(403, code::BRUTE_FORCE, &text);
    let mut alert = refusal_alert(now, arrived, &wrong);
    alert.evidence.push(("user", claimed_user(claim)));
    alert
}

/// A source of a peer guesses at many users.
fn crowded(now: Now, arrived: &Arrived<'_>, lasts: std::time::Duration, nth: u32) -> Box<Alert> {
    let source = arrived.flow.remote.ip();
    let text = format!(
        "Too many wrong passwords within ten minutes from this source, whoever it says it is: for {}, the {nth}. time, each \
         user has one guess from there, and no more is told of it. Who proves a password goes on. If these are your own \
         machines, put their passwords right, and lift it with `ringfence unlock --source {source}`.",
        time_text(lasts)
    );
    refusal_alert(now, arrived, &Wrong::new(403, code::BRUTE_FORCE, &text))
}
