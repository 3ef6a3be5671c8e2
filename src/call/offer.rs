//! Where the offer and answer of one dialog stand.
//!
//! Owns what a session description means by what went before it. Refuses to know what is in one.
//! Read first: RFC 3264 §4; RFC 3311 §5.2; RFC 6337 §2, §3.

/// Where they stand, as this edge sees the dialog with one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Offer {
    /// No offer was made yet.
    #[default]
    None,
    /// Ours waits for the peer's answer.
    Sent,
    /// The peer's waits for our answer.
    Received,
    /// The last one was answered or refused.
    Agreed,
}

/// Why an offer of the peer cannot be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untimely {
    /// Ours is under way: 491.
    Glare,
    /// Its last one is not answered yet: 500 with Retry-After.
    Early,
}

impl Untimely {
    /// The status; whether Retry-After goes with it.
    pub const fn status(self) -> (u16, bool) {
        match self {
            Self::Glare => (491, false),
            Self::Early => (500, true),
        }
    }
}

impl Offer {
    /// RFC 3311 §5.2, RFC 6337 §3: whether a new offer of this peer may be taken.
    pub const fn takes(self) -> Result<(), Untimely> {
        match self {
            Self::Agreed => Ok(()),
            Self::Received => Err(Untimely::Early),
            // Before any offer the other side is to make the first one.
            Self::Sent | Self::None => Err(Untimely::Glare),
        }
    }

    /// A session description came in a response to the INVITE that opened the dialog: the answer to ours, the offer
    /// where none was made, or what was said before.
    pub const fn heard(self) -> Self {
        match self {
            Self::None => Self::Received,
            Self::Sent => Self::Agreed,
            Self::Received => Self::Received,
            Self::Agreed => Self::Agreed,
        }
    }

    /// The same, said by us.
    pub const fn said(self) -> Self {
        match self {
            Self::None => Self::Sent,
            Self::Received => Self::Agreed,
            Self::Sent => Self::Sent,
            Self::Agreed => Self::Agreed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_says_what_a_description_means_and_whether_a_new_offer_fits() {
        for (state, heard, said, takes) in [
            (Offer::None, Offer::Received, Offer::Sent, Err(Untimely::Glare)),
            (Offer::Sent, Offer::Agreed, Offer::Sent, Err(Untimely::Glare)),
            (Offer::Received, Offer::Received, Offer::Agreed, Err(Untimely::Early)),
            (Offer::Agreed, Offer::Agreed, Offer::Agreed, Ok(())),
        ] {
            assert_eq!((state.heard(), state.said(), state.takes()), (heard, said, takes), "{state:?}");
        }
    }
}
