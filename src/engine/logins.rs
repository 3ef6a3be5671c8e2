//! Our logins at work: every request of ours leaves here, with a proof where its peer is known to want one.
//!
//! Owns the challenge that each trunk gave last and how often it was answered. A challenge is answered for exactly the
//! peer that was asked, with that peer's login and for its realm; whoever else asks learns nothing. Refuses to know what
//! a request is for: its owner sends it again. Read first: RFC 3261 §22; RFC 7616 §3.4-3.6.

mod refused;

use std::sync::Arc;

use bytes::Bytes;

use super::Engine;
use super::transactions::{Owner, Presented};
use crate::call::event::Proof;
use crate::call::identity::hex16;
use crate::call::{Branch, Random};
use crate::clock::Now;
use crate::policy::{Asker, Login, PeerId, Policy, Unproven};
use crate::sip::again::{self, Parts, Proofs};
use crate::sip::digest::{Answer, AuthenticationInfo, Challenge};
use crate::sip::{Flow, HeaderName, Hop, Message, Method};

use refused::{Purpose, Refusals};

/// A request on its way out.
#[derive(Debug)]
pub(super) struct Ask {
    pub branch: Branch,
    pub invite: bool,
    pub hop: Hop,
    pub bytes: Bytes,
    pub owner: Owner,
    /// How often it was challenged already.
    pub rounds: Rounds,
}

/// How often challenges to one request were answered, by asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rounds([u8; 2]);

impl Rounds {
    /// Whether this asker may be answered once more: once, and once more when it says that only the nonce was too old.
    fn take(&mut self, asker: Asker, stale: bool) -> bool {
        let [server, proxy] = &mut self.0;
        let answered = match asker {
            Asker::Server => server,
            Asker::Proxy => proxy,
        };
        let may = *answered == 0 || *answered == 1 && stale;
        *answered = answered.saturating_add(1);
        may
    }
}

/// The challenge that a peer gave last for our realm.
#[derive(Debug)]
struct Given {
    peer: PeerId,
    asker: Asker,
    login: Arc<Login>,
    challenge: Challenge<'static>,
    /// How often its nonce was used.
    count: u32,
}

/// What is known of the trunks' challenges: at most one for each peer with a login and each asker, so the policy bounds it.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// Whether any peer has a login: most of the time none has, and nothing is looked up.
    any: bool,
    given: Vec<Given>,
    /// The logins that were shown in vain.
    refusals: Refusals,
    /// How often the request was challenged that its owner is just asked to send again.
    rounds: Rounds,
}

impl Logins {
    pub fn new(policy: &Policy) -> Self {
        let mut logins = Self::default();
        logins.follow(policy);
        logins
    }

    /// A new policy: what was given for a login that changed is forgotten.
    pub fn follow(&mut self, policy: &Policy) {
        self.any = policy.peers.iter().flatten().any(|peer| peer.login.is_some());
        let stands = |peer: PeerId, known: &Arc<Login>| {
            policy.peer(peer).and_then(|peer| peer.login.as_ref()).is_some_and(|login| login == known)
        };
        self.given.retain(|given| stands(given.peer, &given.login));
        self.refusals.retain(stands);
    }

    /// Keeps a challenge in place of the one before.
    fn keep(&mut self, peer: PeerId, login: &Arc<Login>, asker: Asker, challenge: Challenge<'static>) {
        // RFC 7616 §3.4: nc counts the requests under this nonce, however often it is named.
        let same = |given: &&Given| {
            (given.peer, given.asker) == (peer, asker) && given.challenge.nonce == challenge.nonce
        };
        let count = self.given.iter().find(same).map_or(0, |given| given.count);
        self.given.retain(|given| (given.peer, given.asker) != (peer, asker));
        self.given.push(Given { peer, asker, login: Arc::clone(login), challenge, count });
    }

