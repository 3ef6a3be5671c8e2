//! Our registrations at trunks that call whoever is registered there.
//!
//! Owns what a REGISTER of ours looks like, what its answers mean and who is told. Refuses to know how long anything is
//! waited for (`registering`) and passwords (`logins`). One stands for each peer of the policy with `register`, and
//! another policy's begins when the one before was given back. Read first: RFC 3261 §10.2, §10.2.1.1, §10.2.2, §10.2.4, §10.2.8.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::logins::{Ask, Rounds};
use super::probe::text;
use super::query::RegistrationState;
use super::registering::{Answer, EXPIRES_MAX, Registering, Step, Way};
use super::transactions::Owner;
use super::unregistered::{Granted, Why, granted};
use crate::call::event::Proof;
use crate::call::identity::hex16;
use crate::call::leg::via;
use crate::call::{Branch, Failure, Random, request_host};
use crate::clock::{Now, Tick};
use crate::policy::alert::Alert;
use crate::policy::{Listener, Located, Peer, PeerId, Policy, Register, Transports, code};
use crate::sip::headers::{delta_seconds, retry_after};
use crate::sip::write::{Text, Writer};
use crate::sip::{ConnectionId, Flow, HeaderName, Hop, Message, Method, Transport, again};

/// Ways to one trunk that one round tries.
const WAYS_MAX: usize = 8;
/// The first ones are spread over this, so that a start is no burst.
const SPREAD_MS: u32 = 1_000;

/// One of them.
#[derive(Debug)]
struct Registration {
    /// The peer as it was when it began; what says where and as whom.
    peer: Arc<Peer>,
    terms: Register,
    /// Our Contact, without what depends on the way: what the trunk knows the binding by (RFC 3261 §10.3).
    contact: String,
    /// Call-ID and From tag: the same for all its requests (RFC 3261 §10.2).
    names: [u64; 2],
    cseq: u32,
    /// Seconds that are asked for.
    asked: u32,
    state: Registering,
    /// Why the last round failed; `None` while all is well.
    why: Option<Why>,
    /// Whether that was told.
    told: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Registrations(Vec<Registration>);

impl Registration {
    fn new(peer: &Arc<Peer>, terms: &Register, contact: String, at: Tick, random: &mut Random) -> Self {
        Self {
            peer: Arc::clone(peer),
            terms: terms.clone(),
            contact,
            names: [random.bits(), random.bits()],
            cseq: 0,
            asked: seconds(terms),
            state: Registering::new(at),
            why: None,
            told: false,
        }
    }

    /// Whether another policy wants the same of the same registrar; what is shown to it, and for how long, may change.
    fn stands(&self, policy: &Policy) -> bool {
        let place = |peer: &Peer| (peer.listener, peer.plain_signalling, peer.request_host.clone());
        let same = |peer: &Arc<Peer>| {
            let (old, new) = (&self.peer, peer);
            // RFC 3261 §10.3: by another Contact it would be a second binding, and this one would stay.
            new.register.as_ref().is_some_and(|terms| contact(policy, new, terms) == self.contact)
                && place(old) == place(new)
                && (&old.targets, &old.transports) == (&new.targets, &new.transports)
        };
        !self.state.is_leaving()
            && policy.peers.iter().flatten().any(|peer| peer.id == self.peer.id && same(peer))
    }

    /// Takes over what another policy says of it; a changed login or life is tried at once.
    fn follow(&mut self, now: Tick, peer: &Arc<Peer>, terms: &Register) {
        if self.terms != *terms || self.peer.login != peer.login {
            self.terms = terms.clone();
            self.asked = seconds(terms);
            let state = std::mem::replace(&mut self.state, Registering::Over);
            self.state = state.hurried(now);
        }
        self.peer = Arc::clone(peer);
    }

    /// The ways to it.
    fn ways(&self, located: &Located, draw: u64) -> Vec<Way> {
        let mut ways = Vec::new();
        for target in located.targets(&self.peer, draw) {
            let mut tried = Transports::new();
            let host = request_host(&self.peer, &target).into_owned();
            while let Some(transport) = target.next_transport(&tried) {
                tried.push(transport);
                // DESIGN.md law 2: a proof in the clear only where the policy bears it.
                if transport.is_encrypted() || self.peer.plain_signalling {
                    let (address, party, host) = (target.address, target.party, host.clone());
                    ways.push(Way { address, party, transport, host });
                }
            }
        }
        ways.truncate(WAYS_MAX);
        ways
    }

