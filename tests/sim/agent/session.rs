//! Session timers as an endpoint keeps them, written apart from the product.
//!
//! Owns what an endpoint agrees on, its refreshes and its end when nobody refreshes. Read first: RFC 4028 §7-10.

use super::{Agent, Alarm, Stage, WIDE};
use crate::sim::text::{Sip, param_of};
use crate::sim::wire::SECOND;

/// What an endpoint wants of session timers in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Seconds it asks for, or grants at most.
    pub expires: u64,
    /// The least it takes.
    pub min_se: u64,
    /// `uac`, `uas`, or empty to leave it open.
    pub refresher: &'static str,
    /// Whether it takes UPDATE, and says so.
    pub update: bool,
    /// Whether it forgets to refresh.
    pub lazy: bool,
}

impl Timing {
    /// Ninety seconds, the shortest there is.
    pub const SHORT: Self = Self { expires: 90, min_se: 90, refresher: "", update: true, lazy: false };
}

/// What a dialog knows of its session timer.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Seconds, and whether this endpoint refreshes.
    agreed: Option<(u64, bool)>,
    /// What a 422 asked for.
    raised: u64,
    /// Alarms of an older epoch mean nothing.
    epoch: u32,
    /// Whether the other side's Allow names UPDATE.
    updates: bool,
    pub heard_sdp: Vec<u8>,
    pub said_sdp: String,
    /// What was said before an offer that is not answered yet.
    pub stood_sdp: Option<String>,
    /// Refreshes refused so far.
    refused: u8,
}

impl Session {
    /// An offer of ours was taken or refused: then stands what stood before (RFC 3261 §14.1).
    pub fn settle(&mut self, taken: bool) {
        if let Some(stood) = self.stood_sdp.take().filter(|_| !taken) {
            self.said_sdp = stood;
        }
    }
}

const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO";

/// Seconds and refresher of Session-Expires.
fn expires_of(message: &Sip) -> Option<(u64, Option<&str>)> {
    let value = message.header("Session-Expires")?;
    let seconds = value.split(';').next()?.trim().parse().ok()?;
    Some((seconds, param_of(value, "refresher")))
}

fn lists(message: &Sip, name: &str, token: &str) -> bool {
    message.lines(name).flat_map(|line| line.split(',')).any(|value| value.trim() == token)
}

fn allow(timing: Timing) -> String {
    if timing.update { format!("{ALLOW}, UPDATE") } else { ALLOW.to_owned() }
}

impl Agent {
    fn timing(&self, index: usize) -> Option<Timing> {
        self.dialogs.get(index).and_then(|dialog| dialog.plan.session)
    }

    /// Adds what our INVITE or UPDATE says of session timers.
    pub(super) fn ask_session(&self, index: usize, request: &mut Sip) {
        let Some(timing) = self.timing(index) else { return };
        let Some(dialog) = self.dialogs.get(index) else { return };
        if !matches!(request.method(), "INVITE" | "UPDATE") {
            return;
        }
        let (seconds, refresher) = match dialog.session.agreed {
            Some((seconds, ours)) => (seconds, if ours { "uac" } else { "uas" }),
            None => (timing.expires, timing.refresher),
        };
        let seconds = seconds.max(dialog.session.raised);
        let who = if refresher.is_empty() { String::new() } else { format!(";refresher={refresher}") };
        request.add("Supported", "timer");
        request.add("Session-Expires", &format!("{seconds}{who}"));
        request.add("Allow", &allow(timing));
        let least = timing.min_se.max(dialog.session.raised);
        if least > 90 {
            request.add("Min-SE", &least.to_string());
        }
    }

    /// Whether an INVITE or UPDATE asks for less than this endpoint takes.
    pub(super) fn is_too_short(&self, index: usize, request: &Sip) -> bool {
        let too_short = |timing: Timing| expires_of(request).is_some_and(|(s, _)| s < timing.min_se);
        self.timing(index).is_some_and(too_short) && lists(request, "Supported", "timer")
    }

    /// Notes what a request of the edge says, and complains about what RFC 4028 does not allow.
    pub(super) fn note_session(&mut self, index: usize, message: &Sip) {
        if let Some((seconds, refresher)) = expires_of(message) {
            if seconds < 90 {
                self.complain(&format!("Session-Expires {seconds}"));
            }
            if message.status().is_none() && !lists(message, "Supported", "timer") {
                self.complain("Session-Expires without Supported: timer");
            }
            if message.status().is_some() && refresher == Some("uac") && !lists(message, "Require", "timer") {
                self.complain("refresher=uac in a response without Require: timer");
            }
            if message.status().is_some() && refresher.is_none() {
                self.complain("a response that leaves the refresher open");
            }
        }
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        if message.header("Allow").is_some() {
            dialog.session.updates = lists(message, "Allow", "UPDATE");
        }
        if message.has_sdp() {
            dialog.session.heard_sdp.clone_from(&message.body);
        }
    }

