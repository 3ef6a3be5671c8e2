//! Descriptions of real machines through the anchor, to be read; and that nothing of one peer stands in the other's.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// Offers in the shape of what these machines send, addresses and keys made up; the trunk's answer beside each.
const OFFERS: [(&str, &str, &str); 6] = [
    (
        "a PBX with Asterisk, plain",
        "v=0\r\no=- 961825727 961825727 IN IP4 192.168.77.7\r\ns=Asterisk\r\nc=IN IP4 192.168.77.7\r\nt=0 0\r\nm=audio 10558 RTP/AVP 0 8 3 111 18 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:3 GSM/8000\r\na=rtpmap:111 G726-32/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:150\r\na=sendrecv\r\n",
        "m=audio 12692 RTP/SAVP 0 101\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:20\r\na=sendrecv\r\n",
    ),
    (
        "baresip, SRTP mandatory",
        "v=0\r\no=- 3973070478 208142209 IN IP4 192.168.77.7\r\ns=-\r\nc=IN IP4 192.168.77.7\r\nt=0 0\r\na=tool:baresip 1.0.0\r\nm=audio 24718 RTP/SAVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\na=label:1\r\na=rtcp-rsize\r\na=ptime:20\r\na=rtcp:24719 IN IP4 192.168.77.7\r\na=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e\r\na=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e\r\n",
        "m=audio 12692 RTP/SAVP 8\r\na=crypto:3 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==\r\n",
    ),
    (
        "PJSUA, SRTP mandatory",
        "v=0\r\no=- 3858764545 3858764545 IN IP4 192.168.77.7\r\ns=pjmedia\r\nb=AS:84\r\nt=0 0\r\na=X-nat:0\r\nm=audio 4000 RTP/SAVP 96 97 98 99 3 0 8 9 120 121\r\nc=IN IP4 192.168.77.7\r\nb=TIAS:64000\r\na=rtcp:4001 IN IP4 192.168.77.7\r\na=sendrecv\r\na=rtpmap:96 speex/16000\r\na=rtpmap:97 speex/8000\r\na=rtpmap:98 speex/32000\r\na=rtpmap:99 iLBC/8000\r\na=fmtp:99 mode=30\r\na=rtpmap:3 GSM/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:120 telephone-event/16000\r\na=fmtp:120 0-16\r\na=rtpmap:121 telephone-event/8000\r\na=fmtp:121 0-16\r\na=ssrc:1287262871 cname:5b9d7b9f0c1c7d1e\r\na=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLQ==\r\na=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e\r\n",
        "m=audio 12692 RTP/SAVP 9 8 121\r\na=rtpmap:121 telephone-event/8000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n",
    ),
    (
        "sipp, plain",
        "v=0\r\no=user1 53655765 2353687637 IN IP4 192.168.77.7\r\ns=-\r\nc=IN IP4 192.168.77.7\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
        "m=audio 12692 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n",
    ),
    (
        "FreeSWITCH, plain",
        "v=0\r\no=FreeSWITCH 1480231472 1480231473 IN IP4 192.168.77.7\r\ns=FreeSWITCH\r\nc=IN IP4 192.168.77.7\r\nt=0 0\r\nm=audio 24196 RTP/AVP 9 0 8 101 13\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtpmap:13 CN/8000\r\na=ptime:20\r\n",
        "m=audio 0 RTP/SAVP 0\r\n",
    ),
    (
        "a cloud gateway with ICE, SRTP",
        "v=0\r\no=- 129023 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 192.168.77.7\r\nb=CT:10000000\r\nt=0 0\r\nm=audio 53234 RTP/SAVP 104 9 18 0 8 97 13 118 101\r\nc=IN IP4 192.168.77.7\r\na=rtcp:53235\r\na=ice-ufrag:1tM8\r\na=ice-pwd:7bXbS2v2bXyKMDVwXkVUcJFT\r\na=rtcp-mux\r\na=candidate:1 1 UDP 2130706431 203.0.113.180 53234 typ srflx raddr 10.0.32.53 rport 53234\r\na=label:main-audio\r\na=mid:1\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e|2^31\r\na=sendrecv\r\na=rtpmap:104 SILK/16000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:97 RED/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:118 CN/16000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n",
        "m=audio 12692 RTP/SAVP 104 101\r\na=rtcp-mux\r\na=rtpmap:104 SILK/16000\r\na=rtpmap:101 telephone-event/8000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n",
    ),
];

