//! What a peer must prove before a byte of SIP crosses: signed by whom, in whose name.
//!
//! Owns the two verifiers that rustls asks. Refuses to know which peer it is for.
//! Read first: RFC 5922 §7; RFC 5280 §6; RFC 8446 §4.4.2.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::material::Authorities;
use super::name::{Identities, Name};
use super::provider;

/// What a peer must prove.
#[derive(Debug, Clone, PartialEq)]
pub struct Trust {
    /// Who may have signed its certificate.
    pub authorities: Authorities,
    /// The names of which its certificate must hold one when we call it; empty lets nobody pass.
    pub server_names: Vec<Name>,
    /// Whether a wildcard in its certificate counts.
    pub wildcard: bool,
    /// What it must show when it calls us.
    pub client: ClientRule,
}

/// What a machine that calls us must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientRule {
    /// No certificate.
    Nothing,
    /// One that holds one of these names; any one of its authorities where there are none.
    Certificate(Vec<Name>),
}

/// Judges the certificate of a server that we call.
pub(super) struct ServerProof(pub Arc<Trust>);

/// Judges the certificate of a client that calls us.
pub(super) struct ClientProof {
    trust: Arc<Trust>,
    signed: Arc<dyn ClientCertVerifier>,
    hints: Vec<DistinguishedName>,
}

impl fmt::Debug for ServerProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerProof").field(&self.0.server_names).finish()
    }
}

impl fmt::Debug for ClientProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientProof").field(&self.trust.client).finish()
    }
}

/// A machine that shows the very certificate which stands in its `ca` file needs nobody to have signed it, while it lasts.
fn is_pinned(trust: &Trust, shown: &CertificateDer<'_>, now: UnixTime) -> Result<bool, Error> {
    if !trust.authorities.pinned.iter().any(|pinned| pinned == shown) {
        return Ok(false);
    }
    let Ok((_, certificate)) = X509Certificate::from_der(shown) else {
        return Err(CertificateError::BadEncoding.into());
    };
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if seconds > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    if seconds < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    Ok(true)
}

/// RFC 5922 §7.3, §7.4: the certificate must hold a name that the policy wants.
fn in_name(names: &[Name], wildcard: bool, shown: &CertificateDer<'_>) -> Result<(), Error> {
    let identities = Identities::read(shown).ok_or(CertificateError::BadEncoding)?;
    if names.iter().any(|name| identities.prove(name, wildcard)) {
        return Ok(());
    }
    Err(CertificateError::NotValidForName.into())
}

/// A handshake's signature is checked in one way, whichever side made it; rustls asks for it in two traits.
macro_rules! checks_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            provider().signature_verification_algorithms.supported_schemes()
        }
    };
}

impl ServerCertVerifier for ServerProof {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let trust = &self.0;
        if !is_pinned(trust, end_entity, now)? {
            let certificate = end_entity.try_into()?;
            let algorithms = provider().signature_verification_algorithms.all;
            let roots = &trust.authorities.roots;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        in_name(&trust.server_names, trust.wildcard, end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    checks_signatures!();
}

impl ClientProof {
    /// `None` where the peer need show nothing.
    pub(super) fn of(trust: &Arc<Trust>) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
        match trust.client {
            ClientRule::Nothing => return Ok(None),
            ClientRule::Certificate(_) => {}
        }
        let roots = Arc::clone(&trust.authorities.roots);
        let signed = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| format!("the authorities cannot be used: {error}"))?;
        // The system's are so many that their names alone would be a large message; without hints a client shows what it has.
        let hints = if trust.authorities.system { Vec::new() } else { trust.authorities.roots.subjects() };
        Ok(Some(Arc::new(Self { trust: Arc::clone(trust), signed, hints })))
    }
}

impl ClientCertVerifier for ClientProof {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if !is_pinned(&self.trust, end_entity, now)? {
            self.signed.verify_client_cert(end_entity, intermediates, now)?;
        }
        match &self.trust.client {
            ClientRule::Certificate(names) if !names.is_empty() => {
                in_name(names, self.trust.wildcard, end_entity)?;
            }
            ClientRule::Certificate(_) | ClientRule::Nothing => {}
        }
        Ok(ClientCertVerified::assertion())
    }

    checks_signatures!();
}
