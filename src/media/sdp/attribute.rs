//! The attributes that mean something to us, of a session and of a stream.
//!
//! Owns their grammar and that what is said twice is said the same. What is not named here - ICE, groups, labels,
//! capabilities - is not kept. Read first: RFC 8866 §6; RFC 3605; RFC 4145; RFC 4568 §4; RFC 5761 §5.1.1; RFC 8122 §5.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::format::{self, Codec, Format};
use super::read::{Media, address};
use super::word::{Word, small};
use super::{CRYPTO_LINES_MAX, Direction, Fault, Protocol, Setup, Stream};
use crate::media::order::Fingerprint;
use crate::media::srtp::sdes::{Crypto, Unusable};

/// Milliseconds in a packet at most; what says more means nothing here.
const PACKET_TIME_MAX: u16 = 1_000;

/// What a session says for all its streams.
#[derive(Debug, Default)]
pub(super) struct SessionAttributes {
    direction: Option<Direction>,
    hashes: Hashes,
    setup: Option<Setup>,
}

/// What stands below one `m=` line.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    codecs: Vec<(u8, Codec)>,
    parameters: Vec<(u8, Box<[u8]>)>,
    direction: Option<Direction>,
    ptime: Option<u16>,
    maxptime: Option<u16>,
    rtcp: Option<(u16, Option<IpAddr>)>,
    mux: bool,
    keys: usize,
    crypto: SmallVec<[Crypto; 1]>,
    unusable: Option<Unusable>,
    hashes: Hashes,
    setup: Option<Setup>,
}

/// The fingerprints that were said, one of each hash that is known.
#[derive(Debug, Default)]
struct Hashes(SmallVec<[Fingerprint; 1]>);

/// Cuts `name:value`; a property has no value.
fn cut(line: &[u8]) -> Result<(&[u8], Option<&[u8]>), Fault> {
    let colon = line.iter().position(|octet| *octet == b':');
    let (name, value) = match colon {
        Some(at) => (line.get(..at).unwrap_or_default(), line.get(at + 1..)),
        None => (line, None),
    };
    // RFC 8866 §9: an attribute's name is a token.
    if Word::new(name).is_some_and(|name| !name.bytes().contains(&b'/')) {
        Ok((name, value))
    } else {
        Err(Fault::Syntax('a'))
    }
}

/// Keeps what is said; the same may be said again.
fn once<T: PartialEq>(place: &mut Option<T>, said: T, name: &'static str) -> Result<(), Fault> {
    match place {
        Some(before) if *before != said => Err(Fault::Twice(name)),
        Some(_) => Ok(()),
        None => {
            *place = Some(said);
            Ok(())
        }
    }
}

fn setup(place: &mut Option<Setup>, value: &[u8]) -> Result<(), Fault> {
    once(place, Setup::read(value).ok_or(Fault::Attribute("setup"))?, "a=setup")
}

impl SessionAttributes {
    pub fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        let (name, value) = cut(line)?;
        if let (Some(direction), None) = (Direction::read(name), value) {
            return once(&mut self.direction, direction, "the direction");
        }
        match (name, value) {
            (b"fingerprint", Some(value)) => self.hashes.add(value),
            (b"setup", Some(value)) => setup(&mut self.setup, value),
            // RFC 4568 §5: a=crypto belongs to a stream.
            (b"crypto", _) => Err(Fault::SessionKey),
            (_, _) => Ok(()),
        }
    }
}

impl Attributes {
    pub fn line(&mut self, line: &[u8], media: &Media) -> Result<(), Fault> {
        let (name, value) = cut(line)?;
        // Of a stream that nobody relays nothing is taken.
        if matches!(media.protocol, Protocol::Other(_)) {
            return Ok(());
        }
        if let (Some(direction), None) = (Direction::read(name), value) {
            return once(&mut self.direction, direction, "the direction");
        }
        match (name, value) {
            (b"rtpmap", Some(value)) => self.codec(value, media),
            (b"fmtp", Some(value)) => self.format_parameters(value, media),
            (b"ptime", Some(value)) => packet_time(&mut self.ptime, value, "a=ptime"),
            (b"maxptime", Some(value)) => packet_time(&mut self.maxptime, value, "a=maxptime"),
            (b"rtcp", Some(value)) => once(&mut self.rtcp, rtcp(value)?, "a=rtcp"),
            (b"rtcp-mux", None) => {
                self.mux = true;
                Ok(())
            }
            (b"crypto", value) => self.key(value.unwrap_or_default()),
            (b"fingerprint", Some(value)) => self.hashes.add(value),
            (b"setup", Some(value)) => setup(&mut self.setup, value),
            (b"rtpmap" | b"fmtp", None) => Err(Fault::Syntax('a')),
            (_, _) => Ok(()),
        }
    }

    fn codec(&mut self, value: &[u8], media: &Media) -> Result<(), Fault> {
        let wrong = Fault::Attribute("rtpmap");
        let (number, text) = numbered(value).ok_or(wrong)?;
        let codec = Codec::read(text).ok_or(wrong)?;
        if !media.numbers.contains(&number) {
            return Ok(());
        }
        // One reader goes by the number, another by the name.
        if Codec::fixed(number).is_some_and(|fixed| fixed != codec) {
            return Err(Fault::PayloadType);
        }
        match self.codecs.iter().find(|(other, _)| *other == number) {
            Some((_, before)) if *before != codec => Err(Fault::Twice("a=rtpmap")),
            Some(_) => Ok(()),
            None => {
                self.codecs.push((number, codec));
                Ok(())
            }
        }
    }

