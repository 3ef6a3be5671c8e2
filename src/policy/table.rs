//! Fixed-size tables for what strangers send, and the rate law they hold.
//!
//! Owns a set-associative table with a secret hash, and GCRA. Refuses to grow: at the limit the least valuable entry of
//! one set makes room. Read first: DESIGN.md §1, law 9.

use std::hash::{DefaultHasher, Hasher};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::clock::Tick;
use crate::sip::{Flow, ListenerId};

/// How a source is heard. Anybody can put any source into a datagram; whoever opens a stream has shown that answers reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Medium {
    /// UDP.
    Datagrams,
    /// TCP, TLS.
    Streams,
}

impl Medium {
    /// How a flow is heard.
    #[must_use]
    pub const fn of(flow: &Flow) -> Self {
        if flow.is_shown() { Self::Streams } else { Self::Datagrams }
    }

    /// Which kinds' bans and locks hold for what comes this way: what streams earned was no forger's.
    #[must_use]
    pub const fn held_by(self) -> &'static [Self] {
        match self {
            Self::Datagrams => &[Self::Datagrams, Self::Streams],
            Self::Streams => &[Self::Streams],
        }
    }

    /// What a ban or a lock holds for that was earned this way.
    #[must_use]
    pub const fn held(self) -> &'static str {
        match self {
            Self::Datagrams => "datagrams",
            Self::Streams => "datagrams and streams",
        }
    }
}

/// Set in the keys of what streams sent: neither kind of key has this bit of its own.
const STREAMS: u128 = 1 << 62;

/// Where the listener stands in a key that is of one: neither kind of key has these bits of its own. Of more listeners than
/// they tell apart (16,384) some would share what is counted.
const DOOR_SHIFT: u32 = 48;
const DOOR: u128 = 0x3fff << DOOR_SHIFT;

/// A source as limits count it: an IPv4 address, or the /64 of an IPv6 address. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Key(u128);

impl Key {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u128::from(v4.to_ipv6_mapped())),
            IpAddr::V6(v6) => Self(u128::from(v6) >> 64 << 64 | 1),
        }
    }

    /// What a source sends this way, counted apart from what it sends the other way.
    pub(super) fn by(medium: Medium, address: IpAddr) -> Self {
        let Self(key) = Self::of(address);
        match medium {
            Medium::Datagrams => Self(key),
            Medium::Streams => Self(key | STREAMS),
        }
    }

    /// What comes on a flow, at whichever listener.
    pub(super) fn at(flow: &Flow) -> Self {
        Self::by(Medium::of(flow), flow.remote.ip())
    }

    /// What comes on a flow, as it is held against its source. Of datagrams, which anybody can forge, that is held at the
    /// listener alone where they came: whoever is served at another one is not shut out of it. What streams brought is no
    /// forger's, and is held everywhere.
    pub(super) fn here(flow: &Flow) -> Self {
        let Self(key) = Self::at(flow);
        match Medium::of(flow) {
            Medium::Datagrams => Self(key | (u128::from(flow.listener.0) << DOOR_SHIFT & DOOR)),
            Medium::Streams => Self(key),
        }
    }

    /// The listener that it holds at; `None`: all of them.
    pub(super) fn door(self) -> Option<ListenerId> {
        match self.medium() {
            Medium::Datagrams => u16::try_from((self.0 & DOOR) >> DOOR_SHIFT).ok().map(ListenerId),
            Medium::Streams => None,
        }
    }

    /// Which way it counts.
    pub(super) const fn medium(self) -> Medium {
        if self.0 & STREAMS == 0 { Medium::Datagrams } else { Medium::Streams }
    }

    /// The addresses it stands for.
    pub(super) fn network(self) -> IpNet {
        match self.address() {
            IpAddr::V4(v4) => IpNet::V4(Ipv4Net::from(v4)),
            IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, 64)),
        }
    }

    /// An address of the source: itself, or the first of its /64.
    pub(super) fn address(self) -> IpAddr {
        let v6 = std::net::Ipv6Addr::from(self.0 & !(STREAMS | DOOR));
        match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(std::net::Ipv6Addr::from(self.0 >> 64 << 64)),
        }
    }
}

/// A hash that a sender cannot predict: SipHash behind a secret of this process.
#[derive(Debug, Clone)]
pub(super) struct Secret(DefaultHasher);

