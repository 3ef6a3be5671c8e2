//! What of a leg belongs to one dialog: the early dialogs of a forked INVITE differ in it.
//!
//! Owns how a leg turns from one dialog to another of the same INVITE. Refuses to know when.
//! Read first: RFC 3261 §12.1, §12.2.1.1.

use super::leg::Leg;
use super::offer::Offer;
use super::way::Way;
use super::{LocalTag, Side};
use crate::sip::{HeaderName, Hop, Message};

/// What of a leg belongs to one dialog: the early dialogs of a forked INVITE differ in it.
#[derive(Debug)]
pub(super) struct Dialog {
    pub local_tag: LocalTag,
    pub remote_tag: Box<[u8]>,
    pub way: Way,
    pub local_cseq: u32,
    pub remote_cseq: u32,
    pub hop: Hop,
    pub offer: Offer,
    pub allows_update: bool,
    /// The session description of ours that stands.
    pub sdp: Option<Box<[u8]>>,
}

impl Dialog {
    /// Bytes of the peer's that it holds.
    pub fn bytes(&self) -> usize {
        let sdp = self.sdp.as_ref().map_or(0, |sdp| sdp.len());
        size_of::<Self>() + self.remote_tag.len() + self.way.bytes() + sdp
    }
}

impl Leg {
    /// A dialog of the same INVITE with another fork; `offered` says whether that INVITE holds an offer.
    pub fn fresh_dialog(&self, offered: bool) -> Dialog {
        let offer = match (offered, self.side) {
            (false, _) => Offer::None,
            (true, Side::A) => Offer::Received,
            (true, Side::B) => Offer::Sent,
        };
        Dialog {
            local_tag: self.local_tag,
            remote_tag: Box::default(),
            way: Way::default(),
            local_cseq: 0,
            remote_cseq: 0,
            hop: self.hop,
            offer,
            allows_update: false,
            sdp: None,
        }
    }

    /// Stands for another dialog of the same INVITE; what it stood for is left in `dialog`.
    pub fn turn_dialog(&mut self, dialog: &mut Dialog) {
        std::mem::swap(&mut self.local_tag, &mut dialog.local_tag);
        std::mem::swap(&mut self.remote_tag, &mut dialog.remote_tag);
        std::mem::swap(&mut self.way, &mut dialog.way);
        std::mem::swap(&mut self.local_cseq, &mut dialog.local_cseq);
        std::mem::swap(&mut self.remote_cseq, &mut dialog.remote_cseq);
        std::mem::swap(&mut self.hop, &mut dialog.hop);
        std::mem::swap(&mut self.offer, &mut dialog.offer);
        std::mem::swap(&mut self.sdp, &mut dialog.sdp);
        std::mem::swap(&mut self.allows_update, &mut dialog.allows_update);
    }

    /// Notes from a message's Allow whether its sender takes UPDATE; one without Allow says nothing new.
    pub fn note_allow(&mut self, message: &Message) {
        if message.has(HeaderName::Allow) {
            self.allows_update = self.peer.extensions.update && message.lists(HeaderName::Allow, "UPDATE");
        }
    }
}
