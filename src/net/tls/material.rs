//! What stands in certificate files: chains, keys and authorities, read and checked before anybody is shown them.
//!
//! Owns every sentence about such a file. Refuses to open one, and to know which listener or peer it is for.
//! Read first: RFC 7468 (PEM); RFC 5280 §4.1.2.5 (validity); RFC 8446 §4.4.2 (the order of a chain).

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::name::Identities;
use super::provider;
use crate::clock::Wall;

/// Bits of a mode by which a key can be read or written by others than owner and group.
const OTHERS: u32 = 0o007;
/// Certificates of one chain at most.
const CHAIN_MAX: usize = 10;
/// The octets of a certificate file at most.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// A file as it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Held {
    /// Its octets.
    pub bytes: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("bytes", &"[redacted]").field("mode", &self.mode).finish()
    }
}

/// What is wrong with a file: cause and cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which of a pair.
    pub of: Part,
    /// One clause.
    pub cause: String,
    /// How to mend it.
    pub cure: String,
}

/// A file of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The certificates.
    Chain,
    /// The private key.
    Key,
}

fn fault(of: Part, cause: impl Into<String>, cure: impl Into<String>) -> Fault {
    Fault { of, cause: cause.into(), cure: cure.into() }
}

/// A chain with its key, checked: what a machine shows of itself.
#[derive(Debug, Clone)]
pub struct Shown {
    /// For rustls.
    pub key: Arc<CertifiedKey>,
    /// Whom it stands for.
    pub names: Vec<String>,
    /// When it ends.
    pub not_after: Wall,
}

impl Shown {
    /// Whether its key is RSA, which is all that some machines know.
    #[must_use]
    pub fn is_rsa(&self) -> bool {
        self.key.key.algorithm() == rustls::SignatureAlgorithm::RSA
    }
}

impl PartialEq for Shown {
    /// The same certificates have the same key: it is part of them.
    fn eq(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }
}

/// Reads and checks a chain and its key; tells everything that is wrong with them.
pub fn shown(chain: &Held, key: &Held, now: Wall) -> Result<Shown, Vec<Fault>> {
    let mut faults = Vec::new();
    let chain = certificates(&chain.bytes, now).map_err(|fault| faults.push(fault)).ok();
    if key.mode & OTHERS != 0 {
        let cause = format!("every user of this machine may read this key (mode {:04o})", key.mode & 0o7777);
        faults.push(fault(Part::Key, cause, "chmod 600 it, and consider it known to them"));
    }
    let key = private_key(&key.bytes).map_err(|fault| faults.push(fault)).ok();
    let (Some(chain), Some(key)) = (chain, key) else { return Err(faults) };
    let names = chain.first().and_then(|leaf| Identities::read(leaf)).unwrap_or_default().told();
    let not_after = chain.first().and_then(|leaf| validity(leaf)).map(|(_, until)| until).unwrap_or_default();
    let pair = CertifiedKey::new(chain, key);
    if pair.keys_match().is_err() {
        let cure = "write the key that belongs to the first certificate of the chain";
        faults.push(fault(Part::Key, "this key does not belong to the certificate of the chain", cure));
    }
    if faults.is_empty() { Ok(Shown { key: Arc::new(pair), names, not_after }) } else { Err(faults) }
}

fn private_key(bytes: &[u8]) -> Result<Arc<dyn rustls::sign::SigningKey>, Fault> {
    let key = PrivateKeyDer::from_pem_slice(bytes).map_err(|_| {
        let text = String::from_utf8_lossy(bytes);
        if text.contains("ENCRYPTED") {
            let cure = "take the password off: openssl pkey -in FILE -out FILE.plain, and chmod 600 it";
            return fault(
                Part::Key,
                "this key is locked by a password, which nobody could type at a start",
                cure,
            );
        }
        let cause = if text.contains("BEGIN CERTIFICATE") {
            "a certificate stands here, and no private key"
        } else {
            "no private key in PEM stands here"
        };
        fault(Part::Key, cause, "write the file that begins with -----BEGIN PRIVATE KEY-----")
    })?;
    provider().key_provider.load_private_key(key).map_err(|error| {
        let cause = format!("this key cannot be used: {error}");
        fault(Part::Key, cause, "take RSA of 2048 to 8192 bits, or ECDSA on P-256, P-384 or P-521")
    })
}

