//! The endpoint as a server: requests of the edge, judged as a strict peer judges them, and their answers.
//!
//! Owns server transactions. Read first: RFC 3261 §8.2, §9.2, §12.2.2, §13.3, §14.2, §15.1.2, §17.2; RFC 6026 §7.1.

use std::net::SocketAddr;

use super::plan::{Act, On};
use super::{Agent, Alarm, BINARY, Dialog, GIVE_UP, Stage, T1, T2};
use crate::sim::text::{Sip, phrase, user_of};
use crate::sim::wire::{MS, Packet};

/// A server transaction.
#[derive(Debug)]
pub struct Server {
    request: Sip,
    from: SocketAddr,
    connection: u64,
    /// The last response sent, and its status.
    last: Option<(u16, Vec<u8>)>,
    acked: bool,
    dialog: Option<usize>,
}

impl Agent {
    /// A request from the edge.
    pub(super) fn receive_request(&mut self, packet: &Packet, request: Sip) {
        if let Some(text) = objection(&request) {
            self.complain(&format!("{text}:\n{}", String::from_utf8_lossy(&packet.bytes)));
        }
        let method = request.method().to_owned();
        if method == "ACK" {
            self.receive_ack(&request);
            return;
        }
        let key = format!("{} {method}", request.branch());
        if let Some(server) = self.servers.get(&key) {
            if let Some((_, bytes)) = server.last.clone() {
                self.emit(packet.from, packet.connection, bytes);
            }
            return;
        }
        let server = Server {
            request: request.clone(),
            from: packet.from,
            connection: packet.connection,
            last: None,
            acked: false,
            dialog: None,
        };
        self.servers.insert(key.clone(), server);
        if method != "CANCEL" && self.challenges(&key, &request) {
            return;
        }
        match (method.as_str(), request.to_tag()) {
            ("CANCEL", _) => self.receive_cancel(&key, &request),
            ("INVITE", None) => self.receive_first_invite(&key, &request),
            (_, Some(_)) => self.receive_in_dialog(&key, &request),
            ("REGISTER", None) => self.receive_register(&key, &request),
            ("OPTIONS" | "MESSAGE", None) => self.respond(&key, 200, None),
            (_, None) => self.respond(&key, 481, None),
        }
    }

    fn receive_first_invite(&mut self, key: &str, request: &Sip) {
        let called = user_of(request.uri()).to_owned();
        let expected = self.expected.iter().find(|(number, _, _)| *number == called).cloned();
        let Some((_, flow, mut plan)) = expected else {
            self.complain(&format!("a call for {called:?}, which nobody made"));
            self.respond(key, 404, None);
            return;
        };
        let uri =
            |name: &str| request.header(name).map(crate::sim::text::uri_of).unwrap_or_default().to_owned();
        let trying = plan.trying;
        let again = self.dialogs.iter().any(|dialog| !dialog.caller && dialog.flow == flow);
        if again && plan.pause.is_some() {
            plan.rules.retain(|rule| !matches!(rule.act, Act::Refuse(_)));
        }
        let dialog = Dialog {
            flow,
            caller: false,
            plan,
            call_id: request.call_id().to_owned(),
            local_tag: self.token(),
            remote_tag: request.calling_tag().map(str::to_owned),
            local_uri: uri("To"),
            remote_uri: uri("From"),
            target: request.contact().unwrap_or_default().to_owned(),
            cseq: 100,
            remote_cseq: Some(request.cseq().0),
            remote_invite: request.cseq().0,
            invited: Some(key.to_owned()),
            first_invite: key.to_owned(),
            ..Dialog::default()
        };
        self.dialogs.push(dialog);
        let index = self.dialogs.len() - 1;
        self.own(key, index);
        self.note_session(index, request);
        if self.is_too_short(index, request) {
            self.respond(key, 422, None);
            return;
        }
        if trying {
            self.respond(key, 100, None);
        }
        self.happened(index, On::Start);
    }

