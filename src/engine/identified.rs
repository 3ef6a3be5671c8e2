//! As whom a user may call that has proven its password: as those whom `from` of its credential lists, and nobody else.
//!
//! Owns which headers say who calls, and who sent a call on. Refuses to know passwords. Read first: RFC 3261 §22;
//! RFC 3323 §4.1.1.3; RFC 3325 §5, §9; RFC 5806 §4; RFC 7044 §4, §10.1.2; attack row A9.

use std::borrow::Cow;
use std::sync::Arc;

use super::intake::Arrived;
use super::refuse::Wrong;
use crate::call::caller;
use crate::policy::alert::shortened;
use crate::policy::code;
use crate::policy::credential::Credential;
use crate::policy::peer::PassedHeader;
use crate::policy::verdict::{Said, Saw, Step};
use crate::sip::headers::{Diversion, HistoryInfo, asserted};
use crate::sip::{HeaderName, Message, NameAddr};

/// Why a request may not go on, and the step of the trail that says which rule found it.
#[derive(Debug)]
pub(super) struct Mismatch {
    pub wrong: Wrong,
    pub step: Option<Step>,
}

/// The headers in which a sender says who it is, beside From.
const CLAIMS: [HeaderName; 3] =
    [HeaderName::PAssertedIdentity, HeaderName::PPreferredIdentity, HeaderName::RemotePartyId];

/// Whether a credential may call as everybody that its request names: the caller who counts, From, and whoever is asserted or
/// preferred.
pub(super) fn identity(
    arrived: &Arrived<'_>,
    credential: &Credential,
    counts: &str,
) -> Result<(), Box<Mismatch>> {
    let refused = |header: &'static str, user: &str| Err(mismatch(arrived, credential, header, user));
    let from = arrived.message.from();
    let claimed = claimed(arrived.message)?;
    // RFC 3323 §4.1.1.3: a From that hides its caller names nobody; then the asserted identity says who it is.
    let nobody =
        !claimed.is_empty() && user(&from).is_some_and(|user| user.eq_ignore_ascii_case("anonymous"));
    if !credential.may_call_as(counts) {
        return refused("the caller", counts);
    }
    if !nobody && !may(credential, &from) {
        return refused("From", &user(&from).unwrap_or_default());
    }
    match claimed.iter().find(|(_, name)| !may(credential, name)) {
        Some((header, name)) => refused(header, &user(name).unwrap_or_default()),
        None => {
            let called = arrived.message.uri().and_then(|uri| caller::user(&uri).ok());
            diverting(arrived, credential, called.as_deref())
        }
    }
}

/// Whether a credential may call as everybody who is named as having sent the call on, where a peer would hear of it: carriers
/// bill a call to whom Diversion names, and let From be anybody's then. A peer that no policy opens these headers to is told of
/// nobody, so that what a machine writes there by habit refuses nothing.
fn diverting(
    arrived: &Arrived<'_>,
    credential: &Credential,
    called: Option<&str>,
) -> Result<(), Box<Mismatch>> {
    let message = arrived.message;
    let others = || arrived.policy.peers.iter().flatten().filter(|peer| peer.id != arrived.peer.id);
    let opened = |header| {
        message.has(header) && others().any(|peer| peer.pass_headers.contains(&PassedHeader::Known(header)))
    };
    // What cannot be read or names nobody does not cross, or as nobody.
    let named = |name: &NameAddr<'_>| {
        let user = user(name).filter(|user| !user.is_empty() && !user.eq_ignore_ascii_case("anonymous"));
        user.map(Cow::into_owned)
    };
    let objects = |user: &String| !credential.may_call_as(user);
    if opened(HeaderName::Diversion) {
        let mut values =
            message.values(HeaderName::Diversion).filter_map(|value| Diversion::read(value).ok());
        if let Some(user) = values.find_map(|value| named(&value.address).filter(objects)) {
            return Err(mismatch(arrived, credential, HeaderName::Diversion.as_str(), &user));
        }
    }
    if opened(HeaderName::HistoryInfo) {
        let values =
            message.values(HeaderName::HistoryInfo).filter_map(|value| HistoryInfo::read(value).ok());
        let mut last = None;
        let users: Vec<Option<String>> = values
            .map(|value| {
                last = Some(value.address.raw_uri);
                named(&value.address)
            })
            .collect();
        // RFC 7044 §4: the last is whom the call is for now, which is nobody who sent it on. What was dialled may be written
        // there in another way than it was read.
        let reads = || {
            let dialled = arrived.peer.dialling.as_ref()?.read(last?).ok()?;
            Some(called == Some(dialled.as_str()))
        };
        let for_now = users.last().is_some_and(|last| last.as_deref() == called) || reads() == Some(true);
        let past = users.len() - usize::from(for_now);
        if let Some(user) = users.into_iter().take(past).flatten().find(objects) {
            return Err(mismatch(arrived, credential, HeaderName::HistoryInfo.as_str(), &user));
        }
    }
    Ok(())
}

