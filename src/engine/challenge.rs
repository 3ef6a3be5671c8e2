//! The challenge: a peer whose policy names credentials proves a password before its request outside a dialog goes on.
//!
//! Owns which requests are asked and what is answered. Refuses to know what proves a password (`policy::guard`).
//! Read first: RFC 3261 §22; RFC 8760 §2; RFC 7616 §3.4.6; attack rows A4 to A10.
//!
//! INVITE and MESSAGE are asked; OPTIONS is answered and everything else refused, whoever asks, so neither is. ACK cannot
//! be (RFC 3261 §22.1), and CANCEL, which has no second try, counts from the peer of its INVITE alone. A request within a
//! dialog is not asked again: the dialog began with a proof, its tag has 64 random bits, and it counts only from the same
//! peer; a machine that has no answer to a challenge of its BYE would leave the call up.
//!
//! What is answered before a proof leaves no state, and over UDP is no larger than what it answers: a forged source makes no
//! flood of us. Nor does it spend what the peer itself needs: the peer's own bucket is charged by a proof and by nothing else.

use std::net::IpAddr;
use std::sync::Arc;

use super::Engine;
use super::intake::Arrived;
use super::refuse::{self, Wrong};
use super::requests::refusal_alert;
use crate::call::ServerId;
use crate::clock::{Now, time_text};
use crate::policy::alert::{Alert, shortened};
use crate::policy::credential::{Credential, Demand};
use crate::policy::guard::{Claim, Proof};
use crate::policy::lockout;
use crate::policy::nonce::Bound;
use crate::policy::sources::{Bucket, Charged};
use crate::policy::unlock;
use crate::policy::{Medium, code};
use crate::sip::digest::{Authorization, Offer, User};
use crate::sip::{HeaderName, Method};

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
    /// It has been answered, or is to hear nothing.
    Answered,
    /// It proves nothing, and its attempt ends here: what it hears, and what the owner is told.
    Refused(Box<(Wrong, Wrong)>),
}

impl Engine {
    /// Asks a request outside a dialog for what its peer must show, and charges it to the bucket of what it is.
    /// An emergency of a peer needs no room in its bucket; a password it must show all the same.
    pub(super) fn prove(
        &mut self,
        now: Now,
        arrived: &Arrived<'_>,
        server: ServerId,
        emergency: bool,
    ) -> Passed {
        let demand = arrived.peer.demand.as_ref().filter(|_| arrived.proven.is_none());
        let passed = match demand {
            None => {
                let fits = emergency || self.fits(now, arrived, Charged::Own);
                let proven = arrived.proven.map(|credential| Passed::Proven(Arc::clone(credential)));
                if fits { proven.unwrap_or(Passed::Unasked) } else { Passed::Answered }
            }
            Some(demand) if is_asked(arrived) => self.claim(now, arrived, demand, emergency),
            Some(_) => {
                let shown = arrived.flow.is_shown();
                let charged = match arrived.message.method() {
                    Method::Options => Charged::Asked { shown },
                    Method::Invite
                    | Method::Message
                    | Method::Ack
                    | Method::Bye
                    | Method::Cancel
                    | Method::Register
                    | Method::Prack
                    | Method::Update
                    | Method::Info
                    | Method::Refer
                    | Method::Subscribe
                    | Method::Notify
                    | Method::Publish
                    | Method::Other(_) => Charged::Unproven { shown },
                };
                if self.fits(now, arrived, charged) { Passed::Unasked } else { Passed::Answered }
            }
        };
        match &passed {
            Passed::Unasked | Passed::Proven(_) | Passed::Refused(_) => {}
            // Whatever was said was said without a transaction: who has proven nothing costs no memory.
            Passed::Answered => {
                self.transactions.forget(server);
            }
        }
        passed
    }

