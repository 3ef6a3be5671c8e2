//! What an endpoint does of its own accord: it places calls and carries out its plan.
//!
//! Owns the acts. Read first: RFC 3261 §9.1, §13.1, §14.1, §15.

use super::plan::{Act, On, Plan};
use super::{Agent, Dialog, Stage};
use crate::sim::wire::Micros;

impl Agent {
    /// Places a call to `number` as `caller`; `flow` is the world's own mark.
    pub fn call(&mut self, now: Micros, flow: usize, caller: &str, number: &str, plan: Plan) {
        self.now = now;
        let (call_id, tag) = (self.token(), self.token());
        let target = format!("sip:{number}@{}", self.edge);
        let hops = plan.max_forwards.unwrap_or(70);
        let (late_offer, headers, extensions) = (plan.late_offer, plan.headers.clone(), extensions(&plan));
        let mut dialog = Dialog {
            flow,
            caller: true,
            plan,
            call_id,
            local_tag: tag,
            local_uri: format!("sip:{caller}@{}", self.address),
            remote_uri: target.clone(),
            target,
            remote_invite: 1,
            ..Dialog::default()
        };
        let mut invite = dialog.request("INVITE", None);
        invite.set("Max-Forwards", &hops.to_string());
        for (name, value) in extensions {
            invite.add(name, value);
        }
        for (name, value) in headers {
            invite.add(name, value);
        }
        self.dialogs.push(dialog);
        let index = self.dialogs.len() - 1;
        if !late_offer {
            let sdp = self.sdp(index);
            invite.sdp(&sdp);
        }
        let key = self.send_request(index, invite);
        if let Some(dialog) = self.dialogs.get_mut(index) {
            dialog.inviting = Some(key.clone());
            dialog.first_invite = key;
        }
        self.happened(index, On::Start);
    }

    /// Carries out a rule of a dialog's plan.
    pub(super) fn carry_out(&mut self, index: usize, rule: usize) {
        let Some(dialog) = self.dialogs.get(index).filter(|dialog| !dialog.vanished) else { return };
        let Some(rule) = dialog.plan.rules.get(rule).copied() else { return };
        let (stage, first, invited) = (dialog.stage, dialog.first_invite.clone(), dialog.invited.clone());
        match rule.act {
            Act::Ring { status, sdp } => self.answer(index, invited, status, sdp),
            Act::RingReliably { status, sdp } => self.ring_reliably(index, status, sdp),
            Act::RingOutOfOrder => self.ring_out_of_order(index),
            Act::Fork => self.fork(index),
            Act::Answer if dialog.ringing.is_some() => self.defer(index, 200, true),
            Act::Answer => {
                let sdp = !dialog.described;
                self.answer(index, invited, 200, sdp);
                self.end_forks(index);
            }
            Act::AnswerBare => self.answer(index, invited, 200, false),
            Act::AnswerAtOnce => self.answer(index, invited, 200, true),
            Act::ByeFork => self.bye_fork(index),
            Act::AnswerFork => self.answer_fork(index, &first),
            Act::Refuse(status) => {
                self.answer(index, invited, status, false);
                self.end_forks(index);
            }
            Act::Redirect => self.answer(index, invited, 302, false),
            Act::Cancel => self.cancel(&first),
            Act::Bye => {
                let early = dialog.caller && stage == Stage::Early;
                if stage == Stage::Up || early {
                    self.send_bye(index);
                }
            }
            Act::Reinvite => self.reinvite(index),
            Act::CancelReinvite => {
                if let Some(key) = dialog.inviting.clone().filter(|key| *key != first) {
                    self.cancel(&key);
                }
            }
            Act::Acknowledge => self.acknowledge_nothing(index),
            Act::Ask(method) => self.ask(index, method, true),
            Act::UpdateBare => self.ask(index, "UPDATE", false),
            Act::Storm(copies) => self.storm(&first, copies),
            Act::StopRinging => {
                if let Some(dialog) = self.dialogs.get_mut(index).filter(|dialog| dialog.stage < Stage::Up) {
                    dialog.stage = Stage::Over;
                }
            }
            Act::Vanish => {
                if let Some(dialog) = self.dialogs.get_mut(index) {
                    dialog.vanished = true;
                }
            }
        }
    }

