//! Bans by order: of a source or a whole network, for a while, whatever it did.
//!
//! Owns the few there may be. Refuses to know who gave the order, and to ban who is listed: who asks has looked.
//! Read first: `bans.rs`; DESIGN.md §1, law 9.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::{Sources, ToldBan};
use crate::clock::Tick;

/// Bans by order at once: each is asked of every frame of a stranger.
pub const ORDERED_MAX: usize = 256;

/// One.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderedBan {
    /// Whose.
    pub network: IpNet,
    /// Until when.
    pub until: Tick,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct OrderedBans(Vec<OrderedBan>);

impl OrderedBans {
    /// Whether a source is banned by order.
    pub(super) fn hold(&self, now: Tick, source: IpAddr) -> bool {
        !self.0.is_empty() && {
            let source = source.to_canonical();
            self.0.iter().any(|ban| now < ban.until && ban.network.contains(&source))
        }
    }

    /// Takes those away that a policy lists now.
    pub(super) fn forgive(&mut self, listed: impl Fn(IpNet) -> bool) {
        self.0.retain(|ban| !listed(ban.network));
    }
}

impl Sources {
    /// Bans a network by order, or lengthens or shortens that; false where there is no room.
    #[must_use]
    pub fn order_ban(&mut self, now: Tick, network: IpNet, lasts: Duration) -> bool {
        let bans = &mut self.bans.ordered.0;
        bans.retain(|ban| now < ban.until && ban.network != network);
        if bans.len() >= ORDERED_MAX {
            return false;
        }
        bans.push(OrderedBan { network, until: now.after(lasts) });
        true
    }

    /// Those in force.
    pub fn ordered_bans(&self, now: Tick) -> impl Iterator<Item = &OrderedBan> {
        self.bans.ordered.0.iter().filter(move |ban| now < ban.until)
    }

    /// Lifts the bans of a network, and of every source in it; how many were in force.
    pub fn unban(&mut self, now: Tick, network: IpNet) -> usize {
        self.bans.ordered.0.retain(|ban| now < ban.until);
        let before = self.bans.ordered.0.len();
        self.bans.ordered.0.retain(|ban| !network.contains(&ban.network));
        let by_order = before - self.bans.ordered.0.len();
        by_order + self.bans.lift_within(now, network)
    }

    /// How many bans sources have earned, and the `most` of them that end last.
    #[must_use]
    pub fn bans_up_to(&self, now: Tick, most: usize) -> (usize, Vec<ToldBan>) {
        self.bans.told(now, most)
    }
}
