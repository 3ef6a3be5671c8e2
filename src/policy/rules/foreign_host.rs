//! The Request-URI of a new call names this edge, or the call is an attempt to relay (39207).
//!
//! The next hop always comes from the policy; this rule makes the attempt visible. Read first: RFC 3261 §16.5, §19.1.1.

use super::{Objection, Opinion, Question, code, named};
use crate::policy::alert::shortened;
use crate::policy::verdict::Saw;
use crate::sip::{Host, Method};

/// Asks the rule.
pub(super) fn judge(question: &Question<'_>) -> Opinion {
    let facts = question.facts;
    let carried = matches!(facts.method, Method::Invite | Method::Message) && !facts.in_dialog;
    let foreign = facts.request_host.filter(|host| carried && !question.policy.is_own_host(*host));
    let Some(host) = foreign else {
        return Opinion::pass(Saw::Nothing);
    };
    let host = match host {
        Host::Address(address) => address.to_string(),
        Host::Name(name) => shortened(&String::from_utf8_lossy(name)),
    };
    let text = format!(
        "{} asked for {} at {host}, which is not this edge: calls are never relayed to a host that a request names. If \
         {host} is a name of this edge, add it to `domains` of the site.",
        named(question),
        facts.called
    );
    let told = format!("{host} is not this edge");
    Opinion::refuse(Saw::Text(host.into()), Objection::new(code::RELAY_ATTEMPT, told, text))
}
