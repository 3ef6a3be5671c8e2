//! Certificates, keys and authorities: from the files that a policy names to what TLS is set up with.
//!
//! Owns the step from `certificate:` and `tls:` to terms, and where in the YAML a file's fault is told. Refuses to know
//! sessions. Read first: `net/tls/material.rs`; RFC 5922.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Source;
use super::fields::Fields;
use super::peers::Read;
use super::problem::{Cause, quoted};
use super::profiles;
use super::settings::path;
use super::table::CERTIFICATE;
use super::values;
use crate::clock::Wall;
use crate::net::tls::{
    Authorities, Book, ClientRule, Dated, Fault, Held, Name, Part, Shown, Trust, material,
};
use crate::policy::peer::Aim;
use crate::policy::peer::Proof;
use crate::policy::{Listener, Peer};
use crate::sip::{ListenerId, PartyId, Transport};

/// The word for what the system trusts.
const SYSTEM: &str = "system";

/// What TLS is set up with.
#[derive(Debug, Default)]
pub struct Material {
    /// For each peer that is met on a listener with TLS: what it is shown, and what it must prove.
    pub entries: Vec<(PartyId, Shown, Trust)>,
    /// Every certificate that was read from a file.
    pub dated: Vec<Dated>,
    /// Every file that was read, with what stood in it.
    pub files: Vec<(PathBuf, Held)>,
}

impl Material {
    /// Sets TLS up, once: what has not changed since `before` is taken over from there. Fails in one clause.
    pub fn book(&mut self, before: &Book) -> Result<Book, String> {
        Book::build(std::mem::take(&mut self.entries), std::mem::take(&mut self.dated), before)
    }
}

/// What a peer must prove, as the policy has it; `None` where its listener serves no TLS.
pub fn proof(fields: &Fields<'_>, served: bool) -> Option<Proof> {
    if fields.is_set("tls") && !served {
        let cause = Cause::new("its listener serves no TLS, so this says nothing");
        fields.error("tls", cause.cure("add a certificate to the listener, or remove it"));
        return None;
    }
    let tls = fields.section("tls").filter(|_| served)?;
    let name = |text: &str| {
        if text.parse::<IpAddr>().is_err() {
            values::host(text)?;
        }
        Ok(Arc::from(text))
    };
    let names: Vec<Arc<str>> = tls.words("names", name).into_iter().map(|(name, _)| name).collect();
    let authorities = tls.word("ca").map_or_else(|| Arc::from(SYSTEM), |word| Arc::from(word.text));
    let named = tls.is_set("ca");
    let client = tls.choice("client_certificate", &[("require", true), ("none", false)]);
    let client_certificate = client.unwrap_or(named);
    if client_certificate && *authorities == *SYSTEM {
        if !named {
            let cause = Cause::new("nothing says who may have signed its certificate");
            tls.error("client_certificate", cause.cure("write ca: the file with its authority, or system"));
        } else if names.is_empty() {
            let cause = Cause::new("every certificate that anybody bought would pass when it calls");
            let cure = "write names: those its certificate holds; or client_certificate: none, and its address alone counts";
            tls.error("ca", cause.cure(cure));
        }
    }
    if client_certificate && fields.word("plain_signalling").is_some_and(|word| word.text == "allow") {
        let cause = Cause::new("it must show a certificate, and in the clear there is none");
        let cure = "write client_certificate: none below tls if its address is enough, or leave out plain_signalling";
        fields.error("plain_signalling", cause.cure(cure));
    }
    let wildcard = tls.choice("wildcard", &[("allow", true), ("refuse", false)]).unwrap_or(false);
    Some(Proof { authorities, names, wildcard, client_certificate })
}

