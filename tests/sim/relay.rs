//! The media relay of the simulation: it does what it is ordered, and holds each description of the edge against what is open.
//!
//! Owns the invariants of anchored media. Refuses to know what a call is. Read first: DESIGN.md §5.

use std::collections::{BTreeMap, BTreeSet};

use ringfence::media::order::{Local, MediaLeg, News, Order, Spot};

use super::agent::MEDIA;
use super::policy::{EDGE_INSIDE, EDGE_OUTSIDE};
use super::text::Sip;

/// Ports of one call at most: a stream on each leg, RTP and RTCP.
const PORTS_OF_A_CALL: usize = 4;

/// What is open.
#[derive(Debug, Default)]
pub struct Relay {
    open: BTreeMap<(u64, bool, u8), Local>,
    /// Descriptions that were seen: a copy of one may come when its call is over.
    told: BTreeSet<(bool, String)>,
    fault: Option<String>,
}

const fn key(spot: &Spot) -> (u64, bool, u8) {
    (spot.media.0, matches!(spot.leg, MediaLeg::B), spot.stream)
}

impl Relay {
    /// Does what is ordered, and tells at the end of a call that nothing was counted.
    pub fn order(&mut self, order: &Order) -> Option<News> {
        match order {
            Order::Open { spot, local } => {
                let taken = self.open.iter().find(|(at, other)| {
                    **at != key(spot) && (other.bind, other.rtp) == (local.bind, local.rtp)
                });
                if let Some((of, _)) = taken {
                    self.fault = Some(format!("{local:?} is open for {of:?} and for {spot:?}"));
                }
                self.open.insert(key(spot), *local);
            }
            Order::Set { spot, .. } if self.open.contains_key(&key(spot)) => {}
            Order::Set { spot, .. } => self.fault = Some(format!("terms for {spot:?}, which is not open")),
            Order::Shut { spot } => drop(self.open.remove(&key(spot))),
            Order::Close { media } => {
                self.open.retain(|(of, ..), _| *of != media.0);
                return Some(News::Report { media: *media, streams: Vec::new() });
            }
        }
        None
    }

    /// What is wrong, if anything: `calls` live, and hold `out` ports.
    pub fn fault(&self, calls: usize, out: usize) -> Option<String> {
        let open = self.open.len();
        let fits = out <= calls * PORTS_OF_A_CALL && open * 2 <= out;
        let count = (!fits).then(|| format!("{calls} calls hold {out} ports, and {open} spots are open"));
        self.fault.clone().or(count)
    }

    /// What is wrong with what a peer is told, if anything.
    pub fn told(&mut self, inside: bool, bytes: &[u8]) -> Option<String> {
        let message = Sip::read(bytes).ok()?;
        let text = String::from_utf8_lossy(bytes);
        let (own, other) = if inside { (EDGE_INSIDE, EDGE_OUTSIDE) } else { (EDGE_OUTSIDE, EDGE_INSIDE) };
        let [own, other] = [own, other].map(|face| face.split(':').next().unwrap_or_default());
        if text.contains(MEDIA) || text.contains(&format!("IP4 {other}")) {
            return Some(format!("an address of the other side is told:\n{text}"));
        }
        let body = String::from_utf8_lossy(&message.body).into_owned();
        if !body.starts_with("v=0") || !self.told.insert((inside, body.clone())) {
            return None;
        }
        let ports =
            body.lines().filter_map(|line| line.strip_prefix("m=audio ")?.split(' ').next()?.parse().ok());
        let closed = |port: &u16| {
            *port != 0 && !self.open.values().any(|local| local.rtp == *port && local.bind.to_string() == own)
        };
        ports.into_iter().find(closed).map(|port| format!("port {port} is told and not open:\n{text}"))
    }
}
