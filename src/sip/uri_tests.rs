//! Tables for the URI reader. Read first: RFC 3261 §19.1.4; RFC 4475 §3.1.1; RFC 5118 §4.

use super::*;

fn sip(text: &str) -> SipUri<'_> {
    match Uri::read(text.as_bytes()) {
        Ok(Uri::Sip(sip)) => sip,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn sip_uris_come_apart() {
    let full = sip("sips:user;par=u%40x:pa$$@[2001:db8::10]:5071;transport=tcp;lr?Subject=a&To=b");
    assert!(full.secure);
    assert_eq!(full.user, Some(&b"user;par=u%40x"[..]));
    assert_eq!(full.password, Some(&b"pa$$"[..]));
    assert_eq!(full.host, Host::Address("2001:db8::10".parse().unwrap()));
    assert_eq!(
        (full.port, full.param("TRANSPORT"), full.param("lr")),
        (Some(5071), Some(&b"tcp"[..]), Some(&b""[..]))
    );
    assert_eq!((full.param("l"), full.headers), (None, &b"Subject=a&To=b"[..]));
    let bare = sip("sip:example.com");
    assert_eq!((bare.user, bare.host, bare.port), (None, Host::Name(b"example.com"), None));
    assert_eq!(sip("SIP:a@192.0.2.1:5060").host, Host::Address("192.0.2.1".parse().unwrap()));
    assert_eq!(sip("sip:a@[2001:db8:::192.0.2.1]").host, sip("sip:a@[2001:db8::192.0.2.1]").host);
    assert_eq!(sip("sip:*31#+49301@pbx_1.lan").user, Some(&b"*31#+49301"[..]));
    assert_eq!(sip("sip:[2001:db8::10:5070]").port, None);
}

#[test]
fn broken_uris_are_refused() {
    for bad in [
        "",
        "sip",
        "sip:",
        ":a@b",
        "sip:@b",
        "sip:a@",
        "sip:a@b@c",
        "sip:a%4@b",
        "sip:a%zz@b",
        "sip:a@b:",
        "sip:a@b:0",
        "sip:a@b:65536",
        "sip:a@b:99999999999",
        "sip:2001:db8::10",
        "sip:[2001:db8::10",
        "sip:[2001:db8::10]x",
        "sip:[]",
        "sip:[1:::2]",
        "sip:[::1%25eth0]",
        "sip:a@300.1.1.1",
        "sip:a@1.2.3",
        "sip:a@2130706433",
        "sip:a@0x7f000001",
        "sip:a@127.0.0.0x1",
        "sip:a@b..c",
        "sip:a@.b",
        "sip:a@b;",
        "sip:a@b;;x",
        "sip:a@b;=x",
        "sip:a@b;x=",
        "sip:a@b?",
        "sip:a@b;transport=udp;Transport=tcp",
        "sip:a@b;maddr=c;maddr=d",
        "sip:a@b;x=1;%78=2",
        "sip:a b@c",
        "<sip:a@b>",
        "sip:a@b ",
        "sip:a\u{1}@b",
        "sip:a\"@b",
        "sip:a@b c",
        "9sip:a@b",
        "tel:",
        "tel:;x=y",
        "tel:+1 2",
        "tel:%4",
        "alan@example.com",
    ] {
        assert!(Uri::read(bad.as_bytes()).is_err(), "{bad}");
    }
    let params = |count: usize| (0..count).map(|at| format!(";x{at}=1")).collect::<String>();
    assert!(Uri::read(format!("sip:a@b{}", params(PARAMS_MAX)).as_bytes()).is_ok());
    assert_eq!(
        Uri::read(format!("sip:a@b{}", params(PARAMS_MAX + 1)).as_bytes()).err(),
        Some(Cause::Oversize)
    );
}

#[test]
fn other_schemes_are_told_apart() {
    assert!(matches!(
        Uri::read(b"tel:+49-30-1;phone-context=x"),
        Ok(Uri::Tel { number: b"+49-30-1", params: b";phone-context=x" })
    ));
    assert!(matches!(Uri::read(b"URN:service:sos"), Ok(Uri::Urn(b"service:sos"))));
    assert!(matches!(Uri::read(b"nobodyKnowsThisScheme:totallyopaquecontent"), Ok(Uri::Other(_))));
    assert!(matches!(Uri::read(b"soap.beep://192.0.2.103:3002"), Ok(Uri::Other(_))));
}

#[test]
fn rfc3261_19_1_4_examples_and_their_kin() {
    for (one, two, same) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", true),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            true,
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            true,
        ),
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false),
        ("sip:carol@chicago.com;security=off", "sip:carol@chicago.com;security=on", false),
        ("sip:a%3Bb@c", "sip:a;b@c", false),
        ("sip:a:x@c", "sip:a:X@c", false),
        ("sip:a@c", "sips:a@c", false),
        ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0::1]", true),
        ("tel:+49-30.1", "tel:+49(30)1", true),
        ("tel:+49301", "tel:+49301;ext=1", false),
        ("urn:service:sos", "urn:SERVICE:SOS", true),
        ("tel:1", "sip:1@a", false),
    ] {
        let (first, second) = (Uri::read(one.as_bytes()).unwrap(), Uri::read(two.as_bytes()).unwrap());
        assert_eq!(first.equivalent(&second), same, "{one} {two}");
        assert_eq!(second.equivalent(&first), same, "{two} {one}");
    }
}

