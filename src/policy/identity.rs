//! Whose word on who is calling counts: what a peer's requests say of the caller, what is believed and what is told.
//!
//! Owns these settings. Refuses to know headers' text. Read first: RFC 3325 §5, §9; RFC 3323 §4; RFC 5009 §7.

use smallvec::SmallVec;

/// A header that may name the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallerIn {
    /// From.
    From,
    /// P-Asserted-Identity (RFC 3325).
    PAssertedIdentity,
    /// Remote-Party-ID, its value for the calling party.
    RemotePartyId,
    /// Diversion: who sent the call on (RFC 5806), the last who did.
    Diversion,
}

impl CallerIn {
    /// The word in the YAML.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::PAssertedIdentity => "p_asserted_identity",
            Self::RemotePartyId => "remote_party_id",
            Self::Diversion => "diversion",
        }
    }
}

/// Trust between the edge and one peer; none by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Headers that name the caller of its calls; the first that stands in a request counts.
    pub caller_in: SmallVec<[CallerIn; 4]>,
    /// Whether what it asserts is believed.
    pub believed: bool,
    /// Whether identities are asserted to it, those of hidden callers too.
    pub told: bool,
}

impl Default for Identity {
    fn default() -> Self {
        Self { caller_in: SmallVec::from_iter([CallerIn::From]), believed: false, told: false }
    }
}