impl Secret {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&seed);
        Self(hasher)
    }

    pub(super) fn hash(&self, key: Key) -> u64 {
        let mut hasher = self.0.clone();
        hasher.write_u128(key.0);
        hasher.finish()
    }

    /// A key of a peer, a source and a user, or some of them, with its hash: whoever cannot predict it cannot aim at
    /// another's.
    pub(super) fn mixed(&self, peer: Option<u16>, source: Option<Key>, user: Option<&[u8]>) -> (u64, Key) {
        let half = |which: u8| {
            let mut hasher = self.0.clone();
            let parts = [peer.is_some(), source.is_some(), user.is_some()].map(u8::from);
            hasher.write(&[&[which][..], &parts, &peer.unwrap_or_default().to_be_bytes()].concat());
            hasher.write_u128(source.unwrap_or_default().0);
            hasher.write(user.unwrap_or_default());
            hasher.finish()
        };
        let (low, high) = (half(0), half(1));
        (low, Key(u128::from(high) << 64 | u128::from(low) | 1))
    }
}

const WAYS: usize = 4;

#[derive(Debug, Clone, Default)]
pub(super) struct Slot<V> {
    pub(super) key: Key,
    pub(super) value: V,
}

/// At most `entries_max` entries, in sets of four; every key can live in one set only.
#[derive(Debug)]
pub(super) struct Table<V> {
    slots: Box<[Slot<V>]>,
    sets_mask: usize,
}

impl<V: Clone + Default> Table<V> {
    /// A table of the largest power of two of entries that is not above `entries_max`, and of one set at least.
    pub(super) fn new(entries_max: usize) -> Self {
        let sets = 1_usize << (entries_max / WAYS).max(1).ilog2();
        Self { slots: vec![Slot::default(); sets * WAYS].into(), sets_mask: sets - 1 }
    }

    fn start(&self, hash: u64) -> usize {
        // The low bits of a 64-bit hash are as good as any.
        (usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) & self.sets_mask) * WAYS
    }

    pub(super) fn find(&self, hash: u64, key: Key) -> Option<&V> {
        let start = self.start(hash);
        self.slots.get(start..start + WAYS)?.iter().find(|slot| slot.key == key).map(|slot| &slot.value)
    }

    pub(super) fn find_mut(&mut self, hash: u64, key: Key) -> Option<&mut V> {
        let start = self.start(hash);
        let set = self.slots.get_mut(start..start + WAYS)?;
        set.iter_mut().find(|slot| slot.key == key).map(|slot| &mut slot.value)
    }

    /// The key's entry, made where there is none: in an empty slot, or in place of the entry of its set that `rank` puts
    /// lowest, which is handed out.
    pub(super) fn entry(
        &mut self,
        hash: u64,
        key: Key,
        rank: impl Fn(&V) -> u64,
    ) -> Option<(&mut V, Option<Slot<V>>)> {
        self.entry_ranked(hash, key, |_, value| Some(rank(value)))
    }

    /// The same, where what an entry is worth depends on its key, too. One without a rank makes room for nobody: `None` where
    /// the set is full of them.
    pub(super) fn entry_ranked<R: Ord>(
        &mut self,
        hash: u64,
        key: Key,
        rank: impl Fn(Key, &V) -> Option<R>,
    ) -> Option<(&mut V, Option<Slot<V>>)> {
        let start = self.start(hash);
        let set = self.slots.get_mut(start..start + WAYS)?;
        let known = set.iter().position(|slot| slot.key == key);
        let place =
            known.or_else(|| set.iter().position(|slot| slot.key == Key::default())).or_else(|| {
                let ranked = |(place, slot): (usize, &Slot<V>)| Some((rank(slot.key, &slot.value)?, place));
                set.iter().enumerate().filter_map(ranked).min().map(|(_, place)| place)
            })?;
        let slot = set.get_mut(place)?;
        let mut evicted = None;
        if known.is_none() {
            let before = std::mem::replace(slot, Slot { key, value: V::default() });
            evicted = (before.key != Key::default()).then_some(before);
        }
        Some((&mut slot.value, evicted))
    }

    /// Every entry in use.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot<V>> {
        self.slots.iter().filter(|slot| slot.key != Key::default())
    }

    /// Every entry in use, to change.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot<V>> {
        self.slots.iter_mut().filter(|slot| slot.key != Key::default())
    }
}

/// So many events in a window, in a burst if they like: the generic cell rate algorithm, one u64 for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    interval: u64,
    tolerance: u64,
}

/// Nanoseconds of a tick.
fn nanos(now: Tick) -> u64 {
    now.micros().saturating_mul(1_000)
}

impl Rate {
    /// `events` in each `window` at most, `burst` of them at once. Zero events counts as one in the window.
    pub(super) fn new(events: u32, window: std::time::Duration, burst: u32) -> Self {
        let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        let interval = (window / u64::from(events.max(1))).max(1);
        Self { interval, tolerance: interval.saturating_mul(u64::from(burst.max(1) - 1)) }
    }

    /// Whether one more event fits: the theoretical arrival time to store if it happens.
    pub(super) fn next(self, arrival: u64, now: Tick) -> Option<u64> {
        let now = nanos(now);
        let ahead = arrival.saturating_sub(now);
        (ahead <= self.tolerance).then(|| arrival.max(now).saturating_add(self.interval))
    }

