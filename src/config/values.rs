//! Single words: durations, sizes, counts, dates, addresses, networks, names and numbers.
//!
//! Owns how each is written and what is said when it is not. Refuses to know which key it stands for.
//! Read first: RFC 4291 §2.2 (IPv6 text), RFC 3261 §25.1 (host, user).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::problem::{Cause, quoted};
use crate::clock::{TIME_UNITS, time_text};

/// Characters of a name, number or prefix.
const WORD_CHARACTERS_MAX: usize = 64;
/// Characters of a host name (RFC 1035 §2.3.4).
const HOST_CHARACTERS_MAX: usize = 253;

/// Whole numbers, written in digits.
pub fn count(text: &str, least: u64, most: u64) -> Result<u64, Cause> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return Err(Cause::new(format!("{} is not a whole number", quoted(text)))
            .cure(format!("write digits only, {least} to {most}")));
    }
    match text.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(Cause::new(format!("{text} is out of range")).cure(format!("write {least} to {most}"))),
    }
}

/// Durations: `500ms`, `4s`, `3m`, `2h`, `1h30m`, `1d`; larger units first.
pub fn time(text: &str, least: Duration, most: Duration) -> Result<Duration, Cause> {
    let unreadable = || {
        Cause::new(format!("{} is not a duration", quoted(text)))
            .cure("write a number with its unit: 500ms, 4s, 3m, 2h, 1h30m, 1d")
    };
    let mut rest = text;
    let mut total: u64 = 0;
    let mut unit_before = u64::MAX;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c: char| !c.is_ascii_digit());
        let (unit, after) = split(after, |c: char| c.is_ascii_digit());
        let scale = TIME_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
        let scale = scale.filter(|scale| *scale < unit_before).ok_or_else(unreadable)?;
        let number: u64 = number.parse().map_err(|_| unreadable())?;
        total = number.checked_mul(scale).and_then(|part| total.checked_add(part)).ok_or_else(unreadable)?;
        unit_before = scale;
        rest = after;
    }
    if text.is_empty() {
        return Err(unreadable());
    }
    let duration = Duration::from_millis(total);
    if duration < least || duration > most {
        let range = format!("write {} to {}", time_text(least), time_text(most));
        return Err(Cause::new(format!("{text} is out of range")).cure(range));
    }
    Ok(duration)
}

const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Sizes: `65535B`, `64MB`, `8MiB`.
pub fn size(text: &str, least: u64, most: u64) -> Result<u64, Cause> {
    let unreadable = || {
        Cause::new(format!("{} is not a size", quoted(text)))
            .cure("write a number with its unit: 4096B, 64kB, 64MB, 8MiB")
    };
    let (number, unit) = split(text, |c: char| !c.is_ascii_digit());
    let scale =
        SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale).ok_or_else(unreadable)?;
    let bytes =
        number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale)).ok_or_else(unreadable)?;
    if (least..=most).contains(&bytes) {
        return Ok(bytes);
    }
    Err(Cause::new(format!("{text} is out of range")).cure(format!(
        "write {} to {}",
        size_text(least),
        size_text(most)
    )))
}

/// A size as `size` reads it, in the largest unit that divides it.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    let mut best = ("B", 1);
    for (name, scale) in SIZE_UNITS {
        if bytes > 0 && bytes.checked_rem(scale) == Some(0) && scale > best.1 {
            best = (name, scale);
        }
    }
    format!("{}{}", bytes.checked_div(best.1).unwrap_or(bytes), best.0)
}

fn split(text: &str, at: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(at).unwrap_or(text.len())).unwrap_or((text, ""))
}

/// Truths.
pub fn flag(text: &str) -> Result<bool, Cause> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Cause::new(format!("{} is neither true nor false", quoted(text)))),
    }
}

/// The end (UTC) of a day written `2026-12-05`, in microseconds since 1970.
pub fn end_of_day(text: &str) -> Result<i64, Cause> {
    let unreadable = || Cause::new(format!("{} is not a date", quoted(text))).cure("write it as 2026-12-05");
    let date: jiff::civil::Date = text.parse().map_err(|_| unreadable())?;
    if text.len() != 10 {
        return Err(unreadable());
    }
    let end = date.tomorrow().map_err(|_| unreadable())?.to_zoned(jiff::tz::TimeZone::UTC);
    Ok(end.map_err(|_| unreadable())?.timestamp().as_microsecond())
}

