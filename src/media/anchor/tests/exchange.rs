//! Streams, codecs, directions and versions through offers and answers.

use super::*;

#[test]
fn codecs_are_those_that_both_sides_may_use_under_the_numbers_they_asked_for() {
    let only = |settings: LegSettings, names: &[&str]| LegSettings {
        codecs: names.iter().map(|name| Box::from(*name)).collect(),
        ..settings
    };
    let lines = "m=audio 4000 RTP/AVP 111 9 0 8 96 101\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:96 secret/8000\r\na=rtpmap:101 telephone-event/8000\r\n";
    /// Codecs of the caller's leg, of the callee's, and the numbers that are left.
    type Row<'a> = (&'a [&'a str], &'a [&'a str], Option<&'a [u8]>);
    let rows: [Row<'_>; 6] = [
        (&["opus", "PCMU", "PCMA"], &["PCMA", "PCMU", "G722"], Some(&[0, 8, 101])),
        (&["PCMA"], &["PCMA"], Some(&[8, 101])),
        (&["g722"], &["G722"], Some(&[9, 101])),
        (&CODECS, &CODECS, Some(&[111, 9, 0, 8, 101])),
        (&["PCMA"], &["PCMU"], None),
        (&["telephone-event"], &["telephone-event"], None),
    ];
    for (caller, callee, numbers) in rows {
        let mut call = Call::new(only(plain(pbx()), caller), only(plain(trunk()), callee));
        let asked = call.offer(A, &sdp(PBX, lines));
        match numbers {
            Some(numbers) => {
                let asked = asked.unwrap().stream();
                assert_eq!(asked.formats.iter().map(|format| format.number).collect::<Vec<_>>(), numbers);
            }
            None => {
                assert_eq!(asked.unwrap_err(), Refusal::Codecs, "{caller:?} {callee:?}");
                assert_eq!(call.ports.out(), 0);
            }
        }
    }
}

#[test]
fn each_side_is_sent_the_numbers_that_it_asked_for() {
    let mut call = Call::new(plain(pbx()), plain(trunk()));
    let media = |opus: u8, events: u8| {
        format!(
            "m=audio 4000 RTP/AVP {opus} {events}\r\na=rtpmap:{opus} opus/48000/2\r\na=rtpmap:{events} telephone-event/48000\r\n"
        )
    };
    call.offer(A, &sdp(PBX, &media(111, 112))).unwrap();
    let answered = call.answer(B, &sdp(TRUNK, &media(96, 101))).unwrap();
    let (a, b) = (answered.terms(A), answered.terms(B));
    assert_eq!((&a.formats[..], a.events, a.clock_rate), (&[96, 101][..], Some(101), 48_000));
    assert_eq!((&b.formats[..], b.events, b.clock_rate), (&[111, 112][..], Some(112), 48_000));
    assert!(answered.text.contains("a=rtpmap:96 opus/48000/2"), "{}", answered.text);
}

#[test]
fn an_answer_holds_only_what_was_offered() {
    let cases = [
        ("a codec more", "m=audio 4000 RTP/AVP 0 9\r\n", Ok(vec![0])),
        ("none of them", "m=audio 4000 RTP/AVP 9\r\n", Err(Refusal::Codecs)),
        (
            "keys alone",
            "m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n",
            Err(Refusal::Codecs),
        ),
        ("a stream more", "m=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\n", Err(Refusal::Mismatch)),
        ("no stream", "", Err(Refusal::Mismatch)),
        ("pictures for speech", "m=video 4000 RTP/AVP 0\r\n", Err(Refusal::Mismatch)),
        ("no", "m=audio 0 RTP/AVP 0\r\n", Ok(vec![])),
        ("not SDP", "x", Err(Refusal::Description(sdp::Fault::Line))),
    ];
    for (name, lines, expected) in cases {
        let mut call = Call::new(plain(pbx()), plain(trunk()));
        call.offer(A, &sdp(PBX, AVP)).unwrap();
        let answered = call.answer(B, &sdp(TRUNK, lines));
        let live = |told: Told| Some(told.stream()).filter(|stream| stream.port != 0);
        let numbers = answered.map(|told| {
            let formats = live(told).map(|stream| stream.formats).unwrap_or_default();
            formats.iter().map(|format| format.number).collect::<Vec<_>>()
        });
        assert_eq!(numbers, expected, "{name}");
    }
}

#[test]
fn streams_that_nobody_relays_are_refused_in_their_place_and_fax_with_a_word_of_its_own() {
    let many: String = (0..6).map(|at| format!("m=audio {} RTP/AVP 0\r\n", 4_000 + 2 * at)).collect();
    let fax = "m=image 4002 udptl t38\r\n";
    let rows = [
        (
            "audio and pictures",
            format!("{AVP}m=video 4002 RTP/AVP 34\r\n"),
            Ok((vec!["audio"], vec!["audio", "video 0 RTP/AVP 34"])),
        ),
        (
            "pictures first",
            format!("m=video 4002 RTP/AVP 34\r\n{AVP}"),
            Ok((vec!["audio"], vec!["video 0 RTP/AVP 34", "audio"])),
        ),
        ("fax beside speech", format!("{AVP}{fax}"), Ok((vec!["audio"], vec!["audio", "image 0 udptl t38"]))),
        ("fax alone", fax.to_owned(), Err(Refusal::Image)),
        ("fax for speech", format!("m=audio 0 RTP/AVP 0\r\n{fax}"), Err(Refusal::Image)),
        ("data", "m=application 9 TCP/MSRP *\r\n".to_owned(), Err(Refusal::NoStream)),
        (
            "more streams than a call has",
            many,
            Ok((
                vec!["audio"; 4],
                vec!["audio", "audio", "audio", "audio", "audio 0 RTP/AVP 0", "audio 0 RTP/AVP 0"],
            )),
        ),
        (
            "a codec for one of two",
            format!("{AVP}m=audio 4002 RTP/AVP 7\r\n"),
            Ok((vec!["audio"], vec!["audio", "audio 0 RTP/AVP 7"])),
        ),
    ];
    let shape = |text: &str| -> Vec<String> {
        let media = text.lines().filter_map(|line| line.strip_prefix("m="));
        media
            .map(|line| {
                if line.contains(" 0 ") && !line.starts_with("audio 2") {
                    line.to_owned()
                } else {
                    "audio".to_owned()
                }
            })
            .collect()
    };
    for (name, lines, expected) in rows {
        let mut call = Call::new(plain(pbx()), plain(trunk()));
        let asked = call.offer(A, &sdp(PBX, &lines));
        match expected {
            Err(refusal) => assert_eq!(asked.unwrap_err(), refusal, "{name}"),
            Ok((there, back)) => {
                let asked = asked.unwrap();
                assert_eq!(shape(&asked.text), there, "{name}");
                let answer: String =
                    (0..there.len()).map(|at| format!("m=audio {} RTP/AVP 0\r\n", 5_000 + 2 * at)).collect();
                assert_eq!(shape(&call.answer(B, &sdp(TRUNK, &answer)).unwrap().text), back, "{name}");
            }
        }
    }
    let (mut call, _, _) = agreed();
    let fax = format!("m=audio 0 RTP/SAVP 0\r\n{fax}");
    assert_eq!(
        call.offer(A, &sdp(PBX, &fax)).unwrap_err(),
        Refusal::Image,
        "in a re-INVITE: the call stays on G.711"
    );
}

#[test]
fn pictures_cross_where_both_legs_let_them() {
    let video = |settings: LegSettings| LegSettings { video: true, ..plain(settings) };
    let lines = format!(
        "{AVP}m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    );
    let mut call = Call::new(video(pbx()), video(trunk()));
    let asked = call.offer(A, &sdp(PBX, &lines)).unwrap();
    assert_eq!(
        (asked.read().streams.len(), told(&asked.orders)),
        (2, vec!["open B0".to_owned(), "open B1".to_owned()])
    );
    let answered = call.answer(B, &sdp(TRUNK, &lines)).unwrap();
    let expected = ["open A0", "set A0", "set B0", "open A1", "set A1", "set B1"];
    assert_eq!(told(&answered.orders), expected);
    call.settle(1).unwrap();
    // The caller takes the pictures away again; their ports go back.
    let off = format!("{AVP}m=video 0 RTP/AVP 96\r\n");
    let asked = call.offer(A, &sdp(PBX, &off)).unwrap();
    assert!(asked.text.contains("m=video 0 "), "{}", asked.text);
    let answered = call.answer(B, &sdp(TRUNK, &off)).unwrap();
    assert_eq!(told(&answered.orders), ["set A0", "set B0", "shut A1", "shut B1"]);
    assert_eq!(call.ports.out(), 4);
    // And wants them back, in the place where they were.
    let asked = call.offer(A, &sdp(PBX, &lines)).unwrap();
    assert_eq!((asked.read().streams.len(), told(&asked.orders)), (2, vec!["open B1".to_owned()]));
    assert_eq!(call.close().1, 0);
}

#[test]
fn hold_crosses_both_ways_in_the_new_way_and_the_old() {
    let held = |address: &str, direction: &str| sdp(address, &format!("{}a={direction}\r\n", savp(KEY)));
    for (leg, other, place, far) in [(A, B, PBX, TRUNK), (B, A, TRUNK, PBX)] {
        let (mut call, _, _) = agreed();
        let asked = call.offer(leg, &held(place, "sendonly")).unwrap();
        assert_eq!(asked.stream().direction, Direction::Send);
        // Whoever is held and says more is taken at its less.
        let answered = call.answer(other, &held(far, "sendrecv")).unwrap();
        assert_eq!(answered.stream().direction, Direction::Receive);
        let (holder, other_terms) = (answered.terms(leg), answered.terms(other));
        let before = holder.clone();
        assert_eq!(before.remote.map(|at| at.ip().to_string()).as_deref(), Some(place));
        assert_eq!((holder.receives, holder.sends), (true, false));
        assert_eq!((other_terms.receives, other_terms.sends), (false, true));
        // The old way: an address of zeros.
        let asked = call.offer(leg, &held("0.0.0.0", "sendrecv")).unwrap();
        assert_eq!(asked.stream().direction, Direction::Send);
        assert!(!asked.text.contains("0.0.0.0"), "{}", asked.text);
        let answered = call.answer(other, &held(far, "recvonly")).unwrap();
        // What it plays meanwhile comes from where it was, and nothing is sent there.
        let holder = answered.terms(leg);
        assert_eq!((holder.remote, holder.remote_rtcp), (before.remote, before.remote_rtcp));
        assert_eq!((holder.receives, holder.sends), (true, false));
        // And back.
        call.offer(leg, &held(place, "sendrecv")).unwrap();
        let answered = call.answer(other, &held(far, "sendrecv")).unwrap();
        assert_eq!((answered.terms(leg).sends, answered.terms(leg).receives), (true, true));
    }
}

#[test]
fn a_caller_that_names_no_place_in_its_first_offer_is_off_until_it_does() {
    let mut call = Call::new(pbx(), trunk());
    call.offer(A, &sdp("0.0.0.0", &savp(KEY))).unwrap();
    let terms = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap().terms(A);
    assert_eq!((terms.remote, terms.remote_rtcp, terms.receives, terms.sends), (None, None, false, false));
    call.settle(1).unwrap();
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    let terms = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap().terms(A);
    assert_eq!((terms.remote.is_some(), terms.receives, terms.sends), (true, true, true));
}

#[test]
fn keys_and_versions_stay_where_nothing_changes_and_are_new_where_the_peer_is() {
    let (mut call, asked, answered) = agreed();
    let (ours_a, ours_b) = (answered.stream().crypto[0].key.clone(), asked.stream().crypto[0].key.clone());
    // A refresh: the very same.
    let again = call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    let back = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    assert_eq!(back.text, answered.text);
    assert_eq!((again.stream().crypto[0].key.clone(), again.stream().crypto.len()), (ours_b.clone(), 1));
    // Hold repeats keys.
    let hold = format!("{}a=sendonly\r\n", savp(KEY));
    let asked = call.offer(A, &sdp(PBX, &hold)).unwrap();
    let back = call.answer(B, &sdp(TRUNK, &format!("{}a=recvonly\r\n", savp(OTHER_KEY)))).unwrap();
    assert_eq!((asked.version(), back.version()), (again.version() + 1, answered.version() + 1));
    assert_eq!((&asked.stream().crypto[0].key, &back.stream().crypto[0].key), (&ours_b, &ours_a));
    // Another address, another key, another suite: a key of ours that is new.
    let other = savp(KEY).replace("_80", "_32");
    let mut last = ours_a;
    for (address, lines) in
        [("192.168.77.8", savp(KEY)), ("192.168.77.8", savp(OTHER_KEY)), ("192.168.77.8", other)]
    {
        call.offer(A, &sdp(address, &lines)).unwrap();
        let back = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
        let key = back.stream().crypto[0].key.clone();
        assert_ne!(key, last, "{lines}");
        assert_eq!(outbound(&back.terms(B)), ours_b.expose(), "the other leg's stays");
        last = key;
    }
}

#[test]
fn a_callee_that_moves_in_an_answer_has_another_key_with_the_next_offer() {
    let (mut call, asked, _) = agreed();
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    call.answer(B, &sdp("203.0.113.81", &savp(OTHER_KEY))).unwrap();
    let next = call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    assert_ne!(next.stream().crypto[0].key, asked.stream().crypto[0].key);
    assert_eq!(next.stream().crypto[0].tag, 1);
    call.answer(B, &sdp("203.0.113.81", &savp(OTHER_KEY))).unwrap();
    let stays = call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    assert_eq!(stays.stream().crypto[0].key, next.stream().crypto[0].key);
}

#[test]
fn a_re_offer_that_is_refused_leaves_what_stood() {
    let (mut call, _, answered) = agreed();
    let before = call.ports.out();
    let video = format!("{}a=sendonly\r\n", savp(KEY));
    let asked = call.offer(B, &sdp(TRUNK, &video)).unwrap();
    assert_eq!(call.offer(A, &sdp(PBX, &savp(KEY))).unwrap_err(), Refusal::Pending, "glare");
    assert!(told(&call.step(Anchor::withdraw)).is_empty());
    assert_eq!(call.ports.out(), before);
    // What the caller hears next is newer than what it refused.
    let again = call.offer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    assert_eq!(again.version(), asked.version() + 1);
    let back = call.answer(A, &sdp(PBX, &savp(KEY))).unwrap();
    assert_eq!(outbound(&back.terms(A)), outbound(&answered.terms(A)));
    let fewer = sdp(PBX, "");
    assert_eq!(call.offer(A, &fewer).unwrap_err(), Refusal::Mismatch, "no line is taken away");
}

#[test]
fn a_late_offer_is_the_callees_and_the_callers_ack_answers_it() {
    let mut call = Call::new(pbx(), trunk());
    let asked = call.offer(B, &sdp(TRUNK, &savp(KEY))).unwrap();
    assert_eq!(told(&asked.orders), ["open A0"]);
    assert!(asked.text.contains("192.168.77.1") && !asked.text.contains(TRUNK));
    assert_eq!(
        call.answer(B, &sdp(TRUNK, &savp(KEY))).unwrap_err(),
        Refusal::Unasked,
        "who asked does not answer"
    );
    let answered = call.answer(A, &sdp(PBX, &savp(OTHER_KEY))).unwrap();
    assert_eq!(told(&answered.orders), ["open B0", "set A0", "set B0"]);
    assert!(call.settle(1).unwrap().is_empty());
    assert_eq!(call.answer(A, &sdp(PBX, &savp(OTHER_KEY))).unwrap_err(), Refusal::Unasked);
    assert_eq!(call.close().1, 0);
}

#[test]
fn a_refresh_of_ours_says_what_stands_and_follows_a_peer_that_moved() {
    let (mut call, _, answered) = agreed();
    let text = call.step(|anchor, means| anchor.repeat(A, means)).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), answered.text, "the same version again");
    let moved = sdp("192.168.77.9", &savp(KEY));
    let orders = call.step(|anchor, means| anchor.repeated(A, moved.as_bytes(), means)).unwrap();
    assert_eq!(terms(&orders, A).unwrap().remote, Some("192.168.77.9:4000".parse().unwrap()));
    let weak = sdp(PBX, AVP);
    let refused = call.step(|anchor, means| anchor.repeated(A, weak.as_bytes(), means));
    assert_eq!(refused.unwrap_err(), Refusal::Clear);
    // It moved, and a key that has served: both are told another.
    call.anchor.renew(B);
    let asked = call.offer(A, &sdp("192.168.77.9", &savp(KEY))).unwrap();
    let back = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    assert_ne!(outbound(&back.terms(A)), outbound(&answered.terms(A)));
    assert_ne!(asked.stream().crypto[0].key.expose(), outbound(&answered.terms(B)));
}