    /// A REGISTER, or with `seconds` 0 the one that ends it (RFC 3261 §10.2.2).
    fn request(&self, listener: &Listener, way: &Way, branch: Branch, seconds: u32) -> Option<bytes::Bytes> {
        let aor = format!("<sip:{}@{}>", self.terms.user, bare(&way.host));
        let [tag, call_id] = self.names.map(hex16);
        let contact = match way.transport {
            Transport::Udp => format!("<{}>", self.contact),
            Transport::Tcp | Transport::Tls => {
                format!("<{};transport={}>", self.contact, way.transport.name())
            }
        };
        // RFC 3261 §10.2: no user in the Request-URI.
        let mut writer =
            Writer::request(&Method::Register, Text::new(format!("sip:{}", way.host).as_bytes())?);
        via(&mut writer, Some(listener), way.transport, branch);
        writer
            .number(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, Text::new(format!("{aor};tag={}", text(&tag)).as_bytes())?)
            .header(HeaderName::To, Text::new(aor.as_bytes())?)
            .header(HeaderName::CallId, Text::new(&call_id)?)
            .header(HeaderName::CSeq, Text::new(format!("{} REGISTER", self.cseq).as_bytes())?)
            .header(HeaderName::Contact, Text::new(contact.as_bytes())?)
            .number(HeaderName::Expires, u64::from(seconds));
        Some(writer.finish(&[]))
    }

    /// What a response means.
    fn meaning(&mut self, message: &Message) -> Answer {
        let pause = || message.header(HeaderName::RetryAfter).and_then(retry_after);
        let pause = || pause().map(|seconds| Duration::from_secs(seconds.into()));
        let status = message.status().unwrap_or(0);
        match status {
            200..=299 => match granted(message, &self.contact, self.asked) {
                Granted::Nothing => Answer::Unbound(Why::NotGranted),
                Granted::Others => Answer::Unbound(Why::Others),
                Granted::Seconds(seconds) => Answer::Granted(Duration::from_secs(seconds.into())),
            },
            // RFC 3261 §10.2.8: again, for as long as it wants at least.
            423 => match message.header(HeaderName::MinExpires).and_then(delta_seconds) {
                Some(least) if u64::from(least) <= EXPIRES_MAX.as_secs() && least > self.asked => {
                    self.asked = least;
                    Answer::Raised
                }
                Some(least) if least <= self.asked => Answer::Refused(Why::NeverEnough),
                Some(least) => Answer::Refused(Why::WantsLonger(least)),
                None => Answer::Refused(Why::Unsaid),
            },
            408 | 480 | 500..=599 => Answer::Elsewhere(Why::Unable(status), pause()),
            _ => Answer::Refused(Why::Refused(status)),
        }
    }
}

/// Our Contact at a peer, without what depends on the way.
fn contact(policy: &Policy, peer: &Peer, terms: &Register) -> String {
    let at = policy.listener(peer.listener).map(|listener| listener.advertised.sent_by().to_string());
    format!("sip:{}@{}", terms.user, at.unwrap_or_default())
}

/// The life that is asked for.
fn seconds(terms: &Register) -> u32 {
    u32::try_from(terms.expires.as_secs()).unwrap_or(u32::MAX)
}

/// A host without its port: an address of record has none.
fn bare(host: &str) -> String {
    match host.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(v4)) => v4.ip().to_string(),
        Ok(SocketAddr::V6(v6)) => format!("[{}]", v6.ip()),
        Err(_) if host.ends_with(']') => host.to_owned(),
        Err(_) => host.rsplit_once(':').map_or(host, |(host, _)| host).to_owned(),
    }
}

impl Registrations {
    /// Those of a policy.
    pub fn new(now: Tick, policy: &Policy, random: &mut Random) -> Self {
        let mut all = Self::default();
        all.follow(now, policy, random);
        all
    }

    /// Begins what a policy wants and does not have yet; what it no longer wants was given back before.
    pub fn follow(&mut self, now: Tick, policy: &Policy, random: &mut Random) {
        for peer in policy.peers.iter().flatten() {
            let Some(terms) = &peer.register else { continue };
            match self.0.iter_mut().find(|one| one.peer.id == peer.id) {
                // It would be taken for the new one's end: a binding is known by our Contact (RFC 3261 §10.3).
                Some(one) if one.state.is_leaving() => {}
                Some(one) => one.follow(now, peer, terms),
                None => {
                    let at = now.after(Duration::from_millis(random.below(SPREAD_MS).into()));
                    let contact = contact(policy, peer, terms);
                    self.0.push(Registration::new(peer, terms, contact, at, random));
                }
            }
        }
    }

    /// When the next one wants to be woken.
    pub fn due(&self) -> Option<Tick> {
        self.0.iter().filter_map(|one| one.state.due()).min()
    }

