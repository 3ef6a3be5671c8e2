//! What is read of descriptions and what is refused, row by row.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::media::srtp::{MasterKey, Suite};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
const AUDIO: &str = "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn with(lines: &str) -> Result<Description, Fault> {
    read(format!("{HEAD}{lines}").as_bytes())
}

fn stream(lines: &str) -> Stream {
    let mut description = with(lines).unwrap_or_else(|fault| panic!("{lines}: {fault}"));
    assert_eq!(description.streams.len(), 1, "{lines}");
    description.streams.remove(0)
}

#[test]
fn an_offer_is_read_and_what_is_unknown_is_left_out() {
    let stream = stream(
        "a=group:BUNDLE 0\r\na=ice-lite\r\na=tool:x\r\nm=audio 4000 RTP/SAVPF 0 8 96 97 101\r\ni=who\r\nc=IN IP6 2001:db8::1\r\n\
         b=AS:64\r\nk=clear:x\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1; stereo=0\r\n\
         a=fmtp:55 x\r\na=rtpmap:55 y/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:60\r\n\
         a=recvonly\r\na=rtcp:4005 IN IP6 2001:db8::2\r\na=rtcp-mux\r\na=ice-ufrag:F7gI\r\na=candidate:1 1 UDP 1 192.168.0.1 9 typ host\r\n\
         a=ssrc:1 cname:x\r\na=mid:0\r\na=setup:actpass\r\n",
    );
    assert_eq!(stream.kind, Kind::Audio);
    assert_eq!(stream.profile(), Some(Profile { security: Security::Sdes, feedback: true }));
    assert_eq!(stream.place(), Some("[2001:db8::1]:4000".parse().unwrap()));
    assert_eq!(stream.rtcp_place(), Some("[2001:db8::2]:4005".parse().unwrap()));
    // 97 has no name, so there is nothing to agree on.
    assert_eq!(
        format!("{:?}", stream.formats),
        "[0 PCMU/8000/1, 8 PCMA/8000/1, 96 opus/48000/2 useinbandfec=1; stereo=0, 101 telephone-event/8000/1 0-16]"
    );
    assert_eq!((stream.ptime, stream.maxptime, stream.mux), (Some(20), Some(60), true));
    assert_eq!((stream.direction, stream.setup), (Direction::Receive, Some(Setup::Either)));
}

#[test]
fn direction_fingerprint_and_setup_of_the_session_hold_where_a_stream_says_nothing() {
    let hash = ["AB"; 32].join(":");
    let said = format!("a=inactive\r\na=setup:passive\r\na=fingerprint:SHA-256 {hash}\r\n");
    let quiet = stream(&format!("{said}{AUDIO}"));
    assert_eq!((quiet.direction, quiet.setup), (Direction::Neither, Some(Setup::Passive)));
    assert_eq!(quiet.fingerprint.map(|fingerprint| fingerprint.octets[..] == [0xab; 32]), Some(true));
    let long = ["0c"; 64].join(":");
    let own = stream(&format!(
        "{said}{AUDIO}a=sendonly\r\na=setup:active\r\na=fingerprint:sha-256 {hash}\r\na=fingerprint:sha-512 {long}\r\na=fingerprint:sha-1 {}\r\n",
        ["00"; 20].join(":")
    ));
    assert_eq!((own.direction, own.setup), (Direction::Send, Some(Setup::Active)));
    assert_eq!(own.fingerprint.map(|fingerprint| fingerprint.hash.to_string()).as_deref(), Some("sha-512"));
}

#[test]
fn lines_end_with_crlf_or_lf_and_the_last_may_do_without() {
    let text = format!("{HEAD}{AUDIO}");
    let expected = read(text.as_bytes()).unwrap();
    for other in [text.replace("\r\n", "\n"), text.trim_end().to_owned(), format!("{text}\r\n\r\n")] {
        assert_eq!(read(other.as_bytes()).as_ref(), Ok(&expected), "{other:?}");
    }
}