/// Words that one peer said and the other must not hear.
const PRIVATE: [&str; 16] = [
    "192.168.77.7",
    TRUNK,
    "secret",
    "Asterisk",
    "pjmedia",
    "FreeSWITCH",
    "session\r\n",
    "baresip",
    "ufrag",
    "candidate",
    "7bXb",
    "cname",
    "10.0.32.53",
    "label",
    KEY,
    OTHER_KEY,
];

#[test]
fn descriptions_of_real_machines_are_rebuilt() {
    let mut all = String::new();
    for (name, offer, answer) in OFFERS {
        let caller = if offer.contains("SAVP") { pbx() } else { plain(pbx()) };
        let mut call = Call::new(caller, trunk());
        let asked = call.offer(A, offer).unwrap();
        let answered = call.answer(B, &sdp(TRUNK, answer)).unwrap();
        for word in PRIVATE {
            assert!(!asked.text.contains(word) && !answered.text.contains(word), "{name}: {word}");
        }
        let ours = |text: &str| text.replace("\r\n", "\n");
        write!(all, "== {name}: offered\n{}== answered\n{}", ours(&asked.text), ours(&answered.text))
            .unwrap();
    }
    insta::assert_snapshot!(all);
}

proptest! {
    #[test]
    fn nothing_of_one_peer_stands_in_the_others(
        host in 1_u8..=254,
        port in 1_024_u16..,
        user in "[a-z]{6,12}",
        session in 1_000_000_000_u64..,
        ufrag in "[A-Z]{8}",
        cname in "[A-Z]{8}",
        lines in prop::collection::vec("a=(label|mid|x-[a-z]{3}|tool|ice-pwd):[a-z]{4,8}", 0..4),
        direction in prop::sample::select(vec!["sendrecv", "sendonly", "recvonly", "inactive"]),
    ) {
        let address = format!("192.168.77.{host}");
        prop_assume!(host != 1 || !(20_000..=20_999).contains(&port));
        let offer = format!(
            "v=0\r\no={user} {session} {session} IN IP4 {address}\r\ns={user}\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
             m=audio {port} RTP/SAVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=ice-ufrag:{ufrag}\r\n\
             a=candidate:1 1 UDP 1 {address} {port} typ host\r\na=ssrc:1 cname:{cname}\r\na={direction}\r\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n{}",
            lines.iter().map(|line| format!("{line}\r\n")).collect::<String>()
        );
        let mut call = Call::new(pbx(), trunk());
        let asked = call.offer(A, &offer).unwrap();
        let session = session.to_string();
        // The end of a line, so that one address is not found within another.
        let place = format!("{address}\r\n");
        let private = [place.as_str(), &user, &session, &ufrag, &cname, "candidate", KEY];
        for word in private.into_iter().chain(lines.iter().map(String::as_str)) {
            prop_assert!(!asked.text.contains(word), "{}: {}", word, asked.text);
        }
        prop_assert_eq!(asked.stream().direction.token(), direction);
        let answered = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
        prop_assert!(!answered.text.contains(TRUNK) && !answered.text.contains(OTHER_KEY));
        prop_assert_eq!(answered.read().streams.len(), 1);
        let (a, b) = (answered.terms(A), answered.terms(B));
        prop_assert_eq!((a.receives, a.sends), (b.sends, b.receives));
        prop_assert_eq!(call.close().1, 0);
    }
}