#[test]
fn b3_escapes_are_undone_once() {
    for (raw, want) in [
        ("abc", Some("abc")),
        ("%61%2525", Some("a%25")),
        ("%2B371", Some("+371")),
        ("%2b371", Some("+371")),
        ("%00", Some("\0")),
        ("%", None),
        ("%4", None),
        ("%4g", None),
        ("%+1", None),
    ] {
        assert_eq!(unescape(raw.as_bytes()).as_deref(), want.map(str::as_bytes), "{raw}");
    }
}

#[test]
fn an_ipv4_literal_is_read_as_the_standard_library_reads_it() {
    for text in [
        "0.0.0.0",
        "255.255.255.255",
        "256.0.0.1",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "1.2.3.04",
        "1..2.3",
        "1.2.3.",
        ".1.2.3",
        "1.2.3.4a",
        "1.2.3.1000",
        "10.0.0.10",
        "",
        "1.2.3.-4",
        "1.2.3.+4",
        "00.0.0.0",
    ] {
        assert_eq!(ipv4(text.as_bytes()), text.parse().ok(), "{text}");
    }
}

/// A Contact of ours comes back as a registrar writes it.
#[test]
fn rfc3261_19_1_2_one_user_at_one_place_however_it_is_written() {
    for (one, two, same) in [
        ("sip:a@edge.example:5060", "sip:a@EDGE.example", true),
        ("sip:a@192.0.2.1:5060", "sip:%61@192.0.2.1;ob;transport=tcp;expires=7", true),
        ("sips:a@192.0.2.1:5061", "sips:a@192.0.2.1", true),
        ("sip:a@192.0.2.1:5061;transport=tls", "sip:a@192.0.2.1;transport=TLS", true),
        ("sip:a@192.0.2.1:5060", "sip:a@192.0.2.1:50601", false),
        ("sip:a@192.0.2.1:5060", "sip:A@192.0.2.1:5060", false),
        ("sip:a@192.0.2.1", "sip:192.0.2.1", false),
        ("sip:a@192.0.2.1", "sips:a@192.0.2.1:5060", false),
        ("sip:1@192.0.2.1", "tel:1", false),
    ] {
        let (first, second) = (Uri::read(one.as_bytes()).unwrap(), Uri::read(two.as_bytes()).unwrap());
        assert_eq!(first.same_place(&second), same, "{one} {two}");
        assert_eq!(second.same_place(&first), same, "{two} {one}");
    }
}
