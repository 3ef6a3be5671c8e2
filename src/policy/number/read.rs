//! The reader: a URI and a plan to a number.
//!
//! Owns the order of the steps, each of which fails closed; emergency comes before every refusal of what stands beside
//! the number. Allocates nothing where a number is read. Refuses to know who asks, and whether the number may be called.
//! Read first: RFC 3261 §19.1.1; RFC 3966 §3-5; RFC 4694 §5; RFC 4904 §4; RFC 5031 §4.2.

use super::candidate::{Found, dialled, digits_only, reason};
use super::deny::Deny;
use super::international::international;
use super::part::{PART_OCTETS_MAX, Part};
use super::plan::{DialPlan, behind};
use super::world::World;
use super::{Number, Privacy, ReadAs, Reading, Way};

/// Octets of a user part, or of a tel URI's number with its parameters, that are read.
pub const USER_OCTETS_MAX: usize = PART_OCTETS_MAX;
/// Parameters of a user part.
const PARAMETERS_MAX: usize = 16;
/// RFC 4694 §5, RFC 4904 §4: they can make the carrier route to another number.
const ROUTING: [&[u8]; 4] = [b"rn", b"cic", b"tgrp", b"trunk-context"];
/// RFC 5031 §4.2.
const SERVICES: [&str; 10] = [
    "sos.ambulance",
    "sos.animal-control",
    "sos.fire",
    "sos.gas",
    "sos.marine",
    "sos.mountain",
    "sos.physician",
    "sos.poison",
    "sos.police",
    "sos",
];

/// Reads who is dialled. The plan is that of the peer that dialled, made `ready`.
pub fn read(uri: &[u8], plan: &DialPlan, world: &World) -> Result<Reading, Deny> {
    let user = match target(uri)? {
        Target::Service(service) => {
            let number = Number::Service(service);
            let way = Way::plain(ReadAs::Emergency);
            return Ok(Reading { number, privacy: Privacy::Unset, parameters_dropped: false, way });
        }
        Target::User(user) => user,
    };
    if user.len() > USER_OCTETS_MAX {
        return Err(Deny::Oversize);
    }
    let (dialled, parameters) = match user.iter().position(|octet| *octet == b';') {
        Some(at) => (user.get(..at).unwrap_or_default(), user.get(at..).unwrap_or_default()),
        None => (user, &[][..]),
    };
    let part = Part::decode(dialled)?;
    let clean = part.without_separators();
    let keys = without_dial_end(clean.octets());
    let (number, privacy, way) = match emergency(keys, plan) {
        Some((number, privacy)) => (number, privacy, Way::plain(ReadAs::Emergency)),
        None => {
            let context = beside(parameters)?;
            judged(&part, keys, context.as_ref().map(Part::octets), plan, world)?
        }
    };
    Ok(Reading { number, privacy, parameters_dropped: !parameters.is_empty(), way })
}

/// What a URI names.
enum Target<'a> {
    Service(&'static str),
    User(&'a [u8]),
}

fn target(uri: &[u8]) -> Result<Target<'_>, Deny> {
    let colon = uri.iter().position(|octet| *octet == b':').ok_or(Deny::Scheme)?;
    let (scheme, rest) = (uri.get(..colon).unwrap_or_default(), uri.get(colon + 1..).unwrap_or_default());
    let is = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    if is("urn") {
        return service(rest).map(Target::Service).ok_or(Deny::Scheme);
    }
    if is("tel") {
        return Ok(Target::User(rest));
    }
    if !is("sip") && !is("sips") {
        return Err(Deny::Scheme);
    }
    let mut parts = rest.split(|octet| *octet == b'@');
    let (Some(user), Some(_), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Deny::NoUser);
    };
    // RFC 3261 §19.1.1: what stands behind a colon is a password.
    if user.contains(&b':') { Err(Deny::Password) } else { Ok(Target::User(user)) }
}

/// RFC 5031 §4.2: a kind that nobody has heard of is answered as `sos`.
fn service(urn: &[u8]) -> Option<&'static str> {
    let head = urn.get(..b"service:".len())?;
    let name = urn.get(b"service:".len()..)?;
    if !head.eq_ignore_ascii_case(b"service:") {
        return None;
    }
    let known = SERVICES.into_iter().find(|service| name.eq_ignore_ascii_case(service.as_bytes()));
    let of_sos = || name.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"sos."));
    known.or_else(|| of_sos().then_some("sos"))
}

/// One `#` at the end, with no other key of that kind, tells a phone that dialling has ended.
fn without_dial_end(keys: &[u8]) -> &[u8] {
    match keys.strip_suffix(b"#") {
        Some(rest) if !rest.iter().any(|key| matches!(key, b'*' | b'#')) => rest,
        Some(_) | None => keys,
    }
}

