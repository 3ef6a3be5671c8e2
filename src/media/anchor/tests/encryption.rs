//! Encrypted or refused: rows E1 to E5 of the attacks.

use super::*;
use crate::media::order::Learning;
use crate::media::srtp::sdes::Unusable;

fn hash(octet: &str) -> String {
    [octet; 32].join(":")
}

fn with_dtls(settings: LegSettings) -> LegSettings {
    let fingerprint = crate::media::order::Fingerprint { hash: "sha-256".into(), octets: [7; 32][..].into() };
    LegSettings { fingerprint: Some(fingerprint), ..settings }
}

fn dtls(setup: &str) -> String {
    format!(
        "m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\na=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n",
        hash("AB")
    )
}

#[test]
fn e1_e2_e4_e5_what_is_not_encrypted_is_refused_in_an_offer() {
    let crypto = |rest: &str| format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{rest}\r\n");
    let savp = |lines: &str| format!("m=audio 4000 RTP/SAVP 0\r\n{lines}");
    let video = "m=video 4002 RTP/AVP 34\r\n";
    let print = format!("a=fingerprint:sha-256 {}\r\n", hash("AB"));
    let clear = LegSettings { private: false, ..pbx() };
    let few = LegSettings { suites: [crate::media::srtp::Suite::AeadAes256Gcm].into(), ..pbx() };
    let seen = LegSettings { video: true, ..pbx() };
    let no_key = |cause| Refusal::NoKey(Some(cause));
    let rows = [
        ("E1 RTP/AVP", pbx(), AVP.to_owned(), Refusal::Clear),
        ("E1 RTP/AVPF", pbx(), AVP.replace("AVP", "AVPF"), Refusal::Clear),
        ("E2 SAVP without crypto", pbx(), savp(""), Refusal::NoKey(None)),
        (
            "E2 bad base64",
            pbx(),
            savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:@@@\r\n"),
            no_key(Unusable::Key),
        ),
        (
            "E2 key of a wrong length",
            pbx(),
            savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\n"),
            no_key(Unusable::Key),
        ),
        (
            "E2 unknown suite",
            pbx(),
            savp("a=crypto:1 F8_128_HMAC_SHA1_80 inline:x\r\n"),
            no_key(Unusable::Suite),
        ),
        ("E2 a suite that is not allowed", few, savp(&crypto("")), Refusal::NoKey(None)),
        (
            "E2 two m=audio, AVP and SAVP",
            pbx(),
            format!("{}m=audio 4002 RTP/AVP 0\r\n", savp(&crypto(""))),
            Refusal::Clear,
        ),
        ("E2 plain pictures beside SRTP", seen, format!("{}{video}", savp(&crypto(""))), Refusal::Clear),
        ("E2 port 0", pbx(), "m=audio 0 RTP/SAVP 0\r\n".to_owned(), Refusal::NoStream),
        ("E2 AVP and a=crypto", pbx(), format!("{AVP}{}", crypto("")), Refusal::BestEffort),
        ("E2 AVP and an unusable a=crypto", pbx(), format!("{AVP}a=crypto:1 x\r\n"), Refusal::BestEffort),
        (
            "E2 AVP and a=crypto, plain peer",
            plain(pbx()),
            format!("{AVP}{}", crypto("")),
            Refusal::BestEffort,
        ),
        ("E2 AVP and a fingerprint", pbx(), format!("{AVP}{print}"), Refusal::BestEffort),
        ("E2 AVP and a fingerprint, plain peer", plain(pbx()), format!("{AVP}{print}"), Refusal::BestEffort),
        (
            "E2 AVP and a fingerprint of the session, plain peer",
            plain(pbx()),
            format!("{print}{AVP}"),
            Refusal::BestEffort,
        ),
        (
            "E2 AVP and a=setup, plain peer",
            plain(pbx()),
            format!("{AVP}a=setup:actpass\r\n"),
            Refusal::BestEffort,
        ),
        ("E4 keys on plain signalling", clear.clone(), savp(&crypto("")), Refusal::KeysInClear),
        ("E4 keys on plain signalling, plain peer", plain(pbx()), savp(&crypto("")), Refusal::KeysInClear),
        ("E4 fingerprint on plain signalling", with_dtls(clear), dtls("actpass"), Refusal::KeysInClear),
        ("E5 UNENCRYPTED_SRTP", pbx(), savp(&crypto(" UNENCRYPTED_SRTP")), no_key(Unusable::Unencrypted)),
        ("E5 UNENCRYPTED_SRTCP", pbx(), savp(&crypto(" UNENCRYPTED_SRTCP")), no_key(Unusable::Unencrypted)),
        (
            "E5 UNAUTHENTICATED_SRTP",
            pbx(),
            savp(&crypto(" UNAUTHENTICATED_SRTP")),
            no_key(Unusable::Unauthenticated),
        ),
        ("E5 FEC_ORDER", pbx(), savp(&crypto(" FEC_ORDER=FEC_SRTP")), no_key(Unusable::Fec)),
        ("E5 unknown parameter", pbx(), savp(&crypto(" X=1")), no_key(Unusable::Parameter)),
        ("E5 short lifetime", pbx(), savp(&crypto("|2^19")), no_key(Unusable::Lifetime)),
        ("E5 long MKI", pbx(), savp(&crypto("|1:5")), no_key(Unusable::Mki)),
        ("DTLS without a certificate", pbx(), dtls("actpass"), Refusal::NoDtls),
        (
            "DTLS without a fingerprint",
            with_dtls(pbx()),
            "m=audio 4000 UDP/TLS/RTP/SAVP 0\r\na=setup:actpass\r\n".to_owned(),
            Refusal::NoFingerprint,
        ),
        ("DTLS on hold", with_dtls(pbx()), dtls("holdconn"), Refusal::NoFingerprint),
    ];
    for (name, caller, lines, refusal) in rows {
        let mut call = Call::new(caller, LegSettings { video: true, ..trunk() });
        assert_eq!(call.offer(A, &sdp(PBX, &lines)).map(|_| ()), Err(refusal), "{name}");
        assert_eq!(refusal.is_of_encryption(), refusal != Refusal::NoStream, "{name}");
        assert!(!refusal.to_string().is_empty());
        assert_eq!(call.close().1, 0, "{name}: no port is taken");
    }
}

