//! What an endpoint says and hears of transfers.
//!
//! Owns REFER and its NOTIFY. Read first: RFC 3515 §2; RFC 3420.

use super::Agent;
use super::plan::On;
use crate::sim::text::Sip;

impl Agent {
    /// What a REFER names, and what a NOTIFY says of it.
    pub(super) fn furnish_transfer(&self, index: usize, request: &mut Sip) {
        if request.method() == "NOTIFY" {
            request
                .add("Event", "refer")
                .add("Subscription-State", "terminated;reason=noresource")
                .add("Content-Type", "message/sipfrag;version=2.0");
            request.body = format!("SIP/2.0 200 OK\r\nX: {}\r\n\r\n", self.mark()).into_bytes();
            return;
        }
        let named = self.dialogs.get(index).and_then(|dialog| dialog.plan.refers.clone());
        let number = named.unwrap_or_else(|| "+19005550199".to_owned());
        request.add("Refer-To", &format!("<sip:{number}@example.net?X={}>", self.mark()));
        request.add("Referred-By", &format!("<sip:{}>", self.address));
    }

    /// A REFER that was told to us, or news of one of ours. What the other side put into either is marked, and may not be here.
    pub(super) fn receive_transfer(&mut self, key: &str, index: usize, request: &Sip) {
        if request.method() == "REFER" {
            self.respond(key, 202, None);
            return self.happened(index, On::Asked("REFER"));
        }
        let line = String::from_utf8_lossy(&request.body).into_owned();
        let fragment = request.header("Content-Type").is_some_and(|kind| kind.starts_with("message/sipfrag"));
        let event = request.header("Event").is_some_and(|event| event.starts_with("refer"));
        let state = request.header("Subscription-State").is_some();
        if !fragment || !event || !state || !line.starts_with("SIP/2.0 ") {
            self.complain(&format!("a NOTIFY that says {line:?}"));
        }
        if let Some(dialog) = self.dialogs.get_mut(index) {
            dialog.diary.push(format!("told {}", line.lines().next().unwrap_or_default()));
        }
        self.respond(key, 200, None);
        self.happened(index, On::Asked("NOTIFY"));
    }
}