    fn receive_in_dialog(&mut self, key: &str, request: &Sip) {
        let method = request.method().to_owned();
        let named =
            |dialog: &Dialog| dialog.is_named(request.call_id(), request.to_tag(), request.calling_tag());
        let Some(index) = self.dialogs.iter().position(named) else {
            self.complain(&format!("{method} for a dialog that never was"));
            self.respond(key, 481, None);
            return;
        };
        self.own(key, index);
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        if dialog.remote_tag.is_none() {
            dialog.remote_tag = request.calling_tag().map(str::to_owned);
        }
        let number = request.cseq().0;
        if dialog.remote_cseq.is_some_and(|seen| number <= seen) {
            // RFC 3261 §12.2.2: late and out of order.
            self.respond(key, 500, None);
            return;
        }
        dialog.remote_cseq = Some(number);
        dialog.diary.push(method.clone());
        let over = dialog.stage == Stage::Over;
        if dialog.plan.trying_others && method != "INVITE" {
            self.respond(key, 100, None);
        }
        if over {
            let crossed = method == "BYE" && self.dialogs.get(index).is_some_and(|dialog| dialog.bye_sent);
            let status = if crossed { 200 } else { 481 };
            self.respond(key, status, None);
            return;
        }
        match method.as_str() {
            "BYE" => self.receive_bye(key, index),
            "INVITE" => self.receive_reinvite(key, index, request),
            "INFO" => {
                if request.body != BINARY {
                    self.complain("the body of INFO is not the one that was sent");
                }
                self.respond(key, 200, None);
                self.happened(index, On::Asked("INFO"));
            }
            "UPDATE" => self.receive_update(key, index, request),
            "PRACK" if !self.is_caller(index) => self.receive_prack(key, index, request),
            "REFER" | "NOTIFY" => self.receive_transfer(key, index, request),
            "OPTIONS" | "MESSAGE" => self.respond(key, 200, None),
            _ => self.respond(key, 405, None),
        }
    }

    fn receive_bye(&mut self, key: &str, index: usize) {
        self.respond(key, 200, None);
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        dialog.stage = Stage::Over;
        dialog.ringing = None;
        let invited = dialog.invited.take();
        let (call_id, flow) = (dialog.call_id.clone(), dialog.flow);
        let rings_elsewhere = self.dialogs.iter().any(|other| {
            !other.caller && other.call_id == call_id && other.flow == flow && other.stage < Stage::Up
        });
        if let Some(invited) = invited.filter(|_| !rings_elsewhere) {
            // RFC 3261 §15.1.2: what is pending is answered 487; of a fork, when none of its endpoints rings any more.
            self.respond(&invited, 487, None);
        }
        self.happened(index, On::Asked("BYE"));
    }

    fn receive_reinvite(&mut self, key: &str, index: usize, request: &Sip) {
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        if let Some(contact) = request.contact() {
            dialog.target = contact.to_owned();
        }
        let glare = dialog.inviting.is_some();
        let early = dialog.invited.is_some();
        let refused = dialog.plan.reinvite_refused;
        let refused = refused.or_else(|| if glare { None } else { self.refuses_refresh(index, request) });
        self.note_offer(index, request);
        self.note_session(index, request);
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        let delay = if dialog.plan.reinvite_delay == 0 { 200 * MS } else { dialog.plan.reinvite_delay };
        if glare {
            self.respond(key, 491, None);
        } else if early {
            self.respond(key, 500, None);
        } else if let Some(status) = refused {
            self.respond(key, status, None);
        } else {
            dialog.invited = Some(key.to_owned());
            self.respond(key, 100, None);
            let key = key.to_owned();
            self.alarms.push((self.now + delay, Alarm::Reanswer { dialog: index, key }));
        }
        self.happened(index, On::Asked("INVITE"));
    }

    /// The answer to a re-INVITE that was let wait.
    pub(super) fn reanswer(&mut self, index: usize, key: &str) {
        let Some(dialog) = self.dialogs.get(index) else { return };
        if dialog.invited.as_deref() == Some(key) && dialog.stage == Stage::Up && !dialog.vanished {
            let sdp = self.answer_sdp(index);
            self.respond(key, 200, Some(&sdp));
        }
    }

    fn receive_cancel(&mut self, key: &str, cancel: &Sip) {
        let invite = format!("{} INVITE", cancel.branch());
        let Some(server) = self.servers.get(&invite) else {
            self.complain("CANCEL for an INVITE that never came");
            self.respond(key, 481, None);
            return;
        };
        let (final_sent, index) =
            (server.last.as_ref().is_some_and(|(status, _)| *status >= 200), server.dialog);
        if server.request.uri() != cancel.uri() || server.request.header("To") != cancel.header("To") {
            self.complain("CANCEL's Request-URI or To is not the INVITE's");
        }
        if let Some(index) = index {
            self.own(key, index);
        }
        self.respond(key, 200, None);
        if !final_sent {
            self.respond(&invite, 487, None);
            if let Some(index) = index {
                self.end_forks(index);
            }
        }
        if let Some(dialog) = index.and_then(|index| self.dialogs.get_mut(index)) {
            dialog.diary.push("CANCEL".to_owned());
        }
    }

