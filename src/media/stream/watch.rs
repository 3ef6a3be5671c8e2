//! What came of one peer's RTP: how much, what is missing, how evenly.
//!
//! Owns sequence numbers and jitter of the source that speaks, one at a time: a source that takes over ends the
//! account of the one before. Whoever is watched has passed every check before. Read first: RFC 3550 §6.4.1, A.1, A.3, A.8.

use std::time::Duration;

use crate::clock::Tick;
use crate::media::rtp::RtpHeader;

/// A jump ahead below this is loss (RFC 3550 A.1).
const DROPOUT_MAX: u16 = 3_000;
/// A step back of at most this is disorder (RFC 3550 A.1).
const DISORDER_MAX: u16 = 100;

/// The account of one stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Watch {
    packets: u64,
    octets: u64,
    /// Lost of the sources before the one that speaks.
    lost_before: u64,
    source: Option<Source>,
    /// The format of the newest packet that was no event.
    payload_type: Option<u8>,
    /// The clock of its timestamp.
    clock_rate: u32,
}

/// The account of one source.
#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    first: u16,
    highest: u16,
    /// How often the sequence number went round.
    rounds: u32,
    received: u64,
    /// The number that would follow a jump: if it comes, the sender began anew.
    jumped_to: Option<u16>,
    /// Arrival less timestamp of the packet before, in timestamp units.
    transit: Option<u32>,
    /// Sixteen times the jitter, in timestamp units.
    jitter: u32,
}

impl Watch {
    /// A packet was taken: its payload octets, and the clock of its timestamp where that tells of jitter.
    pub(super) fn take(&mut self, now: Tick, header: &RtpHeader, octets: usize, clock_rate: Option<u32>) {
        self.packets += 1;
        self.octets += octets as u64;
        if let Some(clock_rate) = clock_rate {
            self.payload_type = Some(header.payload_type);
            self.clock_rate = clock_rate;
        }
        let fresh = Source::new(header);
        let source = match &mut self.source {
            Some(source) if source.ssrc == header.ssrc => source,
            other => {
                self.lost_before += other.map_or(0, |source| source.lost());
                other.insert(fresh)
            }
        };
        if !source.follow(header.sequence) {
            self.lost_before += source.lost();
            *source = fresh;
            source.received = 1;
        }
        if let Some(clock_rate) = clock_rate {
            source.feel(now, header.timestamp, clock_rate);
        }
    }

    /// Packets taken.
    pub(super) const fn packets(&self) -> u64 {
        self.packets
    }

    /// Octets of payload taken.
    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Packets that never came.
    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.source.map_or(0, |source| source.lost())
    }

    /// Jitter of the source that speaks.
    pub(super) fn jitter(&self) -> Duration {
        let units = self.source.map_or(0, |source| source.jitter >> 4);
        let micros = (u64::from(units) * 1_000_000).checked_div(u64::from(self.clock_rate)).unwrap_or(0);
        Duration::from_micros(micros)
    }

    /// The format heard last.
    pub(super) const fn payload_type(&self) -> Option<u8> {
        self.payload_type
    }
}

impl Source {
    const fn new(header: &RtpHeader) -> Self {
        Self {
            ssrc: header.ssrc,
            first: header.sequence,
            highest: header.sequence,
            rounds: 0,
            received: 0,
            jumped_to: None,
            transit: None,
            jitter: 0,
        }
    }