    /// The lines that prove who we are to a peer, for one request.
    fn prove(&mut self, peer: PeerId, request: &[u8], random: &mut Random) -> Proofs {
        let Some(parts) = Parts::of(request) else { return Proofs::default() };
        let mut proofs = Proofs::default();
        for given in self.given.iter_mut().filter(|given| given.peer == peer) {
            let Some(ha1) = given.login.key(given.challenge.algorithm.hash) else { continue };
            // RFC 7616 §3.4: nc counts the requests sent under the nonce; it has eight digits and does not begin again.
            given.count = given.count.saturating_add(1);
            let cnonce = hex16(random.bits());
            let answer = Answer {
                user: &given.login.user,
                ha1,
                method: parts.method,
                uri: parts.uri,
                cnonce: &cnonce,
                count: given.count,
                body: parts.body,
            };
            if let Some(value) = given.challenge.answer(&answer) {
                proofs.push(given.asker.answered_in(), value);
            }
        }
        proofs
    }

    /// RFC 7616 §3.5: the nonce for the next request, of the asker that was answered.
    fn next_nonce(&mut self, peer: PeerId, info: &AuthenticationInfo<'_>) {
        let Some(next) = &info.next_nonce else { return };
        // RFC 3261 knows Authentication-Info from user agents alone; a proxy that says it is taken at its word.
        let given = self.given.iter_mut().filter(|given| given.peer == peer);
        if let Some(given) = given.min_by_key(|given| given.asker == Asker::Proxy)
            && *given.challenge.nonce != **next
        {
            given.challenge.nonce = std::borrow::Cow::Owned(next.to_vec());
            given.count = 0;
        }
    }
}

impl Engine {
    /// Sends a request of ours as a transaction; to a peer whose challenge is known with a proof (RFC 3261 §22.1).
    pub(super) fn send_request(&mut self, now: Now, ask: Ask) {
        let Ask { branch, invite, hop, bytes, owner, rounds } = ask;
        let invite = (invite, self.is_urgently_owned(owner));
        let peer = self.login_at(&hop).map(|(peer, _)| peer);
        let Some(peer) = peer else {
            return self.transactions.start(now.tick, branch, invite, hop, bytes, owner, &mut self.outcomes);
        };
        let asked = rounds != Rounds::default();
        // A login that was refused is shown to nobody before it is asked for again.
        let proofs = if asked || !self.logins.refusals.hold(peer) {
            self.logins.prove(peer, &bytes, &mut self.random)
        } else {
            Proofs::default()
        };
        if asked && !proofs.is_empty() {
            self.logins.refusals.shown(peer, branch);
        }
        let sent = if proofs.is_empty() { bytes.clone() } else { again::with_proofs(&bytes, &proofs) };
        let presented = Presented { peer, hop, request: bytes, proofs, rounds };
        self.transactions.start(now.tick, branch, invite, hop, sent.clone(), owner, &mut self.outcomes);
        self.transactions.present(branch, &sent, Box::new(presented));
    }

    /// The ACK of a 2xx, with the proofs of its INVITE: a server cannot challenge it (RFC 3261 §13.2.2.4, §22.1).
    pub(super) fn with_proofs_of(&self, invite: Branch, ack: Bytes) -> Bytes {
        match self.transactions.presented(invite) {
            Some(presented) if !presented.proofs.is_empty() => again::with_proofs(&ack, &presented.proofs),
            Some(_) | None => ack,
        }
    }

    /// The peer at the far end of a hop and its login, where it has one.
    fn login_at(&self, hop: &Hop) -> Option<(PeerId, Arc<Login>)> {
        if !self.logins.any {
            return None;
        }
        let (listener, address) = (hop.listener, hop.remote.ip());
        // Whose address it is counts before whom it is meant for: what ends a dialog of a target that was given up goes
        // there while the call stands with another, and nobody is shown what is another's (attack row A8).
        let led =
            || self.located.peer_at(listener, address).filter(|_| self.located.leads_to(listener, address));
        let there = self.policy.index.peer(listener, address).or_else(led);
        let id = there.or_else(|| match self.policy.party(hop.party) {
            // Its name stands in the policy in force, and led there.
            Some((peer, Some(_))) => Some(peer.id),
            // A live call may stand with an address that a reload took from the peer: it is shown nothing.
            Some((_, None)) | None => None,
        })?;
        // As the policy in force has it: a password that was taken away is shown no more, and none in the clear by a call that
        // a reload left there.
        let peer = self.policy.peer(id)?;
        let is_borne = hop.transport.is_encrypted() || peer.plain_signalling;
        peer.login.clone().filter(|_| is_borne).map(|login| (id, login))
    }

