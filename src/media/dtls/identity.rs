//! Who we are in every handshake of a process: one certificate, told by its hash.
//!
//! Owns the private key and what the library is told of limits. Refuses to know who made them, and when: the beginning of
//! time is given, for the library counts in instants. Read first: RFC 5763 §6.8 (one certificate for many calls); RFC 8122 §5.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_dtls::crypto::{Certificate, CryptoPrivateKey};
use rtc_dtls::crypto_provider::providers::AwsLcRsProvider;
use rtc_dtls::crypto_provider::{RTCCryptoProvider, SignatureScheme};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::clock::Tick;
use crate::media::order::Fingerprint;

/// What stands where a name would, in the certificate and in a first flight; the same everywhere.
pub const NAME: &str = "media";

/// A certificate or its key is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadIdentity(String);

impl fmt::Display for BadIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no DTLS with this certificate: {}", self.0)
    }
}

impl std::error::Error for BadIdentity {}

/// Our certificate, its private key, and the beginning of time.
pub struct Identity {
    certificate: Certificate,
    provider: Arc<dyn RTCCryptoProvider>,
    fingerprint: Fingerprint,
    began: Instant,
}

impl Identity {
    /// From a certificate (X.509, DER) and its private key (PKCS #8, DER; ECDSA on P-256). `began` is the instant of
    /// [`Tick::ZERO`].
    ///
    /// # Errors
    /// When the library cannot work with them.
    pub fn new(certificate: Vec<u8>, private_key: Vec<u8>, began: Instant) -> Result<Self, BadIdentity> {
        let private_key = Zeroizing::new(private_key);
        let octets = Sha256::digest(&certificate)[..].into();
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(AwsLcRsProvider::new());
        let signing_key = provider
            .crypto()
            .import_signing_key(SignatureScheme::EcdsaP256Sha256, &private_key)
            .map_err(|error| BadIdentity(error.to_string()))?;
        let certificate = Certificate {
            certificate: vec![certificate.into()],
            private_key: CryptoPrivateKey::from_signing_key(signing_key),
        };
        let fingerprint = Fingerprint { hash: "sha-256".into(), octets };
        Ok(Self { certificate, provider, fingerprint, began })
    }

    /// What our certificate hashes to, as SDP tells it.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The certificate with its key, for the library; the key itself stands once.
    pub(super) fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }

    /// Where the library computes.
    pub(super) fn provider(&self) -> Arc<dyn RTCCryptoProvider> {
        Arc::clone(&self.provider)
    }

    pub(super) fn instant(&self, tick: Tick) -> Instant {
        self.began.checked_add(Duration::from_micros(tick.micros())).unwrap_or(self.began)
    }

    /// The first tick that is not before an instant.
    pub(super) fn tick(&self, instant: Instant) -> Tick {
        Tick::ZERO.after(instant.saturating_duration_since(self.began) + Duration::from_micros(1))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}
