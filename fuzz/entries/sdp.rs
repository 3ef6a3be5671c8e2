//! Session descriptions from hostile octets: what is read is within its bounds, and written it is read as it was; between
//! two legs it becomes one that is read, whatever it is, and no port is lost.

use std::sync::Arc;
use std::time::Duration;

use ringfence::call::Random;
use ringfence::clock::Tick;
use ringfence::media::anchor::{Anchor, CODECS, Demand, Keying, LegSettings, Means, SUITES, Whence};
use ringfence::media::order::{Fingerprint, MediaId, MediaLeg};
use ringfence::media::ports::{PoolId, Ports};
use ringfence::media::sdp::{
    DESCRIPTION_BYTES_MAX, Description, Direction, FORMATS_MAX, Fault, MEDIA_LINES_MAX, Origin, Protocol,
    Stream, Word, read,
};
use ringfence::media::srtp::Mki;

/// The input is a description.
pub fn entry(data: &[u8]) {
    anchored(data);
    let Ok(description) = read(data) else { return };
    assert!(data.len() <= DESCRIPTION_BYTES_MAX && description.streams.len() <= MEDIA_LINES_MAX);
    let origin = Origin { session: 1, version: 1, address: std::net::Ipv4Addr::LOCALHOST.into() };
    let text = description.write(&origin);
    assert!(!text.contains(&0) && text.ends_with(b"\r\n"));
    let kept = Description {
        time: description.time,
        streams: description.streams.iter().map(|stream| kept(stream, origin)).collect(),
    };
    match read(&text) {
        Ok(again) => assert_eq!(again, kept),
        // What was said in short - a codec by its number alone - is written out.
        Err(fault) => assert!(matches!(fault, Fault::Long | Fault::Lines), "{fault}"),
    }
}

/// What of a stream is written.
fn kept(stream: &Stream, origin: Origin) -> Stream {
    assert!(stream.formats.len() <= FORMATS_MAX);
    let first = match stream.formats.first() {
        Some(format) => Word::new(format.number.to_string().as_bytes()).expect("a number is a word"),
        None => stream.first.clone(),
    };
    let formats = stream.formats.clone();
    let mut kept = if stream.port == 0 {
        let mut off = stream.off();
        off.direction = Direction::Both;
        off
    } else {
        stream.clone()
    };
    kept.address = stream.address.or(Some(origin.address));
    kept.formats = formats;
    kept.first = first;
    kept.unusable = None;
    for crypto in &mut kept.crypto {
        crypto.mki = Mki::NONE;
        crypto.lifetime = None;
    }
    if !matches!(kept.protocol, Protocol::Rtp(_)) {
        // Nothing below such a line is taken, so nothing of it comes back.
        kept.fingerprint = None;
        kept.setup = None;
        kept.direction = Direction::Both;
    }
    kept
}

/// A leg that takes whatever can be taken.
fn leg(demand: Demand) -> Arc<LegSettings> {
    Arc::new(LegSettings {
        pool: PoolId(0),
        advertise: std::net::Ipv4Addr::LOCALHOST.into(),
        demand,
        help: demand == Demand::Emergency,
        private: true,
        keying: Keying::Sdes,
        fingerprint: Some(Fingerprint { hash: "sha-256".into(), octets: [7; 32][..].into() }),
        suites: SUITES.into(),
        codecs: CODECS.iter().map(|name| Box::from(*name)).collect(),
        video: true,
        networks: Arc::from(["0.0.0.0/0".parse().expect("it is a network")]),
        loopback: true,
        own: Arc::from([]),
        behind_nat: false,
        dscp: 46,
        packets_per_second_max: 100,
        silence: None,
    })
}

/// Offered and answered on both legs, in turn: what is said is read, and each port comes back.
fn anchored(data: &[u8]) {
    for demand in [Demand::Plain, Demand::Emergency] {
        let pools = [(std::net::Ipv4Addr::LOCALHOST.into(), 20_000..=20_063)];
        let mut ports = Ports::new(&pools, Duration::ZERO);
        let mut random = Random::new([7; 32]);
        let mut means = Means { ports: &mut ports, now: Tick::ZERO, random: &mut random };
        let mut anchor = Anchor::new(MediaId(1), leg(demand), leg(Demand::Plain));
        for (asks, fork) in [(MediaLeg::A, 1), (MediaLeg::B, 1), (MediaLeg::A, 2)] {
            let asked = anchor.offer(Whence { leg: asks, fork }, data, &mut means);
            let answered = anchor.answer(Whence { leg: asks.other(), fork }, data, &mut means);
            for said in [asked, answered].into_iter().flatten() {
                let again = read(&said.sdp).expect("what we say is read");
                assert!(again.streams.len() <= MEDIA_LINES_MAX);
            }
            if fork == 1 && anchor.settle(fork, &mut means).is_err() {
                drop(anchor.withdraw(&mut means));
            }
        }
        assert_eq!(anchor.close(&mut means).len(), 1);
        assert_eq!(ports.out(), 0);
    }
}