    /// Adds what our 2xx or 422 to an INVITE or UPDATE says, and times the session.
    pub(super) fn grant_session(&mut self, index: usize, request: &Sip, status: u16, response: &mut Sip) {
        let Some(timing) = self.timing(index) else { return };
        if !matches!(request.method(), "INVITE" | "UPDATE") {
            return;
        }
        if status == 422 {
            // Who refuses what it took before wants more than that.
            let asked = expires_of(request).map_or(0, |(seconds, _)| seconds);
            let least = if asked < timing.min_se { timing.min_se } else { asked + 30 };
            response.add("Min-SE", &least.to_string());
        }
        if !(200..300).contains(&status) {
            return;
        }
        response.add("Allow", &allow(timing));
        let (supported, asked) = (lists(request, "Supported", "timer"), expires_of(request));
        let least = request.header("Min-SE").and_then(|value| value.parse().ok()).unwrap_or(90);
        let seconds = asked.map_or(timing.expires, |(s, _)| s.min(timing.expires));
        let seconds = seconds.max(timing.min_se).max(least);
        let refresher = match (supported, asked.and_then(|(_, who)| who), timing.refresher) {
            (false, _, _) | (true, None, "" | "uas") => "uas",
            (true, Some(who), _) | (true, None, who) => who,
        };
        response.add("Supported", "timer");
        if supported {
            response.add("Require", "timer");
        }
        response.add("Session-Expires", &format!("{seconds};refresher={refresher}"));
        self.time_session(index, seconds, refresher == "uas");
    }

    /// A 2xx to our INVITE or UPDATE.
    pub(super) fn heard_session(&mut self, index: usize, response: &Sip) {
        self.note_session(index, response);
        let Some(timing) = self.timing(index) else { return };
        match expires_of(response) {
            Some((seconds, who)) => self.time_session(index, seconds, who != Some("uas")),
            None => self.time_session(index, timing.expires, true),
        }
    }

    fn time_session(&mut self, index: usize, seconds: u64, ours: bool) {
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        dialog.session.agreed = Some((seconds, ours));
        dialog.session.epoch += 1;
        let epoch = dialog.session.epoch;
        let after = if ours { seconds * SECOND / 2 } else { seconds * SECOND };
        self.alarms.push((self.now + after, Alarm::Session { dialog: index, epoch }));
    }

    /// Our refresh is due, or the other side's did not come.
    pub(super) fn session_alarm(&mut self, index: usize, epoch: u32) {
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        let stale = dialog.session.epoch != epoch || dialog.vanished || dialog.stage != Stage::Up;
        let lazy = dialog.plan.session.is_some_and(|timing| timing.lazy);
        let Some((_, ours)) = dialog.session.agreed.filter(|_| !stale && !lazy) else { return };
        if !ours {
            self.complain("the session was not refreshed in time");
            self.send_bye(index);
            return;
        }
        if dialog.inviting.is_some() || dialog.invited.is_some() || dialog.wait_ack.is_some() {
            self.alarms.push((self.now + 3 * SECOND, Alarm::Session { dialog: index, epoch }));
            return;
        }
        if dialog.session.updates && dialog.plan.session.is_some_and(|timing| timing.update) {
            let update = dialog.request("UPDATE", None);
            self.send_request(index, update);
            return;
        }
        let mut invite = dialog.request("INVITE", None);
        let sdp = dialog.session.said_sdp.replace(WIDE, "0 101\r\n");
        invite.sdp(&sdp);
        let key = self.send_request(index, invite);
        if let Some(dialog) = self.dialogs.get_mut(index) {
            dialog.inviting = Some(key);
        }
    }

    /// RFC 4028 §7.3: the first INVITE again, with the interval that a 422 asks for. True when it was sent.
    pub(super) fn invite_again(&mut self, index: usize, response: &Sip) -> bool {
        let wanted = response.header("Min-SE").and_then(|value| value.parse().ok());
        let (Some(_), Some(dialog)) = (self.timing(index), self.dialogs.get_mut(index)) else { return false };
        let Some(wanted) = wanted.filter(|wanted| *wanted > dialog.session.raised) else {
            self.complain("422 without a longer Min-SE");
            return false;
        };
        dialog.session.raised = wanted;
        dialog.finals.clear();
        let mut invite = dialog.request("INVITE", None);
        let sdp = dialog.session.said_sdp.clone();
        invite.sdp(&sdp);
        let key = self.send_request(index, invite);
        if let Some(dialog) = self.dialogs.get_mut(index) {
            dialog.diary.push(format!("422 Min-SE {wanted}"));
            dialog.inviting = Some(key.clone());
            dialog.first_invite = key;
        }
        true
    }

    /// The status with which a re-INVITE or UPDATE of the edge is refused, if the plan says so.
    pub(super) fn refuses_refresh(&mut self, index: usize, request: &Sip) -> Option<u16> {
        let too_short = self.is_too_short(index, request);
        let dialog = self.dialogs.get_mut(index)?;
        if let Some((status, times)) = dialog.plan.refresh_refused
            && dialog.session.refused < times
        {
            dialog.session.refused += 1;
            return Some(status);
        }
        let update_closed = dialog.plan.session.is_some_and(|timing| !timing.update);
        match request.method() {
            "UPDATE" if update_closed => Some(405),
            _ if too_short => Some(422),
            _ => None,
        }
    }

    /// Notes whether a re-INVITE offers the very same again, and gives the answer that then is the same too.
    pub(super) fn note_offer(&mut self, index: usize, request: &Sip) {
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        let same = request.has_sdp() && dialog.session.heard_sdp == request.body;
        dialog.diary.push(if same { "same offer" } else { "new offer" }.to_owned());
        dialog.same_offer = same;
    }

    /// The answer to a re-INVITE: unchanged where the offer is, and the media where it was.
    pub(super) fn answer_sdp(&mut self, index: usize) -> String {
        if let Some(dialog) = self.dialogs.get_mut(index).filter(|dialog| dialog.same_offer)
            && std::mem::take(&mut dialog.plan.moves)
        {
            let sdp = self.changed_sdp(index);
            if let Some(dialog) = self.dialogs.get_mut(index) {
                dialog.session.settle(true);
            }
            return sdp;
        }
        match self.dialogs.get(index) {
            Some(dialog) if dialog.same_offer => dialog.session.said_sdp.clone(),
            Some(_) | None => self.sdp(index),
        }
    }
}
