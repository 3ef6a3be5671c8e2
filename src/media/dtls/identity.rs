//! Who we are in every handshake of a process: one certificate, told by its hash.
//!
//! Owns the private key and what the library is told of limits. Refuses to know who made them, and when: the beginning of
//! time is given, for the library counts in instants. Read first: RFC 5763 §6.8 (one certificate for many calls); RFC 8122 §5.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, DtlsCertificate};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize as _;

use crate::clock::Tick;
use crate::media::order::Fingerprint;

/// The first wait for an answer; it doubles. RFC 6347 §4.2.4.1 says a second for any network; who waits for the first word
/// of a call is served by less, as RFC 9147 §5.8.2 lets.
const FIRST_WAIT: Duration = Duration::from_millis(400);
/// How often a flight is sent again: with the waits above for some 25 seconds.
const RETRIES: usize = 5;
/// All of a handshake.
const PATIENCE: Duration = Duration::from_secs(30);
/// What we send at most: below what any tunnel leaves of 1,280 octets.
const DATAGRAM_OCTETS_MAX: usize = 1_150;
/// Datagrams of a peer that wait for one before them.
const WAITING_MAX: usize = 16;

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
    certificate: DtlsCertificate,
    fingerprint: Fingerprint,
    pub(super) config: Arc<Config>,
    began: Instant,
}

impl Identity {
    /// From a certificate (X.509, DER) and its private key (PKCS #8, DER; ECDSA on P-256 or P-384). `began` is the instant of
    /// [`Tick::ZERO`].
    ///
    /// # Errors
    /// When the library cannot work with them.
    pub fn new(certificate: Vec<u8>, private_key: Vec<u8>, began: Instant) -> Result<Self, BadIdentity> {
        let octets = Sha256::digest(&certificate)[..].into();
        let config = Config::builder()
            .mtu(DATAGRAM_OCTETS_MAX)
            .max_queue_rx(WAITING_MAX)
            .flight_start_rto(FIRST_WAIT)
            .flight_retries(RETRIES)
            .handshake_timeout(PATIENCE)
            // RFC 5763 §5: both show a certificate.
            .require_client_certificate(true)
            // RFC 6347 §4.2.1: nothing is computed for who cannot be answered.
            .use_server_cookie(true)
            .build()
            .map_err(|error| BadIdentity(error.to_string()))?;
        config
            .crypto_provider()
            .key_provider
            .load_private_key(&private_key)
            .map_err(|error| BadIdentity(format!("{error:?}")))?;
        Ok(Self {
            certificate: DtlsCertificate { certificate, private_key },
            fingerprint: Fingerprint { hash: "sha-256".into(), octets },
            config: Arc::new(config),
            began,
        })
    }

    /// What our certificate hashes to, as SDP tells it.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The certificate itself, for the library.
    pub(super) fn certificate(&self) -> DtlsCertificate {
        self.certificate.clone()
    }

    pub(super) fn instant(&self, tick: Tick) -> Instant {
        self.began.checked_add(Duration::from_micros(tick.micros())).unwrap_or(self.began)
    }

    /// The first tick that is not before an instant.
    pub(super) fn tick(&self, instant: Instant) -> Tick {
        Tick::ZERO.after(instant.saturating_duration_since(self.began) + Duration::from_micros(1))
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.certificate.private_key.zeroize();
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}