#[test]
fn e4_no_key_of_ours_is_told_on_plain_signalling() {
    let clear = LegSettings { private: false, ..trunk() };
    let mut call = Call::new(pbx(), clear);
    assert_eq!(call.offer(A, &sdp(PBX, &savp(KEY))).unwrap_err(), Refusal::KeysInClear, "to the trunk");
    assert_eq!(call.close().1, 0);
    // A peer that is trusted with RTP is offered no key, and gives none.
    let mut call = Call::new(pbx(), plain(trunk()));
    let asked = call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    assert!(asked.text.contains("RTP/AVP") && !asked.text.contains("crypto"), "{}", asked.text);
}

#[test]
fn an_mki_is_accepted_and_never_offered() {
    let mut call = Call::new(pbx(), trunk());
    let keyed =
        format!("m=audio 4000 RTP/SAVP 0\r\na=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^31|9:4\r\n");
    let asked = call.offer(A, &sdp(PBX, &keyed)).unwrap();
    let answered = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    assert!(!asked.text.contains('|') && !answered.text.contains('|'));
    assert!(answered.text.contains("a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:"), "the tag is repeated");
    let Protection::Srtp { mki, lifetime, .. } = answered.terms(A).protection else { panic!("no SRTP") };
    assert_eq!((mki.octets(), lifetime), (4, 1 << 31));
}

#[test]
fn keys_are_made_per_leg_and_neither_peer_has_the_others() {
    let (call, asked, answered) = agreed();
    for text in [&asked.text, &answered.text] {
        assert!(!text.contains(KEY) && !text.contains(OTHER_KEY), "{text}");
    }
    let offered: Vec<_> = asked.stream().crypto.iter().map(|crypto| crypto.key.suite()).collect();
    assert_eq!(offered, SUITES);
    let (a, b) = (answered.terms(A), answered.terms(B));
    assert_ne!(outbound(&a), outbound(&b));
    assert_eq!(outbound(&a), answered.stream().crypto[0].key.expose());
    assert_eq!(outbound(&b), asked.stream().crypto[0].key.expose());
    let (orders, out) = call.close();
    assert_eq!((told(&orders), out), (vec!["close 7".to_owned()], 0));
}

