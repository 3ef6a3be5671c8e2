//! Where a peer that was called sends a call on to (3xx): read and judged as if it were dialled.
//!
//! Owns who is judged, and in which order. Refuses to know how a number is read and judged (`onward`), and what the call does then
//! (`call/setup/redirected`). Read first: RFC 3261 §8.1.3.4; attack row C2.

use std::cmp::Reverse;
use std::sync::Arc;

use smallvec::SmallVec;

use super::Output;
use super::forwarder::Forwarder;
use super::gate::EdgeGate;
use super::onward::{Wish, Words};
use crate::call::redirect::{CONTACTS_MAX, Redirect, Redirected};
use crate::clock::Now;
use crate::policy::{Alert, Peer, PeerSide, Refusal, code};
use crate::sip::headers::Contact;
use crate::sip::{NameAddr, Uri, keys};

const WORDS: Words =
    Words { header: "Contact", key: "redirects", does: "sends the call on", code: code::REDIRECT_REFUSED };

/// Judges the numbers of a redirect, the one that is wished for most first; the first that may be called is.
pub(super) fn judge(
    gate: &mut EdgeGate<'_>,
    now: Now,
    asked: &Redirect<'_>,
    draw: u64,
) -> Result<Box<Redirected>, Box<Refusal>> {
    let wish = wish(asked, payer(asked).unwrap_or(asked.from));
    if payer(asked).is_none() {
        return Err(wish.refused("a trunk sends a trunk's call on, and nobody here has asked for it"));
    }
    let mut refusal: Option<Box<Refusal>> = None;
    for address in contacts(asked).map_err(|why| wish.refused(why))? {
        match wish.judge(gate, now, address.raw_uri, draw) {
            Ok(redirected) => {
                if let Some(passed_over) = refusal {
                    tell(gate, now, asked, &passed_over);
                }
                if !asked.performs && asked.from.side == PeerSide::Inside {
                    gate.expected.tell(now.tick, asked.from, &redirected.called, asked.called);
                }
                return Ok(redirected);
            }
            Err(objection) => refusal = refusal.or(Some(objection)),
        }
    }
    Err(refusal.unwrap_or_else(|| wish.refused("it names no address")))
}

fn wish<'a>(asked: &Redirect<'a>, payer: &'a Arc<Peer>) -> Wish<'a> {
    // Who called holds its place already, and takes no second one.
    let is_new = payer.id == asked.by.id;
    Wish {
        words: WORDS,
        by: asked.by,
        payer,
        hears: asked.from,
        source: asked.source,
        transport: asked.came_over,
        request: asked.invite,
        keys: keys::carried(asked.invite),
        secure: matches!(asked.invite.uri(), Some(Uri::Sip(uri)) if uri.secure),
        user: asked.user.filter(|_| !is_new),
        caller: asked.caller,
        hidden: asked.hidden,
        shows: asked.shows,
        left: asked.called,
        other: asked.called,
        times: times_before(asked).saturating_add(1),
        is_new,
        helps: (asked.by.side, asked.from.side) == (PeerSide::Inside, PeerSide::Inside),
        performs: asked.performs,
        joins: false,
    }
}

/// Who pays for the call: an inside peer that sends it on; where a trunk does, the inside peer that called.
fn payer<'a>(asked: &Redirect<'a>) -> Option<&'a Arc<Peer>> {
    match (asked.by.side, asked.from.side) {
        (PeerSide::Inside, _) => Some(asked.by),
        (PeerSide::Outside, PeerSide::Inside) => Some(asked.from),
        (PeerSide::Outside, PeerSide::Outside) => None,
    }
}

/// The addresses in the order of their q.
fn contacts<'a>(asked: &Redirect<'a>) -> Result<SmallVec<[NameAddr<'a>; CONTACTS_MAX]>, &'static str> {
    let mut found: SmallVec<[(u16, NameAddr<'a>); CONTACTS_MAX]> = SmallVec::new();
    for contact in asked.answer.contacts() {
        if found.len() >= CONTACTS_MAX {
            return Err("it names more than 5 addresses");
        }
        match contact {
            Ok(contact @ Contact::Address(address)) => found.push((contact.q(), address)),
            Ok(Contact::Any) | Err(_) => return Err("its Contact cannot be read"),
        }
    }
    found.sort_by_key(|(q, _)| Reverse(*q));
    Ok(found.into_iter().map(|(_, address)| address).collect())
}

/// How often the call was sent on before this redirect, as its caller tells it.
fn times_before(asked: &Redirect<'_>) -> u32 {
    Forwarder::of(asked.invite, asked.from).map_or(0, |forwarder| forwarder.facts().times)
}

/// An address that was passed over, where another one is called.
fn tell(gate: &mut EdgeGate<'_>, now: Now, asked: &Redirect<'_>, passed_over: &Refusal) {
    let words = format!("The call goes on to another address of a redirect: {}", passed_over.text);
    let mut alert = Alert::new(code::REDIRECT_REFUSED, now.wall, words);
    alert.peer = Some(Arc::clone(&asked.by.name));
    alert.source = Some(asked.source);
    alert.transport = Some(asked.transport);
    gate.outputs.push_back(Output::Alert(Box::new(alert)));
}