/// An address without a port.
pub fn ip(text: &str) -> Result<IpAddr, Cause> {
    let Ok(ip) = text.parse::<IpAddr>() else {
        let cause = Cause::new(format!("{} is not an address", quoted(text)));
        return Err(cause.cure("write it alone: 192.0.2.1 or 2001:db8::1"));
    };
    plain(ip, text)?;
    Ok(ip)
}

/// An address and port; the port may be left out where a default is given.
pub fn address(text: &str, port_default: Option<u16>) -> Result<SocketAddr, Cause> {
    let ip = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text).parse::<IpAddr>();
    let address = match (text.parse::<SocketAddr>(), ip, port_default) {
        (Ok(address), _, _) => address,
        (Err(_), Ok(ip), Some(port)) => SocketAddr::new(ip, port),
        (Err(_), Ok(ip), None) => {
            return Err(Cause::new(format!("{} has no port", quoted(text)))
                .cure(format!("write {}", SocketAddr::new(ip, 5060))));
        }
        (Err(_), Err(_), _) => {
            return Err(Cause::new(format!("{} is not an address", quoted(text)))
                .cure("write 192.0.2.1:5060 or [2001:db8::1]:5060"));
        }
    };
    if address.port() == 0 {
        return Err(Cause::new(format!("{} has port 0", quoted(text))).cure("name a port, usually 5060"));
    }
    plain(address.ip(), text)?;
    Ok(address)
}

fn plain(ip: IpAddr, text: &str) -> Result<(), Cause> {
    if ip.is_multicast() {
        return Err(Cause::new(format!("{} is a multicast address", quoted(text))));
    }
    match ip {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => Err(Cause::new(format!("{} is an IPv4 address in IPv6 clothes", quoted(text)))
                .cure(format!("write {v4}"))),
            None => Ok(()),
        },
        IpAddr::V4(v4) if v4.is_broadcast() => {
            Err(Cause::new(format!("{} is the broadcast address", quoted(text))))
        }
        IpAddr::V4(_) => Ok(()),
    }
}

/// An address or a network.
pub fn network(text: &str) -> Result<IpNet, Cause> {
    let (host, length) = match text.split_once('/') {
        Some((host, length)) => (host, Some(length)),
        None => (text, None),
    };
    let Ok(ip) = host.parse::<IpAddr>() else {
        let cause = Cause::new(format!("{} is not an address or network", quoted(text)));
        let port = text.parse::<SocketAddr>();
        return Err(match port {
            Ok(address) => cause.cure(format!("sources have no port: write {}", address.ip())),
            Err(_) => {
                cause.cure("write 192.0.2.10, 192.0.2.0/24 or 2001:db8::/48; where DNS leads the names of its targets is the word targets")
            }
        });
    };
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    let length = match length.map(|length| (length.parse::<u8>(), length.starts_with('+'))) {
        None => longest,
        Some((Ok(length), false)) if length <= longest => length,
        Some(_) => {
            let cause = Cause::new(format!("{} is not a network", quoted(text)));
            return Err(cause.cure(format!("a prefix is at most {longest}, as in {ip}/{longest}")));
        }
    };
    plain(ip, text)?;
    let Ok(network) = IpNet::new(ip, length) else {
        return Err(Cause::new(format!("{} is not a network", quoted(text))));
    };
    if length == 0 {
        return Err(Cause::new(format!("{} is everybody", quoted(text)))
            .cure("list the addresses or networks this peer sends from"));
    }
    if network.addr() != network.network() {
        return Err(Cause::new(format!("{} has bits set behind its prefix", quoted(text)))
            .cure(format!("write {} or {ip}", network.trunc())));
    }
    if ip.is_unspecified() {
        return Err(Cause::new(format!("{} is no sender's address", quoted(text))));
    }
    Ok(network)
}

/// What a peer sends from: an address or a network; `None` for `targets`, wherever the names of its targets lead.
pub fn source(text: &str) -> Result<Option<IpNet>, Cause> {
    if text == "targets" { Ok(None) } else { network(text).map(Some) }
}

/// A host name in lower case and a port, where `text` is one rather than an address: it has a letter, and no second colon.
#[must_use]
pub fn domain_name(text: &str) -> Option<(String, Option<u16>)> {
    let (host_part, port) = host_and_port(text.strip_suffix('.').unwrap_or(text)).ok()?;
    let named = !host_part.starts_with('[') && host_part.chars().any(|c| c.is_ascii_alphabetic());
    named.then(|| (host_part.to_ascii_lowercase(), port))
}

