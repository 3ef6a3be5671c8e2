//! A call that is up, as a row that outlives the process; and one that a crash left open, ended at the next start.
//!
//! Owns what such a row holds: all that the record needs, and a BYE on each leg. Refuses to know where rows are written.
//! Read first: RFC 3261 §12.2.1.1, §15; `hangup.rs`, which says the BYEs.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::core::{Core, Ending, reason_text};
use super::leg::{Leg, Status, bounded};
use super::passed::Messages;
use super::record::{CallRecord, Disposition, EndedBy, LegRecord};
use super::{Call, Context, Effect, LocalTag, Phase, Side, caller, hangup, story};
use crate::clock::{Now, Wall};
use crate::policy::owned::Presented;
use crate::policy::{Direction, Peer, PeerId, Policy, Trail, code};
use crate::sip::{ConnectionId, Hop, Transport};

/// Why such a call has ended, in its record.
const WHY: &str = "left open by a crash, ended at the next start";

/// The row's value. Octets of peers stand as characters of the same number; times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCall {
    direction: String,
    from: String,
    to: String,
    credential: Option<String>,
    forwarder: Option<String>,
    /// The record of the call that a transfer made it of, in hexadecimal digits.
    follows: Option<String>,
    began: i64,
    rang: Option<i64>,
    answered: Option<i64>,
    /// The caller's leg, then every target tried.
    tried: Vec<KeptTry>,
    /// The dialogs: the caller's, the callee's.
    legs: [KeptLeg; 2],
    /// Whether its record is written, and only its BYEs are left.
    pub recorded: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptTry {
    peer: String,
    call_id: String,
    remote: SocketAddr,
    transport: String,
    status: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptLeg {
    peer: String,
    listener: String,
    transport: String,
    remote: SocketAddr,
    /// The host name of the peer that must be there, where it was met by one.
    host: Option<String>,
    call_id: String,
    local_tag: u64,
    remote_tag: String,
    ours: String,
    theirs: String,
    target: String,
    routes: Vec<String>,
    cseq: u32,
}

fn written(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

/// What cannot have been written by us becomes a question mark; lines and lengths are held as for a peer's own words.
fn octets(text: &str) -> Box<[u8]> {
    let octets: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    bounded(&octets).unwrap_or_default()
}

fn transport(name: &str) -> Option<Transport> {
    [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().find(|transport| transport.name() == name)
}

const DIRECTIONS: [(&str, Direction); 4] = [
    ("outbound", Direction::Outbound),
    ("inbound", Direction::Inbound),
    ("internal", Direction::Internal),
    ("transit", Direction::Transit),
];

impl KeptLeg {
    fn of(leg: &Leg, policy: &Policy) -> Option<Self> {
        let host = policy.party(leg.hop.party).and_then(|(_, domain)| domain);
        Some(Self {
            peer: leg.peer.name.to_string(),
            listener: policy.listener(leg.hop.listener)?.name.to_string(),
            transport: leg.hop.transport.name().to_owned(),
            remote: leg.hop.remote,
            host: host.map(|domain| domain.host.to_string()),
            call_id: written(&leg.call_id),
            local_tag: leg.local_tag.0,
            remote_tag: written(&leg.remote_tag),
            ours: written(&leg.local),
            theirs: written(&leg.remote),
            target: written(leg.way.target()),
            routes: leg.way.routes().iter().map(|route| written(route)).collect(),
            cseq: leg.local_cseq,
        })
    }

    /// Its peer and the way there, by the policy in force; `None` where either has gone.
    fn way(&self, policy: &Policy) -> Option<(Arc<Peer>, Hop)> {
        let peer = policy.peers.iter().flatten().find(|peer| *peer.name == *self.peer)?;
        let listener = policy.listeners.iter().flatten().find(|known| *known.name == *self.listener)?;
        let named = |host: &String| peer.domains().find(|domain| *domain.host == **host);
        let party = self.host.as_ref().and_then(named).map_or(peer.party, |domain| domain.party);
        let transport = transport(&self.transport)?;
        let (remote, connection) = (self.remote, ConnectionId::NONE);
        Some((Arc::clone(peer), Hop { listener: listener.id, transport, remote, connection, party }))
    }

    /// The dialog as it stood.
    fn leg(&self, side: Side, policy: &Policy, context: &mut Context<'_>) -> Option<Leg> {
        let (peer, hop) = self.way(policy)?;
        let mut leg = Leg::callee(peer, hop, context.random);
        (leg.side, leg.status) = (side, Status::Up);
        (leg.call_id, leg.local_tag) = (octets(&self.call_id), LocalTag(self.local_tag));
        (leg.remote_tag, leg.local, leg.remote) =
            (octets(&self.remote_tag), octets(&self.ours), octets(&self.theirs));
        leg.way.take(octets(&self.target));
        leg.way.take_routes(self.routes.iter().map(|route| octets(route)).collect());
        leg.local_cseq = self.cseq;
        Some(leg)
    }
}

impl KeptCall {
    /// Whose leg it can still be ended on, by the policy in force: the caller's first.
    #[must_use]
    pub fn peer(&self, policy: &Policy) -> Option<PeerId> {
        self.legs.iter().find_map(|leg| Some(leg.way(policy)?.0.id))
    }

    /// Its record: it was charged until now, for the other side has counted on.
    #[must_use]
    pub fn record(&self, now: Now, id: u128) -> CallRecord {
        let wall = Wall::from_micros;
        let legs = self.tried.iter().map(|tried| LegRecord {
            peer: Arc::from(&*tried.peer),
            call_id: tried.call_id.clone(),
            remote: tried.remote,
            transport: transport(&tried.transport).unwrap_or(Transport::Udp),
            status: tried.status,
        });
        CallRecord {
            id,
            follows: self.follows.as_ref().and_then(|id| u128::from_str_radix(id, 16).ok()),
            direction: self.direction(),
            from: self.from.clone(),
            to: self.to.clone(),
            number: None,
            credential: self.credential.as_deref().map(Arc::from),
            forwarder: self.forwarder.as_deref().map(Box::from),
            legs: legs.collect(),
            began: wall(self.began),
            rang: self.rang.map(wall),
            answered: self.answered.map(wall),
            ended: now.wall,
            disposition: Disposition::Answered,
            ended_by: EndedBy::Edge,
            status: 200,
            why: WHY.to_owned(),
            code: Some(code::RECOVERED_CALLS.number),
            trail: Trail::new(),
            messages: Messages::default(),
            media: Vec::new(),
        }
    }

    fn direction(&self) -> Option<Direction> {
        DIRECTIONS.iter().find(|(name, _)| *name == self.direction).map(|(_, direction)| *direction)
    }
}

impl Call {
    /// Its record's number.
    #[must_use]
    pub const fn id(&self) -> u128 {
        self.core.story.id
    }

    /// What of it a row would hold that changes while it is up: another row is due when this does.
    #[must_use]
    pub fn mark(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for leg in [&self.core.a, &self.core.b] {
            (leg.local_tag, leg.local_cseq, leg.hop.remote, leg.way.target()).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// It as a row; `None` while it is not up on both legs.
    #[must_use]
    pub fn kept(&self) -> Option<KeptCall> {
        let core = &*self.core;
        if !self.is_up() || core.joining.is_some() {
            return None;
        }
        let story = &core.story;
        let tried = |leg: &LegRecord| KeptTry {
            peer: leg.peer.to_string(),
            call_id: leg.call_id.clone(),
            remote: leg.remote,
            transport: leg.transport.name().to_owned(),
            status: leg.status,
        };
        let first = KeptTry { status: Some(200), ..tried(&story.caller.leg) };
        let direction = DIRECTIONS.iter().find(|(_, direction)| *direction == story.direction)?;
        Some(KeptCall {
            direction: direction.0.to_owned(),
            from: story.from.to_string(),
            to: story.to.to_string(),
            credential: story.caller.credential.as_ref().map(ToString::to_string),
            forwarder: story.caller.forwarder.as_ref().map(ToString::to_string),
            follows: story.caller.follows.map(|id| format!("{id:032x}")),
            began: story.began.micros(),
            rang: story.rang.map(Wall::micros),
            answered: story.answered.map(Wall::micros),
            tried: std::iter::once(first).chain(story.tried.iter().map(tried)).collect(),
            legs: [KeptLeg::of(&core.a, &core.policy)?, KeptLeg::of(&core.b, &core.policy)?],
            recorded: false,
        })
    }

    /// A call that a crash left open: it is ended on every leg whose peer is still known, and recorded. `None` where there is
    /// none.
    pub fn recalled(
        kept: &KeptCall,
        id: u128,
        policy: &Arc<Policy>,
        context: &mut Context<'_>,
    ) -> Option<Self> {
        let [a, b] = &kept.legs;
        let (a, b) = (a.leg(Side::A, policy, context), b.leg(Side::B, policy, context));
        let known = a.as_ref().or(b.as_ref()).map(|leg| (Arc::clone(&leg.peer), leg.hop))?;
        let mut closed = |side| {
            let mut leg = Leg::callee(Arc::clone(&known.0), known.1, context.random);
            leg.side = side;
            leg.close();
            leg
        };
        let a = a.unwrap_or_else(|| closed(Side::A));
        let b = b.unwrap_or_else(|| closed(Side::B));
        let record = kept.record(context.now, id);
        let story = story_of(kept, &record, context);
        context.effects.push(Effect::Bind { tag: a.local_tag, side: Side::A });
        context.effects.push(Effect::Bind { tag: b.local_tag, side: Side::B });
        let mut core =
            Box::new(Core::new(Arc::clone(policy), (a, b), story, std::time::Duration::ZERO, context));
        core.b.other = (core.a.peer.id, true);
        core.recorded = true;
        if !kept.recorded {
            context.effects.push(Effect::Record(Box::new(record)));
        }
        let ending = Ending {
            code: Some(code::RECOVERED_CALLS.number),
            reason: reason_text("restart"),
            ..Ending::new(EndedBy::Edge, Disposition::Answered, 200, WHY)
        };
        let phase: Phase = hangup::begin(&mut core, hangup::Unanswered::default(), &ending, None, context);
        Some(Self { core, phase })
    }
}

/// What a call still tells of itself while its BYEs are out.
fn story_of(kept: &KeptCall, record: &CallRecord, context: &Context<'_>) -> story::Story {
    let [a, _] = &kept.legs;
    let leg = record.legs.first().cloned().unwrap_or_else(|| LegRecord {
        peer: Arc::from(&*a.peer),
        call_id: a.call_id.clone(),
        remote: a.remote,
        transport: transport(&a.transport).unwrap_or(Transport::Udp),
        status: None,
    });
    story::Story {
        id: record.id,
        direction: kept.direction().unwrap_or(Direction::Internal),
        from: kept.from.as_str().into(),
        to: kept.to.as_str().into(),
        named: false,
        hidden: true,
        emergency: false,
        asserted: false,
        began: record.began,
        began_at: context.now.tick,
        rang: record.rang,
        answered: record.answered,
        caller: Box::new(story::CallerStory {
            leg,
            credential: record.credential.clone(),
            forwarder: record.forwarder.clone(),
            shown: caller::Shown { presented: Presented::Caller, shows: false },
            dialled: None,
            number: None,
            replaced: false,
            follows: record.follows,
            secure: false,
        }),
        tried: Vec::new(),
        trail: Box::default(),
        messages: Messages::default(),
    }
}
