//! Which targets are up, and which have asked to be left alone for a while.
//!
//! Owns the health of every target and when it is probed next. Refuses to know what a probe looks like (`probe`), when calls
//! prove something against a target (`witness`), what a call may ask (`gate`) and how it chooses among targets.
//! Read first: RFC 3261 §8.1.3.1, §11, §21.5.4; DESIGN.md law 6.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::witness::{Whose, Witness};
use crate::call::{Branch, Random};
use crate::clock::{Now, Tick};
use crate::policy::alert::Alert;
use crate::policy::{Located, Parties, PeerId, Policy, code};

/// The health of one target of one peer.
#[derive(Debug, Clone)]
struct Target {
    peer: PeerId,
    address: SocketAddr,
    /// The peer has no other: to set it aside would help no call.
    alone: bool,
    up: bool,
    /// No call goes there before: it said 503 with Retry-After, or for the rate of calls.
    held_until: Tick,
    /// Until then the pause is the target's own, and no further wish for one changes it.
    full_until: Tick,
    /// Before then one witness alone makes no other pause.
    rests_until: Tick,
    pauses: Witness,
    unserved: Witness,
    silent: Witness,
    /// When it was last heard after it had been in doubt, or down.
    heard_at: Tick,
    probed: Option<Probing>,
}

/// Its probes.
#[derive(Debug, Clone, Copy)]
struct Probing {
    interval: Duration,
    /// Not by the policy's wish: only until it answers, because a call failed there; then it is taken back untried.
    until: Option<Tick>,
    next: Tick,
    waits_for: Option<Branch>,
    /// Transports that could not be reached since it was due.
    broken: usize,
    /// A call met silence: it is asked at once, and has little time to answer.
    doubted: bool,
}

/// A target that failed a call and is not probed by the policy is asked so often whether it lives.
const ASIDE_INTERVAL: Duration = Duration::from_secs(30);

/// And is tried again after so long, for there are machines that answer calls and no OPTIONS.
const ASIDE_FOR: Duration = Duration::from_secs(300);

/// A target that a call found silent, and that answers no probe within so long, is down.
const DOUBT_LASTS: Duration = Duration::from_secs(4);

/// So long after a pause for one witness, calls go there whatever one witness asks for: who owns a number that is answered
/// so, or many of them, may delay the others now and then and no more.
const REST: Duration = Duration::from_secs(30);

impl Probing {
    const fn of(interval: Duration, next: Tick, until: Option<Tick>) -> Self {
        Self { interval, until, next, waits_for: None, broken: 0, doubted: false }
    }
}

/// A probe that has to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// To whom.
    pub peer: PeerId,
    /// Where to.
    pub address: SocketAddr,
    /// Under which branch.
    pub branch: Branch,
    /// Whether the one before is still without an answer.
    pub unanswered: bool,
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// As it was.
    Same,
    /// It was up.
    WentDown,
    /// It was down.
    CameUp,
}

/// What follows for a target that a call found silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Nothing: its peer has no other, and nobody asks it.
    Alone,
    /// It is asked whether it lives, and stays up until it does not say so.
    Asked,
    /// It went down.
    WentDown,
    /// It is asked already, or down.
    Known,
}

/// The health of every target.
#[derive(Debug, Default)]
pub struct Peers {
    targets: Vec<Target>,
    down: usize,
    /// The latest of all `held_until`: most of the time it is past, and nothing has to be looked up.
    held_until: Tick,
    /// Targets that a call found silent and that were not heard since.
    doubts: usize,
    /// Whether a target has served nobody since a call met a pause or was not served there.
    witnessed: bool,
}

impl Peers {
    /// Every target of a policy, up until it is found down.
    #[must_use]
    pub fn new(now: Tick, policy: &Policy, located: &Located, random: &mut Random) -> Self {
        let mut peers = Self::default();
        peers.follow(now, policy, located, random);
        peers
    }

