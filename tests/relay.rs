//! The media relay with real sockets: calls of phones on loopback, in the clear and under keys, both ways.
//!
//! Owns nothing of the relay but what its orders and news say. Each test has addresses of its own in 127.0.0.0/8.

#![allow(clippy::panic, reason = "a test says what went wrong")]

#[path = "relay/openssl.rs"]
mod openssl;
#[path = "relay/phones.rs"]
mod phones;
#[path = "relay/shaker.rs"]
mod shaker;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use phones::{Call, Kind, Phones};
use ringfence::clock::Clock;
use ringfence::media::dtls::Identity;
use ringfence::media::order::{Local, MediaId, MediaLeg, News, Order, Spot, StreamReport};
use ringfence::net::relay::{Relay, Ring, Settings, certificate};

/// How long something on loopback may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// The relay, and a bell that rings here.
struct Rig {
    relay: Relay,
    identity: Arc<Identity>,
    rung: mpsc::Receiver<()>,
}

impl Rig {
    fn new(settings: &Settings) -> Self {
        let (sender, rung) = mpsc::channel();
        // The test may have ended.
        let ring: Ring = Arc::new(move || sender.send(()).unwrap_or_default());
        let clock = Clock::start();
        let identity = Arc::new(certificate(clock).expect("a certificate"));
        let relay = Relay::start(settings, Some(&identity), clock, &ring).expect("threads");
        Self { relay, identity, rung }
    }

    /// The next news, however long it takes.
    fn news(&mut self) -> News {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(news) = self.relay.news() {
                return news;
            }
            assert!(Instant::now() < until, "no news");
            // Whether it rang or not, it is looked at again.
            self.rung.recv_timeout(Duration::from_millis(20)).unwrap_or_default();
        }
    }

    fn close(&mut self, media: MediaId) -> Vec<StreamReport> {
        self.relay.order(Order::Close { media });
        loop {
            if let News::Report { media: of, streams } = self.news()
                && of == media
            {
                return streams;
            }
        }
    }
}

/// Sockets that are bound on an address, as the system lists them: about so many. The list is read in pieces, and each piece
/// begins behind so many sockets as were read before; where others come and go meanwhile, one is left out or stands there
/// twice. So it serves to wait for, and what must hold at a moment is asked of the port itself.
fn bound_on(address: &str) -> usize {
    let octets: Vec<u8> = address.split('.').map(|part| part.parse().expect("an address")).collect();
    let listed = format!("{:02X}{:02X}{:02X}{:02X}:", octets[3], octets[2], octets[1], octets[0]);
    let table = std::fs::read_to_string("/proc/net/udp").expect("the system lists its sockets");
    table
        .lines()
        .filter(|line| line.split_whitespace().nth(1).is_some_and(|local| local.starts_with(&listed)))
        .count()
}

/// Whether nobody has a port.
fn is_free(address: &str, port: u16) -> bool {
    UdpSocket::bind((address, port)).is_ok()
}

