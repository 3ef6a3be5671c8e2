//! Reliable provisional responses and forks, as an endpoint behind the edge has them.
//!
//! Owns RSeq, RAck and what waits for a PRACK. Read first: RFC 3262 §3, §4; RFC 3261 §12.1, §13.2.2.4.

use super::dialog::Ringing;
use super::plan::On;
use super::{Agent, Alarm, GIVE_UP, Stage, T1};
use crate::sim::text::Sip;

impl Agent {
    /// Callee: a provisional response, reliable where the INVITE knows that.
    pub(super) fn ring_reliably(&mut self, index: usize, status: u16, sdp: bool) {
        let Some(dialog) = self.dialogs.get(index) else { return };
        let Some(key) = dialog.invited.clone().filter(|key| self.is_open(key)) else { return };
        if dialog.ringing.is_some() || !dialog.deferred.is_empty() {
            return self.defer(index, status, sdp);
        }
        if !self.knows_reliable(&key) {
            return self.answer(index, Some(key), status, sdp);
        }
        self.send_reliably(index, &key, status, sdp, 1, true);
    }

    /// Callee: one that the other side must not acknowledge.
    pub(super) fn ring_out_of_order(&mut self, index: usize) {
        let Some(key) = self.dialogs.get(index).and_then(|dialog| dialog.invited.clone()) else { return };
        if self.is_open(&key) && self.knows_reliable(&key) {
            self.send_reliably(index, &key, 183, false, 7, false);
        }
    }

    fn send_reliably(&mut self, index: usize, key: &str, status: u16, sdp: bool, step: u32, kept: bool) {
        let sdp = sdp.then(|| self.sdp(index));
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        dialog.stage = dialog.stage.max(Stage::Early);
        let rseq = dialog.rseq + step;
        let tag = dialog.local_tag.clone();
        let lines = [("Require", "100rel".to_owned()), ("RSeq", rseq.to_string())];
        let Some(bytes) = self.respond_with(key, status, sdp.as_deref(), &tag, &lines) else { return };
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        if kept {
            dialog.rseq = rseq;
            dialog.ringing = Some(Ringing { rseq, key: key.to_owned(), bytes, sdp: sdp.is_some() });
            self.alarms.push((self.now + T1, Alarm::RingAgain { dialog: index, rseq, interval: T1 }));
            self.alarms.push((self.now + GIVE_UP, Alarm::RingOver { dialog: index, rseq }));
        }
    }

    /// What has to wait for a PRACK.
    pub(super) fn defer(&mut self, index: usize, status: u16, sdp: bool) {
        if let Some(dialog) = self.dialogs.get_mut(index) {
            dialog.deferred.push((status, sdp));
        }
    }

    /// RFC 3262 §3: the same again, the interval doubled.
    pub(super) fn ring_again(&mut self, index: usize, rseq: u32, interval: u64) {
        let Some(dialog) = self.dialogs.get(index) else { return };
        let over = dialog.vanished || dialog.stage >= Stage::Up;
        let Some(ringing) = dialog.ringing.clone().filter(|ringing| ringing.rseq == rseq && !over) else {
            return;
        };
        if self.is_open(&ringing.key) {
            self.resend(&ringing.key, ringing.bytes);
            let next = interval * 2;
            self.alarms.push((self.now + next, Alarm::RingAgain { dialog: index, rseq, interval: next }));
        }
    }

    /// RFC 3262 §3: nobody acknowledged it for 64*T1.
    pub(super) fn ring_over(&mut self, index: usize, rseq: u32) {
        let Some(dialog) = self.dialogs.get(index) else { return };
        let waits = dialog.ringing.as_ref().is_some_and(|ringing| ringing.rseq == rseq);
        let Some(key) = dialog.invited.clone().filter(|_| waits && !dialog.vanished) else { return };
        if self.is_open(&key) && dialog.stage == Stage::Early {
            self.complain("a reliable provisional response was never acknowledged");
            self.respond(&key, 504, None);
        }
    }

    /// Callee: a PRACK.
    pub(super) fn receive_prack(&mut self, key: &str, index: usize, request: &Sip) {
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        let rack = request.header("RAck").unwrap_or_default().to_owned();
        let invite = dialog.remote_invite;
        let named = |ringing: &mut Ringing| rack == format!("{} {invite} INVITE", ringing.rseq);
        let Some(ringing) = dialog.ringing.take_if(named) else {
            self.complain(&format!("PRACK acknowledges {rack:?}, which is not unacknowledged"));
            self.respond(key, 481, None);
            return;
        };
        let asked = self.servers_sdp(&ringing.key);
        // RFC 3262 §5: with our offer in the response this is the answer, else an offer.
        let offer = request.has_sdp() && (asked || !ringing.sdp);
        if ringing.sdp && !asked && !request.has_sdp() {
            self.complain("PRACK without the answer to the offer in the response");
        }
        if let Some(dialog) = self.dialogs.get_mut(index) {
            dialog.described |= ringing.sdp;
        }
        self.answer_later(key, index, offer);
        self.happened(index, On::Asked("PRACK"));
        self.go_on(index);
    }