    /// Takes over a new policy's targets, or where names lead by now; those that stay keep their health.
    pub fn follow(&mut self, now: Tick, policy: &Policy, located: &Located, random: &mut Random) {
        let before: HashMap<(PeerId, SocketAddr), Target> =
            self.targets.drain(..).map(|target| ((target.peer, target.address), target)).collect();
        for peer in policy.peers.iter().flatten() {
            let interval = peer.probe.map(|probe| probe.interval);
            let targets = located.targets(peer, 0);
            let alone = targets.len() < 2;
            for target in targets {
                let known = before.get(&(peer.id, target.address));
                let probing = |interval| match known.and_then(|known| known.probed) {
                    Some(known) if known.interval == interval && known.until.is_none() => known,
                    // The first probes are spread over one interval, so that a start is no burst.
                    Some(_) | None => Probing::of(interval, now.after(part(interval, random)), None),
                };
                let aside =
                    known.and_then(|known| known.probed).filter(|known| known.until.is_some() && !alone);
                let probed = interval.map(probing).or(aside);
                self.targets.push(Target {
                    peer: peer.id,
                    address: target.address,
                    alone,
                    // Without probes nothing would bring a target back: it counts as up.
                    up: probed.is_none() || known.is_none_or(|known| known.up),
                    held_until: known.map_or(Tick::ZERO, |known| known.held_until),
                    full_until: known.map_or(Tick::ZERO, |known| known.full_until),
                    rests_until: known.map_or(Tick::ZERO, |known| known.rests_until),
                    pauses: known.map_or_else(Witness::default, |known| known.pauses),
                    unserved: known.map_or_else(Witness::default, |known| known.unserved),
                    silent: known.map_or_else(Witness::default, |known| known.silent),
                    heard_at: known.map_or(Tick::ZERO, |known| known.heard_at),
                    probed,
                });
            }
        }
        self.down = self.targets.iter().filter(|target| !target.up).count();
        self.count_doubts();
    }

    /// When the next probe is due.
    #[must_use]
    pub fn next_probe(&self) -> Option<Tick> {
        self.targets.iter().filter_map(|target| target.probed.map(|probed| probed.next)).min()
    }

    /// The next target whose probe is due, its next one already set.
    pub fn due(&mut self, now: Tick, random: &mut Random) -> Option<Due> {
        let target =
            self.targets.iter_mut().find(|target| target.probed.is_some_and(|probed| probed.next <= now))?;
        let probed = target.probed.as_mut()?;
        let branch = Branch(random.bits());
        // Between 0.9 and 1.1 of the interval, so that probes of many peers drift apart.
        let wobble = part(probed.interval / 5, random);
        let unanswered = probed.waits_for.replace(branch).is_some();
        probed.doubted &= !unanswered;
        let pause = if probed.doubted {
            DOUBT_LASTS.min(probed.interval)
        } else {
            probed.interval.mul_f32(0.9).saturating_add(wobble)
        };
        probed.next = now.after(pause);
        probed.broken = 0;
        Some(Due { peer: target.peer, address: target.address, branch, unanswered })
    }

    /// A probe was answered.
    pub fn answered(&mut self, branch: Branch) {
        for probed in self.targets.iter_mut().filter_map(|target| target.probed.as_mut()) {
            if probed.waits_for == Some(branch) {
                probed.waits_for = None;
                probed.doubted = false;
            }
        }
    }

    /// The address a probe went to.
    #[must_use]
    pub fn probed(&self, peer: PeerId, branch: Branch) -> Option<SocketAddr> {
        let waits = |target: &&Target| {
            target.peer == peer && target.probed.is_some_and(|probed| probed.waits_for == Some(branch))
        };
        self.targets.iter().find(waits).map(|target| target.address)
    }

    /// A probe under this branch could not be sent: it goes again under another one. How many of its transports are
    /// broken now.
    pub fn again(&mut self, branch: Branch, other: Branch) -> Option<usize> {
        let mut probed = self.targets.iter_mut().filter_map(|target| target.probed.as_mut());
        let probed = probed.find(|probed| probed.waits_for == Some(branch))?;
        probed.broken += 1;
        probed.waits_for = Some(other);
        Some(probed.broken)
    }

    /// Whether calls may go there.
    #[must_use]
    pub fn is_up(&self, peer: PeerId, address: SocketAddr) -> bool {
        self.down == 0
            || !self
                .targets
                .iter()
                .any(|target| target.peer == peer && target.address == address && !target.up)
    }

    /// A call was answered 503 with a wish for a pause: whose that is, so far as it makes one. Neither one number of the far
    /// side that is answered so nor one caller may keep the others from calling.
    pub fn wishes(&mut self, now: Tick, peer: PeerId, address: SocketAddr, parties: &Parties) -> Whose {
        let Some(target) = self.find_mut(peer, address) else { return Whose::Known };
        if target.full_until > now {
            return Whose::Known;
        }
        let heard = target.pauses.hear(now, parties);
        let rests = target.rests_until > now;
        self.witnessed = true;
        match heard {
            Whose::One if rests => Whose::Known,
            whose @ (Whose::Known | Whose::One | Whose::Target) => whose,
        }
    }