/// The emergency number that was dialled, in any of the ways in which the plan's users reach one.
fn emergency(keys: &[u8], plan: &DialPlan) -> Option<(Number, Privacy)> {
    let found = |keys: &[u8]| plan.emergency(keys).map(|digits| (Number::Emergency(digits), Privacy::Unset));
    let rest = behind(&plan.tech_prefixes, keys);
    found(keys).or_else(|| rest.and_then(found)).or_else(|| {
        let keys = rest.unwrap_or(keys);
        let starts = [Some(keys), plan.behind_outside_line(keys)];
        starts.into_iter().flatten().find_map(|keys| {
            plan.caller_prefixes.iter().find_map(|prefix| {
                let digits =
                    keys.strip_prefix(prefix.keys.as_bytes()).and_then(|rest| plan.emergency(rest))?;
                Some((Number::Emergency(digits), prefix.asks))
            })
        })
    })
}

/// Reads the parameters; what comes back is the phone-context.
fn beside(parameters: &[u8]) -> Result<Option<Part>, Deny> {
    if parameters.is_empty() {
        return Ok(None);
    }
    let mut names: [Option<Part>; PARAMETERS_MAX] = [const { None }; PARAMETERS_MAX];
    let mut context = None;
    for (place, parameter) in parameters.split(|octet| *octet == b';').skip(1).enumerate() {
        let (name, value) = match parameter.iter().position(|octet| *octet == b'=') {
            Some(at) => (parameter.get(..at), parameter.get(at + 1..)),
            None => (Some(parameter), None),
        };
        let name = Part::decode(name.unwrap_or_default())?;
        let value = Part::decode(value.unwrap_or_default())?;
        let is = |known: &[u8]| name.octets().eq_ignore_ascii_case(known);
        if ROUTING.into_iter().any(is) {
            return Err(Deny::RoutingParam);
        }
        if names.iter().flatten().any(|known| is(known.octets())) {
            return Err(Deny::RepeatedParam);
        }
        if is(b"phone-context") {
            context = Some(value);
        }
        *names.get_mut(place).ok_or(Deny::RepeatedParam)? = Some(name);
    }
    Ok(context)
}

fn judged(
    part: &Part,
    keys: &[u8],
    context: Option<&[u8]>,
    plan: &DialPlan,
    world: &World,
) -> Result<Found, Deny> {
    if let Some(name) = plan.names.iter().find(|name| name.as_bytes() == part.octets()) {
        return Ok((Number::Name(name.clone()), Privacy::Unset, Way::plain(ReadAs::Name)));
    }
    if keys.is_empty() {
        return Err(Deny::Empty);
    }
    if keys.iter().any(|key| !matches!(key, b'0'..=b'9' | b'*' | b'#' | b'+' | b'a'..=b'z' | b'A'..=b'Z')) {
        return Err(Deny::BadChar);
    }
    if keys.iter().any(u8::is_ascii_alphabetic) {
        return Err(Deny::Letters);
    }
    if let Some(context) = context {
        if keys.first() == Some(&b'+') {
            return Err(Deny::ContextOnGlobal);
        }
        if let [b'+', code @ ..] = context {
            return in_context(code, keys, world);
        }
        if !plan.phone_contexts.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(context)) {
            return Err(Deny::UnknownContext);
        }
    }
    let (keys, tech_prefix) = match behind(&plan.tech_prefixes, keys) {
        Some(rest) => (rest, true),
        None if plan.tech_prefix_required => return Err(Deny::TechPrefixMissing),
        None => (keys, false),
    };
    if let Some(rest) = keys.strip_prefix(b"+") {
        if !digits_only(rest) {
            return Err(reason(rest));
        }
        let way = Way { tech_prefix, ..Way::plain(ReadAs::Plus) };
        return international(&[rest], world).map(|number| (Number::E164(number), Privacy::Unset, way));
    }
    let (number, privacy, way) = dialled(keys, plan, world)?;
    Ok((number, privacy, Way { tech_prefix, ..way }))
}

/// RFC 3966 §5.1.5: a local number in the context of a global one's first digits.
fn in_context(code: &[u8], keys: &[u8], world: &World) -> Result<Found, Deny> {
    let mut digits = [0_u8; PART_OCTETS_MAX];
    let mut length = 0;
    for octet in code.iter().filter(|octet| !matches!(octet, b'-' | b'.' | b'(' | b')' | b' ')) {
        *digits.get_mut(length).ok_or(Deny::Oversize)? = *octet;
        length += 1;
    }
    let code = digits.get(..length).unwrap_or_default();
    if code.is_empty() || !digits_only(code) {
        return Err(Deny::UnknownContext);
    }
    if !digits_only(keys) {
        return Err(reason(keys));
    }
    let way = Way::plain(ReadAs::Context);
    international(&[code, keys], world).map(|number| (Number::E164(number), Privacy::Unset, way))
}
