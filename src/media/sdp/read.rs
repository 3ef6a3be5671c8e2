//! A description read, line by line.
//!
//! Owns bounds, the order of the lines and what stands before the first attribute. A line that two readers could read
//! differently is refused; a line that nobody here knows is left out. Read first: RFC 8866 §5, §9; RFC 3264 §5.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attribute::{Attributes, SessionAttributes};
use super::word::{Word, decimal, small};
use super::{
    DESCRIPTION_BYTES_MAX, Description, FORMATS_MAX, Fault, Kind, LINE_BYTES_MAX, LINES_MAX, MEDIA_LINES_MAX,
    Profile, Protocol, Stream,
};

/// RFC 8866 §5: the letters of a session's lines in their order.
const SESSION_LETTERS: &[u8] = b"vosiuepcbtrzka";
/// RFC 8866 §5: the letters of a stream's lines in their order, behind the `m=`.
const MEDIA_LETTERS: &[u8] = b"icbka";
/// Letters whose lines may stand several times.
const SEVERAL: &[u8] = b"epbra";

/// Reads a description; each line ends with CRLF or LF, the last one may do without.
///
/// # Errors
/// Why it is not taken.
pub fn read(text: &[u8]) -> Result<Description, Fault> {
    if text.len() > DESCRIPTION_BYTES_MAX {
        return Err(Fault::Long);
    }
    let mut reading = Reading::default();
    // Some end with an empty line; nothing can follow it.
    let text = text.trim_ascii_end();
    for (count, line) in text.split(|octet| *octet == b'\n').enumerate() {
        if count >= LINES_MAX {
            return Err(Fault::Lines);
        }
        reading.line(line.strip_suffix(b"\r").unwrap_or(line))?;
    }
    reading.finish()
}

#[derive(Default)]
struct Reading {
    /// The letters of the session's lines that were there, as bits of [`SESSION_LETTERS`].
    seen: u16,
    order: usize,
    time: Option<(u64, u64)>,
    address: Option<IpAddr>,
    session: SessionAttributes,
    open: Option<Open>,
    streams: Vec<Stream>,
}

/// The stream whose lines are being read.
struct Open {
    order: usize,
    seen: u16,
    media: Media,
    address: Option<IpAddr>,
    attributes: Attributes,
}

/// What an `m=` line says.
pub(super) struct Media {
    pub kind: Kind,
    pub port: u16,
    pub protocol: Protocol,
    pub first: Word,
    /// The payload types of an RTP stream.
    pub numbers: Vec<u8>,
}

impl Reading {
    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if line.len() > LINE_BYTES_MAX {
            return Err(Fault::LineLong);
        }
        let [letter, b'=', value @ ..] = line else {
            return Err(if line.iter().any(|octet| is_control(*octet)) {
                Fault::Control
            } else {
                Fault::Line
            });
        };
        if value.iter().any(|octet| is_control(*octet)) {
            return Err(Fault::Control);
        }
        // A blank at the end means nothing to anybody.
        let value = value.strip_suffix(b" ").unwrap_or(value);
        if *letter == b'm' {
            return self.media_line(value);
        }
        match &mut self.open {
            Some(open) => {
                follow(MEDIA_LETTERS, *letter, &mut open.order, &mut open.seen)?;
                match letter {
                    b'c' => open.address = Some(connection(value)?),
                    b'a' => open.attributes.line(value, &open.media)?,
                    // RFC 8866 §5.12: k= is to be left out whatever it holds; bandwidth and information do not cross.
                    _ => {}
                }
                Ok(())
            }
            None => self.session_line(*letter, value),
        }
    }

    fn session_line(&mut self, letter: u8, value: &[u8]) -> Result<(), Fault> {
        follow(SESSION_LETTERS, letter, &mut self.order, &mut self.seen)?;
        match letter {
            b'v' if value != b"0" => Err(Fault::Syntax('v')),
            b'o' => origin(value),
            b'c' => {
                self.address = Some(connection(value)?);
                Ok(())
            }
            b't' => {
                self.time = Some(time(value)?);
                Ok(())
            }
            b'a' => self.session.line(value),
            // Names, numbers to call, links, bandwidth, repetitions, keys: nothing of them crosses.
            _ => Ok(()),
        }
    }

    fn media_line(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.close()?;
        if self.streams.len() >= MEDIA_LINES_MAX {
            return Err(Fault::Streams);
        }
        let media = Media::read(value)?;
        self.open =
            Some(Open { order: 0, seen: 0, media, address: self.address, attributes: Attributes::default() });
        Ok(())
    }

    /// The stream that was open is whole.
    fn close(&mut self) -> Result<(), Fault> {
        let Some(Open { media, address, attributes, .. }) = self.open.take() else { return Ok(()) };
        let stream = attributes.stream(media, address, &self.session)?;
        if stream.port != 0 && stream.address.is_none() {
            return Err(Fault::NoAddress);
        }
        let place = stream.place();
        // RFC 8843 §7.2: none but those of one bundle share a port, and we take no bundle.
        if place.is_some() && self.streams.iter().any(|other| other.place() == place) {
            return Err(Fault::SharedPort);
        }
        self.streams.push(stream);
        Ok(())
    }

    fn finish(mut self) -> Result<Description, Fault> {
        self.close()?;
        for letter in *b"vos" {
            if self.seen & bit(SESSION_LETTERS, letter) == 0 {
                return Err(Fault::Missing(char::from(letter)));
            }
        }
        let time = self.time.ok_or(Fault::Missing('t'))?;
        Ok(Description { time, streams: self.streams })
    }
}

fn bit(letters: &[u8], letter: u8) -> u16 {
    letters.iter().position(|other| *other == letter).map_or(0, |at| 1 << at)
}