    /// Callee: says what had to wait.
    fn go_on(&mut self, index: usize) {
        while let Some(dialog) = self.dialogs.get_mut(index) {
            if dialog.ringing.is_some() || dialog.deferred.is_empty() {
                return;
            }
            let (status, sdp) = dialog.deferred.remove(0);
            let (invited, described) = (dialog.invited.clone(), dialog.described);
            if status < 200 {
                let Some(key) = invited.filter(|key| self.is_open(key)) else { return };
                self.send_reliably(index, &key, status, sdp, 1, true);
            } else {
                self.answer(index, invited, status, sdp && !described);
                self.end_forks(index);
            }
        }
    }

    /// Caller: a reliable provisional response in one of its early dialogs; true when it is the next one.
    pub(super) fn heard_reliable(&mut self, index: usize, response: &Sip, offered: bool) -> bool {
        if response.header("Require") != Some("100rel") {
            if self.dialogs.get(index).is_some_and(|dialog| dialog.plan.requires_reliable) {
                self.complain("a provisional response that cannot be acknowledged, and we take no others");
            }
            return true;
        }
        let Some(rseq) = response.header("RSeq").and_then(|rseq| rseq.parse::<u32>().ok()) else {
            self.complain("100rel is required and there is no RSeq");
            return false;
        };
        let Some(dialog) = self.dialogs.get_mut(index) else { return false };
        if !dialog.plan.reliable && !dialog.plan.requires_reliable {
            self.complain("a reliable response to a caller that does not know them");
            return false;
        }
        if dialog.rseq != 0 && rseq != dialog.rseq + 1 {
            // RFC 3262 §4: a copy, or one before its time.
            return false;
        }
        if dialog.plan.no_prack || dialog.stage == Stage::Over {
            return true;
        }
        dialog.rseq = rseq;
        let invite = dialog.remote_invite;
        let answer = response.has_sdp() && !offered;
        let later = !response.has_sdp() && dialog.described;
        let offer = response.has_sdp() && offered && std::mem::take(&mut dialog.plan.prack_offers)
            || later && std::mem::take(&mut dialog.plan.prack_offers_later);
        dialog.described |= response.has_sdp();
        let mut prack = dialog.request("PRACK", None);
        prack.add("RAck", &format!("{rseq} {invite} INVITE"));
        if answer || offer {
            let sdp = if offer { self.changed_sdp(index) } else { self.sdp(index) };
            prack.sdp(&sdp);
        }
        self.send_request(index, prack);
        true
    }

    /// Callee: another endpoint behind the same INVITE.
    pub(super) fn fork(&mut self, index: usize) {
        let Some(dialog) = self.dialogs.get(index) else { return };
        let Some(key) = dialog.invited.clone().filter(|key| self.is_open(key)) else { return };
        let mut fork = dialog.clone();
        fork.local_tag = self.token();
        fork.plan.rules = std::mem::take(&mut fork.plan.fork);
        fork.diary.clear();
        fork.stage = Stage::Begun;
        (fork.fork, fork.rseq, fork.ringing, fork.described) = (true, 0, None, false);
        fork.deferred.clear();
        self.dialogs.push(fork);
        let fork = self.dialogs.len() - 1;
        let fork_key = self.split(&key, fork);
        if let Some(fork) = self.dialogs.get_mut(fork) {
            fork.invited = Some(fork_key.clone());
            fork.first_invite = fork_key;
        }
        self.happened(fork, On::Start);
    }

    /// The other endpoints behind an INVITE that was answered or cancelled stop ringing.
    pub(super) fn end_forks(&mut self, index: usize) {
        let Some(winner) = self.dialogs.get(index) else { return };
        let (call_id, flow, tag) = (winner.call_id.clone(), winner.flow, winner.local_tag.clone());
        for dialog in &mut self.dialogs {
            let sibling =
                !dialog.caller && dialog.call_id == call_id && dialog.flow == flow && dialog.local_tag != tag;
            if sibling && dialog.stage < Stage::Up {
                dialog.stage = Stage::Over;
                dialog.ringing = None;
                dialog.invited = None;
            }
        }
    }

