//! Nonces: made with a key, known again without memory, and each count of one taken once.
//!
//! Owns what a nonce says (when, for whom), the table of those that proved something, and that of those which are spent.
//! Refuses to know passwords.
//! Read first: RFC 7616 §3.3, §3.4, §5.4, §5.10; RFC 3261 §22.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::peer::PeerId;
use crate::clock::Tick;
use crate::sip::ListenerId;

/// How long a nonce is good for; after it the client is asked anew, with `stale=true`.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);

/// Nonces whose counts are remembered at once, and as many more under which something wrong came. At the limit the oldest goes, and it and all as old as it are stale.
pub const NONCES_MAX: usize = 16_384;

/// How far below the highest count of a nonce another may still come, so that requests may overtake each other.
const WINDOW: u32 = 64;

/// How far above the highest count the next may come: one that leaps would shut the window for all that follow.
const LEAP_MAX: u32 = 1_024;

/// Octets of a nonce: when (4), salt (8), proof (12).
const OCTETS: usize = 24;

/// A nonce as it is written: 32 characters of base64url.
pub type NonceText = [u8; OCTETS / 3 * 4];

/// For whom a nonce is.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// Who is asked.
    pub source: IpAddr,
    /// Where.
    pub listener: ListenerId,
    /// As whom; `None` for whoever roams there.
    pub peer: Option<PeerId>,
}

/// A nonce that was known again. Ordered by age. Two of different sources, listeners or peers are never one, though they may
/// have been made from one salt: whoever copies a request would else take its counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Seconds.
    issued: u32,
    /// Of its proof, which holds for whom it is.
    proof: u64,
}

/// What a count of a nonce is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// New, and taken now.
    Taken,
    /// It came before.
    Replayed,
    /// Too far behind the highest to tell, or too far ahead of it; or what is known of the nonce was given up: ask anew.
    Gone,
}

/// The counts seen of one nonce.
#[derive(Debug, Clone, Copy)]
struct Window {
    highest: u32,
    /// Bit n stands for `highest - n`.
    seen: u64,
}

/// Makes nonces and knows them again. The engine owns one.
pub struct Nonces {
    key: Hmac<Sha256>,
    used: BTreeMap<Mark, Window>,
    /// Of each of the two tables.
    limit: usize,
    /// The youngest that was given up before its time: of nonces as old as it nothing is known.
    given_up: Option<u32>,
    /// Those under which something wrong came.
    spent: BTreeSet<Mark>,
    /// The youngest of those that was given up before its time: nonces as old as it are taken for spent.
    spent_given_up: Option<u32>,
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonces {{ used: {} }}", self.used.len())
    }
}