/// A network as `network` reads it; a single address without its prefix.
#[must_use]
pub fn network_text(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

/// A name of ours for a listener, peer, site or route.
pub fn name(text: &str) -> Result<(), Cause> {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if first && rest && text.len() <= WORD_CHARACTERS_MAX {
        return Ok(());
    }
    Err(Cause::new(format!("{} is not a name", quoted(text))).cure(format!(
        "a name is letters, digits, - and _, begins with a letter or digit and has at most {WORD_CHARACTERS_MAX} characters"
    )))
}

/// A number or user name as it is dialled: what may stand in a URI's user part without escapes, and `#`.
pub fn number(text: &str) -> Result<(), Cause> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+-_.!~'()&=$,/*#".contains(c);
    if !text.is_empty() && text.len() <= WORD_CHARACTERS_MAX && text.chars().all(allowed) {
        return Ok(());
    }
    let cause = Cause::new(format!("{} is not a number or user name", quoted(text)));
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let spaced = text.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '+');
    Err(if spaced && !digits.is_empty() {
        cause.cure(format!("write it without spaces: \"{digits}\""))
    } else {
        cause.cure(format!("write it as it is dialled, at most {WORD_CHARACTERS_MAX} characters"))
    })
}

/// A host: an address or a domain name.
pub fn host(text: &str) -> Result<(), Cause> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if bare.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok()) {
        return Ok(());
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let numeric = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let well = if numeric { text.parse::<IpAddr>().is_ok() } else { text.split('.').all(label) };
    if well && text.len() <= HOST_CHARACTERS_MAX {
        return Ok(());
    }
    let cause = Cause::new(format!("{} is not a host", quoted(text)));
    Err(match text.parse::<Ipv6Addr>() {
        Ok(v6) => cause.cure(format!("write [{v6}]")),
        Err(_) => cause.cure("write a domain name or an address"),
    })
}

