//! What `admin` may ask, and the answers.
//!
//! Owns gauges and their names. Refuses to know who asks. Read first: DESIGN.md law 9.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::orders::{Order, Ordered, SuspensionState};
use super::{Engine, Output};
use crate::call::visits::Visits;
use crate::clock::{Now, Tick};
use crate::policy::located::{Knowledge, Told};
use crate::policy::lockout::{self, Freed};
use crate::policy::tdos::Flooded;
use crate::policy::{Medium, PeerId, ToldBan, unlock};

/// A question, or an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// All gauges and counts.
    Status,
    /// Lift locks that wrong passwords brought about: of a user, from a source, or both.
    Unlock {
        /// Of this user alone.
        user: Option<String>,
        /// From this source alone; its ban is lifted, too.
        source: Option<IpAddr>,
    },
    /// An order of the owner.
    Order(Order),
}

/// A lock that wrong passwords brought about.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LockState {
    /// The peer's name; none where strangers may roam.
    pub peer: Option<String>,
    /// From where (an IPv6 /64 by its first address); none: from any unlisted source.
    pub source: Option<String>,
    /// As whom; none: whoever it says it is.
    pub user: Option<String>,
    /// Seconds until it ends.
    pub left_s: u64,
    /// Which time.
    pub nth: u32,
    /// `datagrams`, or `datagrams and streams`.
    pub holds_for: &'static str,
    /// The command that lifts it.
    pub unlock: String,
}

/// A ban in force.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BanState {
    /// Whose (an IPv6 /64 by its first address).
    pub source: String,
    /// `datagrams`, or `datagrams and streams`.
    pub holds_for: &'static str,
    /// At which listener, where datagrams earned it; none: at every one.
    pub listener: Option<String>,
    /// Seconds until it ends.
    pub left_s: u64,
    /// Which time.
    pub nth: u32,
}

/// The gauges that must be zero on an idle edge, and running counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Gauges {
    /// Calls in the table.
    pub calls: usize,
    /// Dialog tags bound.
    pub dialogs: usize,
    /// Server transactions.
    pub server_transactions: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Armed timers.
    pub timers: usize,
    /// Calls whose media is watched, and records that wait for what was counted of it.
    pub watched: usize,
    /// Calls held by `peer NAME` and channels by `site NAME`, zero ones left out.
    pub reserved: Vec<(String, u32)>,
    /// Accounts of caps of which live calls hold something.
    pub drawn_on: usize,
}

/// The ports for media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct MediaState {
    /// Calls whose media passes here.
    pub calls: usize,
    /// Ports that calls hold.
    pub ports_out: usize,
    /// Ports that there are.
    pub ports: usize,
}

/// A name among a peer's targets.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NameState {
    /// The peer's name.
    pub peer: String,
    /// The name, as the policy writes it.
    pub name: String,
    /// Where it leads.
    pub addresses: Vec<String>,
    /// `unknown`, `fresh`, `stale` (DNS does not answer, the last addresses stand) or `nowhere`.
    pub state: &'static str,
    /// Seconds for which DNS said that it holds; only while it is fresh.
    pub ttl_left_s: Option<u64>,
}

/// A registration of ours at a trunk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RegistrationState {
    /// The peer's name.
    pub peer: String,
    /// As whom.
    pub user: String,
    /// `registered`, `unregistered` or `leaving`.
    pub state: &'static str,
    /// The registrar that holds it.
    pub at: Option<String>,
    /// Seconds until it ends, unless it is renewed before.
    pub left_s: Option<u64>,
    /// Why the last try failed; `None` where it did not.
    pub why: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[allow(clippy::large_enum_variant, reason = "one at a time, and boxed wherever it goes")]