#[test]
fn the_order_of_lines_is_that_of_the_rfc() {
    let rows: [(&str, Result<(), Fault>); 14] = [
        ("v=0|o=- 1 1 IN IP4 a.example|s=|t=0 0", Ok(())),
        (
            "v=0|o=- 1 1 IN IP4 a|s=-|i=x|u=x|e=x|e=y|p=x|c=IN IP4 192.0.2.1|b=AS:1|b=CT:1|t=0 0|r=1 1 0|z=0 0|k=x|a=x|a=y",
            Ok(()),
        ),
        ("", Err(Fault::Line)),
        ("o=- 1 1 IN IP4 a|v=0", Err(Fault::Missing('v'))),
        ("v=1|o=- 1 1 IN IP4 a|s=-|t=0 0", Err(Fault::Syntax('v'))),
        ("v=0|s=-|t=0 0", Err(Fault::Missing('o'))),
        ("v=0|o=- 1 1 IN IP4 a|t=0 0", Err(Fault::Missing('s'))),
        ("v=0|o=- 1 1 IN IP4 a|s=-", Err(Fault::Missing('t'))),
        ("v=0|v=0|o=- 1 1 IN IP4 a|s=-|t=0 0", Err(Fault::Order('v'))),
        ("v=0|o=- 1 1 IN IP4 a|s=-|t=0 0|t=1 1", Err(Fault::Order('t'))),
        ("v=0|o=- 1 1 IN IP4 a|s=-|t=0 0|c=IN IP4 192.0.2.1", Err(Fault::Order('c'))),
        ("v=0|o=- 1 1 IN IP4 a|s=-|t=0 0|x=1", Err(Fault::Order('x'))),
        ("v=0|o=- 1 1 IN IP4 a|s=-|t=0 0||a=x", Err(Fault::Line)),
        ("v=0|o=- 1 1 IN IP4 a|s=-|t=0 0|a", Err(Fault::Line)),
    ];
    for (text, expected) in rows {
        let lines = text.replace('|', "\r\n");
        assert_eq!(read(lines.as_bytes()).map(|_| ()), expected, "{text}");
    }
}

