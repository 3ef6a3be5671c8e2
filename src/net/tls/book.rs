//! On what terms each peer is met over TLS, and how long the certificates last that we show.
//!
//! Owns the configurations of rustls. A new book takes over what has not changed, so that sessions are resumed across it.
//! Refuses to know files and names of peers. Read first: RFC 8446 §2.2 (resumption); RFC 5923.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig};

use super::material::Shown;
use super::name::Name;
use super::provider;
use super::trust::{ClientProof, ServerProof, Trust};
use crate::clock::Wall;
use crate::sip::PartyId;

/// Sessions of ours with one peer that are kept to be resumed.
const SESSIONS_KEPT: usize = 32;

/// On what terms a peer, or one host of it, is met.
#[derive(Debug)]
pub struct Terms {
    /// What it must prove.
    pub trust: Arc<Trust>,
    /// What it is shown.
    shown: Shown,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Terms {
    fn new(shown: Shown, trust: Trust) -> Result<Self, String> {
        let trust = Arc::new(trust);
        let said = |error: rustls::Error| format!("TLS cannot be set up: {error}");
        let own = Arc::new(SingleCertAndKey::from(Arc::clone(&shown.key)));
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(said)?;
        let server = match ClientProof::of(&trust)? {
            Some(proof) => server.with_client_cert_verifier(proof),
            None => server.with_no_client_auth(),
        };
        let mut server = server.with_cert_resolver(Arc::clone(&own) as _);
        // The keys of tickets are this book entry's own: a ticket proves nothing to another peer's terms, nor to later ones.
        server.ticketer = Ticketer::new().map_err(said)?;
        server.send_tls13_tickets = 1;
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(said)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ServerProof(Arc::clone(&trust))))
            .with_client_cert_resolver(own);
        client.resumption = Resumption::in_memory_sessions(SESSIONS_KEPT);
        Ok(Self { trust, shown, server: Arc::new(server), client: Arc::new(client) })
    }

    /// For a connection it makes to us.
    #[must_use]
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// For a connection of ours to it.
    #[must_use]
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    /// Whom we ask for when we call it at an address: its first name; where it has none, nobody by name.
    #[must_use]
    pub fn server_name(&self, address: IpAddr) -> ServerName<'static> {
        let named = self.trust.server_names.iter().find_map(|name| match name {
            Name::Domain(domain) => ServerName::try_from(domain.to_string()).ok(),
            Name::Address(_) => None,
        });
        named.unwrap_or_else(|| ServerName::from(address))
    }
}

/// A certificate that will end, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// The key of the policy that names it, e.g. `listeners.office.certificate`.
    pub at: String,
    /// The file.
    pub file: PathBuf,
    /// Whom it stands for; nobody for an authority.
    pub names: Vec<String>,
    /// When it ends.
    pub not_after: Wall,
}

/// The terms of all peers that TLS is spoken with.
#[derive(Debug, Default)]
pub struct Book {
    terms: Vec<Option<Arc<Terms>>>,
    /// Every certificate that was read from a file.
    pub dated: Vec<Dated>,
}

impl Book {
    /// Enters the terms of each peer; those that `before` has in the very same form are taken over from there.
    pub fn build(
        entries: Vec<(PartyId, Shown, Trust)>,
        dated: Vec<Dated>,
        before: &Self,
    ) -> Result<Self, String> {
        let mut book = Self { terms: Vec::new(), dated };
        for (party, shown, trust) in entries {
            let known = before.terms(party).filter(|known| *known.trust == trust && known.shown == shown);
            let terms = match known {
                Some(known) => Arc::clone(known),
                None => Arc::new(Terms::new(shown, trust)?),
            };
            let place = usize::from(party.0);
            if book.terms.len() <= place {
                book.terms.resize_with(place + 1, || None);
            }
            if let Some(slot) = book.terms.get_mut(place) {
                *slot = Some(terms);
            }
        }
        Ok(book)
    }

    /// The terms of a peer; `None` where TLS is not spoken with it.
    #[must_use]
    pub fn terms(&self, party: PartyId) -> Option<&Arc<Terms>> {
        self.terms.get(usize::from(party.0))?.as_ref()
    }

    /// Whether TLS is spoken with nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.iter().all(Option::is_none)
    }

    /// Whether any peer is shown another certificate than in an older book, or must prove something else.
    #[must_use]
    pub fn differs(&self, older: &Self) -> bool {
        let same = |one: &Option<Arc<Terms>>, other: &Option<Arc<Terms>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.terms.len() != older.terms.len()
            || !self.terms.iter().zip(&older.terms).all(|(one, other)| same(one, other))
    }
}
