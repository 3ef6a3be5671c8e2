//! Media as a network treats it: random packets of several sources around the wrap; lost, late and twice.
//!
//! Owns the dice, the packets and the disorder, all from one seed.

use rand_core::RngCore as _;

use ringfence::media::srtp::{MasterKey, Suite};

/// Octets of the largest plain packet, and what a trailer needs behind it.
pub const ROOM: usize = 1_400 + 64;

/// Dice from one seed.
pub struct Dice(rand_chacha::ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64) -> Self {
        use rand_core::SeedableRng as _;
        Self(rand_chacha::ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn below(&mut self, end: u32) -> u32 {
        self.0.next_u32() % end
    }

    pub fn fill(&mut self, octets: &mut [u8]) {
        self.0.fill_bytes(octets);
    }

    pub fn key(&mut self, suite: Suite) -> MasterKey {
        let mut octets = vec![0; suite.master_octets()];
        self.fill(&mut octets);
        MasterKey::new(suite, &octets).expect("it has the suite's length")
    }
}

/// A few sources, each with its next index.
pub struct Sources {
    streams: Vec<(u32, u64)>,
}

impl Sources {
    /// So many, each beginning within a few thousand packets of its first wrap.
    pub fn new(dice: &mut Dice, count: u32) -> Self {
        let streams = (0..count)
            .map(|n| (0x1000_0000 * (n + 1) + dice.below(1 << 20), u64::from(0x7000 + dice.below(0x9000))));
        Self { streams: streams.collect() }
    }

    /// Who they are.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> {
        self.streams.iter().map(|(ssrc, _)| *ssrc)
    }

    /// The next packet: any header, any payload; now and then the sender leaves a gap.
    pub fn rtp(&mut self, dice: &mut Dice) -> Vec<u8> {
        let at = dice.below(self.streams.len() as u32) as usize;
        let (ssrc, index) = &mut self.streams[at];
        *index += match dice.below(1_000) {
            0 => 1 + u64::from(dice.below(0x6000)),
            1..=50 => 1 + u64::from(dice.below(60)),
            _ => 1,
        };
        let mut packet = vec![0x80, dice.below(256) as u8];
        if (192..224).contains(&packet[1]) {
            packet[1] = 8;
        }
        packet.extend_from_slice(&(*index as u16).to_be_bytes());
        packet.extend_from_slice(&dice.below(u32::MAX).to_be_bytes());
        packet.extend_from_slice(&ssrc.to_be_bytes());
        let sources = dice.below(40);
        if sources < 15 {
            packet[0] |= sources as u8;
            packet.resize(12 + 4 * sources as usize, 0x11);
        }
        if dice.below(4) == 0 {
            packet[0] |= 0x10;
            let words = dice.below(8);
            packet.extend_from_slice(&[0xbe, 0xde, 0, words as u8]);
            packet.resize(packet.len() + 4 * words as usize, 0x22);
        }
        let header = packet.len();
        let payload = if dice.below(2) == 0 { 160 } else { dice.below(1_100) };
        packet.resize(header + payload as usize, 0);
        dice.fill(&mut packet[header..]);
        packet
    }

    /// A report of one of them.
    pub fn rtcp(&mut self, dice: &mut Dice) -> Vec<u8> {
        let at = dice.below(self.streams.len() as u32) as usize;
        let words = 1 + dice.below(60) as u16;
        let mut packet = vec![0x80, 200 + dice.below(8) as u8];
        packet.extend_from_slice(&words.to_be_bytes());
        packet.extend_from_slice(&self.streams[at].0.to_be_bytes());
        let header = packet.len();
        packet.resize(4 + 4 * usize::from(words), 0);
        dice.fill(&mut packet[header..]);
        packet
    }
}

/// A packet under way: as it was, and protected.
#[derive(Clone)]
pub struct Sent {
    pub plain: Vec<u8>,
    pub protected: Vec<u8>,
    /// Whether it was delivered before.
    pub again: bool,
}

/// Holds some back, loses some, doubles some.
#[derive(Default)]
pub struct Wire {
    held: Vec<(u32, Sent)>,
    pub lost: u32,
    pub late: u32,
    pub doubled: u32,
}

impl Wire {
    /// Takes one in; what comes out now.
    pub fn carry(&mut self, sent: Sent, dice: &mut Dice) -> Vec<Sent> {
        let mut out = Vec::new();
        match dice.below(100) {
            0..=4 => self.lost += 1,
            5..=9 => {
                self.late += 1;
                self.held.push((1 + dice.below(12), sent));
            }
            10..=12 => {
                self.doubled += 1;
                self.held.push((dice.below(12), Sent { again: true, ..sent.clone() }));
                out.push(sent);
            }
            _ => out.push(sent),
        }
        for (wait, _) in &mut self.held {
            *wait = wait.saturating_sub(1);
        }
        for at in (0..self.held.len()).rev() {
            if self.held[at].0 == 0 {
                out.push(self.held.swap_remove(at).1);
            }
        }
        out
    }
}
