//! `login:` of a peer: what this edge shows it when it asks who we are.
//!
//! Owns the step from user and password to the keys that are kept: the password is forgotten here. Refuses to know
//! challenges. Read first: RFC 7616 §3.4.2; RFC 8760 §1.

use std::sync::Arc;

use secrecy::ExposeSecret as _;

use super::Source;
use super::credentials::{ALGORITHMS, name};
use super::fields::{Fields, choose};
use super::problem::{Cause, quoted};
use super::secrets;
use super::values;
use crate::policy::{Login, Peer};
use crate::sip::digest::{Ha1, Hash};

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
    Some(Arc::new(Login { user, realm, keys }))
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

/// What `check` says of it.
#[must_use]
pub fn told(login: &Login) -> String {
    let hashes: Vec<&str> = login.keys.iter().map(|key| key.hash().token()).collect();
    format!(
        "asked who we are for realm {}, user {} is shown ({}); for any other realm nothing",
        quoted(&login.realm),
        quoted(&login.user),
        hashes.join(", ")
    )
}
