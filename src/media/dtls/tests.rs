//! Two sides in memory: ours with ours, ours with sides of one version alone, and all that is not what was told.

use std::sync::Arc;
use std::time::Duration;

use dimpl::{Config, Dtls, DtlsCertificate, Output};

use super::*;
use crate::clock::{Clock, Tick};
use crate::media::order::Fingerprint;
use crate::media::srtp::Suite;

/// A certificate and its key.
fn made() -> (Vec<u8>, Vec<u8>) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    (certificate.der().to_vec(), key.serialize_der())
}

/// Somebody.
pub(in crate::media) fn identity() -> Arc<Identity> {
    let (certificate, key) = made();
    Arc::new(Identity::new(certificate, key, Clock::start().instant(Tick::ZERO)).unwrap())
}

fn at(millis: u64) -> Tick {
    Tick::from_micros(1_000_000 + millis * 1_000)
}

/// How a handshake ended, if it did.
type End = Option<Result<Box<Keys>, Broken>>;

/// Whatever a side says until it waits, and what came of it.
fn said(side: &mut Handshake) -> (Vec<Vec<u8>>, End, Option<Tick>) {
    let (mut flight, mut end, mut buffer) = (Vec::new(), None, [0; 2_048]);
    loop {
        match side.step(&mut buffer) {
            Step::Send(octets) => flight.push(buffer[..octets].to_vec()),
            Step::Keys(keys) => end = Some(Ok(keys)),
            Step::Wait(until) => return (flight, end, Some(until)),
            Step::Broken(broken) => return (flight, Some(Err(broken)), None),
        }
    }
}

/// Lets two sides talk until both are silent; `lost` says of each datagram by its number whether it is.
fn talk(client: &mut Handshake, server: &mut Handshake, mut lost: impl FnMut(usize) -> bool) -> (End, End) {
    let (mut ends, mut number): ((End, End), _) = ((None, None), 0);
    // Each turn is 100 ms, for less than the whole patience.
    for turn in 0..250 {
        for of_client in [true, false] {
            let (from, to) =
                if of_client { (&mut *client, &mut *server) } else { (&mut *server, &mut *client) };
            from.pass(at(turn * 100));
            let (flight, end, _) = said(from);
            let place = if of_client { &mut ends.0 } else { &mut ends.1 };
            if end.is_some() && place.is_none() {
                *place = end;
            }
            for datagram in flight {
                number += 1;
                if !lost(number) {
                    to.take(at(turn * 100), &datagram);
                }
            }
        }
        if ends.0.is_some() && ends.1.is_some() {
            break;
        }
    }
    ends
}

fn pair(suites: &[Suite]) -> (Handshake, Handshake) {
    let (ours, theirs, suites) = (identity(), identity(), suites.into());
    let client = Handshake::new(&ours, (theirs.fingerprint(), &suites), true, at(0));
    let server = Handshake::new(&theirs, (ours.fingerprint(), &suites), false, at(0));
    (client, server)
}

fn agree((client, server): (End, End)) -> Suite {
    let (Some(Ok(client)), Some(Ok(server))) = (client, server) else { panic!("no keys") };
    assert!(client.inbound == server.outbound && client.outbound == server.inbound);
    assert!(client.inbound != client.outbound, "each direction has its own");
    assert_eq!(client.inbound.suite(), client.outbound.suite());
    client.inbound.suite()
}

#[test]
fn two_sides_have_the_same_keys_whatever_is_lost_on_the_way() {
    let (mut client, mut server) = pair(&PROFILES);
    assert_eq!(agree(talk(&mut client, &mut server, |_| false)), PROFILES[0]);
    // Any one that is lost is sent again, or both begin again.
    for lost in 1..=8 {
        let agreed = [lost, usize::MAX].into_iter().any(|lost| {
            let (mut client, mut server) = pair(&PROFILES);
            matches!(talk(&mut client, &mut server, |number| number == lost), (Some(Ok(_)), Some(Ok(_))))
        });
        assert!(agreed, "the datagram {lost} lost");
    }
    let (mut client, mut server) = pair(&PROFILES);
    agree(talk(&mut client, &mut server, |number| number < 4));
}

