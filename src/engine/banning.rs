//! Sources and networks banned by order, and all bans told.
//!
//! Owns the answers. Refuses to ban who is listed: that one is suspended. Read first: `policy/sources/ordered.rs`; attack row A1.

use std::time::Duration;

use ipnet::IpNet;

use super::orders::Ordered;
use super::{BanState, Engine};
use crate::clock::{Now, Tick, time_text};
use crate::policy::sources::{ORDERED_MAX, OrderedBan};
use crate::policy::{Alert, Medium, code};

/// Bans that one answer lists.
const BANS_LISTED_MAX: usize = 1_000;

impl Engine {
    /// Lists the bans: those by order, then those that sources have earned.
    pub(super) fn list_bans(&self, now: Tick) -> Ordered {
        let ordered = self.sources.ordered_bans(now).map(|ban| ordered_state(now, ban));
        let mut bans: Vec<BanState> = ordered.collect();
        let (earned, told) = self.sources.bans_up_to(now, BANS_LISTED_MAX);
        let all = bans.len() + earned;
        bans.extend(told.into_iter().map(|ban| self.ban_state(now, ban)));
        Ordered::Bans { all, bans }
    }

    /// Bans a source or a network for a while.
    pub(super) fn ban(&mut self, now: Now, network: IpNet, lasts: Duration) -> Ordered {
        let network = whole(network);
        let refused = |why: String, known: Vec<String>| Ordered::Refused { why, known };
        let within = |peer: &&std::sync::Arc<crate::policy::Peer>| {
            let sources = peer.sources.iter().any(|own| own.contains(&network) || network.contains(own));
            sources
                || self.located.told().any(|told| {
                    told.peer == peer.id && told.addresses.iter().any(|one| network.contains(&one.ip()))
                })
        };
        let listed: Vec<String> =
            self.policy.peers.iter().flatten().filter(within).map(|peer| peer.name.to_string()).collect();
        if !listed.is_empty() || self.policy.index.lists_within(network) {
            let first = listed.first().map_or("NAME", |name| &**name);
            let why = format!(
                "{network} is listed by a peer of the policy, and a listed peer is never banned: `ringfence suspend --peer {first}` \
                 stops its calls"
            );
            return refused(why, listed);
        }
        if !self.sources.order_ban(now.tick, network, lasts) {
            let why = format!(
                "{ORDERED_MAX} bans by order are in force, as many as there may be: lift one first, or ban a wider network"
            );
            return refused(why, Vec::new());
        }
        let text = format!(
            "{network} was banned by order for {}: nothing that it sends is looked at. `ringfence unban {network}` lifts that.",
            time_text(lasts)
        );
        let mut alert = Alert::new(code::SOURCE_BANNED, now.wall, text);
        alert.about = Some(network.to_string().into());
        alert.evidence.push(("network", network.to_string()));
        self.alert(Box::new(alert));
        Ordered::Banned { source: text_of(network), lasts_s: lasts.as_secs() }
    }

    /// Lifts the bans of a source, or of all in a network.
    pub(super) fn unban(&mut self, now: Now, network: IpNet) -> Ordered {
        let network = whole(network);
        let lifted = self.sources.unban(now.tick, network);
        if lifted > 0 {
            return Ordered::Unbanned { source: text_of(network), lifted };
        }
        let wider = self.sources.ordered_bans(now.tick).filter(|ban| ban.network.contains(&network));
        let wider: Vec<String> = wider.map(|ban| text_of(ban.network)).collect();
        let why = if wider.is_empty() {
            format!("{} is not banned (`ringfence bans` lists who is)", text_of(network))
        } else {
            format!("{} is banned with a network that holds it: unban that", text_of(network))
        };
        Ordered::Refused { why, known: wider }
    }
}

fn ordered_state(now: Tick, ban: &OrderedBan) -> BanState {
    BanState {
        source: text_of(ban.network),
        holds_for: Medium::Streams.held(),
        listener: None,
        left_s: ban.until.since(now).as_secs(),
        nth: 0,
    }
}

/// An IPv6 address stands for its /64, as everywhere.
fn whole(network: IpNet) -> IpNet {
    match network {
        IpNet::V6(one) if one.prefix_len() == 128 => {
            ipnet::Ipv6Net::new(one.addr(), 64).map_or(network, |wide| IpNet::V6(wide.trunc()))
        }
        IpNet::V4(_) | IpNet::V6(_) => network.trunc(),
    }
}

/// A single address without its length.
fn text_of(network: IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}
