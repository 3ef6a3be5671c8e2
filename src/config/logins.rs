//! `login:` and `register:` of a peer: what this edge shows it when it asks who we are, and as whom it is registered there.
//!
//! Owns the step from user and password to the keys that are kept: the password is forgotten here. Refuses to know
//! challenges. Read first: RFC 7616 §3.4.2; RFC 8760 §1; RFC 3261 §10.2, §25.1 (user).

use std::sync::Arc;

use secrecy::ExposeSecret as _;

use super::Source;
use super::credentials::{ALGORITHMS, name};
use super::fields::{Fields, choose};
use super::problem::{Cause, quoted};
use super::secrets;
use super::values;
use crate::clock::time_text;
use crate::policy::peer::CalledFrom;
use crate::policy::{Login, Peer, PeerSide, Register};
use crate::sip::digest::{Ha1, Hash};

/// The longest user of an address of record.
const USER_OCTETS_MAX: usize = 64;

/// Reads `login:` of a peer, whose other keys are read.
pub fn login(written: &Fields<'_>, peer: &Peer, source: &Source) -> Option<Arc<Login>> {
    if !written.is_set("login") {
        return None;
    }
    let fields = written.section("login")?;
    let user: Arc<str> = Arc::from(fields.checked("user", name)?);
    let password = secrets::password(&fields, source);
    let realm = if fields.is_set("realm") {
        fields.checked("realm", name).map(Arc::from)
    } else {
        realm_of(&fields, peer)
    };
    let hashes = hashes(&fields);
    if peer.plain_signalling && hashes.contains(&Hash::Md5) {
        let cause =
            "an MD5 answer in the clear can be read on the way, and its password tried out at leisure";
        fields.warning("algorithms", Cause::new(cause).cure("leave md5 out where the trunk knows SHA-256"));
    }
    let (password, realm) = (password?, realm?);
    // The carrier may have chosen it, so it is only told.
    if let Err(cause) = secrets::strong(&user, &password) {
        let cure = "ask the carrier for a better one: whoever guesses it calls at your cost";
        fields.warning("password", Cause::new(cause.text).cure(cure));
    }
    let secret = password.expose_secret().as_bytes();
    let key = |hash: &Hash| Ha1::new(*hash, user.as_bytes(), realm.as_bytes(), secret);
    let keys = hashes.iter().map(key).collect();
    let without_qop = without_qop(&fields);
    Some(Arc::new(Login { user, realm, keys, without_qop }))
}

/// Whether a challenge without qop is answered.
fn without_qop(fields: &Fields<'_>) -> bool {
    let allowed = fields.choice("without_qop", &[("allow", true), ("refuse", false)]).unwrap_or(false);
    if allowed {
        let cause = "an answer without qop holds nothing of ours: whoever overhears it, or forges the question, guesses the \
                     password faster";
        fields.warning(
            "without_qop",
            Cause::new(cause).cure("keep it to a trunk that knows no better, over TLS"),
        );
    }
    allowed
}

/// A trunk that is called by a name usually has that name for its realm: the host of `request_host`, else of its one named
/// target. An address tells nothing.
fn realm_of(fields: &Fields<'_>, peer: &Peer) -> Option<Arc<str>> {
    let realm = match &peer.request_host {
        Some(host) => values::domain_name(host).map(|(host, _)| Arc::from(host)),
        None => {
            let first = peer.domains().next().map(|domain| Arc::clone(&domain.host));
            first.filter(|host| peer.domains().all(|domain| domain.host == *host))
        }
    };
    if realm.is_none() {
        let cause =
            Cause::new("a login needs the realm it is for, and neither request_host nor one target names it");
        fields.desk().error(
            fields.place,
            &fields.path,
            cause.cure("add realm: with what stands in the trunk's challenge (401 or 407: realm=\"...\")"),
        );
    }
    realm
}

fn hashes(fields: &Fields<'_>) -> Vec<Hash> {
    let mut hashes = Vec::new();
    for (hash, item) in fields.words("algorithms", |text| choose(text, &ALGORITHMS)) {
        if hashes.contains(&hash) {
            let cause = Cause::new(format!("{} stands here twice", hash.token()));
            fields.desk().error(item.node.place, &item.path, cause);
        } else {
            hashes.push(hash);
        }
    }
    if !fields.is_set("algorithms") {
        hashes.extend(Hash::ALL.into_iter().filter(|hash| hash.is_sound()));
    }
    hashes
}