#[test]
fn where_every_fourth_datagram_is_lost_who_begins_again_gets_there() {
    for seed in 1..=20_u64 {
        let mut noise = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut lost = move || {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise >> 62 == 0
        };
        let agreed = (0..4).any(|_| {
            let (mut client, mut server) = pair(&PROFILES);
            matches!(talk(&mut client, &mut server, |_| lost()), (Some(Ok(_)), Some(Ok(_))))
        });
        assert!(agreed, "seed {seed}");
    }
}

#[test]
fn a_leg_agrees_on_what_it_lets_and_on_nothing_else() {
    for suite in PROFILES {
        let (mut client, mut server) = pair(&[suite]);
        assert_eq!(agree(talk(&mut client, &mut server, |_| false)), suite);
        let (ours, theirs) = (identity(), identity());
        let (one, others): (Arc<[Suite]>, Arc<[Suite]>) =
            ([suite].into(), PROFILES.into_iter().filter(|other| *other != suite).collect());
        let mut client = Handshake::new(&ours, (theirs.fingerprint(), &one), true, at(0));
        let mut server = Handshake::new(&theirs, (ours.fingerprint(), &others), false, at(0));
        let (client, server) = talk(&mut client, &mut server, |_| false);
        // Who is to choose says so without proof, and so it is not taken for the peer's last word.
        assert!(matches!(client, Some(Err(Broken::Protocol(_)))), "{client:?}");
        assert!(matches!(server, Some(Err(Broken::Protocol(_)))), "{server:?}");
    }
    // RFC 5764 has no profile for these.
    let (mut client, _) = pair(&[Suite::AesCm256HmacSha1T80]);
    assert!(matches!(said(&mut client).1, Some(Err(Broken::Profile))));
}

#[test]
fn e11_a_certificate_shown_without_its_key_proves_nothing_and_ends_nothing_for_good() {
    let clock = Clock::start().instant(Tick::ZERO);
    let forged = Arc::new(Identity::new(made().0, made().1, clock).unwrap());
    for at_client in [true, false] {
        let (ours, suites) = (identity(), PROFILES[..].into());
        let expected = identity();
        let (judge_expects, forger_expects) = (expected.fingerprint(), ours.fingerprint());
        let mut judge = Handshake::new(&ours, (judge_expects, &suites), at_client, at(0));
        let mut forger = Handshake::new(&forged, (forger_expects, &suites), !at_client, at(0));
        let (end, _) = if at_client {
            talk(&mut judge, &mut forger, |_| false)
        } else {
            let (forger, judge) = talk(&mut forger, &mut judge, |_| false);
            (judge, forger)
        };
        assert!(matches!(end, Some(Err(Broken::Protocol(_)))), "{at_client}: {end:?}");
    }
}

// The library keeps parts until the one before them comes, and goes through all of them for each.
#[test]
fn parts_of_nothing_are_taken_in_a_bounded_number_wherever_they_stand() {
    for (octets, in_one_record) in [(0_u8, false), (1, false), (0, true), (1, true)] {
        let (_, mut server) = pair(&PROFILES);
        let (mut ended, mut sent) = (None, 0_u16);
        while usize::from(sent) <= PARTS_MAX {
            let mut held = Vec::new();
            let parts = if in_one_record { 40 } else { 1 };
            for _ in 0..parts {
                // ClientHello of 200 octets, the first message: a part of it.
                held.extend([1, 0, 0, 200, 0, 0, 0, 0, sent as u8 * octets, 0, 0, octets]);
                held.extend(vec![0; usize::from(octets)]);
                sent += 1;
            }
            // A record of a handshake, DTLS 1.2, epoch 0.
            let [high, low] = sent.to_be_bytes();
            let length = (held.len() as u16).to_be_bytes();
            let mut datagram = [22, 254, 253, 0, 0, 0, 0, 0, 0, high, low, length[0], length[1]].to_vec();
            datagram.append(&mut held);
            server.take(at(0), &datagram);
            ended = said(&mut server).1;
        }
        assert!(matches!(ended, Some(Err(Broken::Protocol(_)))), "{octets} {in_one_record}: {ended:?}");
    }
}

