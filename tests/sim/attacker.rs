//! An attacker who hears every word and sends from where it does not belong.
//!
//! Owns the forging. Refuses to know whether it succeeds: the ledger and the flows see that.

use super::dice::Dice;
use super::policy::{ATTACKER, EDGE_INSIDE, EDGE_OUTSIDE, PEERS, address};
use super::text::Sip;
use super::wire::{MS, Micros, Packet};

/// The attacker.
#[derive(Debug)]
pub struct Attacker {
    dice: Dice,
    /// What the edge said to anyone; bounded.
    heard: Vec<Vec<u8>>,
    /// The trunks are targets of one peer: what one of them is asked the other may answer.
    one_trunk: bool,
}

impl Attacker {
    /// From a seed.
    pub fn new(seed: u64, one_trunk: bool) -> Self {
        Self { dice: Dice::new(seed, 13), heard: Vec::new(), one_trunk }
    }

    /// Hears what the edge sends.
    pub fn overhear(&mut self, bytes: &[u8]) {
        if self.heard.len() < 64 {
            self.heard.push(bytes.to_vec());
        }
    }

    /// Hears what an endpoint sends, and may answer with forged packets: delays and packets for the edge.
    pub fn react(&mut self, packet: &Packet) -> Vec<(Micros, Packet)> {
        let mut forged = Vec::new();
        if self.dice.percent(15) {
            // The very bytes again, from a stranger's address.
            let mut copy = packet.clone();
            copy.from = address(ATTACKER);
            copy.connection = if packet.connection == 0 { 0 } else { 1 << 40 };
            forged.push((self.delay(), copy));
        }
        if self.dice.percent(15) {
            forged.extend(self.turned(packet));
        }
        if self.dice.percent(10) {
            forged.extend(self.guessed(packet));
        }
        if self.dice.percent(15) {
            forged.extend(self.usurped(packet));
        }
        if self.dice.percent(10) {
            forged.push((self.delay(), self.noise(packet)));
        }
        if self.one_trunk && is_trunk(packet.from) {
            forged.retain(|(_, forged)| forged.from == packet.from || !is_trunk(forged.from));
        }
        forged
    }

    fn delay(&mut self) -> Micros {
        self.dice.between(0, 300) * MS
    }

    /// A message of one peer's dialog from another peer of the site.
    fn turned(&mut self, packet: &Packet) -> Option<(Micros, Packet)> {
        let message = Sip::read(&packet.bytes).ok()?;
        let in_dialog =
            message.to_tag().is_some() || message.method() == "CANCEL" || message.status().is_some();
        let (_, other, inside) = *self.dice.pick(&PEERS)?;
        if !in_dialog || packet.connection != 0 || address(other).ip() == packet.from.ip() {
            return None;
        }
        let mut copy = packet.clone();
        copy.from = address(other);
        copy.to = address(if inside { EDGE_INSIDE } else { EDGE_OUTSIDE });
        Some((self.delay(), copy))
    }

    /// A request of its own in a dialog that was overheard, every name right, from another peer of the site.
    fn usurped(&mut self, packet: &Packet) -> Option<(Micros, Packet)> {
        let mut message = Sip::read(&packet.bytes).ok()?;
        let (_, other, inside) = *self.dice.pick(&PEERS)?;
        let in_dialog = message.to_tag().is_some() && message.status().is_none();
        if !in_dialog || packet.connection != 0 || address(other).ip() == packet.from.ip() {
            return None;
        }
        let method = *self.dice.pick(&["BYE", "INVITE", "INFO", "OPTIONS"])?;
        let (bits, number) = (self.dice.roll(), message.cseq().0 + 100);
        let uri = message.uri().to_owned();
        message.start = Sip::request(method, &uri).start;
        message.set("CSeq", &format!("{number} {method}"));
        message.set("Via", &format!("SIP/2.0/UDP {other};branch=z9hG4bKusurp{bits:016x};rport"));
        message.set("Contact", &format!("<sip:usurper@{other}>"));
        let mut copy = packet.clone();
        copy.from = address(other);
        copy.to = address(if inside { EDGE_INSIDE } else { EDGE_OUTSIDE });
        copy.bytes = message.write();
        Some((self.delay(), copy))
    }

    /// A BYE or a final response whose tag or branch is guessed, from the peer's own address.
    fn guessed(&mut self, packet: &Packet) -> Option<(Micros, Packet)> {
        let mut message = Sip::read(&packet.bytes).ok()?;
        if packet.connection != 0 {
            return None;
        }
        let bits = self.dice.roll();
        if message.status().is_some() {
            let via = format!("SIP/2.0/UDP {};branch=z9hG4bK{bits:016x}", packet.to);
            message.set("Via", &via);
        } else if message.to_tag().is_some() && message.method() != "ACK" {
            let to = message.header("To")?.split(";tag=").next()?.to_owned();
            message.set("To", &format!("{to};tag={bits:016x}"));
            message.set("Via", &format!("SIP/2.0/UDP {};branch=z9hG4bKguess{bits:016x}", packet.from));
        } else {
            return None;
        }
        let mut copy = packet.clone();
        copy.bytes = message.write();
        Some((self.delay(), copy))
    }

    /// Something the edge once said, or bytes without sense, from a stranger.
    fn noise(&mut self, packet: &Packet) -> Packet {
        let mut copy = packet.clone();
        copy.from = address(ATTACKER);
        copy.connection = if packet.connection == 0 { 0 } else { 1 << 40 };
        if let Some(heard) = self.dice.pick(&self.heard) {
            copy.bytes.clone_from(heard);
        }
        for _ in 0..self.dice.below(8) {
            let place = usize::try_from(self.dice.below(copy.bytes.len() as u64)).unwrap_or(0);
            let value = self.dice.roll().to_le_bytes()[0];
            if let Some(byte) = copy.bytes.get_mut(place) {
                *byte = value;
            }
        }
        copy
    }
}

fn is_trunk(at: std::net::SocketAddr) -> bool {
    PEERS.iter().any(|(_, own, inside)| !inside && address(own) == at)
}
