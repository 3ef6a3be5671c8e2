//! Media in a call: what a peer's words are for an anchor, and what a description that cannot be anchored means.
//!
//! Owns both tables. Refuses to know how a refusal came about (`media/anchor`) and who is told of it.
//! Read first: RFC 3264 §6; RFC 3261 §21.4.26; RFC 4568 §5.1.2.

use std::sync::{Arc, LazyLock};

use crate::media::anchor::{self, Demand, Keying, LegSettings};
use crate::media::order::Fingerprint;
use crate::media::ports::PoolId;
use crate::media::srtp::Suite;
use crate::policy::code::{self, Code};
use crate::policy::media::{self, SiteMedia};
use crate::policy::{Peer, PeerSide, Refusal};

/// The codecs and suites of a peer that names none, made once.
static CODECS: LazyLock<Arc<[Box<str>]>> =
    LazyLock::new(|| anchor::CODECS.iter().map(|name| Box::from(*name)).collect());
static SUITES: LazyLock<Arc<[Suite]>> = LazyLock::new(|| anchor::SUITES.into());

/// What a leg towards a peer has and may. The fingerprint is that of our certificate; `private` says whether its signalling
/// is encrypted.
#[must_use]
pub fn settings(
    (site, fingerprint): (&SiteMedia, Option<&Fingerprint>),
    peer: &Peer,
    private: bool,
    emergency: bool,
) -> LegSettings {
    let place = site.place(peer.side);
    let media = &peer.media;
    let own = [&site.inside, &site.outside]
        .into_iter()
        .flat_map(|place| [place.address, place.advertise].map(|address| (address, place.ports.clone())));
    LegSettings {
        pool: pool(peer.side),
        advertise: place.advertise,
        demand: match (emergency, peer.plain_media) {
            // Trusted with RTP by name: what it is offered otherwise is what it may not know.
            (true | false, true) => Demand::Plain,
            (true, false) => Demand::Emergency,
            (false, false) => Demand::Required,
        },
        help: emergency,
        private,
        keying: match media.keying {
            media::Keying::Sdes => Keying::Sdes,
            media::Keying::Dtls => Keying::Dtls,
        },
        fingerprint: fingerprint.cloned(),
        suites: media.suites.as_ref().map_or_else(|| Arc::clone(&SUITES), suites),
        codecs: Arc::clone(media.codecs.as_ref().unwrap_or(&CODECS)),
        video: media.video,
        networks: Arc::clone(&media.networks),
        loopback: site.loopback,
        own: own.collect(),
        behind_nat: media.behind_nat,
        dscp: media.dscp,
        packets_per_second_max: media.packets_per_second_max,
        silence: media.silence,
    }
}

/// The pool of ports of a side, as the engine builds them.
const fn pool(side: PeerSide) -> PoolId {
    match side {
        PeerSide::Inside => PoolId(0),
        PeerSide::Outside => PoolId(1),
    }
}

/// Names that the configuration has checked; one that is unknown would let in nothing.
fn suites(names: &Arc<[Box<str>]>) -> Arc<[Suite]> {
    names.iter().filter_map(|name| Suite::read(name.as_bytes())).collect()
}

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
    use std::time::Duration;

    use super::*;
    use crate::media::anchor::Misplaced;
    use crate::media::sdp::Fault;
    use crate::policy::PeerId;
    use crate::policy::fixture::peer;
    use crate::policy::media::{PeerMedia, Place};

    #[test]
    fn a_leg_has_what_the_owner_says_of_its_side_and_its_peer() {
        let place = |address: &str, advertise: &str| Place {
            address: address.parse().unwrap(),
            advertise: advertise.parse().unwrap(),
            ports: 20_000..=20_999,
        };
        let site = SiteMedia {
            inside: place("192.168.77.1", "192.168.77.1"),
            outside: place("10.9.9.9", "198.51.100.1"),
            rest: Duration::from_secs(10),
            loopback: false,
        };
        let rows = [
            (PeerSide::Inside, false, false, (PoolId(0), "192.168.77.1", Demand::Required)),
            (PeerSide::Inside, true, false, (PoolId(0), "192.168.77.1", Demand::Plain)),
            (PeerSide::Outside, false, false, (PoolId(1), "198.51.100.1", Demand::Required)),
            (PeerSide::Outside, true, true, (PoolId(1), "198.51.100.1", Demand::Plain)),
            (PeerSide::Outside, false, true, (PoolId(1), "198.51.100.1", Demand::Emergency)),
        ];
        for (side, plain_media, emergency, (pool, advertise, demand)) in rows {
            let named = peer(PeerId(0), "one", side, "203.0.113.0/28", "203.0.113.1:5061");
            let leg = settings((&site, None), &Peer { plain_media, ..named }, true, emergency);
            assert_eq!((leg.pool, leg.advertise, leg.demand), (pool, advertise.parse().unwrap(), demand));
            assert!(leg.judge("203.0.113.3:4000".parse().unwrap()).is_ok());
            assert_eq!(leg.judge("203.0.114.3:4000".parse().unwrap()), Err(Misplaced::Foreign));
            assert_eq!((&leg.suites[..], leg.codecs.len()), (&anchor::SUITES[..], anchor::CODECS.len()));
            assert_eq!(leg.own.len(), 4, "both ranges on each of our addresses");
        }
        let named = peer(PeerId(0), "one", PeerSide::Outside, "203.0.113.0/28", "203.0.113.1:5061");
        let media = PeerMedia {
            codecs: Some(Arc::from([Box::from("PCMA")])),
            suites: Some(Arc::from([Box::from("AEAD_AES_256_GCM")])),
            ..PeerMedia::of(Arc::from([]))
        };
        let leg = settings((&site, None), &Peer { media: Arc::new(media), ..named }, false, false);
        assert_eq!((&leg.suites[..], leg.codecs.len()), (&[Suite::AeadAes256Gcm][..], 1));
        assert!(!leg.private);
    }

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