#[test]
fn e3_an_answer_that_is_weaker_than_its_offer_is_refused() {
    let crypto = |tag: u32, suite: &str, key: &str| {
        format!("m=audio 4000 RTP/SAVP 0\r\na=crypto:{tag} {suite} inline:{key}\r\n")
    };
    let two = format!("{}a=crypto:5 AES_CM_128_HMAC_SHA1_32 inline:{KEY}\r\n", savp(KEY));
    let rows = [
        ("AVP to SAVP", AVP.to_owned(), Refusal::Clear),
        (
            "AVP with a=crypto",
            format!("{AVP}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"),
            Refusal::Clear,
        ),
        ("DTLS to SDES", dtls("active"), Refusal::Mismatch),
        ("no key", "m=audio 4000 RTP/SAVP 0\r\n".to_owned(), Refusal::NoKey(None)),
        ("a number that was not offered", crypto(9, "AES_CM_128_HMAC_SHA1_80", KEY), Refusal::NoKey(None)),
        ("another suite under the number", crypto(1, "AES_CM_128_HMAC_SHA1_32", KEY), Refusal::NoKey(None)),
        ("two keys", two, Refusal::NoKey(None)),
        (
            "UNENCRYPTED",
            crypto(1, "AES_CM_128_HMAC_SHA1_80", &format!("{KEY} UNENCRYPTED_SRTP")),
            Refusal::NoKey(Some(Unusable::Unencrypted)),
        ),
    ];
    for (name, lines, refusal) in rows {
        let mut call = Call::new(pbx(), trunk());
        call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
        assert_eq!(call.answer(B, &sdp(TRUNK, &lines)).unwrap_err(), refusal, "{name}");
        // The offer waits: a better answer of another dialog is taken.
        assert!(call.anchor.is_pending());
        call.answer_in(B, 2, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    }
}

#[test]
fn e3_what_was_encrypted_stays_so_in_re_invite_update_late_offer_and_answer() {
    for (leg, address) in [(A, PBX), (B, TRUNK)] {
        let (mut call, _, _) = agreed();
        assert_eq!(call.offer(leg, &sdp(address, AVP)).unwrap_err(), Refusal::Weaker);
        assert!(!call.anchor.is_pending(), "what stood stands");
        let (other, place) = if leg == A { (B, TRUNK) } else { (A, PBX) };
        call.offer(leg, &sdp(address, &savp(KEY))).unwrap();
        assert_eq!(
            call.answer(other, &sdp(place, AVP)).unwrap_err(),
            Refusal::Clear,
            "late offer's ACK, PRACK, 200"
        );
    }
    // A peer that may speak in the clear may not go back to it either.
    let trusted = LegSettings { demand: Demand::Plain, ..pbx() };
    let mut call = Call::new(trusted, trunk());
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    call.settle(1).unwrap();
    assert_eq!(call.offer(A, &sdp(PBX, AVP)).unwrap_err(), Refusal::Weaker);
    let elsewhere = format!("m=audio 0 RTP/SAVP 0\r\n{}", AVP.replace("4000", "4002"));
    assert_eq!(call.offer(A, &sdp(PBX, &elsewhere)).unwrap_err(), Refusal::Weaker, "in another place");
    // Nor in two steps.
    let off = "m=audio 0 RTP/SAVP 0\r\n";
    call.offer(A, &sdp(PBX, off)).unwrap();
    call.answer(B, &sdp(TRUNK, off)).unwrap();
    assert_eq!(call.ports.out(), 0);
    assert_eq!(call.offer(A, &sdp(PBX, &elsewhere)).unwrap_err(), Refusal::Weaker, "later");
}

#[test]
fn a_plain_peer_speaks_rtp_and_the_other_leg_srtp() {
    let mut call = Call::new(plain(pbx()), trunk());
    let asked = call.offer(A, &sdp(PBX, AVP)).unwrap();
    assert_eq!(asked.stream().profile().map(|profile| profile.token()), Some("RTP/SAVP"));
    let answered = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    assert!(!answered.text.contains("crypto") && answered.text.contains("RTP/AVP"), "{}", answered.text);
    assert!(matches!(answered.terms(A).protection, Protection::Plain));
    assert!(matches!(answered.terms(B).protection, Protection::Srtp { .. }));
    assert!(!answered.exposed, "it is so by the owner's word");
}

fn keyed_line() -> String {
    format!("{AVP}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n")
}

#[test]
fn an_emergency_is_not_lost_for_a_place_or_a_codec_and_nothing_is_sent_where_it_may_not() {
    let call = |from: &str, lines: &str| {
        let few = |leg: LegSettings| LegSettings { help: true, codecs: Arc::from([]), ..plain(leg) };
        let mut call = Call::new(few(pbx()), few(trunk()));
        call.offer(A, &sdp(from, lines)).unwrap();
        let answered = call.answer(B, &sdp(TRUNK, lines)).unwrap();
        (answered.misplaced, answered.terms(A))
    };
    let foreign = call("10.7.7.7", AVP);
    assert_eq!(foreign.0, Some(Misplaced::Foreign));
    assert_eq!((foreign.1.remote, foreign.1.receives), (Some("10.7.7.7:4000".parse().unwrap()), true));
    assert_eq!(foreign.1.learning, Learning::Signalled);
    for (place, why) in [
        ("127.0.0.1", Misplaced::Loopback),
        ("169.254.169.254", Misplaced::LinkLocal),
        ("239.1.1.1", Misplaced::Multicast),
        ("2001:db8::1", Misplaced::Family),
    ] {
        let (misplaced, terms) = call(place, AVP);
        assert_eq!((misplaced, terms.remote, terms.receives), (Some(why), None, true), "{place}");
        let Learning::Sought(reach) = terms.learning else { panic!("{place}: {:?}", terms.learning) };
        assert!(reach.judge("192.168.77.9:4000".parse().unwrap()).is_ok());
        assert!(reach.judge(format!("10.7.7.7:{}", 4_000).parse().unwrap()).is_err());
    }
    // Only what is seen is offered, though neither side may see.
    assert_eq!(call(PBX, "m=video 4000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n").0, None);
}

#[test]
fn an_emergency_call_prefers_srtp_and_goes_plain_rather_than_not() {
    let emergency = |settings: LegSettings| LegSettings { demand: Demand::Emergency, help: true, ..settings };
    // Both could, and do.
    let mut call = Call::new(emergency(pbx()), emergency(trunk()));
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    assert!(!call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap().exposed);
    // The caller cannot; keys beside RTP are left out.
    let keyed = format!("{AVP}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    let unlucky = LegSettings { private: false, ..pbx() };
    for (caller, lines) in [(pbx(), AVP.to_owned()), (pbx(), keyed), (unlucky, savp(KEY))] {
        let mut call = Call::new(emergency(caller), emergency(trunk()));
        let asked = call.offer(A, &sdp(PBX, &lines)).unwrap();
        assert!(asked.text.contains("RTP/SAVP"), "the trunk is asked for more");
        let answered = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
        assert!(answered.exposed);
        // No key of ours is told in the clear, whoever calls: RTP is answered to RTP/SAVP.
        assert!(!answered.text.contains("crypto") && answered.text.contains("RTP/AVP"), "{}", answered.text);
        assert!(matches!(answered.terms(A).protection, Protection::Plain));
        assert!(matches!(answered.terms(B).protection, Protection::Srtp { .. }));
    }
    // A peer that is trusted with RTP by name, and offers keys beside it or in the clear.
    for lines in [keyed_line(), savp(KEY)] {
        let mut call = Call::new(LegSettings { help: true, ..plain(pbx()) }, emergency(trunk()));
        call.offer(A, &sdp(PBX, &lines)).unwrap();
        let answered = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
        assert!(answered.exposed && !answered.text.contains("crypto"), "{}", answered.text);
    }
    // The trunk answers RTP to what was offered as SRTP: taken, and said so from then on.
    let mut call = Call::new(emergency(pbx()), emergency(trunk()));
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    let answered = call.answer(B, &sdp(TRUNK, AVP)).unwrap();
    assert!(answered.exposed && matches!(answered.terms(B).protection, Protection::Plain));
    call.settle(1).unwrap();
    let again = call.step(|anchor, means| anchor.repeat(B, means)).unwrap();
    let again = String::from_utf8(again).unwrap();
    assert!(again.contains("RTP/AVP") && !again.contains("crypto"), "{again}");
    // The trunk cannot: asked again, in the clear.
    let mut call = Call::new(emergency(pbx()), emergency(trunk()));
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    let plain = Arc::new(plain(trunk()));
    let (orders, asked) = call.step(|anchor, means| anchor.retarget(plain, means));
    assert_eq!(told(&orders), ["shut B0"]);
    assert!(String::from_utf8(asked.unwrap().sdp).unwrap().contains("RTP/AVP"));
}

#[test]
fn dtls_is_answered_with_our_certificate_and_whoever_begins_is_agreed() {
    for (theirs, ours, active) in
        [("actpass", "active", true), ("passive", "active", true), ("active", "passive", false)]
    {
        let mut call = Call::new(with_dtls(pbx()), trunk());
        call.offer(A, &sdp(PBX, &dtls(theirs))).unwrap();
        let answered = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
        assert!(answered.text.contains(&format!("a=setup:{ours}\r\n")), "{}", answered.text);
        assert!(answered.text.contains(&format!("a=fingerprint:sha-256 {}\r\n", hash("07"))));
        assert!(!answered.text.contains("crypto") && answered.text.contains("UDP/TLS/RTP/SAVPF"));
        let Protection::Dtls { active: found, fingerprint, .. } = answered.terms(A).protection else {
            panic!("no DTLS")
        };
        assert_eq!((found, &fingerprint.octets[..]), (active, &[0xab; 32][..]));
    }
}

#[test]
fn who_begins_a_handshake_stays_so_and_who_is_behind_nat_begins() {
    let answered = |settings: LegSettings, theirs: &str, again: &str| {
        let mut call = Call::new(with_dtls(settings), trunk());
        let mut roles = Vec::new();
        for setup in [theirs, again] {
            call.offer(A, &sdp(PBX, &dtls(setup))).unwrap();
            let answered = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
            let Protection::Dtls { active, .. } = answered.terms(A).protection else { panic!("no DTLS") };
            assert_eq!(answered.text.contains("a=setup:active\r\n"), active, "{}", answered.text);
            roles.push(active);
        }
        roles
    };
    let behind_nat = || LegSettings { behind_nat: true, ..pbx() };
    assert_eq!(answered(pbx(), "actpass", "actpass"), [true, true]);
    assert_eq!(answered(pbx(), "active", "actpass"), [false, false], "RFC 8842 §5.3");
    assert_eq!(answered(pbx(), "actpass", "active"), [true, false], "another association");
    assert_eq!(answered(behind_nat(), "actpass", "actpass"), [false, false]);
    assert_eq!(answered(behind_nat(), "passive", "actpass"), [true, true]);
    // No suite of the leg is one that a handshake could agree on.
    let long = [crate::media::srtp::Suite::AesCm256HmacSha1T80].into();
    let none = with_dtls(LegSettings { suites: long, ..pbx() });
    let refused = Call::new(none, trunk()).offer(A, &sdp(PBX, &dtls("actpass")));
    assert_eq!(refused.unwrap_err(), Refusal::NoDtls);
}

#[test]
fn dtls_is_offered_where_the_leg_says_so() {
    let callee = LegSettings { keying: Keying::Dtls, ..with_dtls(trunk()) };
    for (theirs, active) in [("active", Some(false)), ("passive", Some(true)), ("actpass", None)] {
        let mut call = Call::new(pbx(), callee.clone());
        let asked = call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
        assert!(
            asked.text.contains("a=setup:actpass\r\n") && !asked.text.contains("crypto"),
            "{}",
            asked.text
        );
        let lines = dtls(theirs).replace("SAVPF", "SAVP");
        let answered = call.answer(B, &sdp(TRUNK, &lines));
        match active {
            Some(active) => {
                let Protection::Dtls { active: found, .. } = answered.unwrap().terms(B).protection else {
                    panic!("no DTLS")
                };
                assert_eq!(found, active);
            }
            None => assert_eq!(answered.unwrap_err(), Refusal::NoFingerprint),
        }
    }
    let without = LegSettings { fingerprint: None, ..callee };
    assert_eq!(Call::new(pbx(), without).offer(A, &sdp(PBX, &savp(KEY))).unwrap_err(), Refusal::NoDtls);
}