    /// A call was answered by a target as by one that works.
    pub fn served(&mut self, peer: PeerId, address: SocketAddr) {
        if !self.witnessed {
            return;
        }
        if let Some(target) = self.find_mut(peer, address) {
            target.pauses.served();
            target.unserved.served();
        }
        self.witnessed = self.targets.iter().any(|target| target.pauses.stands() || target.unserved.stands());
    }

    /// Keeps calls away from a target until `until`, by its own wish or for one witness; it stays up.
    pub fn hold(&mut self, peer: PeerId, address: SocketAddr, until: Tick, whose: Whose) {
        let Some(target) = self.find_mut(peer, address) else { return };
        match whose {
            Whose::Known => return,
            Whose::One => target.rests_until = until.after(REST),
            Whose::Target => target.full_until = until,
        }
        target.held_until = target.held_until.max(until);
        self.held_until = self.held_until.max(until);
    }

    /// When a target that is held takes calls again; `None` when it takes them now.
    #[must_use]
    pub fn held(&self, now: Tick, peer: PeerId, address: SocketAddr) -> Option<Tick> {
        if self.held_until <= now {
            return None;
        }
        let held = self.targets.iter().find(|target| target.peer == peer && target.address == address);
        held.map(|target| target.held_until).filter(|until| *until > now)
    }