/// The same of a later request within its call: From says nothing there that is passed on (RFC 3261 §12.2.1.1), what is
/// asserted may be. A machine that repeats its History-Info there ends it with whom the call was for, and not with the contact that
/// the request names.
pub(super) fn within(arrived: &Arrived<'_>, user_name: &str, called: &str) -> Result<(), Box<Mismatch>> {
    let demand = arrived.peer.demand.as_ref();
    let Some(credential) = demand.and_then(|demand| demand.find(user_name.as_bytes())) else { return Ok(()) };
    match claimed(arrived.message)?.iter().find(|(_, name)| !may(credential, name)) {
        Some((header, name)) => Err(mismatch(arrived, credential, header, &user(name).unwrap_or_default())),
        None => diverting(arrived, credential, Some(called)),
    }
}

/// Everybody that a message says its sender is, with the header that says so.
fn claimed(message: &Message) -> Result<Vec<(&'static str, NameAddr<'_>)>, Box<Mismatch>> {
    let mut names = Vec::new();
    for header in CLAIMS {
        if !message.has(header) {
            continue;
        }
        let unreadable = |_| {
            let why = format!("{} cannot be read", header.as_str());
            Box::new(Mismatch { wrong: Wrong::new(400, code::HEADER_VALUE_INVALID, &why), step: None })
        };
        let values = message.values(header);
        if header == HeaderName::RemotePartyId {
            for value in values {
                let name = NameAddr::read(value).map_err(unreadable)?;
                // Of the other parties it says who is called.
                if caller::is_calling_party(&name) {
                    names.push((header.as_str(), name));
                }
            }
        } else {
            names.extend(
                asserted(values).map_err(unreadable)?.into_iter().map(|name| (header.as_str(), name)),
            );
        }
    }
    Ok(names)
}

fn user<'a>(name: &NameAddr<'a>) -> Option<Cow<'a, str>> {
    caller::user(&name.uri().ok()?).ok()
}

fn may(credential: &Credential, name: &NameAddr<'_>) -> bool {
    user(name).is_some_and(|user| credential.may_call_as(&user))
}

fn mismatch(
    arrived: &Arrived<'_>,
    credential: &Credential,
    header: &'static str,
    user: &str,
) -> Box<Mismatch> {
    let peer = arrived.peer;
    let demand = peer.demand.as_ref();
    let at = demand.and_then(|demand| demand.credentials.iter().position(|one| one.user == credential.user));
    let rule: Arc<str> =
        Arc::from(format!("peers.{}.credentials[{}].from", peer.name, at.unwrap_or_default()));
    let named = shortened(user);
    let why = format!(
        "the credential {} may not call as {} ({header}); list that user under `from` of the credential if it should",
        credential.user,
        named.escape_debug()
    );
    let step = Step { rule, saw: Saw::Text(named.into()), said: Said::Refuse };
    Box::new(Mismatch { wrong: Wrong::by_policy(code::IDENTITY_MISMATCH, peer, &why), step: Some(step) })
}
