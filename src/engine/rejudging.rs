//! Live calls judged again by a policy that was just put in force (`on_reload: rejudge`): those that it forbids end at once.
//!
//! Owns what of a live call is judged, and the alerts. Refuses to judge by itself: the same pure `admit` does, as if the call
//! came now and were the only one. Read first: DESIGN.md §1, laws 3, 5 and 8; `reload.rs`.

use std::sync::Arc;

use super::Engine;
use super::calls::Entry;
use super::transactions::CallKey;
use crate::call::Event;
use crate::call::event::EndCause;
use crate::call::told::{Stage, Told};
use crate::clock::Now;
use crate::policy::facts::Forwarded;
use crate::policy::number::{Dialled, Number};
use crate::policy::{
    Alert, Counters, Direction, Facts, Outcome, Peer, PeerId, PeerSide, Policy, Verdict, admit, code,
};
use crate::sip::Method;

/// What is forbidden, and why.
type Forbidden = Box<Alert>;

impl Engine {
    /// Judges every live call by the policy in force. Caps count calls that begin, so that none is over them here; help is never
    /// judged.
    pub(super) fn rejudge(&mut self, now: Now) {
        let policy = Arc::clone(&self.policy);
        let mut counters = Counters::default();
        counters.follow(&policy);
        let judged = self.calls.iter().filter_map(|(key, entry)| {
            let alert = self.forbidden(now, (&policy, &counters), entry)?;
            Some((key, alert))
        });
        let forbidden: Vec<(CallKey, Forbidden)> = judged.collect();
        if forbidden.is_empty() {
            return;
        }
        let cut = forbidden.len();
        for (key, alert) in forbidden {
            let code = alert.code;
            self.alert(alert);
            self.drive(now, key, Event::End(EndCause::Forbidden(code)));
        }
        let text = format!(
            "{cut} call(s) were ended on both legs, for the policy that was put in force forbids them (`on_reload: rejudge`)."
        );
        self.cut_told(now, "rejudged", cut, text);
    }

    /// Why the policy forbids a live call; `None` where it does not.
    fn forbidden(&self, now: Now, by: (&Policy, &Counters), entry: &Entry) -> Option<Forbidden> {
        let told = entry.call.told();
        if told.emergency || !told.stage.is_live() {
            return None;
        }
        let (policy, _) = by;
        let caller = [told.caller.id];
        let payers = if told.sent_on { insiders(policy) } else { caller.to_vec() };
        let mut first = None;
        for payer in payers {
            let Err(why) = self.judged_again(now, by, entry, (&told, payer)) else { return None };
            first.get_or_insert(why);
        }
        // A call that was sent on where no inside peer is left is nobody's.
        first.or_else(|| Some(gone(now, &told)))
    }

