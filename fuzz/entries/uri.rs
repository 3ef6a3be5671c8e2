//! One URI from bytes: its parts are parts of it, it equals itself, and escapes are undone once.

use ringfence::sip::uri::unescape;
use ringfence::sip::{Host, NameAddr, Text, Uri};

/// What must hold for any bytes.
pub fn entry(data: &[u8]) {
    let (one, two) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let two = two.strip_prefix(b"\n").unwrap_or(two);
    let _ = Host::read(data).map(|host| host.address());
    if let Some(plain) = unescape(data) {
        assert!(plain.len() <= data.len());
        let again = data.iter().filter(|byte| **byte == b'%').count();
        assert_eq!(plain.len() + 2 * again, data.len(), "each escape is undone once");
    }
    let Ok(uri) = Uri::read(one) else { return };
    assert!(uri.equivalent(&uri), "a URI is itself");
    assert!(Text::new(one).is_some(), "a URI is a text");
    if let Ok(other) = Uri::read(two) {
        assert_eq!(uri.equivalent(&other), other.equivalent(&uri), "sameness has no order");
    }
    let bracketed = [b"\"x\" <", one, b">;tag=1"].concat();
    let read = NameAddr::read(&bracketed).expect("a URI stands in brackets");
    assert_eq!((read.raw_uri, read.tag()), (one, Some(&b"1"[..])));
    if let Uri::Sip(sip) = uri {
        let octets = [sip.user, sip.password, Some(sip.params), Some(sip.headers)]
            .into_iter()
            .flatten()
            .map(<[u8]>::len);
        assert!(octets.sum::<usize>() < one.len());
        assert!(sip.user.is_none_or(|user| unescape(user).is_some()), "what is read can be unescaped");
        assert!(sip.port != Some(0));
    }
    for name in ["lr", "transport", "maddr", "phone-context"] {
        assert!(uri.param(name).is_none_or(|value| value.len() < one.len()));
    }
}