#[test]
fn an_offer_of_what_stands_changes_nothing() {
    let (mut call, _, answered) = agreed();
    let hold = format!("{}a=sendonly\r\n", savp(KEY));
    let rows = [
        ("the same", sdp(PBX, &savp(KEY)), true),
        ("another packet time", sdp(PBX, &format!("{}a=ptime:30\r\n", savp(KEY))), true),
        ("hold", sdp(PBX, &hold), false),
        ("another key", sdp(PBX, &savp(OTHER_KEY)), false),
        ("another number for the key", sdp(PBX, &savp(KEY).replace("crypto:1", "crypto:2")), false),
        ("another port", sdp(PBX, &savp(KEY).replace("4000", "4002")), false),
        ("another address", sdp("192.168.77.8", &savp(KEY)), false),
        ("a codec less", sdp(PBX, &savp(KEY).replace("SAVP 0 8", "SAVP 0")), false),
        ("a codec more", sdp(PBX, &savp(KEY).replace("SAVP 0 8", "SAVP 0 8 9")), false),
        ("no encryption", sdp(PBX, AVP), false),
        ("off", sdp(PBX, "m=audio 0 RTP/SAVP 0\r\n"), false),
        ("a stream more", sdp(PBX, &format!("{}m=image 0 udptl t38\r\n", savp(KEY))), false),
        ("not SDP", "x".to_owned(), false),
    ];
    for (name, offer, same) in rows {
        assert_eq!(call.anchor.knows(A, offer.as_bytes()), Some(same), "{name}");
    }
    assert_eq!(call.anchor.knows(B, sdp(TRUNK, &savp(OTHER_KEY)).as_bytes()), Some(true));
    let said = call.step(|anchor, means| anchor.repeat(A, means)).unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), answered.text);
    call.offer(A, &sdp(PBX, &hold)).unwrap();
    assert_eq!(call.anchor.knows(A, sdp(PBX, &savp(KEY)).as_bytes()), None, "an offer waits");
}