/// A host with an optional port: `sbc.example.com`, `203.0.113.7:5060`, `[2001:db8::7]:5060`.
pub fn host_and_port(text: &str) -> Result<(String, Option<u16>), Cause> {
    let (host_part, port) = match text.rsplit_once(':') {
        Some((before, after)) if before.ends_with(']') || !before.contains(':') => (before, Some(after)),
        _ => (text, None),
    };
    host(host_part)?;
    match port.map(str::parse::<u16>) {
        None => Ok((host_part.to_owned(), None)),
        Some(Ok(port)) if port > 0 => Ok((host_part.to_owned(), Some(port))),
        Some(_) => Err(Cause::new(format!("{} has no port of 1 to 65535", quoted(text)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_alike() {
        let (least, most) = (Duration::from_millis(10), Duration::from_hours(48));
        for (text, millis) in [
            ("10ms", 10),
            ("4s", 4_000),
            ("3m", 180_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("1s500ms", 1_500),
        ] {
            let read = time(text, least, most).unwrap();
            assert_eq!(read.as_millis(), millis, "{text}");
            assert_eq!(time_text(read), text);
        }
        for text in [
            "",
            "4",
            "4 s",
            "s",
            "-4s",
            "4S",
            "1.5h",
            "30m1h",
            "1s1s",
            "99999999999999999999s",
            "20000000000000d",
        ] {
            let said = time(text, least, most).unwrap_err().text;
            assert_eq!(said, format!("{} is not a duration", quoted(text)));
        }
        let short = time("9ms", least, most).unwrap_err();
        assert_eq!((&*short.text, short.cure.as_deref()), ("9ms is out of range", Some("write 10ms to 2d")));
        assert_eq!(time("3d", least, most).unwrap_err().text, "3d is out of range");
    }

    #[test]
    fn sizes_are_read_and_written_alike() {
        for (text, bytes) in
            [("1B", 1), ("64MB", 64_000_000), ("8MiB", 8 << 20), ("65535B", 65_535), ("3kB", 3_000)]
        {
            assert_eq!(size(text, 1, u64::MAX).unwrap(), bytes, "{text}");
            assert_eq!(size_text(bytes), text);
        }
        for text in ["", "64", "64mb", "MB", "-1MB", "64 MB", "99999999999999GB"] {
            assert!(size(text, 1, u64::MAX).is_err(), "{text}");
        }
        assert_eq!(size("2kB", 1, 1_000).unwrap_err().text, "2kB is out of range");
    }

    #[test]
    fn counts_are_digits() {
        assert_eq!(count("20000", 1, 100_000), Ok(20_000));
        for text in ["", "-1", "+1", "1_000", "1e3", "0x10", "ten"] {
            assert!(count(text, 0, 100_000).unwrap_err().text.ends_with("is not a whole number"), "{text}");
        }
        for text in ["0", "6", "99999999999999999999999"] {
            assert_eq!(count(text, 1, 5).unwrap_err().text, format!("{text} is out of range"));
        }
    }

    #[test]
    fn networks_are_exact() {
        for text in ["192.0.2.10", "192.0.2.0/24", "2001:db8::/48", "::1", "10.0.0.0/8"] {
            assert!(network(text).is_ok(), "{text}");
        }
        for (text, said) in [
            ("10.0.0.0/33", "\"10.0.0.0/33\" is not a network"),
            ("10.0.0.0/+8", "\"10.0.0.0/+8\" is not a network"),
            ("2001:db8::/129", "\"2001:db8::/129\" is not a network"),
            ("10.0.0.5/8", "\"10.0.0.5/8\" has bits set behind its prefix"),
            ("0.0.0.0/0", "\"0.0.0.0/0\" is everybody"),
            ("::/0", "\"::/0\" is everybody"),
            ("0.0.0.0", "\"0.0.0.0\" is no sender's address"),
            ("::ffff:10.0.0.1", "\"::ffff:10.0.0.1\" is an IPv4 address in IPv6 clothes"),
            ("224.0.0.1", "\"224.0.0.1\" is a multicast address"),
            ("255.255.255.255", "\"255.255.255.255\" is the broadcast address"),
            ("10.0.0.1:5060", "\"10.0.0.1:5060\" is not an address or network"),
            ("pbx.local", "\"pbx.local\" is not an address or network"),
            ("", "\"\" is not an address or network"),
        ] {
            assert_eq!(network(text).unwrap_err().text, said);
        }
    }

    #[test]
    fn addresses_have_a_port() {
        assert_eq!(address("192.0.2.1:5061", None).unwrap().to_string(), "192.0.2.1:5061");
        assert_eq!(address("192.0.2.1", Some(5060)).unwrap().to_string(), "192.0.2.1:5060");
        assert_eq!(address("[2001:db8::1]", Some(5060)).unwrap().to_string(), "[2001:db8::1]:5060");
        assert_eq!(address("2001:db8::1", Some(5060)).unwrap().to_string(), "[2001:db8::1]:5060");
        for text in
            ["192.0.2.1", "192.0.2.1:0", "192.0.2.1:99999", "trunk.example:5060", "", "224.0.0.1:5060"]
        {
            assert!(address(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for text in ["sbc.example.com", "203.0.113.7", "[2001:db8::7]", "pbx", "xn--bcher-kva.example"] {
            assert!(host(text).is_ok(), "{text}");
        }
        for text in ["", "a..b", "-a.b", "a_b", "a b", "300.1.1.1", "2001:db8::7", "x;y", "a@b", "1.2.3"] {
            assert!(host(text).is_err(), "{text}");
        }
        assert_eq!(
            host_and_port("sbc.example.com:5080").unwrap(),
            ("sbc.example.com".to_owned(), Some(5080))
        );
        assert_eq!(host_and_port("[2001:db8::7]:5080").unwrap(), ("[2001:db8::7]".to_owned(), Some(5080)));
        assert_eq!(host_and_port("203.0.113.7").unwrap(), ("203.0.113.7".to_owned(), None));
        assert!(host_and_port("sbc:0").is_err());
        assert!(host_and_port("sbc:x").is_err());
    }

    #[test]
    fn dates_end_with_their_day() {
        assert_eq!(end_of_day("1970-01-01"), Ok(86_400_000_000));
        for text in ["", "2026-02-30", "5.12.2026", "2026-12-05T00:00", "20261205", "tomorrow"] {
            assert!(end_of_day(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_and_names_are_plain_words() {
        for text in ["+12125550100", "service", "*67", "1234#", "alice.smith"] {
            assert!(number(text).is_ok(), "{text}");
        }
        for text in ["", "+1 212 555 0100", "a@b", "a;b", "ä", "a%41", "\"x\""] {
            assert!(number(text).is_err(), "{text}");
        }
        assert_eq!(
            number("+1 212 555").unwrap_err().cure.as_deref(),
            Some("write it without spaces: \"+1212555\"")
        );
        for text in ["office-pbx", "trunk_2", "1"] {
            assert!(name(text).is_ok(), "{text}");
        }
        for text in ["", "-a", "a.b", "a b", "a[0]", "ä"] {
            assert!(name(text).is_err(), "{text}");
        }
    }
}