    /// A 401 or 407 to a request of ours, from the peer that was asked: whether it can be answered. What it says is kept
    /// then, and the request may go again.
    pub(super) fn challenged<'a>(
        &mut self,
        now: Now,
        owner: Owner,
        message: &Message,
        presented: Option<&'a Presented>,
    ) -> Proof<'a> {
        let Some(presented) = presented else { return Proof::Refused(Unproven::NoLogin) };
        let at = self.login_at(&presented.hop).filter(|(peer, _)| *peer == presented.peer);
        let Some((_, login)) = at else { return Proof::Refused(Unproven::NoLogin) };
        let chosen = match login.choose(message) {
            Ok(chosen) => chosen,
            Err(why) => return Proof::Refused(why),
        };
        let peer = presented.peer;
        let mut rounds = presented.rounds;
        // What was shown for this request already is not shown in vain again: the answer to it is refused below.
        if rounds == Rounds::default()
            && !self.logins.refusals.may_show(now.tick, peer, purpose(owner, message.method()))
        {
            return Proof::Refused(Unproven::Withheld);
        }
        if !chosen.iter().all(|(asker, challenge)| rounds.take(*asker, challenge.stale)) {
            // RFC 7616 §3.3: `stale` says that the password was right.
            if !chosen.iter().any(|(_, challenge)| challenge.stale) {
                self.logins.refusals.note(now.tick, peer, &login);
            }
            return Proof::Refused(Unproven::Refused);
        }
        for (asker, challenge) in chosen {
            self.logins.keep(peer, &login, asker, challenge);
        }
        self.logins.rounds = rounds;
        Proof::Possible { request: &presented.request, hop: presented.hop }
    }

    /// A response that may say that a login is good by now which was refused before.
    pub(super) fn note_served(&mut self, branch: Branch, message: &Message) {
        if self.logins.any
            && let Some(status) = message.status()
        {
            self.logins.refusals.answered(branch, status);
        }
    }

    /// Sends a challenged request once more, its owner having given it another branch and number.
    pub(super) fn send_again(&mut self, now: Now, ask: Ask) {
        let rounds = std::mem::take(&mut self.logins.rounds);
        self.send_request(now, Ask { rounds, ..ask });
    }

    /// Takes a new nonce from a response to a request that showed our login.
    pub(super) fn note_next_nonce(&mut self, flow: &Flow, message: &Message) {
        if !self.logins.any || !message.has(HeaderName::AuthenticationInfo) {
            return;
        }
        let hop = flow.back();
        let Some((peer, _)) = self.login_at(&hop) else { return };
        let info = message.header(HeaderName::AuthenticationInfo).map(AuthenticationInfo::read);
        if let Some(Ok(info)) = info {
            self.logins.next_nonce(peer, &info);
        }
    }

    /// Tells of a challenge that was not answered, to a request that belongs to no call: a call tells it by itself.
    pub(super) fn alert_unproven(&mut self, now: Now, flow: &Flow, why: Unproven, message: &Message) {
        let peer = self.known().peer_at(flow.listener, flow.remote.ip());
        let peer = peer.and_then(|(id, policy)| policy.peer(id)).map(|peer| Arc::clone(&peer.name));
        let alert = why.alert(now.wall, peer.as_ref(), flow, message);
        self.alert(Box::new(alert));
    }
}

/// What a challenged request of ours is for.
fn purpose(owner: Owner, method: &Method) -> Purpose {
    match owner {
        Owner::Registration => Purpose::Must,
        Owner::Probe(_) => Purpose::Probe,
        Owner::Call { .. } | Owner::Past(_) | Owner::Standalone(_) | Owner::Nobody => {
            if *method == Method::Bye { Purpose::Must } else { Purpose::Call }
        }
    }
}