#[test]
fn e7_bounds_names_and_twofold_addresses_are_refused() {
    let many = |line: &str, count: usize| line.repeat(count);
    let rtpmaps: String = (0..10_000).fold(AUDIO.to_owned(), |mut text, _| {
        text.push_str("a=rtpmap:101 telephone-event/8000\r\n");
        text
    });
    let ports: String = (0..=MEDIA_LINES_MAX).fold(String::new(), |mut text, at| {
        write!(text, "m=audio {} RTP/AVP 0\r\n", 4_000 + 2 * at).unwrap();
        text
    });
    let formats: Vec<String> = (0..=FORMATS_MAX).map(|number| number.to_string()).collect();
    let rows: [(String, Fault); 15] = [
        (many("m=audio 0 RTP/AVP 0\r\n", 500), Fault::Streams),
        (ports, Fault::Streams),
        (rtpmaps, Fault::Long),
        (many("a=x\r\n", LINES_MAX), Fault::Lines),
        (format!("a={}\r\n", "x".repeat(LINE_BYTES_MAX)), Fault::LineLong),
        (format!("m=audio 4000 RTP/AVP {}\r\n", formats.join(" ")), Fault::Formats),
        (format!("m=audio 4000 udptl {}\r\n", formats.join(" ")), Fault::Formats),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 media.example.com\r\n".to_owned(), Fault::HostName),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.01\r\n".to_owned(), Fault::HostName),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 3221225985\r\n".to_owned(), Fault::HostName),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 2001:db8::1\r\n".to_owned(), Fault::Address),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 ::ffff:192.0.2.1\r\n".to_owned(), Fault::Address),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\n".to_owned(), Fault::Address),
        ("m=audio 4000 RTP/AVP 0\r\na=rtcp:5 IN IP4 media.example.com\r\n".to_owned(), Fault::HostName),
        (
            "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.2\r\nc=IN IP4 192.0.2.3\r\n".to_owned(),
            Fault::Order('c'),
        ),
    ];
    for (lines, fault) in rows {
        assert_eq!(with(&lines), Err(fault), "{:.120}", lines);
        assert!(!fault.to_string().is_empty());
    }
    let most = many("a=x\r\n", LINES_MAX - HEAD.lines().count());
    assert!(with(&most).is_ok(), "as many lines as there may be");
    let most: String = (0..MEDIA_LINES_MAX).fold(String::new(), |mut text, at| {
        write!(text, "m=audio {} RTP/AVP 0\r\n", 4_000 + at).unwrap();
        text
    });
    assert_eq!(with(&most).map(|most| most.streams.len()), Ok(MEDIA_LINES_MAX));
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let rows: [(&str, Fault); 34] = [
        ("m=audio 4000 RTP/AVP 0 0", Fault::PayloadType),
        ("m=audio 4000 RTP/AVP 0|a=rtpmap:0 PCMA/8000", Fault::PayloadType),
        ("m=audio 4000 RTP/AVP 96|a=rtpmap:96 a/8000|a=rtpmap:96 b/8000", Fault::Twice("a=rtpmap")),
        ("m=audio 4000 RTP/AVP 0|a=fmtp:0 a|a=fmtp:0 b", Fault::Twice("a=fmtp")),
        ("m=audio 4000 RTP/AVP 0|a=sendonly|a=recvonly", Fault::Twice("the direction")),
        ("a=sendonly|a=recvonly|m=audio 4000 RTP/AVP 0", Fault::Twice("the direction")),
        ("m=audio 4000 RTP/AVP 0|a=ptime:20|a=ptime:30", Fault::Twice("a=ptime")),
        ("m=audio 4000 RTP/AVP 0|a=rtcp:5|a=rtcp:6", Fault::Twice("a=rtcp")),
        ("m=audio 4000 RTP/AVP 0|a=setup:active|a=setup:passive", Fault::Twice("a=setup")),
        ("m=audio 4000 RTP/AVP 0|m=video 4000 RTP/AVP 34", Fault::SharedPort),
        ("m=audio 4000/2 RTP/AVP 0", Fault::Ports),
        ("m=audio 4000/x RTP/AVP 0", Fault::Syntax('m')),
        ("m=audio 65536 RTP/AVP 0", Fault::Syntax('m')),
        ("m=audio -1 RTP/AVP 0", Fault::Syntax('m')),
        ("m=audio 04000 RTP/AVP 0", Fault::Syntax('m')),
        ("m=audio 4000 RTP/AVP", Fault::Syntax('m')),
        ("m=audio 4000  RTP/AVP 0", Fault::Syntax('m')),
        ("m=audio 4000 RTP/AVP 128", Fault::Syntax('m')),
        ("m=audio 4000 RTP/AVP x", Fault::Syntax('m')),
        ("m=audio 4000 RTP/AVP 0|a=rtpmap: 0 PCMU/8000", Fault::Attribute("rtpmap")),
        ("m=audio 4000 RTP/AVP 0|a=rtpmap:0 PCMU", Fault::Attribute("rtpmap")),
        ("m=audio 4000 RTP/AVP 0|a=rtpmap", Fault::Syntax('a')),
        ("m=audio 4000 RTP/AVP 0|a=fmtp:0", Fault::Attribute("fmtp")),
        ("m=audio 4000 RTP/AVP 0|a=fmtp:0 caf\u{e9}", Fault::Attribute("fmtp")),
        ("m=audio 4000 RTP/AVP 0|a=rtcp:0", Fault::Attribute("rtcp")),
        ("m=audio 4000 RTP/AVP 0|a=rtcp:5 IN IP4", Fault::Attribute("rtcp")),
        ("m=audio 4000 RTP/AVP 0|a=setup:maybe", Fault::Attribute("setup")),
        ("m=audio 4000 RTP/AVP 0|a=fingerprint:sha-256 AB", Fault::Attribute("fingerprint")),
        ("m=audio 4000 RTP/AVP 0|a= crypto:1", Fault::Syntax('a')),
        ("m=audio 4000 RTP/AVP 0|a=x\u{0}y", Fault::Control),
        ("m=audio 4000 RTP/AVP 0|a=x\ra=crypto:1 x", Fault::Control),
        ("m=audio 4000 RTP/AVP 0| a=x", Fault::Line),
        ("c=IN IP4 192.0.2.1", Fault::Order('c')),
        ("m=audio 4000 RTP/AVP 0|a=x|c=IN IP4 192.0.2.1", Fault::Order('c')),
    ];
    for (lines, fault) in rows {
        assert_eq!(with(&format!("{}\r\n", lines.replace('|', "\r\n"))), Err(fault), "{lines}");
    }
    // The same said twice is the same to everybody.
    stream(
        "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 a/8000\r\na=rtpmap:96 A/8000/1\r\na=ptime:20\r\na=ptime:20\r\na=sendonly\r\na=sendonly\r\n",
    );
    let bare = HEAD.replace("c=IN IP4 192.0.2.1\r\n", "");
    assert_eq!(read(format!("{bare}{AUDIO}").as_bytes()), Err(Fault::NoAddress));
    let off = read(format!("{bare}m=audio 0 RTP/AVP 0\r\n").as_bytes()).unwrap();
    assert_eq!(off.streams[0].place(), None);
}