    /// Whether none is being given back.
    pub fn all_left(&self) -> bool {
        !self.0.iter().any(|one| one.state.is_leaving())
    }

    /// Whether a peer's registrar at this address holds us: it may call from there.
    pub fn hold(&self, now: Tick, peer: PeerId, address: IpAddr) -> bool {
        let at =
            |one: &Registration| one.state.held(now).is_some_and(|held| held.way.address.ip() == address);
        self.0.iter().any(|one| one.peer.id == peer && at(one))
    }

    /// What `status` shows.
    pub fn told(&self, now: Tick) -> Vec<RegistrationState> {
        let told = |one: &Registration| {
            let held = one.state.held(now);
            let state = match &one.state {
                Registering::Leaving { .. } | Registering::Over => "leaving",
                Registering::Waiting { .. } | Registering::Asking { .. } if held.is_some() => "registered",
                Registering::Waiting { .. } | Registering::Asking { .. } => "unregistered",
            };
            RegistrationState {
                peer: one.peer.name.to_string(),
                user: one.terms.user.to_string(),
                state,
                at: held.map(|held| held.way.address.to_string()),
                left_s: held.map(|held| held.until.since(now).as_secs()),
                why: one.why.map(|why| why.to_string()),
            }
        };
        self.0.iter().map(told).collect()
    }
}

impl Engine {
    /// Asks for what is due.
    pub(super) fn register(&mut self, now: Now) {
        if self.registrations.due().is_none_or(|due| due > now.tick) {
            return;
        }
        let located = Arc::clone(&self.located);
        for place in 0..self.registrations.0.len() {
            let is_due = |one: &Registration| one.state.due().is_some_and(|due| due <= now.tick);
            if !self.registrations.0.get(place).is_some_and(is_due) {
                continue;
            }
            let (draw, share) = (self.random.bits(), self.random.below(1_000));
            self.registered(now, place, |one, branch| {
                let ways = one.ways(&located, draw);
                let state = std::mem::replace(&mut one.state, Registering::Over);
                state.wake(now.tick, ways, one.peer.try_timeout, branch, share)
            });
        }
        self.forget_left(now);
    }

    /// A REGISTER of ours was answered.
    pub(super) fn registration_answered(
        &mut self,
        now: Now,
        branch: Branch,
        flow: &Flow,
        proof: Proof<'_>,
        message: &Message,
    ) {
        if message.status().is_none_or(|status| status < 200) {
            return;
        }
        let Some(place) = self.registration(branch) else { return };
        let answer = match proof {
            Proof::Possible { request, hop } => return self.register_proven(now, place, request, hop),
            Proof::Refused(why) => {
                // Nobody wants to know why what is given up anyway was not taken.
                if self.registrations.0.get(place).is_some_and(|one| !one.state.is_leaving()) {
                    self.alert_unproven(now, flow, why, message);
                }
                Some(Answer::Refused(Why::Login(why)))
            }
            Proof::NotAsked => None,
        };
        let share = self.random.below(1_000);
        self.registered(now, place, |one, next| {
            let answer = answer.unwrap_or_else(|| one.meaning(message));
            std::mem::replace(&mut one.state, Registering::Over).answered(now.tick, answer, next, share)
        });
        self.forget_left(now);
    }

    /// A REGISTER of ours ended without an answer.
    pub(super) fn registration_failed(&mut self, now: Now, branch: Branch, failure: Failure) {
        let Some(place) = self.registration(branch) else { return };
        let answer = match failure {
            Failure::Timeout => Answer::Elsewhere(Why::Silence, None),
            Failure::Transport | Failure::Full | Failure::Oversize => Answer::Broken,
        };
        let share = self.random.below(1_000);
        self.registered(now, place, |one, next| {
            std::mem::replace(&mut one.state, Registering::Over).answered(now.tick, answer, next, share)
        });
        self.forget_left(now);
    }

    /// Gives back what another policy does not want any more; all of them where there is none.
    pub(super) fn leave_registrations(&mut self, now: Now, policy: Option<&Policy>) {
        for place in 0..self.registrations.0.len() {
            self.registered(now, place, |one, branch| {
                let stays = policy.is_some_and(|policy| one.stands(policy));
                let state = std::mem::replace(&mut one.state, Registering::Over);
                if stays { (state, Step::Nothing) } else { state.leave(now.tick, branch) }
            });
        }
        self.registrations.0.retain(|one| one.state != Registering::Over);
    }