/// The certificates of a chain, the leaf first, each signed by the next, in force now.
fn certificates(bytes: &[u8], now: Wall) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let chain = pem(bytes)?;
    if chain.len() > CHAIN_MAX {
        let cause = format!("{} certificates stand here, and a chain has {CHAIN_MAX} at most", chain.len());
        return Err(fault(
            Part::Chain,
            cause,
            "write the server's certificate and those between it and its root",
        ));
    }
    let read: Vec<X509Certificate<'_>> =
        chain.iter().filter_map(|der| X509Certificate::from_der(der).ok().map(|(_, one)| one)).collect();
    if read.len() != chain.len() {
        return Err(fault(
            Part::Chain,
            "a certificate in it cannot be read",
            "get it from its authority anew",
        ));
    }
    let ordered = read.windows(2).all(|pair| match pair {
        [one, next] => one.issuer().as_raw() == next.subject().as_raw(),
        _ => true,
    });
    if !ordered {
        let cause = "its certificates are not in order: each must be signed by the next";
        return Err(fault(
            Part::Chain,
            cause,
            "put the server's own first, then the one that signed it, and so on",
        ));
    }
    if let Some(leaf) = read.first()
        && leaf.is_ca()
        && leaf.subject().as_raw() != leaf.issuer().as_raw()
    {
        let cause = "its first certificate is an authority's, not a machine's";
        return Err(fault(Part::Chain, cause, "put the server's own certificate first"));
    }
    for der in &chain {
        in_force(der, now)?;
    }
    Ok(chain)
}

/// The certificates in a PEM file; at least one.
fn pem(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let cure = "write the file that begins with -----BEGIN CERTIFICATE-----";
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => {
            let text = String::from_utf8_lossy(bytes);
            let cause = if text.contains("PRIVATE KEY") {
                "a private key stands here, and no certificate"
            } else if bytes.first() == Some(&0x30) {
                "this certificate is in DER, and PEM is wanted"
            } else {
                "no certificate in PEM stands here"
            };
            Err(fault(Part::Chain, cause, cure))
        }
        Err(pem::Error::MissingSectionEnd { .. }) => {
            let cause = "it is cut short: a certificate begins in it and does not end";
            Err(fault(Part::Chain, cause, "write the whole file, to its last -----END CERTIFICATE-----"))
        }
        Err(error) => Err(fault(Part::Chain, format!("its PEM is broken: {error}"), cure)),
    }
}

fn in_force(der: &[u8], now: Wall) -> Result<(), Fault> {
    let Some((from, until)) = validity(der) else {
        return Err(fault(Part::Chain, "its dates cannot be read", "get it from its authority anew"));
    };
    let day = |at: Wall| at.rfc3339().get(..10).unwrap_or_default().to_owned();
    if now > until {
        let cause = format!("it has expired: it was good until {}", day(until));
        return Err(fault(Part::Chain, cause, "renew it"));
    }
    if now < from {
        let cause = format!("it is not valid before {}, and today is {}", day(from), day(now));
        return Err(fault(Part::Chain, cause, "look at this machine's clock (timedatectl), or wait"));
    }
    Ok(())
}

/// From when until when a certificate is in force.
fn validity(der: &[u8]) -> Option<(Wall, Wall)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    let wall = |seconds: i64| Wall::from_micros(seconds.saturating_mul(1_000_000));
    Some((wall(validity.not_before.timestamp()), wall(validity.not_after.timestamp())))
}

/// The authorities that a peer's certificate may be signed by.
#[derive(Clone)]
pub struct Authorities {
    /// For rustls.
    pub roots: Arc<RootCertStore>,
    /// The file's certificates themselves: a machine that shows one of them needs nobody to sign it.
    pub pinned: Arc<[CertificateDer<'static>]>,
    /// Whether they are those that the system trusts for everybody.
    pub system: bool,
    /// When the first of a file's ends; `None` for the system's.
    pub not_after: Option<Wall>,
}

impl std::fmt::Debug for Authorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorities").field("count", &self.roots.len()).field("system", &self.system).finish()
    }
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.system == other.system && self.roots.roots == other.roots.roots && self.pinned == other.pinned
    }
}

impl Authorities {
    /// Reads a `ca` file.
    pub fn read(bytes: &[u8], now: Wall) -> Result<Self, Fault> {
        let found = pem(bytes)?;
        let mut roots = RootCertStore::empty();
        for der in &found {
            in_force(der, now)?;
            roots.add(der.clone()).map_err(|error| {
                let cause = format!("a certificate in it cannot be an authority: {error}");
                fault(Part::Chain, cause, "get it from its owner anew")
            })?;
        }
        let not_after = found.iter().filter_map(|der| validity(der)).map(|(_, until)| until).min();
        Ok(Self { roots: Arc::new(roots), pinned: found.into(), system: false, not_after })
    }

    /// The authorities that the system trusts.
    pub fn system() -> Result<Self, Fault> {
        let mut roots = RootCertStore::empty();
        let (taken, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if taken == 0 {
            let cure =
                "install them (Debian: apt-get install ca-certificates), or name a file with the peer's own";
            return Err(fault(Part::Chain, "this system has no authorities", cure));
        }
        Ok(Self { roots: Arc::new(roots), pinned: Arc::from([]), system: true, not_after: None })
    }
}