    /// Counts a packet; false when its sender began anew with it, or with the one before.
    fn follow(&mut self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.highest);
        if ahead < DROPOUT_MAX {
            if sequence < self.highest {
                self.rounds = self.rounds.saturating_add(1);
            }
            self.highest = sequence;
        } else if ahead <= u16::MAX - DISORDER_MAX {
            // RFC 3550 A.1: two in sequence say that the other side restarted without telling.
            if self.jumped_to == Some(sequence) {
                return false;
            }
            self.jumped_to = Some(sequence.wrapping_add(1));
            return true;
        }
        self.received += 1;
        true
    }

    /// RFC 3550 A.3: what was expected less what came; duplicates may make more come than was expected.
    fn lost(&self) -> u64 {
        let highest = (u64::from(self.rounds) << 16) + u64::from(self.highest);
        (highest + 1).saturating_sub(u64::from(self.first)).saturating_sub(self.received)
    }

    /// RFC 3550 A.8, in whole numbers.
    fn feel(&mut self, now: Tick, timestamp: u32, clock_rate: u32) {
        let arrival = u128::from(now.micros()) * u128::from(clock_rate) / 1_000_000;
        // Modulo 2^32, as the timestamp is.
        let transit = (arrival as u32).wrapping_sub(timestamp);
        let Some(before) = self.transit.replace(transit) else { return };
        let apart = transit.wrapping_sub(before).cast_signed().unsigned_abs();
        // After a hold the sender's clock may stand anywhere: a second and more is no jitter.
        if apart < clock_rate {
            let fades = self.jitter.saturating_add(8) >> 4;
            self.jitter = self.jitter.saturating_add(apart).saturating_sub(fades);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(ssrc: u32, sequence: u16, timestamp: u32) -> RtpHeader {
        RtpHeader { padded: false, marker: false, payload_type: 8, sequence, timestamp, ssrc, octets: 12 }
    }

    fn heard(sequences: impl IntoIterator<Item = (u32, u16)>) -> Watch {
        let mut watch = Watch::default();
        for (ssrc, sequence) in sequences {
            watch.take(Tick::ZERO, &header(ssrc, sequence, 0), 160, Some(8_000));
        }
        watch
    }

    #[test]
    fn rfc_3550_a_3_what_is_missing_between_the_first_and_the_last_is_lost() {
        let rows: [(&str, Vec<u16>, u64); 9] = [
            ("nothing", vec![5, 6, 7], 0),
            ("one", vec![5, 7], 1),
            ("disorder", vec![5, 7, 6, 8], 0),
            ("twice", vec![5, 6, 6, 7], 0),
            ("over the wrap", vec![65_534, 65_535, 0, 2], 1),
            ("before the first", vec![5, 4, 6], 0),
            ("a gap of 2,999", vec![0, 2_999], 2_998),
            ("one stray far away", vec![5, 30_000, 6, 7], 0),
            ("begun anew", vec![5, 7, 30_000, 30_001, 30_002, 30_004], 2),
        ];
        for (what, sequences, expected) in rows {
            let count = sequences.len() as u64;
            let watch = heard(sequences.into_iter().map(|sequence| (1, sequence)));
            assert_eq!(
                (watch.lost(), watch.packets(), watch.octets()),
                (expected, count, 160 * count),
                "{what}"
            );
        }
        let watch = heard([(1, 5), (1, 8), (2, 900), (2, 901), (2, 903)]);
        assert_eq!(watch.lost(), 3, "of two sources, one behind the other");
    }

    #[test]
    fn rfc_3550_a_8_jitter_is_a_sixteenth_of_each_deviation() {
        let mut watch = Watch::default();
        // Even: none at all.
        for n in 0..100_u16 {
            let at = Tick::from_micros(u64::from(n) * 20_000);
            watch.take(at, &header(1, n, u32::from(n) * 160), 160, Some(8_000));
        }
        assert_eq!(watch.jitter(), Duration::ZERO);
        // Every other packet 8 ms late: each is 64 units off the one before, and so the mean goes to.
        for n in 100..400_u16 {
            let at = Tick::from_micros(u64::from(n) * 20_000 + 8_000 * u64::from(n % 2));
            watch.take(at, &header(1, n, u32::from(n) * 160), 160, Some(8_000));
        }
        let jitter = watch.jitter().as_micros();
        assert!((7_500..=8_000).contains(&jitter), "{jitter}");
        let before = watch.jitter();
        watch.take(Tick::from_micros(90_000_000), &header(1, 400, 0), 160, Some(8_000));
        assert_eq!(watch.jitter(), before, "a clock that was set anew is no jitter");
        watch.take(Tick::from_micros(90_500_000), &header(1, 401, 0), 4, None);
        assert_eq!(watch.jitter(), before, "events stand still in time");
    }

    proptest! {
        #[test]
        fn any_sequence_of_packets_is_counted_without_a_panic(
            packets in prop::collection::vec((0..3_u32, any::<u16>(), any::<u32>(), any::<u64>(), any::<u32>()), 0..200),
        ) {
            let mut watch = Watch::default();
            for (ssrc, sequence, timestamp, micros, clock) in &packets {
                watch.take(Tick::from_micros(*micros), &header(*ssrc, *sequence, *timestamp), 160, Some(*clock));
            }
            prop_assert_eq!(watch.packets(), packets.len() as u64);
            prop_assert!(watch.jitter() < Duration::from_secs(1 << 20));
        }
    }
}