    pub(super) fn answer(&mut self, index: usize, invited: Option<String>, status: u16, sdp: bool) {
        let Some(key) = invited.filter(|key| self.is_open(key)) else { return };
        if let Some(dialog) = self.dialogs.get_mut(index).filter(|_| (101..200).contains(&status)) {
            dialog.stage = dialog.stage.max(Stage::Early);
        }
        let sdp = sdp.then(|| self.sdp(index));
        self.respond(&key, status, sdp.as_deref());
    }

    /// A second 2xx to the first INVITE, from another branch of a fork: another tag, another dialog.
    fn answer_fork(&mut self, index: usize, key: &str) {
        // A CANCEL reaches every branch, and after a refusal no 2xx may follow (RFC 3261 §13.2.2.3, §16.7).
        if self.is_refused(key) {
            return;
        }
        let Some(dialog) = self.dialogs.get(index) else { return };
        let mut fork = dialog.clone();
        fork.local_tag = self.token();
        fork.plan.rules.clear();
        fork.diary.clear();
        fork.stage = Stage::Up;
        let tag = fork.local_tag.clone();
        self.dialogs.push(fork);
        let fork = self.dialogs.len() - 1;
        let sdp = self.sdp(fork);
        let fork_key = self.split(key, fork);
        self.respond_as(&fork_key, 200, Some(&sdp), &tag);
    }

    /// BYE, once.
    pub(super) fn send_bye(&mut self, index: usize) {
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        if dialog.bye_sent && !dialog.bye_answered || dialog.remote_tag.is_none() {
            return;
        }
        dialog.bye_sent = true;
        dialog.bye_answered = false;
        dialog.stage = Stage::Over;
        let bye = dialog.request("BYE", None);
        self.send_request(index, bye);
    }

    fn reinvite(&mut self, index: usize) {
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        if dialog.stage != Stage::Up
            || dialog.inviting.is_some()
            || dialog.invited.is_some()
            || dialog.updating
        {
            return;
        }
        let mut invite = dialog.request("INVITE", None);
        let sdp = self.changed_sdp(index);
        invite.sdp(&sdp);
        let key = self.send_request(index, invite);
        if let Some(dialog) = self.dialogs.get_mut(index) {
            dialog.inviting = Some(key);
        }
    }

    /// RFC 3261 §14.1: after a 491 and its wait, if the session is still up.
    pub(super) fn retry_reinvite(&mut self, index: usize) {
        self.reinvite(index);
    }

    /// An ACK of the dialog under a number that no INVITE of it has: one that a wire keeps back must not pass for the
    /// ACK of the answer. None is answered, so nothing waits for it.
    fn acknowledge_nothing(&mut self, index: usize) {
        let branch = format!("z9hG4bK-{}", self.token());
        let via = format!("SIP/2.0/{} {};branch={branch};rport", self.transport.via_token(), self.address);
        let Some(dialog) = self.dialogs.get_mut(index).filter(|dialog| dialog.stage == Stage::Early) else {
            return;
        };
        let mut ack = dialog.request("ACK", Some(dialog.cseq + 100));
        ack.headers.insert(0, ("Via".to_owned(), via));
        let to = self.in_dialog_address(index);
        self.emit(to, 0, ack.write());
    }

    fn ask(&mut self, index: usize, method: &str, furnished: bool) {
        let Some(dialog) = self.dialogs.get_mut(index).filter(|dialog| dialog.remote_tag.is_some()) else {
            return;
        };
        if dialog.stage == Stage::Over {
            return;
        }
        let mut request = dialog.request(method, None);
        if method == "UPDATE" && furnished {
            dialog.updating = true;
        }
        if furnished {
            self.furnish(index, &mut request);
        }
        self.send_request(index, request);
    }
}

/// The lines by which an endpoint says what it knows beyond RFC 3261.
pub(super) fn extensions(plan: &Plan) -> Vec<(&'static str, &'static str)> {
    let mut lines = Vec::new();
    if plan.updates {
        lines.push(("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE"));
    }
    if plan.requires_reliable {
        lines.push(("Require", "100rel"));
    } else if plan.reliable {
        lines.push(("Supported", "100rel"));
    }
    lines
}