    fn format_parameters(&mut self, value: &[u8], media: &Media) -> Result<(), Fault> {
        let (number, text) = numbered(value).ok_or(Fault::Attribute("fmtp"))?;
        let parameters = format::parameters(text.trim_ascii())?;
        if !media.numbers.contains(&number) {
            return Ok(());
        }
        match self.parameters.iter().find(|(other, _)| *other == number) {
            Some((_, before)) if *before != parameters => Err(Fault::Twice("a=fmtp")),
            Some(_) => Ok(()),
            None => {
                self.parameters.push((number, parameters));
                Ok(())
            }
        }
    }

    fn key(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.keys += 1;
        if self.keys > CRYPTO_LINES_MAX {
            return Err(Fault::Keys);
        }
        match Crypto::read(value) {
            // RFC 4568 §5.1.1: each number stands once in a stream.
            Ok(crypto) if self.crypto.iter().any(|other| other.tag == crypto.tag) => {
                return Err(Fault::Twice("an a=crypto number"));
            }
            Ok(crypto) => self.crypto.push(crypto),
            Err(cause) => {
                self.unusable.get_or_insert(cause);
            }
        }
        Ok(())
    }

    /// All of it is there: the stream.
    pub fn stream(
        self,
        media: Media,
        address: Option<IpAddr>,
        session: &SessionAttributes,
    ) -> Result<Stream, Fault> {
        let Self { codecs, mut parameters, .. } = self;
        let mut formats = SmallVec::new();
        for number in media.numbers.iter().copied().filter(|number| format::is_carried(*number)) {
            let said = codecs.iter().find(|(other, _)| *other == number).map(|(_, codec)| codec.clone());
            // A dynamic payload type without a name is nothing that could be agreed on.
            let Some(codec) = said.or_else(|| Codec::fixed(number)) else { continue };
            let at = parameters.iter().position(|(other, _)| *other == number);
            let parameters = at.map(|at| parameters.swap_remove(at).1);
            formats.push(Format { number, codec, parameters });
        }
        let shares = self.mux && !media.numbers.iter().any(|number| format::bars_sharing(*number));
        let hashes = if self.hashes.0.is_empty() { &session.hashes } else { &self.hashes };
        Ok(Stream {
            kind: media.kind,
            protocol: media.protocol,
            port: media.port,
            address,
            rtcp: self.rtcp,
            mux: shares,
            direction: self.direction.or(session.direction).unwrap_or_default(),
            formats,
            first: media.first,
            ptime: self.ptime,
            maxptime: self.maxptime,
            crypto: self.crypto,
            unusable: self.unusable,
            fingerprint: hashes.strongest(),
            setup: self.setup.or(session.setup),
        })
    }
}

/// `number text`.
fn numbered(value: &[u8]) -> Option<(u8, &[u8])> {
    let blank = value.iter().position(|octet| *octet == b' ')?;
    let (number, text) = value.split_at_checked(blank)?;
    Some((small::<u8>(number).filter(|number| *number < 128)?, text.get(1..)?))
}

/// RFC 8866 §6.4, §6.5: milliseconds. Parts of one, which nobody sends, are left out like what is beyond all packets.
fn packet_time(place: &mut Option<u16>, value: &[u8], name: &'static str) -> Result<(), Fault> {
    match small::<u16>(value).filter(|time| (1..=PACKET_TIME_MAX).contains(time)) {
        Some(time) => once(place, time, name),
        None => Ok(()),
    }
}

/// RFC 3605 §2.1: a port, and an address where it is another than that of the stream.
fn rtcp(value: &[u8]) -> Result<(u16, Option<IpAddr>), Fault> {
    let wrong = Fault::Attribute("rtcp");
    let mut words = value.split(|octet| *octet == b' ');
    let port = words.next().and_then(small::<u16>).filter(|port| *port != 0).ok_or(wrong)?;
    match (words.next(), words.next(), words.next(), words.next()) {
        (None, _, _, _) => Ok((port, None)),
        (Some(b"IN"), Some(family @ (b"IP4" | b"IP6")), Some(text), None) => {
            Ok((port, Some(address(family, text)?)))
        }
        (_, _, _, _) => Err(wrong),
    }
}

impl Hashes {
    /// RFC 8122 §5: `hash XX:XX`. Hashes that are weak or unknown are left out.
    fn add(&mut self, value: &[u8]) -> Result<(), Fault> {
        let wrong = Fault::Attribute("fingerprint");
        let blank = value.iter().position(|octet| *octet == b' ').ok_or(wrong)?;
        let (name, octets) = value.split_at_checked(blank).ok_or(wrong)?;
        let known = [("sha-256", 32), ("sha-384", 48), ("sha-512", 64)];
        let Some((hash, length)) =
            known.into_iter().find(|(hash, _)| name.eq_ignore_ascii_case(hash.as_bytes()))
        else {
            return Ok(());
        };
        let octets = hexadecimal(octets.trim_ascii()).filter(|octets| octets.len() == length).ok_or(wrong)?;
        let fingerprint = Fingerprint { hash: hash.into(), octets };
        match self.0.iter().find(|other| other.hash == fingerprint.hash) {
            // RFC 8122 §5.1 lets several of one hash stand for several certificates; a peer here has one.
            Some(before) if *before != fingerprint => Err(Fault::Twice("a=fingerprint")),
            Some(_) => Ok(()),
            None => {
                self.0.push(fingerprint);
                Ok(())
            }
        }
    }

    /// RFC 8122 §5.1: the strongest one counts.
    fn strongest(&self) -> Option<Fingerprint> {
        self.0.iter().max_by_key(|fingerprint| fingerprint.octets.len()).cloned()
    }
}

/// Pairs of hexadecimal digits with colons between them.
fn hexadecimal(text: &[u8]) -> Option<SmallVec<[u8; 64]>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.split(|octet| *octet == b':')
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}
