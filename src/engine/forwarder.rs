//! Who sent a call on, as Diversion and History-Info tell it.
//!
//! Owns the bounds of both headers and the step from them to one number and one count. What they say is the sender's word: it may
//! bind a call more, never less. Refuses to judge. Read first: RFC 5806 §4, §5; RFC 7044 §5, §10.3; RFC 4458 §2.

use super::refuse::Wrong;
use crate::call::caller;
use crate::policy::facts::Forwarded;
use crate::policy::{Peer, code};
use crate::sip::headers::{Diversion, HistoryInfo};
use crate::sip::{HeaderName, Message, NameAddr};

/// Values of either header that a call may bring; of one with more it is not certain who is read: 400 (32112).
pub const VALUES_MAX: usize = 20;

/// Octets of one value.
pub const VALUE_OCTETS_MAX: usize = 512;

/// The headers that say so.
const HEADERS: [HeaderName; 2] = [HeaderName::Diversion, HeaderName::HistoryInfo];

/// Whether both headers are within their bounds.
pub fn bounded(message: &Message) -> Result<(), Wrong> {
    for header in HEADERS.into_iter().filter(|header| message.has(*header)) {
        let long = message.values(header).any(|value| value.len() > VALUE_OCTETS_MAX);
        if long || message.values(header).nth(VALUES_MAX).is_some() {
            let why = format!(
                "{} has more than {VALUES_MAX} values, or one of more than {VALUE_OCTETS_MAX} octets",
                header.as_str()
            );
            return Err(Wrong::new(400, code::HEADER_VALUE_INVALID, &why));
        }
    }
    Ok(())
}

/// Who sent a call on last, and how often it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarder {
    by: Box<str>,
    times: u32,
}

impl Forwarder {
    /// Reads it; `None` where nobody is named. Diversion counts before History-Info, and names as its first who was last
    /// (RFC 5806 §5.1); where both stand, the one that tells of more times is believed. Without either nothing is allocated.
    #[must_use]
    pub fn of(message: &Message, peer: &Peer) -> Option<Self> {
        let diverted = || {
            let read = |value| Diversion::read(value).ok();
            let mut values = message.values(HeaderName::Diversion).take(VALUES_MAX).filter_map(read);
            let last = values.next()?;
            let times = values.fold(last.counter(), |sum, value| sum.saturating_add(value.counter()));
            Some(Self { by: number(&last.address, peer)?, times })
        };
        let diverted = message.has(HeaderName::Diversion).then(diverted).flatten();
        let retargeted = message.has(HeaderName::HistoryInfo).then(|| retargeted(message, peer)).flatten();
        match (diverted, retargeted) {
            (Some(one), Some(other)) => Some(Self { times: one.times.max(other.times), ..one }),
            (one, other) => one.or(other),
        }
    }

    /// As rules see it.
    #[must_use]
    pub fn facts(&self) -> Forwarded<'_> {
        Forwarded { by: &self.by, times: self.times, here: false }
    }
}

/// Each entry but the first is where the call was sent to from one before; `mp` and `rc` name that one by its index, and an
/// entry that says neither, from a machine of RFC 4244, follows the one it stands behind.
fn retargeted(message: &Message, peer: &Peer) -> Option<Forwarder> {
    let read = |value| HistoryInfo::read(value).ok();
    let entries = || message.values(HeaderName::HistoryInfo).take(VALUES_MAX).filter_map(read);
    let count = entries().count();
    let last = entries().last()?;
    let earlier = last.address.param("mp").or_else(|| last.address.param("rc"));
    let by = match earlier.filter(|index| !index.is_empty()) {
        Some(index) => entries().take(count - 1).find(|entry| entry.index == index),
        None => entries().nth(count.checked_sub(2)?),
    };
    let times = u32::try_from(count - 1).unwrap_or(u32::MAX);
    Some(Forwarder { by: number(&by?.address, peer)?, times })
}

fn number(value: &NameAddr<'_>, peer: &Peer) -> Option<Box<str>> {
    let uri = value.uri().ok()?;
    let user = caller::user(&uri).ok().filter(|user| !user.is_empty())?;
    let read = peer.dialling.as_ref().and_then(|plan| plan.read_caller(value.raw_uri));
    Some(read.map_or_else(|| Box::from(&*user), |read| Box::from(read.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::{PBX, policy};

    use crate::sip::parse::{Limits, parse};

    fn invite(more: &str) -> Message {
        let text = format!(
            "INVITE sip:1@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKa\r\nFrom: <sip:1@x>;tag=a\r\nTo: <sip:1@x>\r\n\
             Call-ID: a\r\nCSeq: 1 INVITE\r\n{more}Content-Length: 0\r\n\r\n"
        );
        parse(text.into(), &Limits::default()).unwrap()
    }

    #[test]
    fn c4_the_last_who_sent_a_call_on_is_known_and_how_often_it_was() {
        let policy = policy();
        let peer = policy.peer(PBX).unwrap();
        for (more, expected) in [
            ("", None),
            ("Diversion: <sip:201@x>;reason=busy\r\n", Some(("201", 1))),
            ("Diversion: <sip:201@x>;counter=3, <sip:202@x>\r\n", Some(("201", 4))),
            (
                "Diversion: <tel:+12125550100>\r\nHistory-Info: <sip:9@x>;index=1\r\n",
                Some(("+12125550100", 1)),
            ),
            (
                "Diversion: <sip:201@x>\r\nHistory-Info: <sip:1@x>;index=1, <sip:2@x>;index=1.1, <sip:3@x>;index=1.2\r\n",
                Some(("201", 2)),
            ),
            (
                "Diversion: <sip:x>\r\nHistory-Info: <sip:201@x>;index=1, <sip:2@x>;index=1.1\r\n",
                Some(("201", 1)),
            ),
            ("Diversion: nobody\r\n", None),
            ("Diversion: <sip:x>\r\n", None),
            ("Diversion: <sip:201@x>;counter=4294967295, <sip:202@x>\r\n", Some(("201", u32::MAX))),
            ("History-Info: <sip:201@x>;index=1\r\n", None),
            ("History-Info: <sip:201@x>;index=1, <sip:202@x>;index=1.1\r\n", Some(("201", 1))),
            (
                "History-Info: <sip:1@x>;index=1, <sip:2@x>;index=1.1;mp=1, <sip:3@x>;index=1.2;rc=1\r\n",
                Some(("1", 2)),
            ),
            ("History-Info: <sip:1@x>;index=1, <sip:2@x>;index=1.1;mp=7\r\n", None),
        ] {
            let found = Forwarder::of(&invite(more), peer);
            let expected = expected.map(|(by, times)| Forwarded { by, times, here: false });
            assert_eq!(found.as_ref().map(Forwarder::facts), expected, "{more}");
        }
    }

    #[test]
    fn c10_diversions_are_bounded() {
        let values = |count: usize| format!("Diversion: {}\r\n", vec!["<sip:1@x>"; count].join(", "));
        let long = |octets: usize| format!("History-Info: <sip:{}@x>;index=1\r\n", "1".repeat(octets));
        assert!(bounded(&invite(&values(VALUES_MAX))).is_ok());
        assert!(bounded(&invite(&values(VALUES_MAX + 1))).is_err());
        assert!(bounded(&invite(&long(VALUE_OCTETS_MAX - 16))).is_ok());
        assert!(bounded(&invite(&long(VALUE_OCTETS_MAX))).is_err());
    }
}