    /// Caller: the dialog that a response with this To tag belongs to; a further tag makes a further early dialog.
    pub(super) fn dialog_of_tag(&mut self, index: usize, tag: &str) -> usize {
        let Some(first) = self.dialogs.get(index) else { return index };
        if first.remote_tag.as_deref().is_none_or(|known| known == tag) {
            return index;
        }
        let call_id = first.call_id.clone();
        let known = self.dialogs.iter().position(|dialog| {
            dialog.fork && dialog.call_id == call_id && dialog.remote_tag.as_deref() == Some(tag)
        });
        if let Some(known) = known {
            return known;
        }
        let mut fork = first.clone();
        fork.fork = true;
        fork.stage = Stage::Begun;
        fork.remote_tag = None;
        (fork.rseq, fork.described, fork.remote_cseq, fork.cseq) = (0, false, None, fork.remote_invite);
        fork.plan.rules.retain(|rule| matches!(rule.on, On::Asked(_)));
        fork.first_invite.clear();
        self.dialogs.push(fork);
        self.dialogs.len() - 1
    }

    /// Caller: the INVITE has its final response. A 2xx in the early dialog of a fork makes that one the dialog.
    pub(super) fn settle_forks(&mut self, index: usize, status: u16, tag: &str) {
        let Some(first) = self.dialogs.get(index) else { return };
        let call_id = first.call_id.clone();
        let wins = |dialog: &super::Dialog| {
            dialog.fork && dialog.call_id == call_id && dialog.remote_tag.as_deref() == Some(tag)
        };
        if status < 300
            && let Some(winner) = self.dialogs.iter().position(wins)
            && let Ok([first, fork]) = self.dialogs.get_disjoint_mut([index, winner])
        {
            std::mem::swap(&mut first.remote_tag, &mut fork.remote_tag);
            std::mem::swap(&mut first.target, &mut fork.target);
            std::mem::swap(&mut first.cseq, &mut fork.cseq);
            std::mem::swap(&mut first.remote_cseq, &mut fork.remote_cseq);
            std::mem::swap(&mut first.rseq, &mut fork.rseq);
            std::mem::swap(&mut first.described, &mut fork.described);
        }
        for dialog in
            self.dialogs.iter_mut().filter(|dialog| dialog.fork && dialog.caller && dialog.call_id == call_id)
        {
            dialog.stage = Stage::Over;
        }
    }

    /// Caller: BYE in the early dialog of a fork (RFC 3261 §15).
    pub(super) fn bye_fork(&mut self, index: usize) {
        let Some(call_id) = self.dialogs.get(index).map(|dialog| dialog.call_id.clone()) else { return };
        let early =
            |dialog: &super::Dialog| dialog.fork && dialog.call_id == call_id && dialog.stage == Stage::Early;
        if let Some(fork) = self.dialogs.iter().position(early) {
            self.send_bye(fork);
        }
    }

    /// Answers PRACK or UPDATE, after the plan's delay.
    pub(super) fn answer_later(&mut self, key: &str, index: usize, sdp: bool) {
        let delay = self.dialogs.get(index).map_or(0, |dialog| dialog.plan.answer_delay);
        if delay == 0 {
            return self.answer_now(index, key, sdp);
        }
        let key = key.to_owned();
        self.alarms.push((self.now + delay, Alarm::AnswerLater { dialog: index, key, sdp }));
    }

    /// The same, when the time has come.
    pub(super) fn answer_now(&mut self, index: usize, key: &str, sdp: bool) {
        let sdp = sdp.then(|| self.sdp(index));
        self.respond(key, 200, sdp.as_deref());
    }

    /// UPDATE (RFC 3311 §5.2).
    pub(super) fn receive_update(&mut self, key: &str, index: usize, request: &Sip) {
        self.note_session(index, request);
        if let Some(status) = self.refuses_refresh(index, request) {
            return self.respond(key, status, None);
        }
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        if !dialog.plan.updates && !dialog.plan.session.is_some_and(|timing| timing.update) {
            self.complain("UPDATE, which we never said we take");
            self.respond(key, 405, None);
            return;
        }
        if let Some(contact) = request.contact() {
            dialog.target = contact.to_owned();
        }
        let glare = dialog.updating || dialog.inviting.is_some() && dialog.stage == Stage::Up;
        if request.has_sdp() && glare {
            self.respond(key, 491, None);
        } else {
            self.answer_later(key, index, request.has_sdp());
        }
        self.happened(index, On::Asked("UPDATE"));
    }
}