    /// Whether a request fits into a bucket. What does not is answered without state, if at all; each copy is judged anew.
    pub(super) fn fits(&mut self, now: Now, arrived: &Arrived<'_>, charged: Charged) -> bool {
        match self.sources.bucket(arrived.policy, now, arrived.peer.id, charged) {
            Bucket::Fits => true,
            Bucket::Answer(refusal) => {
                self.refuse_quietly(now, arrived, &Wrong::from(*refusal));
                false
            }
            Bucket::Drop => false,
        }
    }

    /// Judges what a request shows, and asks for more where it shows too little.
    fn claim(&mut self, now: Now, arrived: &Arrived<'_>, demand: &Arc<Demand>, emergency: bool) -> Passed {
        let (bound, shown) = (bound(arrived), arrived.flow.is_shown());
        let authorization = match claimed(arrived, demand) {
            Ok(Some(authorization)) => authorization,
            Ok(None) => {
                if self.fits(now, arrived, Charged::Asked { shown }) {
                    self.ask(now, arrived, demand, &bound, false);
                }
                return Passed::Answered;
            }
            Err(wrong) => {
                if self.fits(now, arrived, Charged::Unproven { shown }) {
                    self.refuse_stateless(now, arrived, &wrong);
                }
                return Passed::Answered;
            }
        };
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
            shown,
            room: emergency || self.sources.has_room(arrived.policy, now.tick, arrived.peer.id),
        };
        let proof = self.guard.judge(now.tick, demand, found.map(|found| &**found), &claim);
        // Whoever forges the peer's address never saw a nonce: the peer itself may be silent still.
        if proof != Proof::Stale {
            self.sources.answered(now.tick, arrived.peer.id);
        }
        // A lock is told once: whatever bucket is full, its alert must not be lost.
        self.follow_guess(now, arrived, &claim, proof);
        // Who guesses spends nothing of what those have who prove it.
        let charged = match proof {
            Proof::Proven | Proof::NoRoom => Charged::Own,
            Proof::Stale => Charged::Asked { shown },
            Proof::Wrong(..) | Proof::Locked(_) | Proof::Replayed => Charged::Unproven { shown },
        };
        let fits = emergency && proof == Proof::Proven || self.fits(now, arrived, charged);
        match (fits, proof, found) {
            (false, ..) => Passed::Answered,
            (true, Proof::Proven, Some(found)) => {
                self.counts.proven += 1;
                Passed::Proven(Arc::clone(found))
            }
            (true, ..) => self.unproven(now, arrived, demand, &claim, proof),
        }
    }

    /// Counts a guess, and tells of the lock that followed from it.
    fn follow_guess(&mut self, now: Now, arrived: &Arrived<'_>, claim: &Claim<'_>, proof: Proof) {
        let lock = match proof {
            Proof::Wrong(_, lock) | Proof::Locked(lock) => lock,
            Proof::Proven | Proof::NoRoom | Proof::Stale | Proof::Replayed => return,
        };
        // The first of these copies was counted.
        let is_guess = matches!(proof, Proof::Wrong(..)) && lock != lockout::Wrong::Copied;
        self.counts.wrong_passwords += u64::from(is_guess);
        match lock {
            lockout::Wrong::Borne | lockout::Wrong::Quiet | lockout::Wrong::Copied => {}
            lockout::Wrong::Locked { lasts, nth } => {
                self.alert(brute_force(now, arrived, claim, (lasts, nth), LockedOut::Pair));
            }
            lockout::Wrong::Guessed { lasts, nth } => {
                self.alert(brute_force(now, arrived, claim, (lasts, nth), LockedOut::User));
            }
            lockout::Wrong::Crowded { lasts, nth } => self.alert(crowded(now, arrived, lasts, nth)),
        }
    }

    /// What a request hears that brought a proof and proved nothing.
    fn unproven(
        &mut self,
        now: Now,
        arrived: &Arrived<'_>,
        demand: &Demand,
        claim: &Claim<'_>,
        proof: Proof,
    ) -> Passed {
        let locked_out = "too many wrong passwords from this source for this user";
        let (code, why) = match proof {
            Proof::Proven | Proof::NoRoom | Proof::Stale => {
                self.ask(now, arrived, demand, &claim.bound, true);
                return Passed::Answered;
            }
            // It was told when its source was found to guess at many; from there on it costs neither alert nor record.
            Proof::Wrong(_, lockout::Wrong::Quiet) | Proof::Locked(lockout::Wrong::Quiet) => {
                self.refuse_quietly(now, arrived, &Wrong::new(403, code::BAD_CREDENTIALS, REFUSED));
                return Passed::Answered;
            }
            // The first of these copies was told.
            Proof::Wrong(_, lockout::Wrong::Copied) => {
                self.ask(now, arrived, demand, &claim.bound, false);
                return Passed::Answered;
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
            self.ask(now, arrived, demand, &claim.bound, false);
            return Passed::Answered;
        }
        // Why it was wrong is for the owner's alert; the wire says the same for each cause.
        let mut said = wrong.clone();
        if !matches!(proof, Proof::Replayed) {
            said.refusal.text = REFUSED.to_owned();
        }
        // The attempt ends here, and leaves its record: one for each nonce, where a source may be forged.
        Passed::Refused(Box::new((said, wrong)))
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
        let most = arrived.answer_bytes_max();
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

/// Whether a request outside a dialog is asked. Nobody is asked in the open where the policy wants no plain word of the peer:
/// whoever is on the way could try passwords on the answer. Such a request is refused by `screen`.
pub(super) fn is_asked(arrived: &Arrived<'_>) -> bool {
    let private = arrived.peer.plain_signalling || arrived.flow.transport.is_encrypted();
    private && matches!(arrived.message.method(), Method::Invite | Method::Message)
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

/// Who is locked out by guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockedOut {
    /// A source that the peer lists, as this user.
    Pair,
    /// A stranger's source.
    Source,
    /// This user, for the guesses of many strangers.
    User,
}

impl LockedOut {
    const fn text(self) -> &'static str {
        match self {
            Self::Pair => "this source is locked out as this user, and what comes from other sources goes on",
            Self::Source => {
                "this source is locked out whoever it says it is, and what comes from other sources goes on"
            }
            Self::User => {
                "from many sources that no peer lists: all of those are locked out as this user, but for those where its \
                 password was proven within 14 days; these and listed sources go on"
            }
        }
    }

    /// What lifts it.
    fn command(self, user: &str, source: IpAddr) -> String {
        match self {
            Self::Pair => unlock::command(Some(user), Some(source)),
            Self::Source => unlock::command(None, Some(source)),
            Self::User => unlock::command(Some(user), None),
        }
    }
}

/// The alert of a lock; `whom` says who is locked out.
pub(super) fn brute_force(
    now: Now,
    arrived: &Arrived<'_>,
    claim: &Claim<'_>,
    (lasts, nth): (std::time::Duration, u32),
    whom: LockedOut,
) -> Box<Alert> {
    let command = whom.command(&claimed_user(claim), arrived.flow.remote.ip());
    let text = format!(
        "Too many wrong passwords within ten minutes: {}. It lasts {}, the {nth}. time. If it is the peer itself, put \
         its password right on both sides, and lift the lock with `{command}`.",
        whom.text(),
        time_text(lasts)
    );
    let wrong = Wrong::new(403, code::BRUTE_FORCE, &text);
    let mut alert = refusal_alert(now, arrived, &wrong);
    alert.about = Some(whom.text().into());
    alert.evidence.push(("user", claimed_user(claim)));
    alert.evidence.push(("holds_for", Medium::of(&arrived.flow).held().to_owned()));
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
    let mut alert = refusal_alert(now, arrived, &Wrong::new(403, code::BRUTE_FORCE, &text));
    alert.about = Some("crowded".into());
    alert.evidence.push(("holds_for", Medium::of(&arrived.flow).held().to_owned()));
    alert
}
