//! Certificates for tests: authorities and what they sign, on the spot.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, date_time_ymd,
};

use super::material::{self, Held};
use super::{Authorities, ClientRule, Name, Shown, Trust};
use crate::clock::{Clock, Wall};

/// The clock of this machine: rustls has no other.
pub fn now() -> Wall {
    Clock::start().now().wall
}

pub fn held(text: &str) -> Held {
    Held { bytes: text.as_bytes().to_vec(), mode: 0o100_600 }
}

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// Years a certificate is good for, the first and the last.
pub type Years = (i32, i32);
pub const GOOD: Years = (2020, 2090);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate and its key, in PEM.
    pub fn sign(&self, names: &[&str], years: Years, rsa: bool) -> (String, String) {
        let kind = if rsa { &PKCS_RSA_SHA256 } else { &PKCS_ECDSA_P256_SHA256 };
        let key = KeyPair::generate_for(kind).unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let made = params.signed_by(&key, &self.issuer).unwrap();
        (made.pem(), key.serialize_pem())
    }

    /// The same, checked.
    pub fn shown(&self, names: &[&str]) -> Shown {
        let (chain, key) = self.sign(names, GOOD, false);
        material::shown(&held(&chain), &held(&key), now()).unwrap()
    }

    /// What a peer must prove that this authority signs for.
    pub fn trust(&self, server_names: &[&str], client: ClientRule) -> Trust {
        Trust {
            authorities: Authorities::read(self.pem.as_bytes(), now()).unwrap(),
            server_names: server_names.iter().map(|name| Name::of(name)).collect(),
            wildcard: false,
            client,
        }
    }
}

/// What a rustls client of a test trusts.
pub fn roots(authority: &Authority) -> Arc<rustls::RootCertStore> {
    Authorities::read(authority.pem.as_bytes(), now()).unwrap().roots
}
