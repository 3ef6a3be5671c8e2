//! Why a connection came to nothing: a few causes that an admin can act on, each counted.
//!
//! Owns the step from what rustls says to what is told. Refuses to know alerts and whom they reach.
//! Read first: RFC 8446 §6.2; RFC 8996 (TLS 1.0 and 1.1 are gone).

use rustls::{AlertDescription, CertificateError, Error};
use serde::Serialize;

/// The cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// TLS below 1.2, or no suite, group or signature scheme in common (32222).
    Version,
    /// No TLS at all.
    Plain,
    /// A certificate is wanted and none was shown.
    NoCertificate,
    /// Its certificate is signed by nobody whom the policy names.
    Untrusted,
    /// Its certificate stands for another name.
    WrongName,
    /// Its certificate is out of date.
    Expired,
    /// Its certificate cannot be used for another reason.
    BadCertificate,
    /// The far side refused us; its alert says why.
    ByFarSide,
    /// The handshake was not done in time.
    Late,
    /// It hung up in the middle of the handshake.
    HungUp,
    /// It broke the protocol.
    Broken,
}

/// A connection that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub cause: Cause,
    /// In the words of TLS, for the evidence.
    pub detail: String,
}

/// Running counts, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TlsCounts {
    /// Handshakes done, by either side.
    pub handshakes: u64,
    /// Of them resumed: no certificate crossed again.
    pub resumed: u64,
    /// Refused: version or suite.
    pub refused_version: u64,
    /// Refused: no TLS.
    pub refused_plain: u64,
    /// Refused: no certificate, or one that does not prove the peer.
    pub refused_certificate: u64,
    /// The far side refused us.
    pub refused_by_far_side: u64,
    /// Cut: handshake not done in time.
    pub cut_handshake: u64,
    /// Hung up in the middle of a handshake.
    pub hung_up: u64,
    /// Refused: the protocol was broken, in a handshake or later.
    pub broken: u64,
}

impl TlsCounts {
    /// Counts one.
    pub(in crate::net) const fn count(&mut self, cause: Cause) {
        let count = match cause {
            Cause::Version => &mut self.refused_version,
            Cause::Plain => &mut self.refused_plain,
            Cause::NoCertificate
            | Cause::Untrusted
            | Cause::WrongName
            | Cause::Expired
            | Cause::BadCertificate => &mut self.refused_certificate,
            Cause::ByFarSide => &mut self.refused_by_far_side,
            Cause::Late => &mut self.cut_handshake,
            Cause::HungUp => &mut self.hung_up,
            Cause::Broken => &mut self.broken,
        };
        *count += 1;
    }
}

impl Refusal {
    /// What rustls found.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        Self { cause: cause(error), detail: error.to_string() }
    }

    /// One that rustls had no part in.
    #[must_use]
    pub fn new(cause: Cause, detail: &str) -> Self {
        Self { cause, detail: detail.to_owned() }
    }
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "rustls adds errors without asking: what is not named is a broken protocol"
)]
fn cause(error: &Error) -> Cause {
    match error {
        Error::PeerIncompatible(_) => Cause::Version,
        Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity) => {
            Cause::Version
        }
        Error::AlertReceived(_) => Cause::ByFarSide,
        Error::NoCertificatesPresented => Cause::NoCertificate,
        Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Cause::Untrusted,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Cause::WrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Cause::Expired,
            _ => Cause::BadCertificate,
        },
        _ => Cause::Broken,
    }
}
