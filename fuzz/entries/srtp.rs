//! SRTP from hostile octets: what we protect opens as it was and only once, what nobody protected never opens, a line
//! of `a=crypto` that is read is written and read again.

use ringfence::media::rtcp::RtcpHeader;
use ringfence::media::rtp::RtpHeader;
use ringfence::media::srtp::sdes::Crypto;
use ringfence::media::srtp::{
    Inbound, MasterKey, Mki, Outbound, Refused, Rekeyed, Suite, TRAILER_OCTETS_MAX,
};

/// The first octet chooses the suite, the second a change to what was protected; the rest is a packet and a line.
pub fn entry(data: &[u8]) {
    let &[choice, change, ref rest @ ..] = data else { return };
    let suite = Suite::ALL[usize::from(choice) % Suite::ALL.len()];
    let octets: Vec<u8> = (1..=46).take(suite.master_octets()).collect();
    let key = MasterKey::new(suite, &octets).expect("it has the suite's length");
    forged(&key, choice, rest);
    packets(&key, change, rest);
    reports(&key, change, rest);
    line(rest);
}

/// Nothing that comes from elsewhere authenticates, and nothing of it is kept.
fn forged(key: &MasterKey, choice: u8, packet: &[u8]) {
    let mki = Mki::new(u32::from(choice), usize::from(choice % 5)).unwrap_or(Mki::NONE);
    let mut session = Inbound::new(key, mki);
    let other = MasterKey::new(key.suite(), &vec![9; key.expose().len()]).expect("its length");
    assert_eq!(session.rekey(key, mki), Ok(Rekeyed::Same));
    assert_eq!(session.rekey(&other, Mki::NONE), Ok(Rekeyed::Changed));
    for _ in 0..2 {
        // A tag of four octets is met by chance once in 2^32 packets, the others never.
        assert!(session.unprotect_rtp(&mut packet.to_vec()).is_err());
        assert!(session.unprotect_rtcp(&mut packet.to_vec()).is_err());
    }
    assert!(session.is_changing(), "a forgery ends no key");
    if let Ok(header) = RtpHeader::read(packet) {
        assert_eq!(session.roll_over(header.ssrc), None);
    }
}

fn packets(key: &MasterKey, change: u8, plain: &[u8]) {
    let (mut sender, mut receiver) = (Outbound::new(key, u64::MAX), Inbound::new(key, Mki::NONE));
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + TRAILER_OCTETS_MAX, 0);
    let made = sender.protect_rtp(&mut buffer, plain.len());
    let Ok(length) = made else {
        let long = RtpHeader::read(plain).is_err() || made == Err(Refused::Room);
        assert!(long, "{made:?}");
        return;
    };
    buffer.truncate(length);
    spoil(&buffer, change, |spoiled| assert!(receiver.unprotect_rtp(spoiled).is_err()));
    let mut copy = buffer.clone();
    assert_eq!(receiver.unprotect_rtp(&mut copy), Ok(plain.len()));
    assert_eq!(copy.get(..plain.len()), Some(plain));
    assert_eq!(receiver.unprotect_rtp(&mut buffer), Err(Refused::Replayed));
    copy.resize(plain.len() + TRAILER_OCTETS_MAX, 0);
    assert_eq!(sender.protect_rtp(&mut copy, plain.len()), Err(Refused::Replayed), "no index twice");
}

fn reports(key: &MasterKey, change: u8, plain: &[u8]) {
    let (mut sender, mut receiver) = (Outbound::new(key, u64::MAX), Inbound::new(key, Mki::NONE));
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + TRAILER_OCTETS_MAX, 0);
    let made = sender.protect_rtcp(&mut buffer, plain.len());
    let Ok(length) = made else {
        assert!(RtcpHeader::read(plain).is_err() || made == Err(Refused::Room), "{made:?}");
        return;
    };
    buffer.truncate(length);
    spoil(&buffer, change, |spoiled| assert!(receiver.unprotect_rtcp(spoiled).is_err()));
    let mut copy = buffer.clone();
    assert_eq!(receiver.unprotect_rtcp(&mut copy), Ok(plain.len()));
    assert_eq!(copy.get(..plain.len()), Some(plain));
    assert_eq!(receiver.unprotect_rtcp(&mut buffer), Err(Refused::Replayed));
}

/// One bit somewhere, and one octet less.
fn spoil(packet: &[u8], change: u8, mut refuse: impl FnMut(&mut [u8])) {
    let at = usize::from(change) * packet.len() / 256;
    let mut copy = packet.to_vec();
    copy[at] ^= 1 << (change % 8);
    refuse(&mut copy);
    let mut copy = packet.to_vec();
    copy.pop();
    refuse(&mut copy);
}

fn line(value: &[u8]) {
    let Ok(crypto) = Crypto::read(value) else { return };
    assert!(!format!("{crypto:?}").contains("inline"));
    let mut written = Vec::new();
    Crypto::write(crypto.tag, &crypto.key, &mut written);
    let again = Crypto::read(&written).expect("what we write is read");
    assert_eq!((again.tag, &again.key), (crypto.tag, &crypto.key));
    assert_eq!((again.mki, again.lifetime), (Mki::NONE, None));
}
