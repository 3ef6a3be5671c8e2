//! What is asked: the words of the command line.
//!
//! Owns arguments and what can be wrong with them by themselves. Refuses to know policies. Read first: `../explain.rs`.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Failed;
use crate::config::problem::printable;
use crate::sip::Transport;

/// What to do where nobody is named.
pub const NO_SENDER: &str = "name who sends it with --from-peer NAME, or by its address with --source";

/// A question.
#[derive(Debug, Clone, Default, Args)]
pub struct Order {
    /// The policy file (instead of --config)
    pub file: Option<PathBuf>,
    /// The peer that sends the request, by its name in the policy file
    #[arg(long, value_name = "PEER", required_unless_present = "source")]
    pub from_peer: Option<String>,
    /// The address it comes from; without --from-peer its peer is found as the running edge finds it
    #[arg(long, value_name = "ADDRESS")]
    pub source: Option<String>,
    /// Who calls: the user of the headers that name the caller
    #[arg(long, value_name = "NUMBER", conflicts_with = "message")]
    pub caller: Option<String>,
    /// The number dialled, as the PBX sends it (a whole sip:, sips:, tel: or urn: URI is taken as it is)
    #[arg(long, value_name = "NUMBER", required_unless_present_any = ["uri", "message"], conflicts_with_all = ["uri", "message"])]
    pub to: Option<String>,
    /// The Request-URI
    #[arg(long, value_name = "URI", conflicts_with = "message")]
    pub uri: Option<String>,
    /// When: RFC 3339, or a weekday and a time of day by the clock of the policy's `hours` (else UTC), the next that comes: "Sat 02:00"
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// What is sent
    #[arg(
        long,
        value_name = "METHOD",
        value_enum,
        ignore_case = true,
        default_value_t,
        conflicts_with = "message"
    )]
    pub method: Asks,
    /// Over what it comes; else TLS where the peer's listener takes it, or as a captured request's Via says
    #[arg(long, value_name = "TRANSPORT", value_enum, ignore_case = true)]
    pub over: Option<Over>,
    /// As which user of the peer's credentials; its password is taken as shown
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// A captured INVITE or MESSAGE as text (- is standard input), of at most limits.message_bytes octets
    #[arg(long, value_name = "FILE")]
    pub message: Option<PathBuf>,
    /// For machines
    #[arg(long)]
    pub json: bool,
}

/// What may be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Asks {
    /// A call.
    #[default]
    Invite,
    /// A message.
    Message,
}

/// A transport by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Over {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// An encrypted stream.
    Tls,
}

impl From<Over> for Transport {
    fn from(over: Over) -> Self {
        match over {
            Over::Udp => Self::Udp,
            Over::Tcp => Self::Tcp,
            Over::Tls => Self::Tls,
        }
    }
}

/// The request that is asked about, before it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// To this URI, or to this number at the edge.
    Dialled(String),
    /// These octets.
    Captured(Vec<u8>),
}

impl Order {
    /// Reads what stands for itself; `bytes_max` octets of a captured message.
    pub fn wanted(&self, bytes_max: usize) -> Result<Wanted, Failed> {
        if let Some(file) = &self.message {
            return captured(file, bytes_max).map(Wanted::Captured);
        }
        let texts = [&self.to, &self.uri, &self.caller, &self.user, &self.source];
        if let Some(bad) = texts.into_iter().flatten().find(|text| text.chars().any(char::is_control)) {
            return Err(format!("\"{}\" has a control character; leave it out", printable(bad)));
        }
        if let Some(source) = self.source.as_deref().filter(|source| address(source).is_none()) {
            return Err(format!("\"{}\" is no address: write 192.0.2.7, or with a port", printable(source)));
        }
        let dialled = self.uri.as_ref().or(self.to.as_ref());
        dialled.map(|text| Wanted::Dialled(text.clone())).ok_or_else(|| "name a number with --to".to_owned())
    }
}

/// An address, with or without a port.
pub fn address(text: &str) -> Option<SocketAddr> {
    let bare = || text.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 5060));
    text.parse().ok().or_else(bare)
}

fn captured(file: &Path, bytes_max: usize) -> Result<Vec<u8>, Failed> {
    let name = file.display().to_string();
    let told = |error: io::Error| format!("{} cannot be read: {error}", printable(&name));
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut octets = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut octets).map_err(told)?;
    } else {
        File::open(file).and_then(|open| open.take(limit).read_to_end(&mut octets)).map_err(told)?;
    }
    if octets.len() > bytes_max {
        return Err(format!(
            "{} is larger than limits.message_bytes ({bytes_max}): the edge answers 513 (39102) and reads none of it",
            printable(&name)
        ));
    }
    Ok(octets)
}
