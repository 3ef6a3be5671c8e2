//! Session descriptions from hostile octets: what is read is within its bounds, and written it is read as it was.

use ringfence::media::sdp::{
    DESCRIPTION_BYTES_MAX, Description, Direction, FORMATS_MAX, Fault, MEDIA_LINES_MAX, Origin, Protocol,
    Stream, Word, read,
};
use ringfence::media::srtp::Mki;

/// The input is a description.
pub fn entry(data: &[u8]) {
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