pub enum Reply {
    /// To `Status`.
    Status {
        /// Gauges.
        gauges: Gauges,
        /// Running counts by stable name (requests, responses, refused by cause, strangers, dropped ...).
        counts: Vec<(String, u64)>,
        /// Peers by name: up or down; `None` where no probe tells.
        peers: Vec<(String, Option<bool>)>,
        /// Targets that are down: the peer's name and the address.
        targets_down: Vec<(String, String)>,
        /// Targets that asked for a pause: the peer's name, the address, and for how many seconds no call goes there.
        targets_held: Vec<(String, String, u64)>,
        /// Peers that are tried after all others, for half of their last calls failed.
        tried_last: Vec<String>,
        /// Calls that wait for their turn at a peer, zero ones left out.
        waiting: Vec<(String, u32)>,
        /// The names among the peers' targets, and where they lead.
        names: Vec<NameState>,
        /// Our registrations at trunks.
        registrations: Vec<RegistrationState>,
        /// Who is locked out, those that end first left out where they are too many.
        locks: Vec<LockState>,
        /// How many sources are banned.
        banned: usize,
        /// The bans, those that end first left out where they are too many.
        bans: Vec<BanState>,
        /// What is suspended by order.
        suspensions: Vec<SuspensionState>,
        /// Numbers and trunks at which floods of calls are met, the worst first.
        floods: Vec<Flooded>,
        /// Peers that do not answer when they are asked for a password, and how often they were asked.
        unanswered: Vec<(String, u64)>,
        /// The ports for media; `None` where it is not anchored.
        media: Option<MediaState>,
        /// Policy generation in force.
        generation: u64,
    },
    /// To `Unlock`.
    Unlocked {
        /// Locks that were lifted.
        locks: usize,
        /// How many of them by what they held for.
        held: Vec<(&'static str, usize)>,
        /// The bans of the source that were lifted, each by what it held for.
        bans: Vec<&'static str>,
        /// Where nothing was lifted: the commands that lift what is locked, sources that are locked as anybody first.
        instead: Vec<String>,
    },
    /// To an order.
    Ordered(Ordered),
}

/// Commands that are told in place of one that lifted nothing.
const INSTEAD_MAX: usize = 8;

impl Engine {
    /// Media ports that calls hold.
    #[must_use]
    pub fn media_ports_out(&self) -> usize {
        self.media.ports_out()
    }

    /// Which events met which phases of calls since the start.
    #[must_use]
    pub const fn visits(&self) -> &Visits {
        &self.visits
    }

    /// Answers a question.
    pub(super) fn answer(&mut self, now: Now, id: u64, query: &Query) {
        let reply = match query {
            Query::Status => self.status(now),
            Query::Order(order) => Reply::Ordered(self.ordered(now, order)),
            Query::Unlock { user, source } => {
                let user = user.as_ref().map(String::as_bytes);
                let lifted = self.guard.free(now.tick, &Freed { user, source: *source });
                let locks = lifted.iter().map(|(_, lifted)| lifted).sum();
                let held = lifted.into_iter().map(|(medium, lifted)| (medium.held(), lifted)).collect();
                let bans = source.map(|source| self.sources.lift(now.tick, source)).unwrap_or_default();
                let instead =
                    if locks == 0 && bans.is_empty() { self.lifted_by(now.tick) } else { Vec::new() };
                Reply::Unlocked { locks, held, bans: bans.into_iter().map(Medium::held).collect(), instead }
            }
        };
        self.outputs.push_back(Output::Reply { id, reply: Box::new(reply) });
    }

    /// Carries an order out.
    fn ordered(&mut self, now: Now, order: &Order) -> Ordered {
        match order {
            Order::Suspend { whom, strength, lasts, why } => self.suspend(now, whom, *strength, *lasts, why),
            Order::Resume { whom } => self.resume(now, whom.as_ref()),
            Order::Calls => self.list_calls(now),
            Order::Cut { ids, all } => self.cut(now, ids, *all),
            Order::Limits => self.list_limits(now),
            Order::Bans => self.list_bans(now.tick),
            Order::Ban { network, lasts } => self.ban(now, *network, *lasts),
            Order::Unban { network } => self.unban(now, *network),
        }
    }

    /// The commands that lift what is locked. Whoever is locked out as anybody cannot be found by a user's name.
    fn lifted_by(&self, now: Tick) -> Vec<String> {
        let mut locks: Vec<lockout::Told> = self.guard.locks(now).collect();
        locks.sort_by_key(|lock| lock.user.is_some());
        let commands = locks.iter().map(|lock| unlock::command(lock.user.as_deref(), lock.source));
        commands.take(INSTEAD_MAX).collect()
    }