/// Reads every file that TLS needs; what is wrong with one is told at the key that names it.
pub fn read(source: &Source, listeners: &[Read<'_, Listener>], peers: &[Read<'_, Peer>]) -> Material {
    let mut reader = Reader { source, material: Material::default(), authorities: BTreeMap::new() };
    let mut own: BTreeMap<ListenerId, Shown> = BTreeMap::new();
    for Read { value: listener, fields } in listeners {
        if let Some(shown) = reader.certificate(fields) {
            own.insert(listener.id, shown);
        }
    }
    for Read { value: peer, fields } in peers {
        let Some(proof) = &peer.proof else { continue };
        let Some(tls) = fields.section("tls") else { continue };
        let another = tls.is_set("certificate").then(|| reader.certificate(&tls));
        let shown = another.unwrap_or_else(|| own.get(&peer.listener).cloned());
        let (Some(shown), Some(authorities)) = (shown, reader.authorities(&tls)) else { continue };
        wants_rsa(fields, &shown);
        for (party, names) in parties(peer, proof) {
            let trust = trust(proof, authorities.clone(), names);
            reader.material.entries.push((party, shown.clone(), trust));
        }
    }
    reader.material
}

/// A machine that takes RSA alone ends each handshake with an ECDSA certificate, and says little why.
fn wants_rsa(fields: &Fields<'_>, shown: &Shown) {
    let profile = fields.word("profile").and_then(|word| profiles::named(word.text));
    let Some(why) = profile.and_then(|profile| profile.rsa).filter(|_| !shown.is_rsa()) else { return };
    let cause = format!("{why}, and the one that this edge shows it is not: calls over TLS would fail");
    fields.warning(
        "profile",
        Cause::new(cause).cure("get a certificate with an RSA key (2048 bits or more) for its listener"),
    );
}

/// Who may be at the far end of a connection with a peer, and the names of which each must prove one when it is called: those
/// that the policy writes, else the very target that is called (RFC 5922 §7.3: not what DNS made of it).
fn parties(peer: &Peer, proof: &Proof) -> Vec<(PartyId, Vec<Name>)> {
    let written: Vec<Name> = proof.names.iter().map(|name| Name::of(name)).collect();
    let or = |target: Vec<Name>| if written.is_empty() { target } else { written.clone() };
    let mut addresses = Vec::new();
    let mut out = Vec::new();
    for aim in &peer.targets {
        match aim {
            Aim::Address(address) => addresses.push(Name::Address(address.ip().to_canonical())),
            Aim::Name(domain) => out.push((domain.party, or(vec![Name::of(&domain.host)]))),
        }
    }
    out.push((peer.party, or(addresses)));
    out
}

fn trust(proof: &Proof, authorities: Authorities, server_names: Vec<Name>) -> Trust {
    let names = || proof.names.iter().map(|name| Name::of(name)).collect();
    let client =
        if proof.client_certificate { ClientRule::Certificate(names()) } else { ClientRule::Nothing };
    Trust { authorities, server_names, wildcard: proof.wildcard, client }
}

struct Reader<'s> {
    source: &'s Source,
    material: Material,
    authorities: BTreeMap<PathBuf, Option<Authorities>>,
}