/// Waits until so many are.
fn until_bound(address: &str, count: usize) {
    let until = Instant::now() + PATIENCE;
    while bound_on(address) != count {
        assert!(Instant::now() < until, "{} sockets on {address}, not {count}", bound_on(address));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ten calls, twenty packets each way, and back to nothing.
fn ten_calls(net: u8, a: Kind, b: Kind, threads: usize) {
    let edge = format!("127.61.{net}.1");
    let mut rig = Rig::new(&Settings { threads, ..Settings::default() });
    let phones = Phones::new(net);
    let mut calls: Vec<Call> = (0..10).map(|n| Call::new(n, &edge, &phones, a, b)).collect();
    for call in &calls {
        call.orders().into_iter().for_each(|order| rig.relay.order(order));
    }
    until_bound(&edge, 40);
    calls.iter_mut().for_each(|call| call.shake(rig.identity.fingerprint()));
    // Terms come behind sockets; the first packet of each call is sent until it comes through.
    for call in &mut calls {
        let until = Instant::now() + PATIENCE;
        while !call.crosses(MediaLeg::A) {
            assert!(Instant::now() < until, "nothing crosses");
        }
    }
    for _ in 0..20 {
        for call in &mut calls {
            for leg in [MediaLeg::A, MediaLeg::B] {
                call.speak(leg);
            }
        }
        for call in &mut calls {
            for leg in [MediaLeg::A, MediaLeg::B] {
                call.hear(leg);
            }
        }
    }
    for call in &mut calls {
        call.report_crosses();
        let [from_a, from_b] = rig.close(call.media)[..] else { panic!("two entries") };
        assert!(from_a.packets >= 21 && from_b.packets == 20, "{from_a:?} {from_b:?}");
        let bad = |report: &StreamReport| report.unauthentic + report.foreign + report.replayed + report.late;
        assert_eq!((bad(&from_a), bad(&from_b), from_b.lost), (0, 0, 0), "{from_a:?} {from_b:?}");
        assert!(from_a.opinion.is_some_and(|opinion| opinion > 3.5), "{from_a:?}");
    }
    until_bound(&edge, 0);
    rig.relay.stop();
}

#[test]
fn ten_calls_in_the_clear() {
    ten_calls(1, Kind::Rtp, Kind::Rtp, 1);
}

#[test]
fn ten_calls_between_the_clear_and_keys() {
    ten_calls(2, Kind::Rtp, Kind::Srtp, 2);
}

#[test]
fn ten_calls_between_keys_and_keys() {
    ten_calls(3, Kind::Srtp, Kind::Srtp, 3);
}

#[test]
fn ten_calls_between_dtls_and_the_clear() {
    ten_calls(8, Kind::Dtls { active: true }, Kind::Rtp, 1);
    ten_calls(9, Kind::Rtp, Kind::Dtls { active: false }, 2);
}

#[test]
fn ten_calls_between_dtls_and_keys_and_dtls() {
    ten_calls(10, Kind::Dtls { active: false }, Kind::Srtp, 2);
    ten_calls(11, Kind::Dtls { active: true }, Kind::Dtls { active: false }, 1);
}

// Row E11, on the wire: another certificate than the one that was signalled.
#[test]
fn e11_another_certificate_fails_its_leg_alone() {
    let edge = "127.61.12.1";
    let mut rig = Rig::new(&Settings::default());
    let phones = Phones::new(12);
    // The edge is the server: whoever begins has shown its certificate and its key before it is judged.
    let (kind, rtp) = (Kind::Dtls { active: false }, Kind::Rtp);
    let (mut liar, mut call) =
        (Call::new(0, edge, &phones, kind, rtp), Call::new(1, edge, &phones, kind, rtp));
    for order in liar.orders().into_iter().chain(call.orders()) {
        rig.relay.order(order);
    }
    until_bound(edge, 8);
    liar.lies(rig.identity.fingerprint());
    let News::Unproven { spot, why } = rig.news() else { panic!("it is told") };
    assert_eq!((spot.media, spot.leg), (liar.media, MediaLeg::A));
    assert!(why.contains("certificate"), "{why}");
    call.shake(rig.identity.fingerprint());
    let until = Instant::now() + PATIENCE;
    while !call.crosses(MediaLeg::A) {
        assert!(Instant::now() < until, "the other call goes on");
    }
    rig.relay.stop();
}

// Row E8, on the wire: nobody who is not signalled hears anything, and no port answers it.
#[test]
fn e8_a_stranger_hears_nothing_and_is_told_of() {
    let edge = "127.61.4.1";
    let mut rig = Rig::new(&Settings::default());
    let phones = Phones::new(4);
    let mut call = Call::new(0, edge, &phones, Kind::Rtp, Kind::Srtp);
    call.orders().into_iter().for_each(|order| rig.relay.order(order));
    until_bound(edge, 4);
    // Terms come behind sockets: what comes before them is nobody's.
    let until = Instant::now() + PATIENCE;
    while !call.crosses(MediaLeg::B) {
        assert!(Instant::now() < until, "nothing crosses");
    }
    let stranger = phones::socket("127.61.4.66");
    let mut packet = [0xd5; 172];
    packet[..2].copy_from_slice(&[0x80, 8]);
    for port in call.ports() {
        for _ in 0..30 {
            stranger.send_to(&packet, (edge, port)).expect("loopback takes it");
        }
    }
    let until = Instant::now() + PATIENCE;
    while !call.crosses(MediaLeg::B) {
        assert!(Instant::now() < until, "the call goes on");
    }
    let News::Intruder { source, packets, .. } = rig.news() else { panic!("an intruder is told of") };
    assert_eq!(source, stranger.local_addr().expect("bound"));
    // It is looked at once a second, perhaps amid them; the report has them all.
    assert!((1..=120).contains(&packets), "{packets}");
    let mut heard = [0; 2_048];
    stranger.set_nonblocking(true).expect("a socket");
    assert!(stranger.recv_from(&mut heard).is_err(), "nothing came back");
    let foreign: u64 = rig.close(call.media).iter().map(|report| report.foreign).sum();
    assert_eq!(foreign, 120);
    rig.relay.stop();
}

/// Both speak, and both hear it.
fn talk(call: &mut Call, packets: usize) {
    for _ in 0..packets {
        for leg in [MediaLeg::A, MediaLeg::B] {
            call.speak(leg);
            call.hear(leg.other());
        }
    }
}

// A stream that goes on has a second socket, which is connected; row E8 holds as before, and so does everything else.
#[test]
fn e8_a_stream_that_goes_on_gets_a_twin_and_nobody_can_tell() {
    let edge = "127.61.13.1";
    let mut rig = Rig::new(&Settings::default());
    let phones = Phones::new(13);
    let mut call = Call::new(0, edge, &phones, Kind::Rtp, Kind::Srtp);
    call.orders().into_iter().for_each(|order| rig.relay.order(order));
    until_bound(edge, 4);
    let until = Instant::now() + PATIENCE;
    while !call.crosses(MediaLeg::A) {
        assert!(Instant::now() < until, "nothing crosses");
    }
    talk(&mut call, 60);
    until_bound(edge, 6);
    talk(&mut call, 10);
    // Nobody else gets in, neither by bytes nor by a socket.
    let stranger = phones::socket("127.61.13.66");
    let [port, _, other, _] = call.ports();
    for to in [port, other] {
        stranger.send_to(&[0x80; 172], (edge, to)).expect("loopback takes it");
        let joins =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
        joins.set_reuse_address(true).expect("it may wish");
        let address: std::net::SocketAddr = format!("{edge}:{to}").parse().expect("an address");
        assert!(joins.bind(&address.into()).is_err(), "nobody shares {address}");
    }
    talk(&mut call, 10);
    // A phone moves: what is for it goes there at once, and by the twin after a while.
    rig.relay.order(call.moves(MediaLeg::A));
    let until = Instant::now() + PATIENCE;
    while !call.crosses(MediaLeg::B) {
        assert!(Instant::now() < until, "nothing crosses");
    }
    talk(&mut call, 70);
    until_bound(edge, 6);
    // Nobody is there for a moment.
    for leg in [MediaLeg::A, MediaLeg::B] {
        call.speaks_to_nobody(leg);
        let until = Instant::now() + PATIENCE;
        while !call.crosses(leg) {
            assert!(Instant::now() < until, "nothing crosses");
        }
    }
    talk(&mut call, 10);
    let reports = rig.close(call.media);
    assert_eq!(reports.iter().map(|report| report.foreign).sum::<u64>(), 2, "{reports:?}");
    assert_eq!(reports.iter().map(|report| report.unauthentic + report.replayed).sum::<u64>(), 0);
    until_bound(edge, 0);
    assert!(is_free(edge, port) && is_free(edge, other));
    rig.relay.stop();
}

#[test]
fn where_no_file_is_left_a_stream_has_no_twin_and_goes_on() {
    let edge = "127.61.14.1";
    let mut rig = Rig::new(&Settings { twins_max: 1, ..Settings::default() });
    let phones = Phones::new(14);
    let mut call = Call::new(0, edge, &phones, Kind::Rtp, Kind::Rtp);
    call.orders().into_iter().for_each(|order| rig.relay.order(order));
    until_bound(edge, 4);
    let until = Instant::now() + PATIENCE;
    while !call.crosses(MediaLeg::A) {
        assert!(Instant::now() < until, "nothing crosses");
    }
    talk(&mut call, 120);
    until_bound(edge, 5);
    rig.close(call.media);
    until_bound(edge, 0);
    rig.relay.stop();
}

// Row E10, on the wire: from nothing to the largest datagram there is.
#[test]
fn e10_datagrams_of_any_length_are_taken_and_end_nothing() {
    let edge = "127.61.5.1";
    let mut rig = Rig::new(&Settings::default());
    let phones = Phones::new(5);
    let mut call = Call::new(0, edge, &phones, Kind::Srtp, Kind::Rtp);
    call.orders().into_iter().for_each(|order| rig.relay.order(order));
    until_bound(edge, 4);
    let until = Instant::now() + PATIENCE;
    while !call.crosses(MediaLeg::A) {
        assert!(Instant::now() < until, "nothing crosses");
    }
    for length in [0, 1, 2, 11, 12, 2_047, 2_048, 2_049, 65_507] {
        let mut packet = vec![0x80; length];
        if let Some(format) = packet.get_mut(1) {
            *format = 8;
        }
        call.throw(MediaLeg::A, &packet);
        call.speak(MediaLeg::A);
        call.hear(MediaLeg::B);
    }
    let reports = rig.close(call.media);
    assert_eq!(reports[0].refused + reports[0].unauthentic + reports[0].late, 9, "{reports:?}");
    rig.relay.stop();
}

// Row F9: a port that cannot be had fails that spot alone.
#[test]
fn a_socket_that_cannot_be_opened_fails_its_spot_and_leaves_nothing_behind() {
    let edge = "127.61.6.1";
    let mut rig = Rig::new(&Settings { sockets_max: 6, ..Settings::default() });
    let taken = phones::socket(edge);
    let port = taken.local_addr().expect("bound").port();
    let bind = edge.parse().expect("an address");
    let spot = |media, leg| Spot { media: MediaId(media), leg, stream: 0 };
    let failed = |rig: &mut Rig, spot, rtp, rtcp| {
        rig.relay.order(Order::Open { spot, local: Local { bind, rtp, rtcp } });
        let news = rig.news();
        let News::Failed { spot: failed, why } = news else { panic!("{news:?}") };
        assert_eq!(failed, spot);
        why
    };
    for (rtp, rtcp) in [(port, Some(40_001)), (40_000, Some(port)), (port, None)] {
        let why = failed(&mut rig, spot(1, MediaLeg::A), rtp, rtcp);
        assert!(why.contains(&format!("{edge}:{port}")), "{why}");
        let others = [Some(rtp), rtcp].into_iter().flatten().filter(|other| *other != port);
        others.for_each(|other| assert!(is_free(edge, other), "the other of a pair is closed"));
    }
    let all = [(1, MediaLeg::A, 40_000), (1, MediaLeg::B, 40_002), (2, MediaLeg::A, 40_004)];
    for (media, leg, rtp) in all {
        rig.relay
            .order(Order::Open { spot: spot(media, leg), local: Local { bind, rtp, rtcp: Some(rtp + 1) } });
    }
    until_bound(edge, 7);
    let why = failed(&mut rig, spot(2, MediaLeg::B), 40_006, None);
    assert!(why.contains("6 sockets for media are open"), "{why}");
    // Another port for the same spot closes the one before.
    rig.relay
        .order(Order::Open { spot: spot(2, MediaLeg::A), local: Local { bind, rtp: 40_008, rtcp: None } });
    until_bound(edge, 6);
    rig.relay.order(Order::Shut { spot: spot(1, MediaLeg::B) });
    until_bound(edge, 4);
    rig.relay.order(Order::Shut { spot: spot(9, MediaLeg::B) });
    rig.relay.stop();
    let all = 40_000..=40_008;
    all.for_each(|port| assert!(is_free(edge, port), "a relay that has ended has no socket"));
    assert!(!is_free(edge, port), "and that one was another's");
}

#[test]
fn a_loop_that_takes_no_news_loses_no_end_of_a_call() {
    const CALLS: u64 = 30_000;
    let edge = "127.61.7.1".parse().expect("an address");
    let rung = Arc::new(AtomicUsize::new(0));
    let ring: Ring = {
        let rung = Arc::clone(&rung);
        Arc::new(move || {
            rung.fetch_add(1, Ordering::Relaxed);
        })
    };
    let mut relay = Relay::start(&Settings::default(), None, Clock::start(), &ring).expect("threads");
    // Each opens the same port in turn; where the thread is too busy, opening fails and closing is kept.
    for media in (0..CALLS).map(MediaId) {
        let spot = Spot { media, leg: MediaLeg::A, stream: 0 };
        relay.order(Order::Open { spot, local: Local { bind: edge, rtp: 40_000, rtcp: None } });
        relay.order(Order::Close { media });
    }
    let (mut failed, mut reported) = (0, 0);
    let until = Instant::now() + PATIENCE;
    while failed + reported < CALLS {
        let news = relay.news();
        if let Some(News::Failed { why, .. }) = &news {
            assert!(why.contains("too busy"), "{why}");
            failed += 1;
        } else if let Some(news) = &news {
            assert!(matches!(news, News::Report { .. }), "{news:?}");
            reported += 1;
        } else {
            assert!(Instant::now() < until, "{failed} and {reported} of {CALLS}");
        }
    }
    assert!(reported > 0 && rung.load(Ordering::Relaxed) > 0);
    // Ends of calls that were never open tell nothing, and may still wait to be handed on.
    while relay.is_behind() {
        assert!(
            relay.news().is_none() && Instant::now() < until,
            "they are handed on, and nothing comes of them"
        );
    }
    assert!(is_free("127.61.7.1", 40_000), "every call's socket is closed");
    relay.stop();
}