    /// Judges a live call as one of this peer.
    fn judged_again(
        &self,
        now: Now,
        (policy, counters): (&Policy, &Counters),
        entry: &Entry,
        (told, payer): (&Told<'_>, PeerId),
    ) -> Result<(), Forbidden> {
        let Some(peer) = policy.peer(payer) else { return Err(gone(now, told)) };
        let demand = peer.demand.as_ref();
        let proven = told.credential.and_then(|user| demand?.find(user.as_bytes()));
        if !told.sent_on && told.credential.is_some() && proven.is_none() {
            return Err(gone(now, told));
        }
        let read = read_again(told, peer).map_err(|why| unreadable(now, told, &why))?;
        let kept = told.number.filter(|_| peer.dialling.is_some()).map(|known| &known.reading.number);
        let forwarded = told.sent_on || !told.forwarder.is_empty();
        let facts = Facts {
            now,
            peer: payer,
            source: told.remote,
            transport: told.transport,
            method: &Method::Invite,
            holds_place: false,
            call_id: b"",
            in_dialog: false,
            request_host: None,
            secure: false,
            keys: false,
            dialled: told.to,
            replaces: false,
            caller: told.from,
            caller_sent: entry.caller_sent.as_deref().unwrap_or(told.from),
            owned: proven.and_then(|credential| credential.owned.as_deref()),
            credential: told.credential,
            hidden: told.hidden,
            shows: told.shows,
            forwarded: forwarded.then_some(Forwarded { by: told.forwarder, times: 1, here: told.sent_on }),
            sent_on: None,
            again: 0,
            called: read.as_ref().map_or(told.to, Dialled::as_str),
            number: read.as_ref().map(|read| &read.reading.number).or(kept),
            emergency: false,
            max_forwards: None,
            via_count: 1,
            passed_before: false,
            draw: 0,
            located: &self.located,
            direction: None,
            target: None,
        };
        let verdict = admit(policy, counters, &facts);
        said(now, told, verdict)
    }
}

/// Why a verdict ends a live call.
fn said(now: Now, told: &Told<'_>, mut verdict: Verdict) -> Result<(), Forbidden> {
    let refusal = match verdict.outcome {
        Outcome::Admit(targets) => {
            let here = |peer: PeerId| peer == told.callee.id;
            let elsewhere = told.stage == Stage::Up
                && !targets.is_empty()
                && !targets.iter().any(|target| here(target.peer));
            return if elsewhere { Err(rerouted(now, told)) } else { Ok(()) };
        }
        Outcome::Silence => return Err(gone(now, told)),
        Outcome::Refuse(refusal) => refusal,
    };
    let found = verdict.alerts.iter().position(|alert| alert.code == refusal.code);
    let mut alert = match found {
        Some(at) => verdict.alerts.swap_remove(at),
        None => about(now, told, refusal.code, refusal.text),
    };
    alert.text = ["A call that was up is forbidden now: ", &alert.text].concat();
    alert.call_id = None;
    alert.sip_status = None;
    Err(alert)
}

/// Whoever inside may have sent a call on: it was judged as one of them.
fn insiders(policy: &Policy) -> Vec<PeerId> {
    let peers = policy.peers.iter().flatten();
    peers.filter(|peer| peer.side == PeerSide::Inside).map(|peer| peer.id).collect()
}

/// The number called as the plan of this policy reads it; `None` where it reads nothing, or a code or name that stands as it
/// was read: what was dialled before it is gone.
fn read_again(told: &Told<'_>, peer: &Peer) -> Result<Option<Dialled>, String> {
    let Some(dialling) = peer.dialling.as_deref() else { return Ok(None) };
    let whole = match told.number.map(|known| &known.reading.number) {
        Some(Number::E164(_)) => true,
        Some(Number::Short(_) | Number::Name(_) | Number::Emergency(_) | Number::Service(_)) => {
            return Ok(None);
        }
        None => told.to.starts_with('+'),
    };
    let uri = if whole { ["tel:", told.to].concat() } else { ["sip:", told.to, "@localhost"].concat() };
    dialling
        .read(uri.as_bytes())
        .map(Some)
        .map_err(|deny| format!("dial plan {} does not read it: {}", dialling.name, deny.text()))
}

fn about(now: Now, told: &Told<'_>, code: code::Code, text: String) -> Forbidden {
    let mut alert = Alert::new(code, now.wall, text);
    alert.peer = Some(Arc::clone(&told.caller.name));
    alert.source = Some(told.remote);
    alert.transport = Some(told.transport);
    alert.from = Some(told.from.to_owned());
    alert.to = Some(told.to.to_owned());
    Box::new(alert)
}

fn gone(now: Now, told: &Told<'_>) -> Forbidden {
    let text =
        format!("{} or its credential is in the policy no more, and its call was ended.", told.caller.name);
    about(now, told, code::INSUFFICIENT_PERMISSIONS, text)
}

fn rerouted(now: Now, told: &Told<'_>) -> Forbidden {
    let direction = match told.direction {
        Direction::Outbound | Direction::Transit => "out over",
        Direction::Inbound | Direction::Internal => "in to",
    };
    let text = format!(
        "No route leads {direction} {} any more for a call of {}.",
        told.callee.name, told.caller.name
    );
    about(now, told, code::NO_ROUTE, text)
}

fn unreadable(now: Now, told: &Told<'_>, why: &str) -> Forbidden {
    let text = format!("{} calls {}, and {why}.", told.caller.name, told.to.escape_debug());
    about(now, told, code::INVALID_PHONE_NUMBER, text)
}