#[test]
fn who_talks_without_end_is_listened_to_no_more() {
    let (mut client, mut server) = pair(&PROFILES);
    let hello = said(&mut client).0.remove(0);
    for _ in 0..=PARTS_MAX.min(OCTETS_MAX / hello.len()) {
        server.take(at(0), &hello);
        assert!(said(&mut server).0.len() <= 1, "a hello is answered by one datagram at most");
    }
    let (_, end, _) = said(&mut server);
    assert!(matches!(end, Some(Err(Broken::Protocol(_)))), "{end:?}");
}

#[test]
fn e11_a_certificate_that_was_not_signalled_has_no_keys() {
    let hashes = [
        ("sha-256", identity().fingerprint().octets.clone()),
        ("sha-1", identity().fingerprint().octets[..20].into()),
        ("sha-512", identity().fingerprint().octets.clone()),
        ("md5", [0; 16][..].into()),
    ];
    for (hash, octets) in hashes {
        let wrong = Fingerprint { hash: hash.into(), octets };
        for at_client in [true, false] {
            let (ours, theirs, suites) = (identity(), identity(), PROFILES[..].into());
            let expects = |right: &Fingerprint, here: bool| if here { wrong.clone() } else { right.clone() };
            let mut client =
                Handshake::new(&ours, (&expects(theirs.fingerprint(), at_client), &suites), true, at(0));
            let mut server =
                Handshake::new(&theirs, (&expects(ours.fingerprint(), !at_client), &suites), false, at(0));
            let (client, server) = talk(&mut client, &mut server, |_| false);
            let judge = if at_client { client } else { server };
            assert!(matches!(judge, Some(Err(Broken::Certificate))), "{hash} {at_client}: {judge:?}");
        }
    }
}

#[test]
fn sha_1_is_refused_though_it_is_right() {
    use sha1::{Digest as _, Sha1};
    let (certificate, key) = made();
    let octets = Sha1::digest(&certificate)[..].into();
    let theirs = Arc::new(Identity::new(certificate, key, Clock::start().instant(Tick::ZERO)).unwrap());
    let (ours, suites) = (identity(), PROFILES[..].into());
    let weak = Fingerprint { hash: "sha-1".into(), octets };
    let mut client = Handshake::new(&ours, (&weak, &suites), true, at(0));
    let mut server = Handshake::new(&theirs, (ours.fingerprint(), &suites), false, at(0));
    let (client, _) = talk(&mut client, &mut server, |_| false);
    assert!(matches!(client, Some(Err(Broken::Certificate))));
}

/// A side of DTLS 1.2 alone, as most phones are, with its certificate's hash.
fn older(active: bool) -> (Dtls, Fingerprint) {
    let (certificate, private_key) = made();
    let clock = Clock::start().instant(Tick::ZERO);
    let print = Identity::new(certificate.clone(), private_key.clone(), clock).unwrap();
    let config = Arc::new(Config::default());
    let began = clock + Duration::from_secs(1);
    let mut dtls = Dtls::new_12(config, DtlsCertificate { certificate, private_key }, began);
    dtls.set_active(active);
    dtls.handle_timeout(began).unwrap();
    (dtls, print.fingerprint().clone())
}

#[test]
fn a_peer_of_dtls_1_2_has_the_same_keys_in_either_role() {
    for active in [true, false] {
        let (mut peer, fingerprint) = older(!active);
        let (ours, suites) = (identity(), PROFILES[..].into());
        let mut side = Handshake::new(&ours, (&fingerprint, &suites), active, at(0));
        let (mut exported, mut found, mut buffer) = (None, None, [0; 2_048]);
        for turn in 0..40 {
            side.pass(at(turn * 100));
            let (flight, end, _) = said(&mut side);
            if let Some(Ok(keys)) = end {
                found = Some(keys);
            }
            flight.iter().for_each(|datagram| peer.handle_packet(datagram).unwrap());
            loop {
                let output = peer.poll_output(&mut buffer);
                if let Output::Packet(packet) = output {
                    side.take(at(turn * 100), packet);
                } else if let Output::KeyingMaterial(material, _) = output {
                    exported = Some(material.to_vec());
                } else if matches!(output, Output::Timeout(_)) {
                    break;
                }
            }
        }
        let (found, exported) = (found.expect("keys"), exported.expect("keys"));
        // RFC 5764 §4.2: client's key, server's key, client's salt, server's salt.
        let (key, salt) = (found.inbound.suite().key_octets(), found.inbound.suite().salt_octets());
        let client = [&exported[..key], &exported[2 * key..2 * key + salt]].concat();
        let server = [&exported[key..2 * key], &exported[2 * key + salt..2 * (key + salt)]].concat();
        let (own, others) = if active { (client, server) } else { (server, client) };
        assert_eq!((found.outbound.expose(), found.inbound.expose()), (&own[..], &others[..]));
    }
}