impl Nonces {
    /// Nothing made yet. `key` is secret to the process; at most `limit` nonces are remembered.
    #[must_use]
    pub fn new(key: [u8; 32], limit: usize) -> Self {
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(place, octet)| *place = octet);
        Self {
            key: <Hmac<Sha256> as KeyInit>::new(&block.into()),
            used: BTreeMap::new(),
            limit,
            given_up: None,
            spent: BTreeSet::new(),
            spent_given_up: None,
        }
    }

    /// A nonce for now. `salt` tells two of one second apart; the same salt gives the same nonce, so that copies of a
    /// request may get copies of an answer.
    #[must_use]
    pub fn make(&self, now: Tick, salt: u64, bound: &Bound) -> NonceText {
        text(&self.octets(seconds(now), salt, bound))
    }

    /// Knows a nonce again: `None` when it is none of ours, was made for somebody else, or is too old.
    #[must_use]
    pub fn known(&self, now: Tick, nonce: &[u8], bound: &Bound) -> Option<Mark> {
        let octets = octets(nonce)?;
        let (issued, rest) = octets.split_first_chunk::<4>()?;
        let (salt, proof) = rest.split_first_chunk::<8>()?;
        let issued = u32::from_be_bytes(*issued);
        let ours = bool::from(self.octets(issued, u64::from_be_bytes(*salt), bound).ct_eq(&octets));
        let age = u64::from(seconds(now).checked_sub(issued)?);
        let (proof, _) = proof.split_first_chunk::<8>()?;
        let mark = Mark { issued, proof: u64::from_be_bytes(*proof) };
        (ours && age <= NONCE_LIFETIME.as_secs()).then_some(mark)
    }

    /// Something wrong came under a nonce from where anybody may forge the source: it is good no more, for whoever overheard
    /// it would else go on under it. Who fetches another shows that it hears what is sent to its source.
    pub fn spend(&mut self, now: Tick, mark: Mark) {
        self.used.remove(&mark);
        let oldest = oldest(now);
        while self.spent.first().is_some_and(|first| first.issued < oldest) {
            self.spent.pop_first();
        }
        if self.spent.len() >= self.limit
            && let Some(gone) = self.spent.pop_first()
        {
            self.spent_given_up = self.spent_given_up.max(Some(gone.issued));
        }
        self.spent.insert(mark);
    }

    /// Whether something wrong came under a nonce before.
    #[must_use]
    pub fn is_spent(&self, mark: Mark) -> bool {
        self.spent.contains(&mark) || self.spent_given_up.is_some_and(|given_up| mark.issued <= given_up)
    }

    fn octets(&self, issued: u32, salt: u64, bound: &Bound) -> [u8; OCTETS] {
        let source: Ipv6Addr = match bound.source.to_canonical() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mut mac = self.key.clone();
        let [issued, salt] = [&issued.to_be_bytes()[..], &salt.to_be_bytes()];
        let peer = bound.peer.map_or(u32::MAX, |peer| u32::from(peer.0)).to_be_bytes();
        for part in [issued, salt, &source.octets(), &bound.listener.0.to_be_bytes(), &peer] {
            mac.update(part);
        }
        let proof = mac.finalize().into_bytes();
        let mut octets = [0; OCTETS];
        for (place, octet) in octets.iter_mut().zip(issued.iter().chain(salt).chain(&proof)) {
            *place = *octet;
        }
        octets
    }

    /// Takes a count of a nonce whose request proved a password; each is given once.
    pub fn take(&mut self, now: Tick, mark: Mark, count: u32) -> Use {
        if let Some(window) = self.used.get_mut(&mark) {
            return window.take(count);
        }
        if count > LEAP_MAX || self.given_up.is_some_and(|given_up| mark.issued <= given_up) {
            return Use::Gone;
        }
        // Who is past its time is asked anew by its age alone.
        let oldest = oldest(now);
        while let Some(first) = self.used.first_entry().filter(|first| first.key().issued < oldest) {
            first.remove();
        }
        if self.used.len() >= self.limit
            && let Some((gone, _)) = self.used.pop_first()
        {
            self.given_up = self.given_up.max(Some(gone.issued));
            if mark.issued <= gone.issued {
                return Use::Gone;
            }
        }
        self.used.insert(mark, Window { highest: count, seen: 1 });
        Use::Taken
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }
}

impl Window {
    fn take(&mut self, count: u32) -> Use {
        if let Some(ahead) = count.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            if ahead > LEAP_MAX {
                return Use::Gone;
            }
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return Use::Taken;
        }
        let behind = self.highest - count;
        if behind >= WINDOW {
            return Use::Gone;
        }
        let bit = 1_u64 << behind;
        if self.seen & bit != 0 {
            return Use::Replayed;
        }
        self.seen |= bit;
        Use::Taken
    }
}

/// When the oldest was made that is still good.
fn oldest(now: Tick) -> u32 {
    seconds(now).saturating_sub(u32::try_from(NONCE_LIFETIME.as_secs()).unwrap_or(u32::MAX))
}

fn seconds(now: Tick) -> u32 {
    u32::try_from(now.micros() / 1_000_000).unwrap_or(u32::MAX)
}