/// Reads `register:` of a peer, whose login is read.
pub fn register(written: &Fields<'_>, peer: &Peer) -> Option<Register> {
    if !written.is_set("register") {
        return None;
    }
    let fields = written.section("register")?;
    let wrong = |cause: &str, cure: &str| {
        fields.desk().error(fields.place, &fields.path, Cause::new(cause).cure(cure));
    };
    if peer.side == PeerSide::Inside {
        wrong("a PBX registers nobody for whom it has calls", "take register away, or make the peer outside");
    }
    if peer.targets.is_empty() {
        wrong("there is no target to be registered at", "write targets");
    }
    let user = if fields.is_set("user") {
        fields.checked("user", part_of_uri).map(Arc::from)
    } else {
        user_of(&fields, written, peer)
    };
    let expires = fields.time("expires");
    let register = Register { user: user?, expires };
    doubts(written, peer, &register);
    Some(register)
}

/// What may well be meant otherwise.
fn doubts(written: &Fields<'_>, peer: &Peer, register: &Register) {
    let digits = register.user.strip_prefix('+').unwrap_or(&register.user);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    if peer.called_from == CalledFrom::RequestUri && !is_number {
        let user = quoted(&register.user);
        let cause =
            format!("its calls come to our Contact, so each asks for {user}, which is no number (484)");
        let cure = "write called_from: to where the number stands in To, or register with a number as user";
        written.warning("called_from", Cause::new(cause).cure(cure));
    }
    if peer.domains().next().is_some() && !peer.calls_from_targets && !written.is_set("credentials") {
        let cause = "whoever answers DNS for this peer's names says who may take the registration and call";
        let cure = "fine for calls to numbers of your own; write addresses in targets where they are known";
        written.warning("register", Cause::new(cause).cure(cure));
    }
    if written.checked("profile", |name| Ok(name == "twilio")) == Some(true) {
        let cause = "Twilio's trunks take no REGISTER: they call the origination URI of the trunk";
        written.warning("register", Cause::new(cause).cure("take register away, and name this edge there"));
    }
}

/// The login's user, where it can stand in an address.
fn user_of(fields: &Fields<'_>, written: &Fields<'_>, peer: &Peer) -> Option<Arc<str>> {
    let user = peer.login.as_ref().map(|login| Arc::clone(&login.user));
    let fits = user.as_deref().is_some_and(|user| part_of_uri(user).is_ok());
    // A login that could not be read was told.
    if !fits && (user.is_some() || !written.is_set("login")) {
        let cause =
            Cause::new("a registration needs a user, and no login has one that can stand in a SIP address");
        fields.desk().error(
            fields.place,
            &fields.path,
            cause.cure("add user: below register, or login: with the trunk's user"),
        );
    }
    user.filter(|_| fits)
}

/// A user that stands in a URI without an escape.
fn part_of_uri(text: &str) -> Result<String, Cause> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$".contains(c);
    if text.is_empty() || text.len() > USER_OCTETS_MAX || !text.chars().all(plain) {
        let cause = Cause::new(format!("{} cannot stand as the user of a SIP address", quoted(text)));
        return Err(cause.cure("letters, digits and -_.!~*'()&=+$, 64 at most"));
    }
    Ok(text.to_owned())
}

/// What `check` says of a registration.
#[must_use]
pub fn registered(register: &Register) -> String {
    format!(
        "this edge is registered there as {}, asked for {}; calls may come from the target that holds it",
        quoted(&register.user),
        time_text(register.expires)
    )
}

/// What `check` says of it.
#[must_use]
pub fn told(login: &Login) -> String {
    let hashes: Vec<&str> = login.keys.iter().map(|key| key.hash().token()).collect();
    format!(
        "asked who we are for realm {}, user {} is shown ({}{}); for any other realm nothing",
        quoted(&login.realm),
        quoted(&login.user),
        hashes.join(", "),
        if login.without_qop { ", also without qop" } else { "" }
    )
}
