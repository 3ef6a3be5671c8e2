//! Alerts: the facts that made them, under a number that admins know.
//!
//! Owns the record's fields; formatting and the long folding for people belong to `sinks`.
//! Read first: `code.rs`.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

pub use super::code::{Code, Level};
use super::facts::Facts;
use super::peer::Peer;
use crate::clock::Wall;
use crate::sip::Transport;

/// Characters of a sender's text that an alert keeps; the rest is cut.
pub const SENDER_TEXT_CHARS_MAX: usize = 128;

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
    /// What tells it apart from others of its code about the same peer, source, caller and callee, where alerts are folded: a
    /// state, a table, a target. It stands in no sink, and holds nothing that an outsider chooses.
    pub about: Option<Cow<'static, str>>,
    /// Extra facts, name and value.
    pub evidence: Vec<(&'static str, String)>,
}

impl Alert {
    /// An alert with nothing but a code, a sentence and a time; the other fields are filled by the caller.
    #[must_use]
    pub fn new(code: Code, at: Wall, text: String) -> Self {
        Self {
            code,
            text,
            at,
            rule: None,
            peer: None,
            source: None,
            transport: None,
            call_id: None,
            from: None,
            to: None,
            sip_status: None,
            count: 1,
            about: None,
            evidence: Vec::new(),
        }
    }

    /// An alert about one request of a listed peer.
    #[must_use]
    pub fn about(code: Code, facts: &Facts<'_>, peer: Option<&Peer>, text: String) -> Box<Self> {
        Box::new(Self {
            peer: peer.map(|peer| Arc::clone(&peer.name)),
            source: Some(facts.source),
            transport: Some(facts.transport),
            call_id: Some(shortened(&String::from_utf8_lossy(facts.call_id))),
            from: Some(shortened(facts.caller)),
            to: Some(shortened(facts.called)),
            ..Self::new(code, facts.now.wall, text)
        })
    }
}

/// A sender's text, at most `SENDER_TEXT_CHARS_MAX` characters of it.
#[must_use]
pub fn shortened(text: &str) -> String {
    // No more octets than that are no more characters: what nearly every text is.
    if text.len() <= SENDER_TEXT_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(SENDER_TEXT_CHARS_MAX).collect()
}
