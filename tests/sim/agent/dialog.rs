//! One dialog as an endpoint keeps it.
//!
//! Owns the dialog's state and the requests built from it. Read first: RFC 3261 §12.

use super::plan::Plan;
use super::prover::Proof;
use super::session::Session;
use crate::sim::text::Sip;

/// How far a dialog has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stage {
    /// INVITE sent or received, nothing heard or said with a tag.
    #[default]
    Begun,
    /// A provisional response with a tag.
    Early,
    /// 2xx.
    Up,
    /// BYE sent or received, or a final refusal.
    Over,
}

/// A dialog of an endpoint.
#[derive(Debug, Clone, Default)]
pub struct Dialog {
    /// Which flow of the world it belongs to.
    pub flow: usize,
    pub caller: bool,
    pub plan: Plan,
    pub stage: Stage,
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: Option<String>,
    pub local_uri: String,
    pub remote_uri: String,
    /// The remote target: the URI requests are sent to.
    pub target: String,
    pub cseq: u32,
    pub remote_cseq: Option<u32>,
    /// The CSeq number of the INVITE that began it.
    pub remote_invite: u32,
    /// Key of our open INVITE, first or later.
    pub inviting: Option<String>,
    /// Key of the INVITE that we have not yet answered finally.
    pub invited: Option<String>,
    /// The INVITE that began it, as sent or received.
    pub first_invite: String,
    /// CSeq of the 2xx we sent that waits for its ACK.
    pub wait_ack: Option<u32>,
    /// Final responses heard for the first INVITE: status and tag.
    pub finals: Vec<(u16, String)>,
    pub bye_sent: bool,
    pub bye_answered: bool,
    pub cancelled: bool,
    pub vanished: bool,
    /// Methods received within the dialog, and statuses heard for our own, in order.
    pub diary: Vec<String>,
    pub sdp_version: u32,
    /// Whether the plan was told that the session is up.
    pub up_told: bool,
    /// How often its media has moved.
    pub moved: usize,
    pub session: Session,
    /// Whether the re-INVITE that waits offers what was offered before.
    pub same_offer: bool,
    /// One of several early dialogs of an INVITE, beside the first one.
    pub fork: bool,
    /// Caller: the last RSeq heard. Callee: the last one said.
    pub rseq: u32,
    /// Callee: a reliable response that waits for its PRACK.
    pub ringing: Option<Ringing>,
    /// Callee: what is to be said once it has come.
    pub deferred: Vec<(u16, bool)>,
    /// Whether offer and answer went reliably before the 2xx.
    pub described: bool,
    /// Our UPDATE that holds an offer is unanswered.
    pub updating: bool,
    /// What the edge asked, and how often that was answered.
    pub proof: Proof,
}

/// A reliable provisional response of a callee.
#[derive(Debug, Clone)]
pub struct Ringing {
    pub rseq: u32,
    pub key: String,
    pub bytes: Vec<u8>,
    pub sdp: bool,
}

impl Dialog {
    /// Whether a message's Call-ID and tags name this dialog; `local` and `remote` as this endpoint sees them.
    pub fn is_named(&self, call_id: &str, local: Option<&str>, remote: Option<&str>) -> bool {
        self.call_id == call_id
            && local == Some(self.local_tag.as_str())
            && (self.remote_tag.is_none() || remote == self.remote_tag.as_deref())
    }

    /// A request of this dialog, complete but for Via and Contact. Takes the next CSeq, unless one is given.
    pub fn request(&mut self, method: &str, cseq: Option<u32>) -> Sip {
        let number = cseq.unwrap_or_else(|| {
            self.cseq += 1;
            self.cseq
        });
        let mut request = Sip::request(method, &self.target);
        let to = match &self.remote_tag {
            Some(tag) => format!("<{}>;tag={tag}", self.remote_uri),
            None => format!("<{}>", self.remote_uri),
        };
        request.add("Max-Forwards", "70");
        request.add("From", &format!("<{}>;tag={}", self.local_uri, self.local_tag));
        request.add("To", &to);
        request.add("Call-ID", &self.call_id);
        request.add("CSeq", &format!("{number} {method}"));
        request
    }
}
