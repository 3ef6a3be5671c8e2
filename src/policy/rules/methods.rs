//! Methods are let in by name: a call's own, OPTIONS, and what a peer's `allow` and `extensions` open.
//!
//! Read first: RFC 3261 §8.2.1, §21.4.6, §21.5.2; RFC 3515; RFC 3428; RFC 6086; RFC 3262; RFC 3311.

use super::{Objection, Opinion, Question, code, named};
use crate::policy::Peer;
use crate::policy::alert::Code;
use crate::policy::peer::Onward;
use crate::policy::verdict::Saw;
use crate::sip::Method;

enum Answer {
    Pass,
    /// A code, and the status the RFC asks for where the code's own is not it.
    Refuse(Code, Option<u16>),
}

fn answer(question: &Question<'_>) -> Answer {
    let Peer { methods: opened, extensions, transfers, .. } = question.peer;
    let within = question.facts.in_dialog;
    match question.facts.method {
        Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Options => Answer::Pass,
        Method::Info if opened.info => Answer::Pass,
        Method::Message if opened.message => Answer::Pass,
        Method::Prack if extensions.reliable => Answer::Pass,
        Method::Update if extensions.update => Answer::Pass,
        Method::Message => Answer::Refuse(code::MESSAGE_REFUSED, Some(405)),
        Method::Register => Answer::Refuse(code::REGISTER_NOT_SUPPORTED, None),
        // A transfer is of a call that is up; whether this one may be is the call's to say.
        Method::Refer if within && *transfers != Onward::Refuse => Answer::Pass,
        // RFC 3515 §2.4.4: whoever was told of a transfer tells how it goes.
        Method::Notify if within && question.policy.tells_of_transfers() => Answer::Pass,
        Method::Refer => Answer::Refuse(code::TRANSFER_REFUSED, None),
        Method::Info
        | Method::Prack
        | Method::Update
        | Method::Subscribe
        | Method::Notify
        | Method::Publish => Answer::Refuse(code::METHOD_NOT_ALLOWED, None),
        // RFC 3261 §8.2.1, §21.5.2: a method that is not known at all is 501.
        Method::Other(_) => Answer::Refuse(code::METHOD_NOT_ALLOWED, Some(501)),
    }
}

/// The methods of an Allow header for a peer, in the order they are written.
pub fn allowed(peer: &Peer) -> impl Iterator<Item = &'static str> {
    let extra = [
        ("REFER", peer.transfers != Onward::Refuse),
        ("PRACK", peer.extensions.reliable),
        ("UPDATE", peer.extensions.update),
        ("INFO", peer.methods.info),
        ("MESSAGE", peer.methods.message),
    ];
    let extra = extra.into_iter().filter_map(|(name, open)| open.then_some(name));
    ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"].into_iter().chain(extra)
}

/// Asks the rule.
pub(super) fn judge(question: &Question<'_>) -> Opinion {
    let Answer::Refuse(code, status) = answer(question) else {
        return Opinion::pass(Saw::Nothing);
    };
    let name = name(question.facts.method);
    let told = format!("{name} is not served here");
    let text = format!(
        "{} sent {name}, which is not open to it. If it should be carried, name it in `allow` of this peer (PRACK: `100rel`, UPDATE: `update` in `extensions`; REFER within a call: \
         `transfers`); REGISTER, SUBSCRIBE, PUBLISH and NOTIFY, and REFER outside a call, are not served by this edge.",
        named(question)
    );
    let mut objection = Objection::new(code, told, text);
    objection.status = status;
    Opinion::refuse(Saw::Text(name.into()), objection)
}

fn name(method: &Method) -> String {
    let known = match method {
        Method::Invite => "INVITE",
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Options => "OPTIONS",
        Method::Register => "REGISTER",
        Method::Prack => "PRACK",
        Method::Update => "UPDATE",
        Method::Info => "INFO",
        Method::Message => "MESSAGE",
        Method::Refer => "REFER",
        Method::Subscribe => "SUBSCRIBE",
        Method::Notify => "NOTIFY",
        Method::Publish => "PUBLISH",
        Method::Other(token) => return String::from_utf8_lossy(token).chars().take(32).collect(),
    };
    known.to_owned()
}