#[test]
fn who_hears_nothing_gives_up_and_who_waits_is_not_asked() {
    let (mut client, mut server) = pair(&PROFILES);
    let (mut datagrams, mut looks, mut now) = (0, 0, at(0));
    let broken = loop {
        client.pass(now);
        let (flight, end, until) = said(&mut client);
        datagrams += flight.len();
        looks += 1;
        match end {
            Some(Err(broken)) => break broken,
            Some(Ok(_)) => panic!("keys of nobody"),
            None => now = until.unwrap(),
        }
    };
    assert!(matches!(broken, Broken::Protocol(_)), "{broken}");
    assert!((5_000..=31_000).contains(&now.since(at(0)).as_millis()), "{:?}", now.since(at(0)));
    assert!((4..=12).contains(&datagrams) && looks < 20, "{datagrams} {looks}");
    // A server is silent, and has nothing to do for years.
    let (flight, end, until) = said(&mut server);
    assert!(flight.is_empty() && end.is_none());
    assert!(until.unwrap().since(at(0)) > Duration::from_secs(86_400));
}

#[test]
fn garbage_of_any_kind_makes_no_keys_and_no_panic() {
    let (mut client, mut server) = pair(&PROFILES);
    let (hello, ..) = said(&mut client);
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    let mut octet = move || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise >> 24) as u8
    };
    let mut taken = 0;
    while taken < 100_000 {
        // A hello with a few octets that are not its own, cut somewhere; or nothing but noise.
        let mut datagram = hello[0].clone();
        for _ in 0..octet() % 8 {
            let place = usize::from(octet()) % datagram.len();
            datagram[place] = octet();
        }
        datagram.truncate(usize::from(octet()) * 2);
        if octet() & 3 == 0 {
            datagram.iter_mut().skip(1).for_each(|place| *place = octet());
        }
        taken += datagram.len();
        server.take(at(0), &datagram);
        let (_, end, _) = said(&mut server);
        match end {
            Some(Ok(_)) => panic!("keys of nobody"),
            // Whoever waits begins with another then.
            Some(Err(_)) => server = pair(&PROFILES).1,
            None => {}
        }
    }
}

#[test]
fn a_flight_that_is_replayed_changes_nothing() {
    let (mut client, mut server) = pair(&PROFILES);
    let mut flights = Vec::new();
    for turn in 0..10 {
        client.pass(at(turn * 100));
        for datagram in said(&mut client).0 {
            server.take(at(turn * 100), &datagram);
            flights.push(datagram);
        }
        for datagram in said(&mut server).0 {
            client.take(at(turn * 100), &datagram);
        }
    }
    for datagram in &flights {
        server.take(at(2_000), datagram);
        let (answers, end, _) = said(&mut server);
        assert!(end.is_none(), "{end:?}");
        assert!(answers.len() <= 4, "{}", answers.len());
    }
    // To one who was not there, it is a beginning of another handshake and never its end.
    let (_, mut other) = pair(&PROFILES);
    for datagram in &flights {
        other.take(at(2_000), datagram);
        assert!(!matches!(said(&mut other).1, Some(Ok(_))));
    }
}

#[test]
fn a_key_that_is_none_is_no_identity_and_nothing_secret_is_shown() {
    let began = Clock::start().instant(Tick::ZERO);
    assert!(Identity::new(made().0, vec![1, 2, 3], began).is_err());
    let shown = format!("{:?} {:?}", identity(), pair(&PROFILES).0);
    assert!(shown.contains("sha-256") && !shown.contains("private"), "{shown}");
}