#[test]
fn a_codec_that_was_not_agreed_may_go() {
    let mut call = Call::new(plain(pbx()), plain(trunk()));
    call.offer(A, &sdp(PBX, AVP)).unwrap();
    call.answer(B, &sdp(TRUNK, "m=audio 4000 RTP/AVP 8\r\n")).unwrap();
    call.settle(1).unwrap();
    for (formats, same) in [("0 8", true), ("8", true), ("8 0", true), ("0", false), ("8 9", false)] {
        let offer = sdp(PBX, &format!("m=audio 4000 RTP/AVP {formats}\r\n"));
        assert_eq!(call.anchor.knows(A, offer.as_bytes()), Some(same), "{formats}");
    }
}

#[test]
fn what_a_call_holds_for_its_media_is_bounded() {
    let (call, _, _) = agreed();
    let State::Agreed(pair) = &call.anchor.state else { panic!("not agreed") };
    let lines = [&pair.a, &pair.b].into_iter().flatten();
    let formats = |formats: &smallvec::SmallVec<[crate::media::sdp::Format; 4]>| {
        if formats.spilled() { formats.capacity() * size_of::<crate::media::sdp::Format>() } else { 0 }
    };
    let heap: usize = lines
        .map(|line| {
            let heard = line.heard.as_ref().map_or(0, |heard| formats(&heard.formats));
            size_of_val(line) + formats(&line.said.formats) + heard
        })
        .sum();
    let all = size_of::<Anchor>() + heap + 2 * size_of::<LegSettings>();
    assert!(all <= 4_096, "{all} bytes for one stream, {heap} of them for its lines");
    println!("{all} bytes for one stream: {} fixed, {heap} in lines", size_of::<Anchor>());
}