/// Whether a line of this letter may stand behind those that were there.
fn follow(letters: &[u8], letter: u8, order: &mut usize, seen: &mut u16) -> Result<(), Fault> {
    let out_of_place = Fault::Order(if letter.is_ascii_graphic() { char::from(letter) } else { '?' });
    // RFC 8866 §5: a description with a letter that nobody knows is to be ignored as a whole.
    let at = letters.iter().position(|other| *other == letter).ok_or(out_of_place)?;
    let again = *seen & bit(letters, letter) != 0;
    if at < *order || again && !SEVERAL.contains(&letter) {
        return Err(out_of_place);
    }
    // The first line of all says what this is.
    if *seen == 0 && letters == SESSION_LETTERS && at != 0 {
        return Err(Fault::Missing('v'));
    }
    *order = at;
    *seen |= bit(letters, letter);
    Ok(())
}

const fn is_control(octet: u8) -> bool {
    octet < b' ' && octet != b'\t' || octet == 0x7f
}

/// RFC 8866 §5.2: checked, and not kept. It may hold a host name, which nobody resolves.
fn origin(value: &[u8]) -> Result<(), Fault> {
    let words: Vec<&[u8]> = value.split(|octet| *octet == b' ').collect();
    let [user, session, version, network, family, address] = words.as_slice() else {
        return Err(Fault::Syntax('o'));
    };
    let digits = |word: &[u8]| (1..=32).contains(&word.len()) && word.iter().all(u8::is_ascii_digit);
    let said = !user.is_empty() && !address.is_empty() && *network == b"IN";
    let family = matches!(*family, b"IP4" | b"IP6");
    if said && family && digits(session) && digits(version) { Ok(()) } else { Err(Fault::Syntax('o')) }
}

/// RFC 8866 §5.9: numbers, which the answer repeats.
fn time(value: &[u8]) -> Result<(u64, u64), Fault> {
    let mut words = value.split(|octet| *octet == b' ');
    let mut number = || words.next().and_then(decimal).ok_or(Fault::Syntax('t'));
    let time = (number()?, number()?);
    if words.next().is_some() { Err(Fault::Syntax('t')) } else { Ok(time) }
}

/// RFC 8866 §5.7: what stands behind `c=`.
fn connection(value: &[u8]) -> Result<IpAddr, Fault> {
    let mut words = value.split(|octet| *octet == b' ');
    let (network, family, text) = (words.next(), words.next(), words.next());
    match (network, family, text, words.next()) {
        (Some(b"IN"), Some(family), Some(text), None) => address(family, text),
        _ => Err(Fault::Syntax('c')),
    }
}

/// An address of the family that is said.
pub(super) fn address(family: &[u8], text: &[u8]) -> Result<IpAddr, Fault> {
    // A TTL, or a count of addresses: multicast alone has them.
    if text.contains(&b'/') {
        return Err(Fault::Address);
    }
    let readable = std::str::from_utf8(text).map_err(|_| Fault::HostName)?;
    match family {
        // Zeros before a number, which some read as octal, are refused by the parser.
        b"IP4" => readable.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| otherwise(readable)),
        b"IP6" => {
            let address = readable.parse::<Ipv6Addr>().map_err(|_| otherwise(readable))?;
            // One address must not be written in two families: lists of networks know it by one alone.
            let twofold = address.to_ipv4().is_some() && !address.is_unspecified() && !address.is_loopback();
            if twofold { Err(Fault::Address) } else { Ok(IpAddr::V6(address)) }
        }
        _ => Err(Fault::Syntax('c')),
    }
}

/// What is no address of its family: one of the other, or a name.
fn otherwise(text: &str) -> Fault {
    if text.parse::<IpAddr>().is_ok() { Fault::Address } else { Fault::HostName }
}

impl Media {
    fn read(value: &[u8]) -> Result<Self, Fault> {
        let wrong = Fault::Syntax('m');
        let mut words = value.split(|octet| *octet == b' ');
        let mut word = || words.next().and_then(Word::new).ok_or(wrong);
        let (kind, port, protocol, first) = (word()?, word()?, word()?, word()?);
        let kind = match kind.bytes() {
            b"audio" => Kind::Audio,
            b"video" => Kind::Video,
            b"image" => Kind::Image,
            _ => Kind::Other(kind),
        };
        let protocol = match Profile::read(protocol.bytes()) {
            Some(profile) => Protocol::Rtp(profile),
            None => Protocol::Other(protocol),
        };
        let port = port_of(port.bytes())?;
        let mut numbers = Vec::new();
        if matches!(protocol, Protocol::Rtp(_)) {
            for text in std::iter::once(first.bytes()).chain(words) {
                let number = small::<u8>(text).filter(|number| *number < 128).ok_or(wrong)?;
                if numbers.contains(&number) {
                    return Err(Fault::PayloadType);
                }
                if numbers.len() >= FORMATS_MAX {
                    return Err(Fault::Formats);
                }
                numbers.push(number);
            }
        } else {
            for (count, text) in words.enumerate() {
                Word::new(text).ok_or(wrong)?;
                // The first one was counted before.
                if count + 1 >= FORMATS_MAX {
                    return Err(Fault::Formats);
                }
            }
        }
        Ok(Self { kind, port, protocol, first, numbers })
    }
}

/// RFC 8866 §5.14: a port, and a count of them, which is one here.
fn port_of(text: &[u8]) -> Result<u16, Fault> {
    let mut parts = text.splitn(2, |octet| *octet == b'/');
    let port = parts.next().and_then(small::<u16>).ok_or(Fault::Syntax('m'))?;
    match parts.next() {
        None | Some(b"1") => Ok(port),
        Some(count) if small::<u16>(count).is_some() => Err(Fault::Ports),
        Some(_) => Err(Fault::Syntax('m')),
    }
}
