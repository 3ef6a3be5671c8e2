//! Bans: which sources are not looked at, over which kind of transport, and for how long.
//!
//! Owns the table of bans. Refuses to count what earns one, and to tell it. Read first: DESIGN.md §1, law 9; attack rows
//! A1 and A10.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::super::Policy;
use super::super::kept::{self, Changed, Kept};
use super::super::strangers::BanNote;
use super::super::table::{Key, Medium, Secret, Slot, Table};
use super::Settings;
use super::ordered::OrderedBans;
use crate::clock::{Now, Tick};
use crate::sip::{ConnectionId, Flow, ListenerId, Transport};

/// Bans that `told` tells one by one; of more, those that end last.
pub const BANS_TOLD_MAX: usize = 32;

#[derive(Debug, Clone, Copy, Default)]
struct Ban {
    until: Tick,
    /// Bans so far; each doubles the next.
    nth: u32,
}

/// A ban in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToldBan {
    /// Until when.
    pub until: Tick,
    /// Whose; of an IPv6 /64 the first address.
    pub source: IpAddr,
    /// What earned it: that is also what it holds for.
    pub medium: Medium,
    /// The listener where datagrams earned it, and hold it; `None`: every one.
    pub listener: Option<ListenerId>,
    /// Which time.
    pub nth: u32,
}

/// A ban's row is known by its source, what it holds for, and where: `192.0.2.7 streams`, `192.0.2.7 datagrams outside`.
fn name_of(policy: &Policy, key: Key) -> Option<String> {
    let source = key.address();
    match key.door() {
        Some(door) => Some(format!("{source} datagrams {}", policy.listener(door)?.name)),
        None => Some(format!("{source} streams")),
    }
}

fn key_of(policy: &Policy, name: &str) -> Option<Key> {
    let mut words = name.splitn(3, ' ');
    let source: IpAddr = words.next()?.parse().ok()?;
    match (words.next()?, words.next()) {
        ("streams", None) => Some(Key::by(Medium::Streams, source)),
        ("datagrams", Some(listener)) => {
            let known = policy.listeners.iter().flatten().find(|known| *known.name == *listener)?;
            let remote = SocketAddr::new(source, 0);
            let flow = Flow {
                listener: known.id,
                transport: Transport::Udp,
                remote,
                connection: ConnectionId::NONE,
            };
            Some(Key::here(&flow))
        }
        _ => None,
    }
}

/// All bans.
#[derive(Debug)]
pub(super) struct Bans {
    table: Table<Ban>,
    /// Whose rows are due.
    changed: Changed<Key>,
    /// Those by order.
    pub(super) ordered: OrderedBans,
}

impl Bans {
    /// None yet; at most `bans_max` at once.
    pub(super) fn new(bans_max: usize) -> Self {
        Self { table: Table::new(bans_max), changed: Changed::default(), ordered: OrderedBans::default() }
    }

    /// Whether what comes on a flow is not looked at. A ban that streams earned holds for datagrams as well, for it was no
    /// forger's; one that datagrams earned holds for datagrams alone, where they came, for it may have been.
    pub(super) fn hold(&self, secret: &Secret, now: Tick, flow: &Flow) -> bool {
        self.hold_streams(secret, now, flow.remote.ip()) || self.holds(secret, now, Key::here(flow))
    }

    /// Whether no stream of a source is taken.
    pub(super) fn hold_streams(&self, secret: &Secret, now: Tick, source: IpAddr) -> bool {
        self.ordered.hold(now, source) || self.holds(secret, now, Key::by(Medium::Streams, source))
    }

    fn holds(&self, secret: &Secret, now: Tick, key: Key) -> bool {
        self.table.find(secret.hash(key), key).is_some_and(|ban| now < ban.until)
    }

    /// One more ban of a source: each lasts twice as long as the one before. `None`: there is no room for one that datagrams
    /// earned, and each further one of them is dropped as a stranger's.
    pub(super) fn add(&mut self, settings: &Settings, now: Now, hash: u64, key: Key) -> Option<BanNote> {
        // The one that ends soonest makes room. Forged datagrams push no ban out that a stream has earned, however full it is.
        let came = key.medium();
        let rank = |key: Key, ban: &Ban| {
            let shown = key.medium() == Medium::Streams && now.tick < ban.until;
            (came == Medium::Streams || !shown).then_some((shown, ban.until))
        };
        let (ban, evicted) = self.table.entry_ranked(hash, key, rank)?;
        self.changed.note(key);
        if let Some(evicted) = evicted {
            self.changed.note(evicted.key);
        }
        // A source that was quiet for the longest ban begins anew.
        let forgotten = ban.until.after(settings.ban_max) < now.tick;
        ban.nth = if forgotten { 1 } else { ban.nth.saturating_add(1) };
        let doublings = 1_u32.checked_shl(ban.nth.saturating_sub(1)).unwrap_or(u32::MAX);
        let lasts = settings.ban_first.saturating_mul(doublings).min(settings.ban_max);
        ban.until = now.tick.after(lasts);
        Some(BanNote { key, at: now.wall, lasts, nth: ban.nth })
    }

