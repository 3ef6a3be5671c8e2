//! `credentials` of a peer: what it must show before it may call.
//!
//! Owns the step from users and their secrets to a `Demand`. Refuses to know how a challenge looks.
//! Read first: `secrets.rs`; RFC 8760 §2.3.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use smallvec::SmallVec;

use super::Source;
use super::fields::{Fields, Item, choose};
use super::peers::Read;
use super::problem::{Cause, listed, quoted};
use super::routes::patterns;
use super::secrets::{self, HASH_KEYS};
use super::table::{CREDENTIAL, HA1};
use super::tree::Value;
use crate::policy::Peer;
use crate::policy::credential::{Credential, Demand, DigestUri, Hashes};
use crate::policy::route::Pattern;
use crate::sip::digest::{Ha1, Hash};

/// The words of `algorithms:`.
pub(super) const ALGORITHMS: [(&str, Hash); 3] =
    [("sha-256", Hash::Sha256), ("sha-512-256", Hash::Sha512T256), ("md5", Hash::Md5)];

/// What `challenge:` and `digest_uri:` may say.
const CHALLENGES: [(&str, bool); 2] = [("user_agent", false), ("proxy", true)];
const URIS: [(&str, DigestUri); 2] = [("request", DigestUri::Request), ("host", DigestUri::Host)];

/// Octets of a user's name or a realm.
const NAME_OCTETS_MAX: usize = 128;

/// Reads what a peer must show; `None` when nothing. `realm` stands where the peer names none.
pub fn demand(fields: &Fields<'_>, realm: &str, source: &Source) -> Option<Arc<Demand>> {
    if !fields.is_set("credentials") {
        beside(fields);
        return None;
    }
    let realm = fields.checked("realm", name).unwrap_or_else(|| realm.to_owned());
    let hashes = hashes(fields);
    let mut credentials: Vec<Arc<Credential>> = Vec::new();
    let mut known: BTreeMap<String, u32> = BTreeMap::new();
    for item in fields.list("credentials") {
        let Some(read) = credential(fields, &item, &realm, &hashes, source) else { continue };
        if let Some(line) = known.insert(read.user.to_string(), item.node.place.line) {
            let cause = format!("the user {} already stands in line {line}", quoted(&read.user));
            fields.desk().error(item.node.place, &item.path, Cause::new(cause).cure("keep one of them"));
        }
        credentials.push(Arc::new(read));
    }
    let proxy = fields.choice("challenge", &CHALLENGES).unwrap_or_default();
    let uri = fields.choice("digest_uri", &URIS).unwrap_or_default();
    if uri == DigestUri::Host {
        let cause = "a password shown for one call may be used for another number by whoever sees it first";
        fields.warning("digest_uri", Cause::new(cause).cure("keep this to machines that cannot do better"));
    }
    Some(Arc::new(Demand { realm: Arc::from(realm), hashes, proxy, uri, credentials }))
}

/// Keys that mean nothing without `credentials`, where they say something of their own.
fn beside(fields: &Fields<'_>) {
    let told = [
        ("realm", fields.is_set("realm")),
        ("algorithms", *hashes(fields) != [Hash::Sha256, Hash::Sha512T256]),
        ("challenge", fields.choice("challenge", &CHALLENGES) == Some(true)),
        ("digest_uri", fields.choice("digest_uri", &URIS) == Some(DigestUri::Host)),
    ];
    for (name, _) in told.into_iter().filter(|(_, told)| *told) {
        let cause = format!("{name} says how credentials are asked for, and there are none");
        fields.error(name, Cause::new(cause).cure("write credentials, or remove it"));
    }
}

