//! The commands that give a running edge an order: suspend, resume, calls, cut, bans, ban, unban.
//!
//! Owns their arguments, and the request that each asks for. Refuses to ask it. Read first: `engine/orders.rs`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use crate::admin::Request;
use crate::config::{self, Source};
use crate::engine::Whom;
use crate::policy::suspended::Strength;

/// The shortest and the longest time of an order.
const TIMES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(366 * 86_400));

/// The arguments that name something.
const WHOM: [&str; 5] = ["site", "peer", "credential", "destination", "number"];

/// Which edge is asked.
#[derive(Debug, Args)]
pub struct Edge {
    /// Its control socket; else the policy file says it (`control`)
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// What is suspended or resumed.
#[derive(Debug, Args)]
#[group(id = "whom", multiple = false)]
pub struct Named {
    /// A site of the policy: calls of all its machines, and to them
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// A peer of the policy: its calls, and those to it (other trunks of a route are used instead)
    #[arg(long, value_name = "PEER")]
    peer: Option<String>,
    /// A user of a credential of the policy
    #[arg(long, value_name = "USER")]
    credential: Option<String>,
    /// Where calls to the outside go: a prefix (+371), a country (LV), or short
    #[arg(long, value_name = "PREFIX-OR-COUNTRY")]
    destination: Option<String>,
    /// A number or extension: its calls, those to it, and those that it sends on
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
}

impl Named {
    fn whom(self) -> Option<Whom> {
        let site = self.site.map(Whom::Site).or(self.peer.map(Whom::Peer));
        let user = site.or(self.credential.map(Whom::Credential));
        user.or(self.destination.map(Whom::Destination)).or(self.number.map(Whom::Number))
    }
}

/// How much is stopped.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum StrengthName {
    /// No new calls; those that are up go on
    New,
    /// And calls that are up to numbers of high risk, premium rate, satellites end
    HighRisk,
    /// And all calls that are up end
    All,
}

/// An order.
#[allow(
    missing_docs,
    reason = "what is flattened is described where it stands, and a comment here would be printed"
)]
#[derive(Debug, Subcommand)]
pub enum Orders {
    /// Take no calls of, or to, a site, peer, user, destination or number, at once and without a reload (39801)
    ///
    /// What is suspended is refused (32200); emergency calls go through whatever is suspended. It stands over reloads, until
    /// `ringfence resume` takes it back or its time is over. The alert says how many live calls were ended (39803).
    /// `ringfence status` lists what is suspended. Where the policy has no such name, the answer says which it has, and the
    /// exit code is 1.
    #[command(group = ArgGroup::new("what").required(true).args(WHOM))]
    Suspend {
        #[command(flatten)]
        named: Named,
        /// How much
        #[arg(long, value_name = "STRENGTH", default_value = "new")]
        strength: StrengthName,
        /// For how long, as in 30m, 2h, 1d; else until it is resumed
        #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
        lasts: Option<u64>,
        /// Why: it stands in the alerts and in `ringfence status`
        #[arg(long, value_name = "TEXT", default_value = "")]
        why: String,
        #[command(flatten)]
        edge: Edge,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Take back what `ringfence suspend` ordered: one, or all (39802)
    #[command(group = ArgGroup::new("what").required(true).args(WHOM).arg("all"))]
    Resume {
        #[command(flatten)]
        named: Named,
        /// Everything that is suspended
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        edge: Edge,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// List the calls that live: who calls whom, over which peers, for how long
    ///
    /// Numbers stand whole, for only the edge's own user may ask. At most 1000 calls are listed, those that began first.
    Calls {
        #[command(flatten)]
        edge: Edge,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// End calls that live, on both legs (39803)
    ///
    /// `ringfence calls` shows the ids. A call for help is never ended with others: name it alone, by its whole id.
    Cut {
        /// Ids of calls: their first 6 digits or more
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// All calls but those for help
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        edge: Edge,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// List what is used of each cap, the nearest to its end first
    ///
    /// Of a site, a peer, a credential, a caller, a number, a block of numbers or a country: calls, minutes and money, with
    /// what live calls hold. At most 1000 are listed.
    Limits {
        #[command(flatten)]
        edge: Edge,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// List who is banned, for what and for how long
    Bans {
        #[command(flatten)]
        edge: Edge,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Ban a source or network: nothing that it sends is looked at (39201)
    ///
    /// Whoever the policy lists is never banned: `ringfence suspend --peer` stops its calls.
    Ban {
        /// An address or a network, as in 192.0.2.7 or 192.0.2.0/24 (an IPv6 address stands for its /64)
        #[arg(value_name = "SOURCE")]
        source: String,
        /// For how long, as in 30m, 2h, 1d
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = seconds)]
        lasts: u64,
        #[command(flatten)]
        edge: Edge,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Lift the bans of a source, or of everybody in a network
    Unban {
        /// An address or a network
        #[arg(value_name = "SOURCE")]
        source: String,
        #[command(flatten)]
        edge: Edge,
        /// For machines
        #[arg(long)]
        json: bool,
    },
}

impl Orders {
    /// What is asked of which edge, and whether a machine reads the answer.
    #[must_use]
    pub fn request(self) -> (Request, Edge, bool) {
        match self {
            Self::Suspend { named, strength, lasts: for_s, why, edge, json } => {
                let strength = match strength {
                    StrengthName::New => Strength::New,
                    StrengthName::HighRisk => Strength::HighRisk,
                    StrengthName::All => Strength::All,
                };
                // Nothing named is refused by the edge as it is by machines: an empty name is nobody's.
                let whom = named.whom().unwrap_or_else(|| Whom::Number(String::new()));
                (Request::Suspend { whom, strength, for_s, why }, edge, json)
            }
            Self::Resume { named, all, edge, json } => {
                (Request::Resume { whom: named.whom(), all }, edge, json)
            }
            Self::Calls { edge, json } => (Request::Calls, edge, json),
            Self::Cut { ids, all, edge, json } => (Request::Cut { ids, all }, edge, json),
            Self::Limits { edge, json } => (Request::Limits, edge, json),
            Self::Bans { edge, json } => (Request::Bans, edge, json),
            Self::Ban { source, lasts: for_s, edge, json } => (Request::Ban { source, for_s }, edge, json),
            Self::Unban { source, edge, json } => (Request::Unban { source }, edge, json),
        }
    }
}

/// A time in whole seconds, as policy files write it.
fn seconds(text: &str) -> Result<u64, String> {
    config::time_of(text, TIMES.0, TIMES.1).map(|time| time.as_secs())
}

/// The control socket that a policy file names.
///
/// # Errors
/// It cannot be read, or names none.
pub fn socket_of(file: &Path) -> Result<PathBuf, String> {
    let instead = "name the edge's control socket with --socket";
    let source = Source::read(file).map_err(|errors| format!("{errors}; {instead}"))?;
    config::control_of(&source)
        .ok_or_else(|| format!("no `control` can be read in {}; {instead}", file.display()))
}