    /// Lifts the bans of a source; what those that were in force were earned by.
    pub(super) fn lift(&mut self, now: Tick, source: IpAddr) -> Vec<Medium> {
        let source = Key::of(source).address();
        let mut lifted = Vec::new();
        // Those of datagrams stand apart by listener.
        let held = |slot: &&mut Slot<Ban>| now < slot.value.until && slot.key.address() == source;
        for slot in self.table.iter_mut().filter(held) {
            lifted.push(slot.key.medium());
            self.changed.note(slot.key);
            slot.value = Ban::default();
        }
        lifted.sort_unstable();
        lifted.dedup();
        lifted
    }

    /// Lifts all bans of sources that `listed` knows.
    pub(super) fn forgive(&mut self, listed: impl Fn(IpNet) -> bool) {
        self.ordered.forgive(&listed);
        for slot in self.table.iter_mut().filter(|slot| listed(slot.key.network())) {
            slot.value = Ban::default();
            self.changed.note(slot.key);
        }
    }

    /// Whether rows are due.
    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The rows that are due.
    pub(super) fn rows(&mut self, secret: &Secret, policy: &Policy, now: Now) -> Vec<Kept> {
        let mut rows = Vec::new();
        for key in self.changed.take() {
            let Some(name) = name_of(policy, key) else { continue };
            let ban = self.table.find(secret.hash(key), key).filter(|ban| ban.nth > 0);
            rows.push(match ban {
                Some(Ban { until, nth }) => {
                    let until = kept::wall_of(now, *until);
                    Kept::row(kept::BAN, name, format!("{{\"until\":{until},\"nth\":{nth}}}"))
                }
                None => Kept::gone(kept::BAN, name),
            });
        }
        rows
    }

    /// Takes a row back; false where it means nothing any more.
    pub(super) fn recall(
        &mut self,
        secret: &Secret,
        policy: &Policy,
        most: Duration,
        now: Now,
        row: &Kept,
    ) -> bool {
        let Some(key) = key_of(policy, &row.key) else { return false };
        let number = |name: &str| -> Option<i64> {
            let (_, rest) = row.value.as_deref()?.split_once(name)?;
            let digits = rest.trim_start_matches(['"', ':', ' ']);
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let (Some(wall), Some(nth)) = (number("until"), number("nth")) else { return false };
        let forgotten =
            wall.saturating_add(i64::try_from(most.as_micros()).unwrap_or(i64::MAX)) < now.wall.micros();
        if forgotten || policy.index.lists_within(key.network()) {
            return false;
        }
        let until = kept::tick_of(now, wall, most);
        let Some((ban, _)) = self.table.entry(secret.hash(key), key, |ban| ban.until.micros()) else {
            return false;
        };
        *ban = Ban { until, nth: u32::try_from(nth).unwrap_or(u32::MAX) };
        true
    }

    /// Lifts the bans of all sources in a network; how many were in force.
    pub(super) fn lift_within(&mut self, now: Tick, network: IpNet) -> usize {
        let held = |slot: &&mut Slot<Ban>| {
            now < slot.value.until && (network.contains(&slot.key.network()) || network == slot.key.network())
        };
        let changed = &mut self.changed;
        let lifted = self.table.iter_mut().filter(held).map(|slot| {
            slot.value = Ban::default();
            changed.note(slot.key);
        });
        lifted.count()
    }

    /// How many are in force, and the `most` of them that end last, the last one first.
    pub(super) fn told(&self, now: Tick, most: usize) -> (usize, Vec<ToldBan>) {
        let (mut count, mut last) = (0, BinaryHeap::with_capacity(most.min(BANS_TOLD_MAX) + 1));
        for slot in self.table.iter().filter(|slot| now < slot.value.until) {
            count += 1;
            let Ban { until, nth } = slot.value;
            let (source, medium, listener) = (slot.key.address(), slot.key.medium(), slot.key.door());
            last.push(Reverse(ToldBan { until, source, medium, listener, nth }));
            if last.len() > most {
                last.pop();
            }
        }
        (count, last.into_sorted_vec().into_iter().map(|Reverse(ban)| ban).collect())
    }
}