impl Reader<'_> {
    /// The certificate below a listener or a peer's `tls`; `None` where there is none, or it was told.
    fn certificate(&mut self, fields: &Fields<'_>) -> Option<Shown> {
        let node = fields.node("certificate")?;
        let at = fields.path_of("certificate");
        let pair = Fields::open(fields.desk(), &CERTIFICATE, node, node.place, at.clone())?;
        let (chain, key) = (self.held(&pair, "chain"), self.held(&pair, "key"));
        let ((file, chain), (_, key)) = (chain?, key?);
        match material::shown(&chain, &key, self.good_at(&file, &chain)) {
            Ok(shown) => {
                self.tell_ended(&pair, "chain", shown.not_after);
                let (names, not_after) = (shown.names.clone(), shown.not_after);
                self.material.dated.push(Dated { at, file, names, not_after });
                Some(shown)
            }
            Err(faults) => {
                for fault in faults {
                    let name = match fault.of {
                        Part::Chain => "chain",
                        Part::Key => "key",
                    };
                    pair.error(name, told(&fault));
                }
                None
            }
        }
    }

    /// Who may sign for a peer.
    fn authorities(&mut self, tls: &Fields<'_>) -> Option<Authorities> {
        let word = tls.word("ca").map_or(SYSTEM, |word| word.text);
        let file = if word == SYSTEM { PathBuf::new() } else { self.source.folder.join(word) };
        if let Some(known) = self.authorities.get(&file) {
            return known.clone();
        }
        let read = if word == SYSTEM {
            Authorities::system()
        } else {
            let (_, held) = self.held(tls, "ca")?;
            Authorities::read(&held.bytes, self.good_at(&file, &held))
        };
        let read = read.map_err(|fault| tls.error("ca", told(&fault))).ok();
        if let Some(not_after) = read.as_ref().and_then(|read| read.not_after) {
            let at = tls.path_of("ca");
            self.tell_ended(tls, "ca", not_after);
            self.material.dated.push(Dated { at, file: file.clone(), names: Vec::new(), not_after });
        }
        self.authorities.insert(file, read.clone());
        read
    }

    /// When a file must be in force: now, or where it is in force already, when it was taken.
    fn good_at(&self, file: &Path, held: &Held) -> Wall {
        let same = |(path, taken, _): &&(PathBuf, Held, Wall)| path == file && taken.bytes == held.bytes;
        self.source.taken.iter().find(same).map_or(self.source.today, |(_, _, at)| *at)
    }

    fn tell_ended(&self, fields: &Fields<'_>, key: &str, not_after: Wall) {
        if self.source.today > not_after {
            let cause = "it has ended, and is in force only because it was when it was taken";
            let cure = "renew it and put it in the same place: after a restart the edge would refuse it";
            fields.warning(key, Cause::new(cause).cure(cure));
        }
    }

    /// A file that a key names.
    fn held(&mut self, fields: &Fields<'_>, name: &str) -> Option<(PathBuf, Held)> {
        fields.checked(name, path)?;
        let file = self.source.folder.join(fields.word(name)?.text);
        match (self.source.hold)(&file) {
            Ok(held) => {
                self.material.files.push((file.clone(), held.clone()));
                Some((file, held))
            }
            Err(error) => {
                let cause = format!("{} cannot be read: {error}", quoted(&file.display().to_string()));
                let cure = "name a PEM file that this user may read (`ringfence certs` makes some for a lab)";
                fields.error(name, Cause::new(cause).cure(cure));
                None
            }
        }
    }
}

fn told(fault: &Fault) -> Cause {
    Cause::new(fault.cause.clone()).cure(fault.cure.clone())
}

/// What TLS with a peer comes to, in words.
#[must_use]
pub fn sentences(peer: &Peer) -> Vec<String> {
    let Some(proof) = &peer.proof else { return Vec::new() };
    let signer = match &*proof.authorities {
        SYSTEM => "an authority that this system trusts".to_owned(),
        file => format!("the authority in {file}"),
    };
    let names = match proof.names.as_slice() {
        [] => String::new(),
        names => format!(" for {}", names.iter().map(|name| &**name).collect::<Vec<_>>().join(" or ")),
    };
    let calling = if proof.client_certificate {
        format!("TLS: when it calls, it must show a certificate of {signer}{names}")
    } else {
        // Anybody's address is as good where it roams.
        let who = match (peer.roaming, peer.demand.is_some()) {
            (true, _) => "its password says who it is",
            (false, true) => "its address and its password say who it is",
            (false, false) => "its address says who it is",
        };
        format!("TLS: when it calls, it shows no certificate; {who}")
    };
    let mut out = vec![calling];
    if peer.transports.contains(&Transport::Tls) && !peer.targets.is_empty() {
        let names = if names.is_empty() { " for the target that is called" } else { &*names };
        let wildcard = if proof.wildcard { "; a wildcard counts" } else { "" };
        out.push(format!("TLS: when it is called, it must show one of {signer}{names}{wildcard}"));
    }
    out
}
