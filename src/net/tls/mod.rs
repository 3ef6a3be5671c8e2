//! TLS 1.2 and 1.3 beside the streams: what we show, what a peer must prove, and the sessions themselves.
//!
//! Owns everything that names rustls. Refuses to know sockets (`stream`), peers by name, and alerts.
//! Read first: RFC 5246; RFC 8446; RFC 5922; RFC 5923. Suites are AEAD alone, which is all that rustls knows.

pub mod beside;
pub mod book;
#[cfg(test)]
#[path = "lab_tests.rs"]
pub(in crate::net) mod lab;
pub mod material;
pub mod name;
pub mod refusal;
pub mod session;
#[cfg(test)]
mod tests;
pub mod trust;

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;

pub use book::{Book, Dated, Terms};
pub use material::{Authorities, Fault, Held, Part, Shown};
pub use name::Name;
pub use refusal::{Cause, Refusal, TlsCounts};
pub use session::Session;
pub use trust::{ClientRule, Trust};

/// The cryptography of all sessions.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}
