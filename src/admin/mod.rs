//! The local control socket: one JSON request, one JSON answer, file permissions as its lock.
//!
//! Owns the socket's file, both ends of its protocol, the table people read, the drawing of a call from its record, a lab's
//! certificates, and how lines are broken for a terminal. Refuses to know who answers.
//! Read first: unix(7).

pub mod ask;
pub mod certs;
pub mod ladder;
pub mod ordered;
pub mod record;
pub mod reloaded;
pub mod serve;
pub mod table;
pub mod unlocked;
pub mod wrap;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::engine::{Order, Whom};
use crate::policy::suspended::Strength;

/// Settings of the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Where the socket is made (0600); none when absent.
    pub socket: Option<PathBuf>,
}

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Gauges, counts, peers, memory.
    Status,
    /// Read the policy file again.
    Reload,
    /// Take no new calls, wait for live ones, end.
    Stop,
    /// Lift locks that wrong passwords brought about: of a user, from a source, or both.
    Unlock {
        /// Of this user alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// From this source alone; its ban is lifted, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<IpAddr>,
    },
    /// No calls of, or to, what it names.
    Suspend {
        /// What.
        whom: Whom,
        /// How much.
        #[serde(default)]
        strength: Strength,
        /// For so many seconds; else until it is taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_s: Option<u64>,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// Take such an order back: one, or all.
    Resume {
        /// Which; none for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        whom: Option<Whom>,
        /// All; asked for in so many words.
        #[serde(default)]
        all: bool,
    },
    /// The calls that live.
    Calls,
    /// End calls.
    Cut {
        /// The beginnings of their ids.
        #[serde(default)]
        ids: Vec<String>,
        /// All but those for help.
        #[serde(default)]
        all: bool,
    },
    /// What is used of the caps.
    Limits,
    /// The bans.
    Bans,
    /// Ban a source or network.
    Ban {
        /// An address, or a network as in `192.0.2.0/24`.
        source: String,
        /// For so many seconds.
        for_s: u64,
    },
    /// Lift the bans of a source, or of all in a network.
    Unban {
        /// An address or a network.
        source: String,
    },
}

/// The longest ban by order.
const BAN_SECONDS_MAX: u64 = 366 * 86_400;

impl Request {
    /// The order to the engine that this asks for; `None` where it is none.
    ///
    /// # Errors
    /// What cannot be read, with the cure.
    #[must_use]
    pub fn order(self) -> Option<Result<Order, String>> {
        Some(match self {
            Self::Status | Self::Reload | Self::Stop | Self::Unlock { .. } => return None,
            Self::Suspend { whom, strength, for_s, why } => {
                Ok(Order::Suspend { whom, strength, lasts: for_s.map(Duration::from_secs), why })
            }
            Self::Resume { whom: None, all: true } => Ok(Order::Resume { whom: None }),
            Self::Resume { whom: Some(whom), all: false } => Ok(Order::Resume { whom: Some(whom) }),
            Self::Resume { .. } => Err("name what is resumed, or `all`, and not both".to_owned()),
            Self::Calls => Ok(Order::Calls),
            Self::Cut { ids, all } if ids.is_empty() == all => Ok(Order::Cut { ids, all }),
            Self::Cut { .. } => Err("name the calls, or `all`, and not both".to_owned()),
            Self::Limits => Ok(Order::Limits),
            Self::Bans => Ok(Order::Bans),
            Self::Ban { source, for_s } => {
                let lasts = Duration::from_secs(for_s.min(BAN_SECONDS_MAX));
                network(&source).map(|network| Order::Ban { network, lasts })
            }
            Self::Unban { source } => network(&source).map(|network| Order::Unban { network }),
        })
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    address.or_else(|_| text.parse::<IpNet>()).map_err(|_| {
        format!(
            "{text:?} is no address and no network: write one as in 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48"
        )
    })
}

/// Bytes of one request line.
const REQUEST_BYTES_MAX: usize = 4_096;
/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Result<Order, String>>, serde_json::Error> {
        serde_json::from_str::<Request>(line).map(Request::order)
    }

    #[test]
    fn an_order_says_in_so_many_words_what_it_is_about() {
        for (line, good) in [
            (r#"{"command":"suspend","whom":{"peer":"trunk"}}"#, true),
            (
                r#"{"command":"suspend","whom":{"destination":"+371"},"strength":"high-risk","for_s":60,"why":"x"}"#,
                true,
            ),
            (r#"{"command":"resume","whom":{"site":"office"}}"#, true),
            (r#"{"command":"resume","all":true}"#, true),
            (r#"{"command":"resume"}"#, false),
            (r#"{"command":"resume","all":true,"whom":{"site":"office"}}"#, false),
            (r#"{"command":"cut","all":true}"#, true),
            (r#"{"command":"cut","ids":["3fa81c02"]}"#, true),
            (r#"{"command":"cut"}"#, false),
            (r#"{"command":"cut","all":true,"ids":["3fa81c02"]}"#, false),
            (r#"{"command":"ban","source":"192.0.2.0/24","for_s":60}"#, true),
            (r#"{"command":"ban","source":"2001:db8::1","for_s":60}"#, true),
            (r#"{"command":"ban","source":"somewhere","for_s":60}"#, false),
            (r#"{"command":"calls"}"#, true),
            (r#"{"command":"bans"}"#, true),
        ] {
            let order = read(line).unwrap();
            assert_eq!(order.map(|order| order.is_ok()), Some(good), "{line}");
        }
        for line in [
            r#"{"command":"suspend"}"#,
            r#"{"command":"suspend","whom":{"planet":"earth"}}"#,
            r#"{"command":"suspend","whom":{"peer":"trunk"},"strength":"most"}"#,
            r#"{"command":"ban","source":"192.0.2.7"}"#,
        ] {
            assert!(read(line).is_err(), "{line}");
        }
        assert_eq!(read(r#"{"command":"status"}"#).unwrap(), None);
    }
}
