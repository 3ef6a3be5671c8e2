//! Alerts: the numbers admins know, and the facts that made them.
//!
//! Owns the codes and the record's fields; formatting and folding belong to `sinks`.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::clock::Wall;
use crate::sip::Transport;

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something was refused or is close to it.
    Warning,
    /// Good to know.
    Notice,
}

/// A code of the table: number and stable name together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    /// e.g. 32203.
    pub number: u32,
    /// e.g. `number_blocked`.
    pub name: &'static str,
    /// Its level.
    pub level: Level,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Which.
    pub code: Code,
    /// One sentence a PBX admin understands, with the cure.
    pub text: String,
    /// When.
    pub at: Wall,
    /// The YAML path of the rule, e.g. `policy.outbound[3].blocklist`.
    pub rule: Option<Arc<str>>,
    /// The peer's name.
    pub peer: Option<Arc<str>>,
    /// Where it came from.
    pub source: Option<SocketAddr>,
    /// Over what.
    pub transport: Option<Transport>,
    /// The A-leg's Call-ID (escaped by the writer).
    pub call_id: Option<String>,
    /// Caller as read.
    pub from: Option<String>,
    /// Called as dialled.
    pub to: Option<String>,
    /// The status answered.
    pub sip_status: Option<u16>,
    /// How many this stands for (strangers are counted and folded before they reach a sink).
    pub count: u64,
    /// Extra facts, name and value.
    pub evidence: Vec<(&'static str, String)>,
}