#[test]
fn e2_e5_keys_are_usable_or_not_and_stand_where_they_belong() {
    let line =
        |tag: u32, rest: &str| format!("a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:{KEY}{rest}\r\n");
    let media = "m=audio 4000 RTP/SAVP 0\r\n";
    let rows: [(String, usize, Option<Unusable>); 9] = [
        (String::new(), 0, None),
        (line(1, "|2^31|1:1"), 1, None),
        (format!("{}{}", line(1, ""), line(2, "")), 2, None),
        (line(1, " UNENCRYPTED_SRTP"), 0, Some(Unusable::Unencrypted)),
        (line(1, " UNAUTHENTICATED_SRTP"), 0, Some(Unusable::Unauthenticated)),
        (format!("{}{}", line(1, " FEC_ORDER=FEC_SRTP"), line(2, "")), 1, Some(Unusable::Fec)),
        (line(1, "|2^19"), 0, Some(Unusable::Lifetime)),
        ("a=crypto:1 AES_CM_192_HMAC_SHA1_80 inline:x\r\n".to_owned(), 0, Some(Unusable::Suite)),
        ("a=crypto\r\n".to_owned(), 0, Some(Unusable::Syntax)),
    ];
    for (lines, usable, unusable) in rows {
        let stream = stream(&format!("{media}{lines}"));
        assert_eq!((stream.crypto.len(), stream.unusable), (usable, unusable), "{lines}");
        assert!(!format!("{stream:?}").contains("WVNf"), "a key is not printed");
    }
    assert_eq!(with(&format!("{}{AUDIO}", line(1, ""))), Err(Fault::SessionKey));
    let twice = format!("{media}{}{}", line(1, ""), line(1, ""));
    assert_eq!(with(&twice), Err(Fault::Twice("an a=crypto number")));
    let many: String = (1..=17).map(|tag| line(tag, "")).collect();
    assert_eq!(with(&format!("{media}{many}")), Err(Fault::Keys));
}

#[test]
fn a_payload_type_that_could_be_rtcp_bars_a_shared_port_and_none_is_carried_that_is_one() {
    let shared = |numbers: &str| stream(&format!("m=audio 4000 RTP/AVP {numbers}\r\na=rtcp-mux\r\n"));
    assert!(shared("0 96").mux);
    assert!(!shared("0 77").mux);
    assert_eq!(shared("72 0 76").formats.len(), 1);
}

#[test]
fn what_nobody_relays_is_kept_as_far_as_refusing_it_needs() {
    let fax = stream("m=image 4002 udptl t38\r\na=T38FaxVersion:0\r\na=sendonly\r\n");
    assert_eq!((fax.kind.clone(), fax.formats.len(), fax.direction), (Kind::Image, 0, Direction::Both));
    let off = fax.off();
    let told = Description { time: (3, 4), streams: vec![off] };
    let origin = Origin { session: 7, version: 2, address: "2001:db8::9".parse().unwrap() };
    assert_eq!(
        String::from_utf8(told.write(&origin)).unwrap(),
        "v=0\r\no=- 7 2 IN IP6 2001:db8::9\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=3 4\r\nm=image 0 udptl t38\r\n"
    );
}

#[test]
fn descriptions_of_real_machines_are_read_and_written_anew() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let mut files = Vec::new();
    for folder in ["invites", "seeds/pjsip-sdp", "seeds/pjsip-sdes"] {
        let Ok(entries) = fs::read_dir(corpus.join(folder)) else {
            println!("skipped: no {folder} beside the repository");
            continue;
        };
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let mut told = String::new();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let body = memchr::memmem::find(&bytes, b"\r\n\r\n").map_or(&bytes[..], |at| &bytes[at + 4..]);
        if body.is_empty() {
            continue;
        }
        writeln!(told, "== {}", file.file_name().unwrap().to_string_lossy()).unwrap();
        match read(body) {
            Ok(description) => {
                let origin = Origin { session: 1, version: 1, address: "198.51.100.1".parse().unwrap() };
                told.push_str(&String::from_utf8(description.write(&origin)).unwrap().replace("\r\n", "\n"));
            }
            Err(fault) => writeln!(told, "refused: {fault}").unwrap(),
        }
    }
    if !told.is_empty() {
        insta::assert_snapshot!(told);
    }
}