/// RFC 4648 §5: digits that need no escape in a quoted string, a header or a URI.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn text(octets: &[u8; OCTETS]) -> NonceText {
    let mut text = NonceText::default();
    for (place, three) in text.chunks_exact_mut(4).zip(octets.chunks_exact(3)) {
        let bits = three.iter().fold(0_usize, |bits, octet| bits << 8 | usize::from(*octet));
        for (at, digit) in place.iter_mut().enumerate() {
            *digit = DIGITS.get(bits >> (18 - 6 * at) & 63).copied().unwrap_or_default();
        }
    }
    text
}

fn octets(text: &[u8]) -> Option<[u8; OCTETS]> {
    let text: &NonceText = text.try_into().ok()?;
    let mut octets = [0; OCTETS];
    for (place, four) in octets.chunks_exact_mut(3).zip(text.chunks_exact(4)) {
        let mut bits = 0_u32;
        for digit in four {
            bits = bits << 6 | u32::from(value(*digit)?);
        }
        place.copy_from_slice(bits.to_be_bytes().get(1..)?);
    }
    Some(octets)
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Bound = Bound {
        source: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
        listener: ListenerId(1),
        peer: None,
    };

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    fn nonces(limit: usize) -> Nonces {
        Nonces::new([7; 32], limit)
    }

    #[test]
    fn a6_a_nonce_is_known_by_its_source_its_listener_its_peer_and_its_time_alone() {
        let ours = nonces(8);
        let nonce = ours.make(at(1_000), 42, &BOUND);
        assert_eq!(nonce, ours.make(at(1_000), 42, &BOUND), "a copy gets a copy");
        assert_ne!(nonce, ours.make(at(1_000), 43, &BOUND));
        assert!(ours.known(at(1_000), &nonce, &BOUND).is_some());
        let mapped = Bound { source: "::ffff:192.0.2.1".parse().unwrap(), ..BOUND };
        assert!(ours.known(at(1_000), &nonce, &mapped).is_some(), "the same address");
        for other in [
            Bound { source: "192.0.2.2".parse().unwrap(), ..BOUND },
            Bound { listener: ListenerId(2), ..BOUND },
            Bound { peer: Some(PeerId(0)), ..BOUND },
        ] {
            assert_eq!(ours.known(at(1_000), &nonce, &other), None, "{other:?}");
        }
        assert_eq!(Nonces::new([8; 32], 8).known(at(1_000), &nonce, &BOUND), None, "another process");
        for (now, known) in [(999, false), (1_299, true), (1_300, true), (1_301, false)] {
            assert_eq!(ours.known(at(now), &nonce, &BOUND).is_some(), known, "{now}");
        }
        for at_octet in 0..nonce.len() {
            let mut altered = nonce;
            altered[at_octet] = if altered[at_octet] == b'A' { b'B' } else { b'A' };
            assert_eq!(ours.known(at(1_000), &altered, &BOUND), None, "{at_octet}");
        }
        for bad in [&nonce[..31], b"", b"dcd98b7102dd2f0e8b11d0f600bfb0c093", &[b'='; 32]] {
            assert_eq!(ours.known(at(1_000), bad, &BOUND), None);
        }
    }

    #[test]
    fn a6_each_count_is_taken_once_within_a_window_of_64() {
        let mut ours = nonces(8);
        let nonce = ours.make(at(5), 1, &BOUND);
        let mark = ours.known(at(5), &nonce, &BOUND).unwrap();
        let table = [
            (3, Use::Taken),
            (3, Use::Replayed),
            (1, Use::Taken),
            (2, Use::Taken),
            (2, Use::Replayed),
            (66, Use::Taken),
            // 66 - 63 is the last in the window; 66 - 64 cannot be told.
            (3, Use::Replayed),
            (4, Use::Taken),
            (4, Use::Replayed),
            (2, Use::Gone),
            (1_000, Use::Taken),
            (937, Use::Taken),
            (936, Use::Gone),
            (999, Use::Taken),
            (u32::MAX, Use::Gone),
            (2_025, Use::Gone),
            (2_024, Use::Taken),
            (2_024, Use::Replayed),
        ];
        for (count, expected) in table {
            assert_eq!(ours.take(at(5), mark, count), expected, "{count}");
        }
    }

    #[test]
    fn the_table_is_bounded_and_what_is_given_up_is_stale() {
        let mut ours = nonces(3);
        let marks: Vec<Mark> = (0..5).map(|n| Mark { issued: 100 + n, proof: 7 }).collect();
        for (at_mark, mark) in marks.iter().enumerate() {
            assert_eq!(ours.take(at(110), *mark, 1), Use::Taken);
            assert_eq!(ours.len(), (at_mark + 1).min(3), "limit - 1, limit, limit + 1");
        }
        assert_eq!(ours.take(at(110), marks[1], 2), Use::Gone, "and never taken twice");
        assert_eq!(ours.take(at(110), Mark { issued: 101, proof: 9 }, 1), Use::Gone, "as old as that one");
        assert_eq!(ours.take(at(110), marks[2], 1), Use::Replayed);
        assert_eq!(ours.take(at(110), marks[2], 2), Use::Taken);
        // An old one that comes late to a full table makes no room for itself.
        assert_eq!(ours.take(at(110), Mark { issued: 102, proof: 0 }, 1), Use::Gone);
        // What is past its time makes room by itself and gives up nothing.
        let mut ours = nonces(2);
        assert_eq!(ours.take(at(100), marks[0], 1), Use::Taken);
        assert_eq!(ours.take(at(101), marks[1], 1), Use::Taken);
        assert_eq!(ours.take(at(402), Mark { issued: 402, proof: 1 }, 1), Use::Taken);
        assert_eq!((ours.len(), ours.given_up), (1, None));
    }

    #[test]
    fn a6_no_salt_makes_one_mark_of_two_sources_listeners_or_peers() {
        let ours = nonces(8);
        let marks: Vec<Mark> = [
            BOUND,
            Bound { source: "192.0.2.2".parse().unwrap(), ..BOUND },
            Bound { listener: ListenerId(2), ..BOUND },
            Bound { peer: Some(PeerId(0)), ..BOUND },
            Bound { peer: Some(PeerId(1)), ..BOUND },
        ]
        .iter()
        .map(|bound| ours.known(at(7), &ours.make(at(7), 42, bound), bound).unwrap())
        .collect();
        for (n, mark) in marks.iter().enumerate() {
            assert_eq!(marks.iter().position(|other| other == mark), Some(n), "{marks:?}");
        }
    }

    #[test]
    fn a4_what_is_spent_stays_so_and_the_table_of_it_is_bounded() {
        let mut ours = nonces(3);
        let mark = |issued| Mark { issued, proof: 7 };
        for issued in 100..105 {
            assert!(!ours.is_spent(mark(issued)));
            ours.spend(at(110), mark(issued));
            assert!(ours.is_spent(mark(issued)));
            assert_eq!(ours.spent.len(), usize::try_from(issued - 99).unwrap().min(3), "limit and one more");
        }
        // Two made room: they and all as old as they are taken for spent, and nothing younger is.
        for (issued, spent) in [(99, true), (100, true), (101, true), (102, true), (105, false)] {
            assert_eq!(ours.is_spent(mark(issued)), spent, "{issued}");
        }
        assert!(!ours.is_spent(Mark { issued: 102, proof: 9 }), "another of that second");
        // What is past its time makes room by itself.
        ours.spend(at(500), mark(500));
        assert_eq!((ours.spent.len(), ours.spent_given_up), (1, Some(101)));
        // Its counts are not kept besides.
        assert_eq!(ours.take(at(500), mark(499), 1), Use::Taken);
        ours.spend(at(500), mark(499));
        assert_eq!((ours.len(), ours.is_spent(mark(499))), (0, true));
    }
}