    fn receive_ack(&mut self, ack: &Sip) {
        let invite = format!("{} INVITE", ack.branch());
        if let Some(server) = self.servers.get_mut(&invite) {
            if server.last.as_ref().is_some_and(|(status, _)| *status >= 300) {
                server.acked = true;
            } else {
                self.complain("ACK with the INVITE's branch, and the INVITE has no refusal");
            }
            return;
        }
        let named = |dialog: &Dialog| dialog.is_named(ack.call_id(), ack.to_tag(), ack.calling_tag());
        let Some(index) = self.dialogs.iter().position(named) else {
            self.complain("ACK for a dialog that never was");
            return;
        };
        let number = ack.cseq().0;
        let first = self.dialogs.get(index).is_some_and(|dialog| dialog.remote_invite == number);
        let described = first && self.dialogs.get(index).is_some_and(|dialog| dialog.described);
        let mut late_offer = false;
        let mut invite = None;
        for server in self.servers.values_mut() {
            let is_ours = server.dialog == Some(index) && server.request.method() == "INVITE";
            let accepted = server.last.as_ref().is_some_and(|(status, _)| (200..300).contains(status));
            if is_ours && accepted && server.request.cseq().0 == number {
                server.acked = true;
                invite = Some(server.request.clone());
                late_offer = !server.request.has_sdp() && !described;
            }
        }
        if let Some(invite) = invite {
            self.compare_proofs(ack, &invite);
        }
        if late_offer != ack.has_sdp() {
            self.complain(&format!("ACK with SDP: {}, offer in the 2xx: {late_offer}", ack.has_sdp()));
        }
        self.note_session(index, ack);
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        if dialog.wait_ack == Some(number) {
            let first = !std::mem::replace(&mut dialog.up_told, true);
            dialog.wait_ack = None;
            dialog.diary.push("ACK".to_owned());
            if first {
                self.happened(index, On::Up);
            }
        }
    }

    fn own(&mut self, key: &str, index: usize) {
        if let Some(server) = self.servers.get_mut(key) {
            server.dialog = Some(index);
        }
    }

    /// Answers a server transaction; the first final response of an INVITE stands.
    pub(super) fn respond(&mut self, key: &str, status: u16, sdp: Option<&str>) {
        let Some(server) = self.servers.get(key) else { return };
        let index = server.dialog;
        let tag = index.and_then(|index| self.dialogs.get(index)).map(|dialog| dialog.local_tag.clone());
        let tag = tag.unwrap_or_else(|| format!("{}none", self.mark()));
        self.respond_as(key, status, sdp, &tag);
    }

    pub(super) fn respond_as(&mut self, key: &str, status: u16, sdp: Option<&str>, tag: &str) {
        self.respond_with(key, status, sdp, tag, &[]);
    }

    /// The same with more lines; what was sent.
    pub(super) fn respond_with(
        &mut self,
        key: &str,
        status: u16,
        sdp: Option<&str>,
        tag: &str,
        lines: &[(&str, String)],
    ) -> Option<Vec<u8>> {
        let contact = self.contact();
        let agent = format!("{}phone/1.0", self.mark());
        let request = self.servers.get(key)?.request.clone();
        let next = self.next_nonce(&request, status);
        let index = self.servers.get(key)?.dialog;
        let updates =
            index.and_then(|index| self.dialogs.get(index)).is_some_and(|dialog| dialog.plan.updates);
        let invite = request.method() == "INVITE";
        let refreshes = request.method() == "UPDATE" && status < 300;
        let mut response = Sip::response(&request, status, phrase(status), tag);
        if let Some(index) = index {
            self.grant_session(index, &request, status, &mut response);
        }
        let server = self.servers.get_mut(key)?;
        if refreshes || invite && status > 100 && status < 400 {
            response.add("Contact", if status >= 300 { "<sip:+19005550100@192.0.2.200>" } else { &contact });
        }
        let plan = server.dialog.and_then(|index| self.dialogs.get(index)).map(|dialog| &dialog.plan);
        let pause = plan.and_then(|plan| plan.pause).filter(|_| status == 503);
        if let Some(pause) = pause.or_else(|| (status == 500).then_some(1)) {
            response.add("Retry-After", &pause.to_string());
        }
        if updates && invite && status > 100 && status < 300 {
            response.add("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE");
        }
        for (name, value) in lines {
            response.add(name, value);
        }
        if let Some((name, value)) = next {
            response.add(name, &value);
        }
        response.add("Server", &agent);
        if let Some(sdp) = sdp {
            response.sdp(sdp);
        }
        let bytes = response.write();
        let (to, connection) = (server.from, server.connection);
        server.last = Some((status, bytes.clone()));
        let number = request.cseq().0;
        self.emit(to, connection, bytes.clone());
        if !invite || status < 200 {
            return Some(bytes);
        }
        if status < 300 || !self.transport.is_reliable() {
            self.alarms.push((self.now + T1, Alarm::ServerAgain { key: key.to_owned(), interval: T1 }));
        }
        self.alarms.push((self.now + GIVE_UP, Alarm::ServerOver { key: key.to_owned() }));
        let dialog = index.and_then(|index| self.dialogs.get_mut(index))?;
        if dialog.invited.as_deref() == Some(key) {
            dialog.invited = None;
        }
        if status < 300 {
            dialog.wait_ack = Some(number);
            if dialog.stage < Stage::Up {
                dialog.stage = Stage::Up;
            }
        } else if dialog.stage < Stage::Up {
            dialog.stage = Stage::Over;
        }
        Some(bytes)
    }

