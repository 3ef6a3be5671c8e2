//! A call whose To or P-Called-Party-ID names another number than the one it calls (39205).
//!
//! Owns that it is told. What is judged is the number that is called, and both headers leave as that number: nobody is misled but
//! a reader of the far side's lists, and whoever hides a number so has a reason. Refuses to judge.
//! Read first: RFC 3261 §8.1.1.2; RFC 7315 §4.2; attack row B9.

use super::Engine;
use super::intake::Arrived;
use crate::clock::Now;
use crate::policy::alert::shortened;
use crate::policy::number::Number;
use crate::policy::{Alert, Facts, PeerSide, code};
use crate::sip::{HeaderName, NameAddr, Uri};

impl Engine {
    /// Tells of it, where the caller's dial plan reads both as whole numbers: of anything else it is not certain what is meant.
    pub(super) fn tell_mismatch(&mut self, now: Now, arrived: &Arrived<'_>, facts: &Facts<'_>) {
        let Some((header, named)) = mismatch(arrived, facts) else { return };
        let (peer, called) = (arrived.peer, shortened(facts.called));
        let text = format!(
            "{} calls {called} and names {} in {}. The number that is called was judged, and is what leaves; if no program there \
             translates numbers on its own, find out who hides which.",
            peer.name,
            shortened(&named),
            header.as_str()
        );
        let mut alert = Alert::new(code::TO_MISMATCH, now.wall, text);
        alert.peer = Some(std::sync::Arc::clone(&peer.name));
        alert.source = Some(arrived.flow.remote);
        alert.transport = Some(arrived.flow.transport);
        alert.call_id = Some(shortened(&String::from_utf8_lossy(arrived.message.call_id())));
        (alert.from, alert.to) = (Some(shortened(facts.caller)), Some(called));
        self.alert(Box::new(alert));
    }
}

/// The header that names another number, and which.
fn mismatch(arrived: &Arrived<'_>, facts: &Facts<'_>) -> Option<(HeaderName, String)> {
    let (message, peer) = (arrived.message, arrived.peer);
    let dialling = peer.dialling.as_ref().filter(|_| peer.side == PeerSide::Inside)?;
    facts.number.filter(|number| is_whole(number))?;
    let dialled = message.uri().and_then(|uri| user(&uri));
    let differs = |raw_uri: &[u8]| {
        let same = Uri::read(raw_uri).ok().is_none_or(|uri| user(&uri) == dialled);
        let read = if same { None } else { dialling.read(raw_uri).ok() }?;
        (is_whole(&read.reading.number) && read.as_str() != facts.called).then(|| read.as_str().to_owned())
    };
    let other = || {
        let party = message.header(HeaderName::PCalledPartyId)?;
        Some((HeaderName::PCalledPartyId, differs(NameAddr::read(party).ok()?.raw_uri)?))
    };
    differs(message.to().raw_uri).map(|named| (HeaderName::To, named)).or_else(other)
}

const fn is_whole(number: &Number) -> bool {
    matches!(number, Number::E164(_))
}

/// What stands for a number in a URI.
fn user<'a>(uri: &Uri<'a>) -> Option<&'a [u8]> {
    match uri {
        Uri::Sip(sip) => sip.user,
        Uri::Tel { number, .. } => Some(number),
        Uri::Urn(_) | Uri::Other(_) => None,
    }
}