    /// A name leads somewhere else by now: a trunk that could not be asked is asked.
    pub(super) fn register_located(&mut self, now: Now, peer: PeerId) {
        for one in self.registrations.0.iter_mut().filter(|one| one.peer.id == peer) {
            if one.why == Some(Why::NoTarget) {
                let state = std::mem::replace(&mut one.state, Registering::Over);
                one.state = state.hurried(now.tick);
            }
        }
    }

    /// Forgets those that were given back; what the policy wants in their place begins.
    fn forget_left(&mut self, now: Now) {
        let before = self.registrations.0.len();
        self.registrations.0.retain(|one| one.state != Registering::Over);
        if self.registrations.0.len() < before && self.closing.is_open() {
            self.registrations.follow(now.tick, &self.policy, &mut self.random);
        }
    }

    fn registration(&self, branch: Branch) -> Option<usize> {
        self.registrations.0.iter().position(|one| one.state.waits_for(branch))
    }

    /// The challenged REGISTER once more, under the next number.
    fn register_proven(&mut self, now: Now, place: usize, request: &[u8], hop: Hop) {
        let branch = Branch(self.random.bits());
        let Some(one) = self.registrations.0.get_mut(place) else { return };
        one.cseq = one.cseq.saturating_add(1);
        one.state = std::mem::replace(&mut one.state, Registering::Over).renamed(now.tick, branch);
        let bytes = again::renewed(request, &branch.text(), one.cseq);
        let (owner, rounds) = (Owner::Registration, Rounds::default());
        self.send_again(now, Ask { branch, invite: false, hop, bytes, owner, rounds });
    }

    /// One transition of one of them, and what follows from it.
    fn registered(
        &mut self,
        now: Now,
        place: usize,
        transition: impl FnOnce(&mut Registration, Branch) -> (Registering, Step),
    ) {
        let branch = Branch(self.random.bits());
        let Some(one) = self.registrations.0.get_mut(place) else { return };
        let (state, step) = transition(one, branch);
        one.state = state;
        match step {
            Step::Nothing => {}
            Step::Ask(way) => {
                let seconds = one.asked;
                self.send_register(now, place, &way, branch, seconds);
            }
            Step::Leave(way) => self.send_register(now, place, &way, branch, 0),
            Step::Registered => {
                one.why = None;
                if std::mem::take(&mut one.told) {
                    let alert =
                        lost_alert(now, one, "held", "holds this edge's registration again (recovered).");
                    self.alert(alert);
                }
            }
            Step::Failed(why) => {
                // At a start DNS may need a moment; a name that leads nowhere is told by itself.
                let first = why == Why::NoTarget && one.why.is_none();
                one.why = Some(why);
                if !first && !std::mem::replace(&mut one.told, true) {
                    let alert = lost_alert(now, one, "lost", &failed_text(now, one, why));
                    self.alert(alert);
                }
            }
        }
    }

    fn send_register(&mut self, now: Now, place: usize, way: &Way, branch: Branch, seconds: u32) {
        let policy = Arc::clone(&self.policy);
        let Some(one) = self.registrations.0.get_mut(place) else { return };
        one.cseq = one.cseq.saturating_add(1);
        let Some(listener) = policy.listener(one.peer.listener) else { return };
        let Some(bytes) = one.request(listener, way, branch, seconds) else { return };
        let hop = Hop {
            listener: one.peer.listener,
            transport: way.transport,
            remote: way.address,
            connection: ConnectionId::NONE,
            party: way.party,
        };
        self.counts.registers += 1;
        let (owner, rounds) = (Owner::Registration, Rounds::default());
        self.send_request(now, Ask { branch, invite: false, hop, bytes, owner, rounds });
    }
}

fn failed_text(now: Now, one: &Registration, why: Why) -> String {
    let until = match one.state.held(now.tick) {
        Some(held) => {
            let left = held.until.since(now.tick).as_secs();
            format!("what it holds ends in {left} s, and then its calls do not come")
        }
        None => "its calls do not come".to_owned(),
    };
    format!("does not register this edge: {why}; {until}. {}", why.cure())
}

/// 39209: a registration is not held, or held again. `text` goes on where the peer's name and the user end.
fn lost_alert(now: Now, one: &Registration, state: &'static str, text: &str) -> Box<Alert> {
    let words = format!("{} {text}", one.peer.name);
    let mut alert = Alert::new(code::REGISTRATION_LOST, now.wall, words);
    alert.peer = Some(Arc::clone(&one.peer.name));
    alert.about = Some(format!("{} {state}", one.terms.user).into());
    alert.evidence.push(("user", one.terms.user.to_string()));
    alert.evidence.extend(one.why.map(|why| ("why", why.to_string())));
    Box::new(alert)
}