/// What a peer needs that may send from anywhere: something to be known by, terms that it shares with whoever else roams at
/// its listener, for it is asked before anybody knows who it is, and users that are nobody else's there.
pub fn roaming(peers: &[Read<'_, Peer>]) {
    for (at, Read { value: peer, fields }) in peers.iter().enumerate().filter(|(_, peer)| peer.value.roaming)
    {
        let shows = peer.proof.as_ref().is_some_and(|proof| proof.client_certificate);
        if peer.demand.is_none() && !shows {
            let cause = Cause::new(
                "anybody could send as this peer: it has no credentials, and shows no certificate",
            );
            let cure = "write credentials, or tls with its ca on a listener that serves TLS, or list the addresses it sends from";
            fields.error("sources", cause.cure(cure));
            continue;
        }
        if !peer.targets.is_empty() {
            let cause = Cause::new("a peer that may be anywhere cannot be called");
            fields.error("targets", cause.cure("remove targets, or list its addresses as sources"));
        }
        let here = |other: &&Read<'_, Peer>| other.value.roaming && other.value.listener == peer.listener;
        let others = peers.iter().take(at).filter(here);
        others.clone().for_each(|other| same_handshake(other, peer, fields));
        let Some(demand) = &peer.demand else { continue };
        for (other, theirs) in
            others.filter_map(|other| Some((&other.value.name, other.value.demand.as_ref()?)))
        {
            let terms =
                |demand: &Demand| (demand.realm.clone(), demand.hashes.clone(), demand.proxy, demand.uri);
            if terms(demand) != terms(theirs) {
                let cause = format!("it is asked for its password otherwise than {} is", quoted(other));
                let cure =
                    "write the same realm, algorithms, challenge and digest_uri: both roam at one listener";
                fields.error("credentials", Cause::new(cause).cure(cure));
            }
            for user in demand.credentials.iter().map(|credential| &credential.user) {
                if theirs.find(user.as_bytes()).is_some() {
                    let cause = format!("the user {} is also one of {}", quoted(user), quoted(other));
                    let cure =
                        "give it another name: both roam at one listener, and nothing else tells them apart";
                    fields.error("credentials", Cause::new(cause).cure(cure));
                }
            }
        }
    }
}

/// Who roams over TLS is met before anybody knows who it is, and where a certificate is all that one shows, nothing else tells
/// it from another.
fn same_handshake(other: &Read<'_, Peer>, peer: &Peer, fields: &Fields<'_>) {
    let own = |fields: &Fields<'_>| fields.section("tls").is_some_and(|tls| tls.is_set("certificate"));
    let name = quoted(&other.value.name);
    if other.value.proof != peer.proof || own(fields) || own(&other.fields) {
        let cause = format!("it is met over TLS otherwise than {name} is");
        let cure = "write the same tls, without a certificate of its own: both roam at one listener";
        fields.error("sources", Cause::new(cause).cure(cure));
    }
    if other.value.demand.is_none() || peer.demand.is_none() {
        let cause = format!("nothing tells it from {name}: both roam at one listener");
        fields.error("sources", Cause::new(cause).cure("give each credentials, or a listener of its own"));
    }
}

fn hashes(fields: &Fields<'_>) -> Hashes {
    let mut hashes = Hashes::new();
    for (hash, item) in fields.words("algorithms", |text| choose(text, &ALGORITHMS)) {
        if hashes.contains(&hash) {
            let cause = format!("{} stands here twice", hash.token());
            fields.desk().error(item.node.place, &item.path, Cause::new(cause).cure("remove one"));
        } else {
            hashes.push(hash);
        }
    }
    if !fields.is_set("algorithms") {
        hashes.extend([Hash::Sha256, Hash::Sha512T256]);
    }
    // RFC 8760 §2.3: the topmost is the one liked best; a machine that answers the first must not be led to the weakest.
    if hashes.iter().rev().skip_while(|hash| !hash.is_sound()).any(|hash| !hash.is_sound()) {
        let cause = Cause::new("md5 stands before a sound algorithm, and many machines answer the first");
        fields.error("algorithms", cause.cure("write md5 last"));
    } else if hashes.contains(&Hash::Md5) {
        let cause = "MD5 is broken: whoever sees an answer guesses passwords offline, fast";
        let cure = "keep it to machines that know no other, with passwords of `ringfence secret new`";
        fields.warning("algorithms", Cause::new(cause).cure(cure));
    }
    hashes
}

/// Text that stands between quotes without an escape, and that every machine reads alike.
pub(super) fn name(text: &str) -> Result<String, Cause> {
    let bad = |c: char| c.is_control() || matches!(c, '"' | '\\' | ':');
    if text.is_empty() || text.len() > NAME_OCTETS_MAX || text.chars().any(bad) {
        let cause = format!("{} cannot stand in a challenge", quoted(text));
        return Err(
            Cause::new(cause).cure("write at most 128 octets, without colons, quotes and backslashes")
        );
    }
    Ok(text.to_owned())
}

fn credential(
    peer: &Fields<'_>,
    item: &Item<'_>,
    realm: &str,
    hashes: &[Hash],
    source: &Source,
) -> Option<Credential> {
    let fields = Fields::open(peer.desk(), &CREDENTIAL, item.node, item.node.place, item.path.clone())?;
    let user = fields.checked("user", name)?;
    let keys = match (fields.is_set("password"), fields.is_set("ha1")) {
        (true, false) => from_password(&fields, &user, realm, hashes, source)?,
        (false, true) => from_hashes(&fields, &user, realm, hashes)?,
        (true, true) | (false, false) => {
            let cause = Cause::new("a credential has either a password or its hashes");
            let cure = "write password: { env: NAME }, password: { file: PATH } or ha1: (made with ringfence secret hash)";
            peer.desk().error(fields.place, &fields.path, cause.cure(cure));
            return None;
        }
    };
    let mut callers = patterns(&fields, "from");
    for pattern in &mut callers {
        if let Pattern::List(list) = pattern {
            let mut sorted = list.to_vec();
            sorted.sort_unstable();
            *list = sorted.into();
        }
    }
    if callers.contains(&Pattern::SiteDid) {
        let cause = Cause::new("did is a called number");
        fields.error("from", cause.cure("list the callers, or write a prefix"));
    }
    if callers.is_empty() {
        callers.push(Pattern::Exact(Arc::from(&*user)));
    }
    // Its numbers are read beside, where its site's are known.
    Some(Credential { user: Arc::from(user), keys, callers, owned: None })
}

fn from_password(
    fields: &Fields<'_>,
    user: &str,
    realm: &str,
    hashes: &[Hash],
    source: &Source,
) -> Option<SmallVec<[Ha1; 2]>> {
    if let Some(Value::Scalar(_)) = fields.node("password").map(|node| &node.value) {
        let cause = Cause::new("a password stands here, and everybody who reads this file would know it");
        let cure = "write password: { env: NAME } or password: { file: PATH }, and take this one out of use";
        fields.error("password", cause.cure(cure));
        return None;
    }
    let password = secrets::password(fields, source)?;
    if let Err(cause) = secrets::strong(user, &password) {
        fields.error("password", cause);
        return None;
    }
    let secret = password.expose_secret().as_bytes();
    Some(hashes.iter().map(|hash| Ha1::new(*hash, user.as_bytes(), realm.as_bytes(), secret)).collect())
}

fn from_hashes(fields: &Fields<'_>, user: &str, realm: &str, hashes: &[Hash]) -> Option<SmallVec<[Ha1; 2]>> {
    let node = fields.node("ha1")?;
    let written = Fields::open(fields.desk(), &HA1, node, node.place, fields.path_of("ha1"))?;
    let mut keys = SmallVec::new();
    for (key, hash) in HASH_KEYS.into_iter().filter(|(key, _)| written.is_set(key)) {
        let read = written.checked(key, |text| {
            let read = Ha1::read(hash, text.as_bytes()).ok_or_else(|| {
                let cause = format!(
                    "this is no {} hash: it has {} digits of 0-9 and a-f",
                    hash.token(),
                    hash.digits()
                );
                Cause::new(cause).cure(format!("ringfence secret hash --user {user} --realm {realm}"))
            })?;
            secrets::strong_hash(user, realm, &read)?;
            Ok(read)
        });
        keys.extend(read.filter(|_| hashes.contains(&hash)));
    }
    let missing = |hash: &&Hash| !HASH_KEYS.iter().any(|(key, of)| of == *hash && written.is_set(key));
    let missing: Vec<&str> = HASH_KEYS
        .iter()
        .filter(|(_, hash)| hashes.iter().filter(missing).any(|one| one == hash))
        .map(|(key, _)| *key)
        .collect();
    if !missing.is_empty() {
        // A user known by one algorithm and not by another would tell that it exists.
        let cause = format!(
            "the peer is offered an algorithm whose hash is missing here: {}",
            listed(missing, "and")
        );
        let cure =
            format!("add it (ringfence secret hash --user {user} --realm {realm}), or shorten algorithms");
        fields.error("ha1", Cause::new(cause).cure(cure));
        return None;
    }
    Some(keys)
}
