//! A description written.
//!
//! Owns the text: CRLF, the order of the lines, an origin without a name. Refuses to know what is said and why.
//! Read first: RFC 8866 §5; RFC 3264 §5.

use std::io::Write as _;
use std::net::IpAddr;

use super::{Description, Kind, Protocol, Stream};
use crate::media::srtp::sdes::Crypto;

/// The `o=` line of ours: a number without meaning, a version, the address where we receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The session's number, the same for the life of a leg.
    pub session: u64,
    /// How often what is said changed.
    pub version: u64,
    /// Our address.
    pub address: IpAddr,
}

impl Description {
    /// Writes it: whole, with our origin and no name. Where it holds keys, no freed block does but the caller's.
    #[must_use]
    pub fn write(&self, origin: &Origin) -> Vec<u8> {
        // Enough for all of it, so that no block with a key in it grows into another.
        let room: usize = self.streams.iter().map(room).sum();
        let mut out = Vec::with_capacity(256 + room);
        let Origin { session, version, address } = *origin;
        let family = family(address);
        let (start, stop) = self.time;
        line(
            &mut out,
            format_args!(
                "v=0\r\no=- {session} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt={start} {stop}"
            ),
        );
        for stream in &self.streams {
            stream.write(address, &mut out);
        }
        out
    }
}

const fn family(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    }
}

/// Octets that a stream takes at most, or more.
fn room(stream: &Stream) -> usize {
    let parameters: usize =
        stream.formats.iter().map(|format| format.parameters.as_deref().map_or(0, <[u8]>::len)).sum();
    768 + stream.formats.len() * 96 + parameters + stream.crypto.len() * 160
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector returns no error, whatever it is given.
    out.write_fmt(text).expect("a vector takes all that is written");
}

fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    put(out, text);
    out.extend_from_slice(b"\r\n");
}

fn octets(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

impl Stream {
    fn write(&self, session: IpAddr, out: &mut Vec<u8>) {
        let kind = match &self.kind {
            Kind::Audio => b"audio",
            Kind::Video => b"video",
            Kind::Image => b"image",
            Kind::Other(word) => word.bytes(),
        };
        let protocol = match &self.protocol {
            Protocol::Rtp(profile) => profile.token().as_bytes(),
            Protocol::Other(word) => word.bytes(),
        };
        let port = self.port.to_string();
        octets(out, &[b"m=", kind, b" ", port.as_bytes(), b" ", protocol]);
        // RFC 3264 §6: at least one format stands there, of a refused stream too.
        if self.formats.is_empty() {
            octets(out, &[b" ", self.first.bytes()]);
        }
        for format in &self.formats {
            octets(out, &[b" ", format.number.to_string().as_bytes()]);
        }
        out.extend_from_slice(b"\r\n");
        if let Some(address) = self.address.filter(|address| *address != session) {
            line(out, format_args!("c=IN {} {address}", family(address)));
        }
        self.write_formats(out);
        if self.port != 0 {
            self.write_ways(out);
            self.write_secrets(out);
        }
    }

    fn write_formats(&self, out: &mut Vec<u8>) {
        for format in &self.formats {
            let number = format.number.to_string();
            octets(out, &[b"a=rtpmap:", number.as_bytes(), b" ", format.codec.name(), b"/"]);
            octets(out, &[format.codec.rate.to_string().as_bytes()]);
            // RFC 8866 §6.6: one channel is not said.
            if format.codec.channels > 1 {
                octets(out, &[b"/", format.codec.channels.to_string().as_bytes()]);
            }
            out.extend_from_slice(b"\r\n");
            if let Some(parameters) = &format.parameters {
                octets(out, &[b"a=fmtp:", number.as_bytes(), b" ", parameters, b"\r\n"]);
            }
        }
    }

    fn write_ways(&self, out: &mut Vec<u8>) {
        if let Some(time) = self.ptime {
            line(out, format_args!("a=ptime:{time}"));
        }
        if let Some(time) = self.maxptime {
            line(out, format_args!("a=maxptime:{time}"));
        }
        line(out, format_args!("a={}", self.direction.token()));
        match self.rtcp {
            Some((port, Some(address))) => {
                line(out, format_args!("a=rtcp:{port} IN {} {address}", family(address)));
            }
            Some((port, None)) => line(out, format_args!("a=rtcp:{port}")),
            None => {}
        }
        if self.mux {
            line(out, format_args!("a=rtcp-mux"));
        }
    }

    fn write_secrets(&self, out: &mut Vec<u8>) {
        for crypto in &self.crypto {
            out.extend_from_slice(b"a=crypto:");
            Crypto::write(crypto.tag, &crypto.key, out);
            out.extend_from_slice(b"\r\n");
        }
        if let Some(setup) = self.setup {
            line(out, format_args!("a=setup:{}", setup.token()));
        }
        if let Some(fingerprint) = &self.fingerprint {
            octets(out, &[b"a=fingerprint:", fingerprint.hash.as_bytes()]);
            for (at, octet) in fingerprint.octets.iter().enumerate() {
                let before = if at == 0 { ' ' } else { ':' };
                put(out, format_args!("{before}{octet:02X}"));
            }
            out.extend_from_slice(b"\r\n");
        }
    }
}