    fn status(&self, now: Now) -> Reply {
        let gauges = Gauges {
            calls: self.calls.len(),
            dialogs: self.dialogs.len(),
            server_transactions: self.transactions.servers(),
            client_transactions: self.transactions.clients(),
            timers: self.transactions.timers() + self.deadlines.len(),
            watched: self.watched(),
            reserved: self.counters.gauges().collect(),
            drawn_on: self.counters.ledger.holding(),
        };
        let floods = [("flood_calls_refused", self.floods.refused())];
        let counts = self.counts.named().into_iter().chain(self.sources.counts().named()).chain(floods);
        let counts = counts.map(|(name, count)| (name.to_owned(), count));
        let up = |peer: &std::sync::Arc<crate::policy::Peer>| {
            (peer.name.to_string(), self.peers.peer_is_up(peer.id))
        };
        let (banned, bans) = self.sources.bans(now.tick);
        Reply::Status {
            gauges,
            counts: counts.collect(),
            peers: self.policy.peers.iter().flatten().map(up).collect(),
            targets_down: self.targets_down(),
            targets_held: self.targets_held(now.tick),
            tried_last: self
                .named(|peer| self.traffic.is_tried_last(now.tick, peer).then_some(()))
                .map(|(name, ())| name)
                .collect(),
            waiting: self
                .named(|peer| Some(self.traffic.waiting(peer)).filter(|waiting| *waiting > 0))
                .collect(),
            names: self.located.told().map(|told| self.name_state(now, told)).collect(),
            registrations: self.registrations.told(now.tick),
            locks: self.guard.locks(now.tick).map(|lock| self.lock_state(lock)).collect(),
            banned,
            bans: bans.into_iter().map(|ban| self.ban_state(now.tick, ban)).collect(),
            suspensions: self.suspension_states(now.wall),
            floods: self.flooded(now.tick),
            unanswered: self
                .named(|peer| Some(self.sources.unanswered(peer)).filter(|asked| *asked > 0))
                .collect(),
            media: self.media_state(),
            generation: self.policy.generation,
        }
    }

    pub(super) fn ban_state(&self, now: Tick, ban: ToldBan) -> BanState {
        let listener = ban.listener.and_then(|id| self.policy.listener(id));
        BanState {
            source: ban.source.to_string(),
            holds_for: ban.medium.held(),
            listener: listener.map(|listener| listener.name.to_string()),
            left_s: ban.until.since(now).as_secs(),
            nth: ban.nth,
        }
    }

    fn lock_state(&self, lock: lockout::Told) -> LockState {
        let peer = lock.peer.and_then(|peer| self.policy.peer(peer));
        LockState {
            holds_for: lock.medium.held(),
            unlock: unlock::command(lock.user.as_deref(), lock.source),
            peer: peer.map(|peer| peer.name.to_string()),
            source: lock.source.map(|source| source.to_string()),
            user: lock.user,
            left_s: lock.left.as_secs(),
            nth: lock.nth,
        }
    }

    fn name_state(&self, now: Now, told: Told<'_>) -> NameState {
        let ttl_left_s = match told.knowledge {
            Knowledge::Fresh { until } => Some(until.since(now.tick).as_secs()),
            Knowledge::Unknown | Knowledge::Stale | Knowledge::Nowhere => None,
        };
        NameState {
            peer: self.policy.peer(told.peer).map(|peer| peer.name.to_string()).unwrap_or_default(),
            name: told.domain.to_string(),
            addresses: told.addresses.iter().map(ToString::to_string).collect(),
            state: told.knowledge.name(),
            ttl_left_s,
        }
    }

    /// What is true of some peers, by name.
    fn named<T>(&self, of: impl Fn(PeerId) -> Option<T>) -> impl Iterator<Item = (String, T)> {
        self.policy.peers.iter().flatten().filter_map(move |peer| Some((peer.name.to_string(), of(peer.id)?)))
    }

    fn targets_held(&self, now: Tick) -> Vec<(String, String, u64)> {
        let named = |(id, address, left): (PeerId, SocketAddr, Duration)| {
            let seconds = u64::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
            self.policy.peer(id).map(|peer| (peer.name.to_string(), address.to_string(), seconds))
        };
        self.peers.all_held(now).filter_map(named).collect()
    }

    fn targets_down(&self) -> Vec<(String, String)> {
        let named = |(id, address): (PeerId, SocketAddr)| {
            self.policy.peer(id).map(|peer| (peer.name.to_string(), address.to_string()))
        };
        self.peers.down().filter_map(named).collect()
    }
}