    /// Whether events still count by this arrival time: a source that was quiet for long enough begins anew.
    pub(super) fn counts(arrival: u64, now: Tick) -> bool {
        arrival > nanos(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{ConnectionId, Transport};
    use std::time::Duration;

    fn key(number: u32) -> Key {
        Key::of(IpAddr::V4(std::net::Ipv4Addr::from(number)))
    }

    #[test]
    fn a_rate_admits_exactly_its_burst_and_then_its_pace() {
        let rate = Rate::new(10, Duration::from_secs(1), 3);
        let mut arrival = 0;
        let mut fits = |micros: u64| match rate.next(arrival, Tick::from_micros(micros)) {
            Some(next) => {
                arrival = next;
                true
            }
            None => false,
        };
        // Burst - 1, burst, burst + 1; then one each 100 ms, never a microsecond early.
        let table = [
            (5_000_000, true),
            (5_000_000, true),
            (5_000_000, true),
            (5_000_000, false),
            (5_099_999, false),
            (5_100_000, true),
            (5_100_000, false),
            (5_200_000, true),
            (9_000_000, true),
            (9_000_000, true),
            (9_000_000, true),
            (9_000_000, false),
        ];
        for (micros, expected) in table {
            assert_eq!(fits(micros), expected, "{micros}");
        }
        let last = Rate::new(1, Duration::from_secs(1), 1);
        assert!(last.next(u64::MAX, Tick::from_micros(u64::MAX)).is_some(), "the end of time does not wrap");
    }

    #[test]
    fn sources_are_counted_by_address_and_by_64() {
        let table = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::2", true),
            ("2001:db8::1", "2001:db8:0:0:ffff::1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ];
        for (one, other, same) in table {
            let keys = (Key::of(one.parse().unwrap()), Key::of(other.parse().unwrap()));
            assert_eq!(keys.0 == keys.1, same, "{one} {other}");
        }
        assert_eq!(Key::of("2001:db8::7".parse().unwrap()).address().to_string(), "2001:db8::");
        assert_ne!(Key::of("::".parse().unwrap()), Key::default());
    }

    #[test]
    fn what_comes_by_datagrams_and_by_streams_is_counted_apart_and_is_of_the_same_source() {
        for source in
            ["192.0.2.1", "255.255.255.255", "0.0.0.0", "2001:db8::7", "::", "ffff:ffff:ffff:ffff::"]
        {
            let source: IpAddr = source.parse().unwrap();
            let (datagrams, streams) = (Key::by(Medium::Datagrams, source), Key::by(Medium::Streams, source));
            assert_ne!(datagrams, streams, "{source}");
            assert_eq!(
                (datagrams.medium(), streams.medium()),
                (Medium::Datagrams, Medium::Streams),
                "{source}"
            );
            assert_eq!(datagrams.network(), streams.network(), "{source}");
            assert!(datagrams.network().contains(&source), "{source}");
            let at = |listener, transport| {
                let remote = std::net::SocketAddr::new(source, 5060);
                Key::here(&Flow {
                    listener: ListenerId(listener),
                    transport,
                    remote,
                    connection: ConnectionId::NONE,
                })
            };
            let (here, there) = (at(0x3fff, Transport::Udp), at(1, Transport::Udp));
            assert_eq!(
                (here.door(), there.door()),
                (Some(ListenerId(0x3fff)), Some(ListenerId(1))),
                "{source}"
            );
            assert_ne!(here, there, "{source}");
            for key in [here, there] {
                assert_eq!(
                    (key.network(), key.medium()),
                    (datagrams.network(), Medium::Datagrams),
                    "{source}"
                );
            }
            let stream = at(7, Transport::Tcp);
            assert_eq!((stream, stream.door()), (streams, None), "{source}: of streams everywhere");
        }
    }

    #[test]
    fn a_table_never_grows_and_gives_up_the_least_of_one_set() {
        let secret = Secret::new([7; 32]);
        let mut table: Table<u64> = Table::new(1_000);
        assert_eq!(table.slots.len(), 512);
        let mut evicted = 0;
        for number in 1..=10_000_u32 {
            let (value, out) = table.entry(secret.hash(key(number)), key(number), |value| *value).unwrap();
            *value = u64::from(number);
            evicted += usize::from(out.is_some_and(|out| out.value < u64::from(number)));
        }
        assert_eq!(table.iter().count(), 512);
        assert_eq!(evicted, 10_000 - 512);
        let newest = key(10_000);
        assert_eq!(table.find(secret.hash(newest), newest), Some(&10_000));
        assert_eq!(Table::<u64>::new(0).slots.len(), WAYS);
    }
}
