//! The endpoint as a client: its requests, their retransmissions, and what it makes of the answers.
//!
//! Owns client transactions. Read first: RFC 3261 §8.1, §9.1, §13.2, §17.1; RFC 6026 §7.2.

use std::net::SocketAddr;

use super::plan::On;
use super::{Agent, Alarm, BINARY, Dialog, GIVE_UP, Stage, T1, T2};
use crate::sim::text::{Sip, host_port_of};
use crate::sim::wire::{MS, SECOND};

/// How far a client transaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Calling,
    Proceeding,
    Completed,
    Accepted,
    Gone,
}

/// A client transaction.
#[derive(Debug)]
pub struct Client {
    dialog: usize,
    request: Sip,
    bytes: Vec<u8>,
    to: SocketAddr,
    step: Step,
    /// The ACK sent, to send again when the final response comes again.
    ack: Option<Vec<u8>>,
    cancel_wanted: bool,
}

impl Agent {
    /// Sends a request of a dialog in a new transaction; returns its key.
    pub(super) fn send_request(&mut self, index: usize, mut request: Sip) -> String {
        let branch = format!("z9hG4bK-{}", self.token());
        let via = format!("SIP/2.0/{} {};branch={branch};rport", self.transport.via_token(), self.address);
        request.headers.insert(0, ("Via".to_owned(), via));
        if matches!(request.method(), "INVITE" | "UPDATE" | "SUBSCRIBE" | "REFER") {
            let contact = self.contact();
            request.add("Contact", &contact);
        }
        self.ask_session(index, &mut request);
        request.add("User-Agent", &format!("{}phone/1.0", self.mark()));
        self.prove_ahead(index, &mut request);
        let key = format!("{branch} {}", request.method());
        let to = self.destination(index, &request);
        self.start_client(key.clone(), index, request, to);
        key
    }

    pub(super) fn start_client(&mut self, key: String, dialog: usize, request: Sip, to: SocketAddr) {
        let bytes = request.write();
        self.emit(to, 0, bytes.clone());
        if !self.transport.is_reliable() {
            self.alarms.push((self.now + T1, Alarm::ClientAgain { key: key.clone(), interval: T1 }));
        }
        self.alarms.push((self.now + GIVE_UP, Alarm::ClientOver { key: key.clone() }));
        let step = Step::Calling;
        self.clients
            .insert(key, Client { dialog, request, bytes, to, step, ack: None, cancel_wanted: false });
    }

    /// A request as it was sent, and where to.
    pub(super) fn sent(&self, key: &str) -> Option<(Sip, SocketAddr)> {
        self.clients.get(key).map(|client| (client.request.clone(), client.to))
    }

    /// Where a request goes: the remote target once there is one, else the edge.
    fn destination(&mut self, index: usize, request: &Sip) -> SocketAddr {
        let known = self.dialogs.get(index).is_some_and(|dialog| dialog.remote_tag.is_some());
        if !known {
            return self.edge;
        }
        let target = host_port_of(request.uri()).to_owned();
        match target.parse() {
            Ok(address) => address,
            Err(_) => {
                self.complain(&format!("the edge's Contact {target:?} is no address and port"));
                self.edge
            }
        }
    }

    /// Timer A or E.
    pub(super) fn client_again(&mut self, key: &str, interval: u64) {
        let Some(client) = self.clients.get(key) else { return };
        let is_invite = client.request.method() == "INVITE";
        let next = match (client.step, is_invite) {
            (Step::Calling, true) => interval * 2,
            (Step::Calling, false) => (interval * 2).min(T2),
            (Step::Proceeding, false) => T2,
            (Step::Proceeding | Step::Completed | Step::Accepted | Step::Gone, _) => return,
        };
        let (to, bytes, dialog) = (client.to, client.bytes.clone(), client.dialog);
        if self.dialogs.get(dialog).is_some_and(|dialog| dialog.vanished) {
            return;
        }
        self.emit(to, 0, bytes);
        self.alarms.push((self.now + next, Alarm::ClientAgain { key: key.to_owned(), interval: next }));
    }

