//! What the owner may order of a running edge, and what he is told of it.
//!
//! Owns the words. Refuses to carry them out: `suspending`, `cutting`, `banning`. Read first: `policy/suspended.rs`.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::query::BanState;
use crate::policy::suspended::{Kind, Strength};

/// What an order to suspend or resume names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// A site of the policy.
    Site(String),
    /// A peer of the policy.
    Peer(String),
    /// A user of a credential of the policy.
    Credential(String),
    /// A prefix with `+`, a country by its two letters, or `short`.
    Destination(String),
    /// A number or extension.
    Number(String),
}

impl Whom {
    /// The kind and the name as it was given.
    #[must_use]
    pub fn parts(&self) -> (Kind, &str) {
        match self {
            Self::Site(name) => (Kind::Site, name),
            Self::Peer(name) => (Kind::Peer, name),
            Self::Credential(name) => (Kind::Credential, name),
            Self::Destination(name) => (Kind::Destination, name),
            Self::Number(name) => (Kind::Number, name),
        }
    }
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// No calls of, or to, what it names.
    Suspend {
        /// What.
        whom: Whom,
        /// How much.
        strength: Strength,
        /// For how long; `None` until it is taken back.
        lasts: Option<Duration>,
        /// Why, in the owner's words.
        why: String,
    },
    /// Takes such orders back: one, or all.
    Resume {
        /// Which; `None` for all.
        whom: Option<Whom>,
    },
    /// Lists the calls that live.
    Calls,
    /// Ends calls: none for help unless it is named alone, by its whole id.
    Cut {
        /// The beginnings of their ids.
        ids: Vec<String>,
        /// All.
        all: bool,
    },
    /// Lists what is used of the caps.
    Limits,
    /// Lists the bans.
    Bans,
    /// Bans a source or network.
    Ban {
        /// Which.
        network: IpNet,
        /// For how long.
        lasts: Duration,
    },
    /// Lifts the bans of a source, or of all in a network.
    Unban {
        /// Which.
        network: IpNet,
    },
}

/// What is used of one cap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitState {
    /// Which: `caps.outbound.spend_per_day.site`.
    pub cap: String,
    /// Whose.
    pub whose: String,
    /// Used, and held by live calls; of what, in words.
    pub used: String,
    /// The most; `None` where the policy has this cap no more.
    pub block: Option<String>,
    /// Of what.
    pub unit: String,
    /// Used of the most, in hundredths.
    pub percent: u64,
}

/// A call that lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallState {
    /// The id that its record will have: 32 hexadecimal digits.
    pub id: String,
    /// Where it runs.
    pub direction: &'static str,
    /// The caller.
    pub from: String,
    /// Whom it calls now.
    pub to: String,
    /// The peer that calls.
    pub caller: String,
    /// The peer that is called.
    pub callee: String,
    /// `calling`, `ringing` or `up`.
    pub state: &'static str,
    /// Whether it calls for help.
    pub emergency: bool,
    /// The user whose password it proved.
    pub credential: Option<String>,
    /// When its INVITE came (RFC 3339).
    pub began: String,
    /// When it was answered.
    pub answered: Option<String>,
    /// Seconds since it was answered; 0 before.
    pub duration_s: u64,
    /// Seconds since its INVITE came.
    pub lived_s: u64,
}

/// A suspension in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuspensionState {
    /// `site`, `peer`, `credential`, `destination` or `number`.
    pub kind: &'static str,
    /// Which.
    pub name: String,
    /// `new`, `high-risk` or `all`.
    pub strength: &'static str,
    /// When it was ordered (RFC 3339).
    pub since: String,
    /// When it ends by itself; none until it is taken back.
    pub until: Option<String>,
    /// Why, in the words of who ordered it.
    pub why: String,
    /// The command that takes it back.
    pub resume: String,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordered {
    /// Nothing: why, with the cure, and what may be named instead.
    Refused {
        /// Why.
        why: String,
        /// Names that would do, the first of them where they are many.
        known: Vec<String>,
    },
    /// It is suspended.
    Suspended {
        /// How it stands now.
        suspension: SuspensionState,
        /// Whether another order stood there.
        replaced: bool,
        /// Calls that were ended.
        calls_cut: usize,
    },
    /// Orders were taken back.
    Resumed {
        /// Which, in words: `peer trunk`.
        lifted: Vec<String>,
    },
    /// The calls that live.
    Calls {
        /// How many there are.
        all: usize,
        /// Those that began first.
        calls: Vec<CallState>,
    },
    /// Calls were ended.
    Cut {
        /// How many.
        cut: usize,
        /// Ids of which no call is.
        unknown: Vec<String>,
        /// Ids that several calls begin with: nothing was ended for them.
        several: Vec<String>,
        /// How many calls for help were left alone.
        emergencies: usize,
        /// Their ids, the first of them where they are many.
        left_alone: Vec<String>,
    },
    /// What is used of the caps.
    Limits {
        /// How many accounts there are.
        all: usize,
        /// Those that are nearest to their cap.
        limits: Vec<LimitState>,
    },
    /// The bans.
    Bans {
        /// How many are in force.
        all: usize,
        /// Those by order, then those that end last.
        bans: Vec<BanState>,
    },
    /// A ban stands.
    Banned {
        /// Whose.
        source: String,
        /// Seconds it lasts.
        lasts_s: u64,
    },
    /// Bans were lifted.
    Unbanned {
        /// Whose.
        source: String,
        /// How many.
        lifted: usize,
    },
}
