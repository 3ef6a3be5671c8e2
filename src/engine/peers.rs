//! Which targets are up, and which have asked to be left alone for a while.
//!
//! Owns the health of every target and when it is probed next. Refuses to know what a probe looks like (`probe`), what a
//! call may ask (`gate`) and how it chooses among targets. Read first: RFC 3261 §8.1.3.1, §11, §21.5.4; DESIGN.md law 6.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Branch, Random};
use crate::clock::{Now, Tick};
use crate::policy::alert::Alert;
use crate::policy::{Located, PeerId, Policy, code};

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
    wish: Option<Wish>,
    probed: Option<Probing>,
}

/// The last pause that was asked for.
#[derive(Debug, Clone, Copy)]
struct Wish {
    at: Tick,
    /// The destination block of the call that it answered.
    block: u64,
    /// Another call was answered as by one that works since.
    served: bool,
}

/// Whose pause it is that a target asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The same destination's as the one before: nothing new is known.
    Known,
    /// Perhaps one destination's: the first that asks.
    First,
    /// The target's: it asked for two destinations, and served none between.
    Target,
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
}

/// A target that failed a call and is not probed by the policy is asked so often whether it lives.
const ASIDE_INTERVAL: Duration = Duration::from_secs(30);

/// And is tried again after so long, for there are machines that answer calls and no OPTIONS.
const ASIDE_FOR: Duration = Duration::from_secs(300);

/// For so long a pause that was asked for is remembered.
const WISH_LASTS: Duration = Duration::from_secs(600);

impl Probing {
    const fn of(interval: Duration, next: Tick, until: Option<Tick>) -> Self {
        Self { interval, until, next, waits_for: None, broken: 0 }
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

/// The health of every target.
#[derive(Debug, Default)]
pub struct Peers {
    targets: Vec<Target>,
    down: usize,
    /// The latest of all `held_until`: most of the time it is past, and nothing has to be looked up.
    held_until: Tick,
    /// Whether a target has asked for a pause and served nobody since.
    wishes: bool,
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
                    wish: known.and_then(|known| known.wish),
                    probed,
                });
            }
        }
        self.down = self.targets.iter().filter(|target| !target.up).count();
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
        probed.next = now.after(probed.interval.mul_f32(0.9).saturating_add(wobble));
        let unanswered = probed.waits_for.replace(branch).is_some();
        probed.broken = 0;
        Some(Due { peer: target.peer, address: target.address, branch, unanswered })
    }

    /// A probe was answered.
    pub fn answered(&mut self, branch: Branch) {
        for probed in self.targets.iter_mut().filter_map(|target| target.probed.as_mut()) {
            if probed.waits_for == Some(branch) {
                probed.waits_for = None;
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

    /// A call to a destination block was answered 503 with a wish for a pause: whose that is. One number of the far side
    /// that is answered so may not keep the others from calling.
    pub fn wishes(&mut self, now: Tick, peer: PeerId, address: SocketAddr, block: u64) -> Whose {
        let found = self.targets.iter_mut().find(|target| target.peer == peer && target.address == address);
        let Some(target) = found else { return Whose::Known };
        let fresh = target.wish.filter(|wish| now.since(wish.at) <= WISH_LASTS);
        let whose = match fresh {
            Some(wish) if wish.block == block => return Whose::Known,
            Some(wish) if !wish.served => Whose::Target,
            Some(_) | None => Whose::First,
        };
        target.wish = Some(Wish { at: now, block, served: false });
        self.wishes = true;
        whose
    }

    /// A call was answered by a target as by one that works.
    pub fn served(&mut self, peer: PeerId, address: SocketAddr) {
        if !self.wishes {
            return;
        }
        for target in &mut self.targets {
            if let Some(wish) =
                target.wish.as_mut().filter(|_| target.peer == peer && target.address == address)
            {
                wish.served = true;
            }
        }
        self.wishes = self.targets.iter().any(|target| target.wish.is_some_and(|wish| !wish.served));
    }

    /// Keeps calls away from a target until `until`; it stays up.
    pub fn hold(&mut self, peer: PeerId, address: SocketAddr, until: Tick) {
        if let Some(target) =
            self.targets.iter_mut().find(|target| target.peer == peer && target.address == address)
        {
            target.held_until = target.held_until.max(until);
            self.held_until = self.held_until.max(until);
        }
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

    /// Whether any target is down: most of the time none is, and nothing has to be looked up.
    #[must_use]
    pub const fn any_down(&self) -> bool {
        self.down > 0
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
    pub fn heard(&mut self, peer: PeerId, address: SocketAddr) -> Change {
        self.mark(peer, address, true)
    }

    /// A target did not answer, or could not be reached. One that nothing asks is asked from now on, until it answers, if
    /// calls can go to another one meanwhile; else it stays up.
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

    /// Whether calls can go to another target of a peer.
    #[must_use]
    pub fn has_other(&self, peer: PeerId, address: SocketAddr) -> bool {
        self.targets.iter().any(|target| target.peer == peer && target.address != address && target.up)
    }

    /// A target that was set aside and never answered, whose time is over: it is tried again.
    pub fn taken_back(&mut self, now: Tick) -> Option<(PeerId, SocketAddr)> {
        let over = |target: &&mut Target| {
            target.probed.and_then(|probed| probed.until).is_some_and(|until| until <= now)
        };
        let target = self.targets.iter_mut().find(over)?;
        target.probed = None;
        let back = (target.peer, target.address);
        if !std::mem::replace(&mut target.up, true) {
            self.down -= 1;
        }
        Some(back)
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

/// 32011: a peer is not reached, or is reached again. `text` goes on where the peer's name and target end.
pub(super) fn reach_alert(
    now: Now,
    policy: &Policy,
    peer: PeerId,
    address: SocketAddr,
    text: &str,
) -> Box<Alert> {
    let name = policy.peer(peer).map(|peer| Arc::clone(&peer.name));
    let who = name.as_deref().unwrap_or("a peer");
    let mut alert = Alert::new(code::PEER_UNREACHABLE, now.wall, format!("{who} at {address} {text}"));
    alert.peer = name;
    alert.evidence.push(("target", address.to_string()));
    Box::new(alert)
}