    /// Timer B or F; for an INVITE that rings it only means that a CANCEL was not followed by a final response.
    pub(super) fn client_over(&mut self, key: &str) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let (index, method, step) = (client.dialog, client.request.method().to_owned(), client.step);
        let (number, call_id) = (client.request.cseq().0, client.request.call_id().to_owned());
        if method == "INVITE" && step == Step::Proceeding {
            return;
        }
        client.step = Step::Gone;
        if !matches!(step, Step::Calling | Step::Proceeding) {
            return;
        }
        let vanished = self.dialogs.get(index).is_some_and(|dialog| dialog.vanished);
        if !vanished {
            self.complain(&format!("no final response to {method} {number} of {call_id}"));
        }
        if let Some(dialog) = self.dialogs.get_mut(index) {
            if dialog.inviting.as_deref() == Some(key) {
                dialog.inviting = None;
            }
            if matches!(method.as_str(), "BYE") || dialog.remote_tag.is_none() {
                dialog.stage = Stage::Over;
            }
        }
    }

    /// A response from the edge.
    pub(super) fn receive_response(&mut self, status: u16, response: &Sip) {
        let key = format!("{} {}", response.branch(), response.cseq().1);
        let Some(client) = self.clients.get_mut(&key) else { return };
        let (index, step) = (client.dialog, client.step);
        let method = client.request.method().to_owned();
        if let Some(text) = disagreement(&client.request, response) {
            self.complain(&text);
        }
        if status < 200 {
            if step == Step::Calling || step == Step::Proceeding {
                self.heard_provisional(&key, index, status, response, &method);
            }
            return;
        }
        if method == "INVITE" {
            self.heard_invite_final(&key, index, status, response);
            return;
        }
        if matches!(step, Step::Completed | Step::Gone) {
            return;
        }
        if let Some(client) = self.clients.get_mut(&key) {
            client.step = Step::Completed;
        }
        if self.prove(&key, index, status, response) {
            return;
        }
        if method == "UPDATE" {
            if let Some(dialog) = self.dialogs.get_mut(index) {
                dialog.updating = false;
            }
            if status < 300 {
                self.heard_session(index, response);
            }
        }
        self.heard_final(index, status, &method);
    }

    fn heard_provisional(&mut self, key: &str, index: usize, status: u16, response: &Sip, method: &str) {
        let mut cancel = false;
        if let Some(client) = self.clients.get_mut(key) {
            client.step = Step::Proceeding;
            cancel = std::mem::take(&mut client.cancel_wanted);
        }
        let is_first = self.dialogs.get(index).is_some_and(|dialog| dialog.first_invite == key);
        if method == "INVITE" && is_first && status > 100 {
            let offered = self.clients.get(key).is_some_and(|client| client.request.has_sdp());
            match response.to_tag().map(str::to_owned) {
                None => self.complain(&format!("{status} without a To tag")),
                Some(tag) => {
                    let dialog = self.dialog_of_tag(index, &tag);
                    self.early(dialog, tag, response);
                    if self.heard_reliable(dialog, response, offered) {
                        self.happened(index, On::Heard(status));
                    }
                }
            }
        }
        if cancel {
            self.send_cancel(key);
        }
    }

    fn early(&mut self, index: usize, tag: String, response: &Sip) {
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        if dialog.stage > Stage::Early {
            return;
        }
        dialog.stage = Stage::Early;
        if dialog.remote_tag.is_none() {
            dialog.remote_tag = Some(tag);
        }
        match response.contact() {
            Some(contact) => dialog.target = contact.to_owned(),
            None => self.complain("a provisional response that makes a dialog has no Contact"),
        }
    }

    fn heard_invite_final(&mut self, key: &str, index: usize, status: u16, response: &Sip) {
        let first = self.note_final(key, index, status, response);
        if first {
            self.settle_forks(index, status, response.to_tag().unwrap_or_default());
        }
        if status < 300 {
            self.heard_2xx(key, index, response, first);
            return;
        }
        self.acknowledge_refusal(key, response);
        if !first {
            return;
        }
        if self.prove(key, index, status, response) {
            return;
        }
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        dialog.inviting = None;
        if dialog.first_invite == key
            && !dialog.cancelled
            && status == 422
            && self.invite_again(index, response)
        {
            return;
        }
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        if dialog.first_invite == key {
            dialog.stage = Stage::Over;
            return;
        }
        let up = dialog.stage == Stage::Up;
        if status == 491 && up {
            // RFC 3261 §14.1: who made the Call-ID waits 2.1 to 4 s, the other 0 to 2 s.
            let wait = if dialog.caller { self.dice.between(210, 400) } else { self.dice.between(0, 200) };
            self.alarms.push((self.now + wait * 10 * MS, Alarm::Retry { dialog: index }));
        }
        self.heard_final(index, status, "INVITE");
    }

    /// Notes a final response; true for the first one of its transaction. A second, different one is a complaint.
    fn note_final(&mut self, key: &str, index: usize, status: u16, response: &Sip) -> bool {
        let tag = response.to_tag().unwrap_or_default().to_owned();
        let Some(client) = self.clients.get_mut(key) else { return false };
        let first = matches!(client.step, Step::Calling | Step::Proceeding);
        if first {
            client.step = if status < 300 { Step::Accepted } else { Step::Completed };
        }
        let Some(dialog) = self.dialogs.get_mut(index) else { return first };
        if dialog.first_invite == key && !dialog.finals.contains(&(status, tag.clone())) {
            dialog.finals.push((status, tag.clone()));
            if dialog.finals.len() > 1 {
                let finals = format!("{:?}", dialog.finals);
                self.complain(&format!("several final responses to one INVITE: {finals}"));
            }
        }
        if tag.is_empty() {
            self.complain(&format!("final response {status} without a To tag"));
        }
        first
    }

    /// RFC 3261 §17.1.1.3: the ACK for a refusal is built from the INVITE and belongs to its transaction.
    fn acknowledge_refusal(&mut self, key: &str, response: &Sip) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let mut ack = Sip::request("ACK", client.request.uri());
        for name in ["Via", "Max-Forwards", "From", "Call-ID"] {
            if let Some(value) = client.request.header(name) {
                ack.add(name, value);
            }
        }
        ack.add("To", response.header("To").unwrap_or_default());
        ack.add("CSeq", &format!("{} ACK", client.request.cseq().0));
        let (to, bytes) = (client.to, ack.write());
        client.ack = Some(bytes.clone());
        self.emit(to, 0, bytes);
    }

    fn heard_2xx(&mut self, key: &str, index: usize, response: &Sip, first: bool) {
        if !first {
            let again =
                self.clients.get(key).and_then(|client| client.ack.clone().map(|ack| (client.to, ack)));
            if let Some((_, ack)) = again {
                let to = self.in_dialog_address(index);
                self.emit(to, 0, ack);
            }
            return;
        }
        let Some(contact) = response.contact().map(str::to_owned) else {
            self.complain("2xx to INVITE without Contact");
            return;
        };
        let tag = response.to_tag().map(str::to_owned);
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        let was_over = dialog.stage == Stage::Over;
        dialog.target = contact;
        dialog.inviting = None;
        dialog.remote_tag = tag;
        if !was_over {
            dialog.stage = Stage::Up;
        }
        let (cancelled, no_ack) = (dialog.cancelled, dialog.plan.no_ack);
        let is_first_invite = dialog.first_invite == key;
        self.heard_session(index, response);
        if !no_ack {
            self.acknowledge_2xx(key, index, response);
        }
        if is_first_invite && (was_over || cancelled) {
            self.send_bye(index);
        } else if is_first_invite {
            if let Some(dialog) = self.dialogs.get_mut(index) {
                dialog.up_told = true;
            }
            self.happened(index, On::Up);
        } else {
            self.heard_final(index, 200, "INVITE");
        }
    }

    /// RFC 3261 §13.2.2.4: the ACK for a 2xx is a request of the dialog; with the answer when the 2xx held the offer.
    fn acknowledge_2xx(&mut self, key: &str, index: usize, response: &Sip) {
        let Some(client) = self.clients.get(key) else { return };
        let offered = client.request.has_sdp();
        let number = client.request.cseq().0;
        let shown = |name| client.request.header(name).map(|value| (name, value.to_owned()));
        let proof = shown("Authorization").or_else(|| shown("Proxy-Authorization"));
        let described = key == self.first_invite_of(index)
            && self.dialogs.get(index).is_some_and(|dialog| dialog.described);
        if !response.has_sdp() && !described {
            self.complain("2xx to INVITE without SDP");
        }
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        let mut ack = dialog.request("ACK", Some(number));
        let branch = format!("z9hG4bK-{}", self.token());
        let via = format!("SIP/2.0/{} {};branch={branch};rport", self.transport.via_token(), self.address);
        ack.headers.insert(0, ("Via".to_owned(), via));
        if let Some((name, value)) = proof {
            // RFC 3261 §22.1: the ACK shows what its INVITE showed.
            ack.add(name, &value);
        }
        if !offered && !described {
            let sdp = self.sdp(index);
            ack.sdp(&sdp);
        }
        let bytes = ack.write();
        if let Some(client) = self.clients.get_mut(key) {
            client.ack = Some(bytes.clone());
        }
        let to = self.in_dialog_address(index);
        self.emit(to, 0, bytes);
    }

    fn first_invite_of(&self, index: usize) -> String {
        self.dialogs.get(index).map(|dialog| dialog.first_invite.clone()).unwrap_or_default()
    }

    pub(super) fn in_dialog_address(&mut self, index: usize) -> SocketAddr {
        let target = self.dialogs.get(index).map(|dialog| dialog.target.clone()).unwrap_or_default();
        let request = Sip::request("ACK", &target);
        self.destination(index, &request)
    }

    /// A final response to anything but the first INVITE.
    fn heard_final(&mut self, index: usize, status: u16, method: &str) {
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        dialog.diary.push(format!("{method} answered {status}"));
        if matches!(method, "INVITE" | "UPDATE") {
            dialog.session.settle(status < 300);
        }
        if method == "BYE" {
            dialog.bye_answered = true;
            dialog.stage = Stage::Over;
        }
        let word = ["INVITE", "INFO", "OPTIONS", "BYE", "UPDATE", "PRACK", "REFER", "MESSAGE", "CANCEL"]
            .into_iter()
            .find(|word| *word == method);
        if let Some(word) = word {
            self.happened(index, On::Answered(word));
        }
    }

    /// CANCEL for an INVITE of ours, now or as soon as a provisional response allows it (RFC 3261 §9.1).
    pub(super) fn cancel(&mut self, key: &str) {
        match self.clients.get_mut(key) {
            Some(client) if client.step == Step::Calling => client.cancel_wanted = true,
            Some(client) if client.step == Step::Proceeding => self.send_cancel(key),
            _ => {}
        }
    }

    fn send_cancel(&mut self, key: &str) {
        let Some(client) = self.clients.get(key) else { return };
        let (index, to, uri) = (client.dialog, client.to, client.request.uri().to_owned());
        let mut cancel = Sip::request("CANCEL", &uri);
        for name in ["Via", "Max-Forwards", "From", "To", "Call-ID"] {
            if let Some(value) = client.request.header(name) {
                cancel.add(name, value);
            }
        }
        cancel.add("CSeq", &format!("{} CANCEL", client.request.cseq().0));
        if let Some(dialog) = self.dialogs.get_mut(index).filter(|dialog| dialog.first_invite == key) {
            dialog.cancelled = true;
        }
        let cancel_key = format!("{} CANCEL", cancel.branch());
        if !self.clients.contains_key(&cancel_key) {
            self.start_client(cancel_key, index, cancel, to);
            self.alarms.push((self.now + GIVE_UP + SECOND, Alarm::CancelOver { key: key.to_owned() }));
        }
    }

    /// Requests of living dialogs that never had a final response.
    pub fn unanswered(&self) -> impl Iterator<Item = (&Dialog, String)> {
        let open = |client: &&Client| matches!(client.step, Step::Calling | Step::Proceeding);
        let named = |client: &Client| format!("{} {}", client.request.method(), client.request.cseq().0);
        let with_dialog = move |client: &Client| Some((self.dialogs.get(client.dialog)?, named(client)));
        self.clients.values().filter(open).filter_map(with_dialog).filter(|(dialog, _)| !dialog.vanished)
    }

    /// RFC 3261 §9.1: 64*T1 after a CANCEL the INVITE counts as cancelled; a good peer has answered it by then.
    pub(super) fn cancel_over(&mut self, key: &str) {
        if self.clients.get(key).is_some_and(|client| client.step == Step::Proceeding) {
            self.complain("no final response to a cancelled INVITE");
        }
    }

    /// The INVITE's bytes again, as a network or a peer gone wild would send them.
    pub(super) fn storm(&mut self, key: &str, copies: u16) {
        let Some(client) = self.clients.get(key) else { return };
        let (to, bytes) = (client.to, client.bytes.clone());
        for _ in 0..copies {
            self.emit(to, 0, bytes.clone());
        }
    }

    /// Fills a request of ours within a dialog with what its method needs.
    pub(super) fn furnish(&mut self, index: usize, request: &mut Sip) {
        match request.method().to_owned().as_str() {
            "INFO" => {
                request.add("Content-Type", "application/octet-stream");
                request.body = BINARY.to_vec();
            }
            "UPDATE" => {
                let sdp = self.changed_sdp(index);
                request.sdp(&sdp);
            }
            "PRACK" => {
                request.add("RAck", "1 1 INVITE");
            }
            "REFER" | "NOTIFY" => self.furnish_transfer(index, request),
            "MESSAGE" => {
                request.add("Content-Type", "text/plain");
                request.body = b"hello".to_vec();
            }
            _ => {}
        }
    }
}

/// What of a response does not fit the request it answers.
fn disagreement(request: &Sip, response: &Sip) -> Option<String> {
    for name in ["From", "Call-ID", "CSeq"] {
        if request.header(name) != response.header(name) {
            return Some(format!(
                "{name} came back as {:?}, was sent as {:?}",
                response.header(name),
                request.header(name)
            ));
        }
    }
    let asked = request.to_tag();
    if asked.is_some() && asked != response.to_tag() {
        return Some(format!("To tag changed from {asked:?} to {:?}", response.to_tag()));
    }
    (response.lines("Via").count() != 1).then(|| "a response with more or less than our own Via".to_owned())
}
