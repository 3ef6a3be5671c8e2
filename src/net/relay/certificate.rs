//! The certificate that a process shows in every DTLS handshake, made when it starts.
//!
//! Owns how it is made: signed by itself, for its hash in the signalling is all that a peer goes by, and without a name,
//! for it is shown to both sides of every call. Refuses to keep it: another process has another.
//! Read first: RFC 5763 §5; RFC 8122 §5; RFC 8827 §6.5.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};

use crate::clock::{Clock, Tick};
use crate::media::dtls::{Identity, NAME};

/// Makes a key on P-256 and its certificate. `clock` is the one that the relay goes by.
///
/// # Errors
/// When the system gives no randomness, or the library cannot work with what was made.
pub fn certificate(clock: Clock) -> Result<Identity, String> {
    let told = |error: rcgen::Error| format!("no certificate for DTLS can be made: {error}");
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(told)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(told)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    let certificate = params.self_signed(&key).map_err(told)?;
    Identity::new(certificate.der().to_vec(), key.serialize_der(), clock.instant(Tick::ZERO))
        .map_err(|error| error.to_string())
}