    /// The targets that are held, and for how long.
    pub fn all_held(&self, now: Tick) -> impl Iterator<Item = (PeerId, SocketAddr, Duration)> + '_ {
        let held = self.targets.iter().filter(move |target| target.held_until > now);
        held.map(move |target| (target.peer, target.address, target.held_until.since(now)))
    }

    /// Whether it matters that a target is heard: most of the time none is down or doubted, and nothing has to be looked up.
    #[must_use]
    pub const fn listens(&self) -> bool {
        self.down > 0 || self.doubts > 0
    }

    /// The targets that are down.
    pub fn down(&self) -> impl Iterator<Item = (PeerId, SocketAddr)> + '_ {
        self.targets.iter().filter(|target| !target.up).map(|target| (target.peer, target.address))
    }

    /// Whether a peer has a target that is up; `None` where nobody asks its targets, so that nobody knows.
    #[must_use]
    pub fn peer_is_up(&self, peer: PeerId) -> Option<bool> {
        let mut targets = self.targets.iter().filter(|target| target.peer == peer);
        let probed = targets.clone().any(|target| target.probed.is_some());
        let down = targets.clone().any(|target| !target.up);
        (probed || down).then(|| targets.any(|target| target.up))
    }

    /// A target was heard.
    pub fn heard(&mut self, now: Tick, peer: PeerId, address: SocketAddr) -> Change {
        if let Some(target) = self.find_mut(peer, address)
            && (!target.up || target.silent.stands())
        {
            target.heard_at = now;
            target.silent = Witness::default();
            if let Some(probed) = &mut target.probed {
                probed.doubted = false;
            }
            if target.up && target.probed.is_some_and(|probed| probed.until.is_some()) {
                target.probed = None;
            }
            self.count_doubts();
        }
        self.mark(peer, address, true)
    }

    /// A call met silence at a target, or no way there. That may be one number's, or one caller's, so the target is asked at
    /// once whether it lives, and is down when it does not say so, or when another one meets the same before it does. One that
    /// nothing else asks is asked until it answers, if calls can go to another one meanwhile; else it stays up. What was sent
    /// before it was heard again bears no witness, neither of an answer that never came nor of a connection that was never made: the
    /// call `began` then.
    pub fn silent(
        &mut self,
        now: Tick,
        began: Tick,
        peer: PeerId,
        address: SocketAddr,
        parties: &Parties,
    ) -> Silence {
        let Some(target) = self.find_mut(peer, address).filter(|target| target.up) else {
            return Silence::Known;
        };
        if target.heard_at > began {
            return Silence::Known;
        }
        if target.probed.is_none() && target.alone {
            return Silence::Alone;
        }
        let was_asked = target.silent.stands_at(now);
        let whose = target.silent.hear(now, parties);
        let until = now.after(ASIDE_FOR);
        let probed = target.probed.get_or_insert(Probing::of(ASIDE_INTERVAL, now, Some(until)));
        if !probed.doubted {
            probed.doubted = true;
            // A probe that is under way already has not had its time.
            let asked = if probed.waits_for.is_some() { now.after(DOUBT_LASTS) } else { now };
            probed.next = probed.next.min(asked);
        }
        self.count_doubts();
        match whose {
            Whose::Known | Whose::One if was_asked => Silence::Known,
            Whose::Known | Whose::One => Silence::Asked,
            Whose::Target => {
                self.mark(peer, address, false);
                Silence::WentDown
            }
        }
    }

    /// A target did not answer its probe, or fails calls whoever calls whom. One that nothing asks is asked from now on, until
    /// it answers, if calls can go to another one meanwhile; else it stays up. Not at once: that it answers OPTIONS is no
    /// news of one that answers calls by 503, and would take it back before it had its rest.
    pub fn lost(&mut self, now: Tick, peer: PeerId, address: SocketAddr) -> Change {
        if let Some(target) = self.find_mut(peer, address)
            && target.probed.is_none()
            && !target.alone
        {
            let (next, until) = (now.after(ASIDE_INTERVAL), now.after(ASIDE_FOR));
            target.probed = Some(Probing::of(ASIDE_INTERVAL, next, Some(until)));
        }
        self.mark(peer, address, false)
    }

    /// A call was answered 503 or 408, without a wish for a pause: whose trouble that is.
    pub fn unserved(&mut self, now: Tick, peer: PeerId, address: SocketAddr, parties: &Parties) -> Whose {
        self.witnessed = true;
        self.find_mut(peer, address).map_or(Whose::Known, |target| target.unserved.hear(now, parties))
    }

    /// Whether calls can go to another target of a peer.
    #[must_use]
    pub fn has_other(&self, peer: PeerId, address: SocketAddr) -> bool {
        self.targets.iter().any(|target| target.peer == peer && target.address != address && target.up)
    }

    /// A target that was set aside and never answered, whose time is over: it is tried again.
    pub fn taken_back(&mut self, now: Tick) -> Option<(PeerId, SocketAddr)> {
        let over =
            |target: &Target| target.probed.and_then(|probed| probed.until).is_some_and(|until| until <= now);
        let mut back = None;
        for target in self.targets.iter_mut().filter(|target| over(target)) {
            target.probed = None;
            target.silent = Witness::default();
            // One that answers probes was in doubt alone, and calls have gone there all the time.
            if !std::mem::replace(&mut target.up, true) {
                self.down -= 1;
                back = Some((target.peer, target.address));
                break;
            }
        }
        self.count_doubts();
        back
    }

    fn count_doubts(&mut self) {
        self.doubts = self.targets.iter().filter(|target| target.silent.stands()).count();
    }

    fn find_mut(&mut self, peer: PeerId, address: SocketAddr) -> Option<&mut Target> {
        self.targets.iter_mut().find(|target| target.peer == peer && target.address == address)
    }

    fn mark(&mut self, peer: PeerId, address: SocketAddr, up: bool) -> Change {
        let found = self.targets.iter_mut().find(|target| target.peer == peer && target.address == address);
        match found {
            Some(target) if target.up != up && (up || target.probed.is_some()) => {
                target.up = up;
                if up {
                    if target.probed.is_some_and(|probed| probed.until.is_some()) {
                        target.probed = None;
                    }
                    self.down -= 1;
                    Change::CameUp
                } else {
                    self.down += 1;
                    Change::WentDown
                }
            }
            Some(_) | None => Change::Same,
        }
    }
}

/// A random part of a length.
fn part(length: Duration, random: &mut Random) -> Duration {
    let millis = u32::try_from(length.as_millis()).unwrap_or(u32::MAX);
    Duration::from_millis(u64::from(random.below(millis)))
}

/// 32011: a peer is not reached, or is reached again. `text` goes on where the peer's name and target end; `state` tells the
/// same to a machine.
pub(super) fn reach_alert(
    now: Now,
    policy: &Policy,
    peer: PeerId,
    address: SocketAddr,
    (state, text): (&'static str, &str),
) -> Box<Alert> {
    let name = policy.peer(peer).map(|peer| Arc::clone(&peer.name));
    let who = name.as_deref().unwrap_or("a peer");
    let mut alert = Alert::new(code::PEER_UNREACHABLE, now.wall, format!("{who} at {address} {text}"));
    alert.peer = name;
    alert.about = Some(format!("{address} {state}").into());
    alert.evidence.push(("target", address.to_string()));
    alert.evidence.push(("state", state.to_owned()));
    Box::new(alert)
}