    /// Bytes again to where an INVITE came from.
    pub(super) fn resend(&mut self, key: &str, bytes: Vec<u8>) {
        if let Some(server) = self.servers.get(key) {
            let (to, connection) = (server.from, server.connection);
            self.emit(to, connection, bytes);
        }
    }

    /// Whether the INVITE knows reliable provisional responses.
    pub(super) fn knows_reliable(&self, key: &str) -> bool {
        let knows = |request: &Sip| {
            ["Supported", "Require"]
                .into_iter()
                .any(|name| request.lines(name).any(|line| line.split(',').any(|tag| tag.trim() == "100rel")))
        };
        self.servers.get(key).is_some_and(|server| knows(&server.request))
    }

    /// Whether the INVITE held an offer.
    pub(super) fn servers_sdp(&self, key: &str) -> bool {
        self.servers.get(key).is_some_and(|server| server.request.has_sdp())
    }

    fn is_caller(&self, index: usize) -> bool {
        self.dialogs.get(index).is_some_and(|dialog| dialog.caller)
    }

    /// Timer G, or RFC 3261 §13.3.1.4 for a 2xx.
    pub(super) fn server_again(&mut self, key: &str, interval: u64) {
        let Some(server) = self.servers.get(key) else { return };
        let (to, connection, acked) = (server.from, server.connection, server.acked);
        let vanished = server.dialog.and_then(|index| self.dialogs.get(index)).is_some_and(|d| d.vanished);
        let Some((_, bytes)) = server.last.clone().filter(|_| !acked && !vanished) else { return };
        self.emit(to, connection, bytes);
        let next = (interval * 2).min(T2);
        self.alarms.push((self.now + next, Alarm::ServerAgain { key: key.to_owned(), interval: next }));
    }

    /// Timer H, or the end of waiting for the ACK of a 2xx.
    pub(super) fn server_over(&mut self, key: &str) {
        let Some(server) = self.servers.get_mut(key) else { return };
        let (acked, index) = (server.acked, server.dialog);
        let accepted = server.last.as_ref().is_some_and(|(status, _)| *status < 300);
        server.acked = true;
        let Some(index) = index.filter(|_| !acked) else { return };
        let over = self.dialogs.get(index).is_none_or(|d| d.vanished || d.stage == Stage::Over);
        if accepted && !over {
            self.complain("a 2xx was never acknowledged");
            self.send_bye(index);
        } else if !accepted && self.dialogs.get(index).is_some_and(|d| !d.vanished) {
            self.complain("a refusal was never acknowledged");
        }
    }

    /// Whether an INVITE still waits for its final response.
    pub(super) fn is_open(&self, key: &str) -> bool {
        self.servers
            .get(key)
            .is_some_and(|server| server.last.as_ref().is_none_or(|(status, _)| *status < 200))
    }

    /// Whether an INVITE was refused.
    pub(super) fn is_refused(&self, key: &str) -> bool {
        let last = self.servers.get(key).and_then(|server| server.last.as_ref());
        last.is_some_and(|(status, _)| *status >= 300)
    }

    /// A second server transaction beside `key`, as if another endpoint behind a fork had been asked too.
    pub(super) fn split(&mut self, key: &str, dialog: usize) -> String {
        let fork = format!("{key} fork");
        if let Some(server) = self.servers.get(key) {
            let (request, from, connection) = (server.request.clone(), server.from, server.connection);
            let dialog = Some(dialog);
            let server = Server { request, from, connection, last: None, acked: false, dialog };
            self.servers.insert(fork.clone(), server);
        }
        fork
    }
}

/// What a strict peer would not accept in a request.
fn objection(request: &Sip) -> Option<String> {
    for name in ["Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length"] {
        match request.lines(name).count() {
            1 => {}
            count => return Some(format!("{count} {name} headers")),
        }
    }
    if request.cseq().1 != request.method() {
        return Some("CSeq names another method".to_owned());
    }
    if !request.branch().starts_with("z9hG4bK") || request.branch().len() < 7 + 13 {
        return Some(format!("branch {:?}", request.branch()));
    }
    if request.calling_tag().is_none_or(|tag| tag.len() < 13) {
        return Some("From tag missing or short".to_owned());
    }
    if request.method() == "INVITE" && request.contact().is_none() {
        return Some("INVITE without Contact".to_owned());
    }
    let untyped = !request.body.is_empty() && request.header("Content-Type").is_none();
    untyped.then(|| "a body without Content-Type".to_owned())
}
