//! What a description that cannot be anchored means for the call: which alert it is, and what is answered.
//!
//! Owns that table. Refuses to know how a refusal came about (`media/anchor`) and who is told of it.
//! Read first: RFC 3264 §6; RFC 3261 §21.4.26; RFC 4568 §5.1.2.

use crate::media::anchor;
use crate::policy::code::{self, Code};
use crate::policy::{Peer, Refusal};

/// What was being said when a description was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saying {
    /// The offer that opens a call.
    Opening,
    /// The answer to it, or to a late offer.
    Answering,
    /// An offer, or an answer, in a call that talks.
    Renewing,
}

/// The refusal, in the words of the policy, towards the peer that hears of it.
#[must_use]
pub fn refused(cause: anchor::Refusal, saying: Saying, peer: &Peer) -> Refusal {
    let (code, status) = told(cause, saying);
    let refusal = Refusal::new(code, &peer.refusal, cause.to_string());
    match status {
        Some(status) => refusal.by_protocol(status),
        None => refusal,
    }
}

/// Which alert it is, and the status where the alert's own does not fit.
const fn told(cause: anchor::Refusal, saying: Saying) -> (Code, Option<u16>) {
    match (cause, saying) {
        // RFC 3264 §4, RFC 3261 §14.2: both ask at once; nothing is wrong with either.
        (anchor::Refusal::Pending, _) => (code::BAD_SDP, Some(491)),
        // What this edge lacks is no fault of the description, and a PBX must not turn elsewhere for it.
        (anchor::Refusal::Ports, _) => (code::TABLE_NEAR_LIMIT, Some(480)),
        (_, Saying::Opening) if cause.is_of_encryption() => (code::SECURE_MEDIA_REQUIRED, None),
        (_, Saying::Answering) if cause.is_of_encryption() => (code::SECURE_MEDIA_NOT_ACCEPTED, None),
        (_, Saying::Renewing) if cause.is_of_encryption() => (code::MEDIA_DOWNGRADE, None),
        (_, Saying::Opening | Saying::Answering | Saying::Renewing) => (code::BAD_SDP, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::anchor::Misplaced;
    use crate::media::sdp::Fault;

    #[test]
    fn e1_e2_e3_e7_each_cause_has_its_alert_and_status() {
        use anchor::Refusal as Cause;
        let encryption = [
            Cause::Clear,
            Cause::BestEffort,
            Cause::NoKey(None),
            Cause::KeysInClear,
            Cause::Weaker,
            Cause::NoDtls,
            Cause::NoFingerprint,
        ];
        let description = [
            Cause::Description(Fault::HostName),
            Cause::Place(Misplaced::Foreign),
            Cause::Codecs,
            Cause::Image,
            Cause::NoStream,
            Cause::Mismatch,
            Cause::Unasked,
        ];
        for (saying, number) in
            [(Saying::Opening, 32208), (Saying::Answering, 32207), (Saying::Renewing, 39504)]
        {
            let row = |cause| {
                let (code, status) = told(cause, saying);
                (code.number, status.or(code.status))
            };
            for cause in encryption {
                assert_eq!(row(cause), (number, Some(488)), "{cause:?} {saying:?}");
            }
            for cause in description {
                assert_eq!(row(cause), (32102, Some(488)), "{cause:?} {saying:?}");
            }
            assert_eq!(row(Cause::Pending).1, Some(491));
            assert_eq!(row(Cause::Ports), (39403, Some(480)));
        }
    }
}