fn formats() -> impl Strategy<Value = SmallVec<[Format; 4]>> {
    let names = prop::sample::subsequence(
        vec!["opus/48000/2", "telephone-event/8000", "G726-32/8000", "H264/90000"],
        0..4,
    );
    let fixed = prop::sample::subsequence(vec![0_u8, 8, 9, 13, 18, 34], 1..5);
    (fixed, names, prop::option::of("[!-~]([ -~]{0,40}[!-~])?")).prop_map(|(fixed, names, parameters)| {
        let fixed = fixed.into_iter().map(|number| (number, Codec::fixed(number).unwrap()));
        let named =
            (96_u8..).zip(names).map(|(number, name)| (number, Codec::read(name.as_bytes()).unwrap()));
        let parameters = parameters.map(|text| text.into_bytes().into_boxed_slice());
        fixed
            .chain(named)
            .map(|(number, codec)| Format { number, codec, parameters: parameters.clone() })
            .collect()
    })
}

fn crypto() -> impl Strategy<Value = SmallVec<[Crypto; 1]>> {
    let key =
        (prop::sample::select(Suite::ALL.to_vec()), prop::array::uniform32(any::<u8>()), any::<[u8; 14]>());
    prop::collection::vec(key, 0..3).prop_map(|keys| {
        let keys = keys.into_iter().zip(1..).map(|((suite, head, tail), tag)| {
            let octets = [&head[..], &tail[..]].concat();
            let key = MasterKey::new(suite, &octets[..suite.master_octets()]).unwrap();
            Crypto { tag, key, mki: crate::media::srtp::Mki::NONE, lifetime: None }
        });
        keys.collect()
    })
}

prop_compose! {
    fn streams()(
        profiles in prop::collection::vec((prop::sample::select(Profile::NAMES.to_vec()), any::<bool>()), 1..5),
        formats in formats(),
        crypto in crypto(),
        address in any::<[u8; 16]>(),
        (ptime, maxptime) in (prop::option::of(1_u16..=1_000), prop::option::of(1_u16..=1_000)),
        direction in (any::<bool>(), any::<bool>()),
        (mux, rtcp, setup) in (any::<bool>(), prop::option::of(1_u16..), prop::option::of(prop::sample::select(vec![Setup::Active, Setup::Passive, Setup::Either, Setup::Hold]))),
        hash in prop::option::of(any::<[u8; 32]>()),
    ) -> Vec<Stream> {
        let octets = |hash: [u8; 32]| Fingerprint { hash: "sha-256".into(), octets: hash[..].into() };
        profiles.into_iter().zip(1_u16..).map(|(((security, feedback, _), video), at)| Stream {
            kind: if video { Kind::Video } else { Kind::Audio },
            protocol: Protocol::Rtp(Profile { security, feedback }),
            port: 4_000 + 2 * at,
            address: Some(if video { IpAddr::from([192, 0, 2, address[0]]) } else { IpAddr::from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, address[1]]) }),
            rtcp: rtcp.map(|port| (port, video.then(|| IpAddr::from([198, 51, 100, address[2]])))),
            mux,
            direction: Direction::of(direction.0, direction.1),
            first: Word::new(formats[0].number.to_string().as_bytes()).unwrap(),
            formats: formats.clone(),
            ptime,
            maxptime,
            crypto: crypto.clone(),
            unusable: None,
            fingerprint: hash.map(octets),
            setup,
        }).collect()
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(streams in streams(), time: (u32, u32), session: u64, version: u64) {
        let description = Description { time: (time.0.into(), time.1.into()), streams };
        let origin = Origin { session, version, address: "203.0.113.9".parse().unwrap() };
        let text = description.write(&origin);
        prop_assert_eq!(read(&text), Ok(description), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn no_octets_break_the_reader(lines in prop::collection::vec("[ -~]{0,40}|a=(rtpmap|fmtp|crypto|rtcp|setup|fingerprint|ptime):[ -~]{0,30}|m=(audio|video) [0-9]{1,6} RTP/S?AVP [0-9 ]{0,20}", 0..12), tail in prop::collection::vec(any::<u8>(), 0..60)) {
        let text = [HEAD.as_bytes(), lines.join("\r\n").as_bytes(), &tail].concat();
        if let Ok(description) = read(&text) {
            prop_assert!(description.streams.len() <= MEDIA_LINES_MAX);
        }
    }
}
