//! Tables of where names lead.

use super::*;

/// What DNS says: lines of `name KIND fields`; whatever is not there does not exist.
fn zone(text: &str) -> Vec<(Question, Answer)> {
    let mut zone: Vec<(Question, Answer)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| words[index].parse::<u16>().unwrap();
        let bare = |index: usize| words[index].trim_end_matches('.').into();
        let (kind, answer) = match words[1] {
            "A" => (Kind::A, Answer::Addresses(vec![words[2].parse().unwrap()])),
            "AAAA" => (Kind::Aaaa, Answer::Addresses(vec![words[2].parse().unwrap()])),
            "SRV" => {
                let srv = Srv { priority: number(2), weight: number(3), port: number(4), target: bare(5) };
                (Kind::Srv, Answer::Srv(vec![srv]))
            }
            "NAPTR" => {
                let naptr = Naptr {
                    order: number(2),
                    preference: number(3),
                    flags: words[4].into(),
                    service: words[5].into(),
                    has_regexp: words[6] != "-",
                    replacement: bare(7),
                };
                (Kind::Naptr, Answer::Naptr(vec![naptr]))
            }
            other => panic!("{other}"),
        };
        let question = Question::new(words[0], kind);
        match zone.iter_mut().find(|(known, _)| *known == question) {
            None => zone.push((question, answer)),
            Some((_, known)) => match (known, answer) {
                (Answer::Addresses(known), Answer::Addresses(more)) => known.extend(more),
                (Answer::Srv(known), Answer::Srv(more)) => known.extend(more),
                (Answer::Naptr(known), Answer::Naptr(more)) => known.extend(more),
                (known, more) => panic!("{known:?} {more:?}"),
            },
        }
    }
    zone
}

fn transports(text: &str) -> Transports {
    let all = [Transport::Udp, Transport::Tcp, Transport::Tls];
    text.split(' ').map(|word| *all.iter().find(|transport| transport.name() == word).unwrap()).collect()
}

/// Asks as the resolver does; the list as text, and how often it was asked in turn.
fn sought(host: &str, port: Option<u16>, over: &str, ipv6: bool, records: &str) -> (String, usize) {
    let (zone, transports) = (zone(records), transports(over));
    let sought = Sought { host, port, transports: &transports, ipv6 };
    let mut answers = Answers::new();
    for turns in 0..4 {
        match sought.step(&answers) {
            Step::Ask(questions) => {
                for question in questions {
                    let known = zone.iter().find(|(known, _)| *known == question);
                    let answer = known.map_or(Answer::Nothing, |(_, answer)| answer.clone());
                    assert!(answers.insert(question.clone(), answer).is_none(), "asked twice: {question:?}");
                }
            }
            Step::Found(found) => return (told(&found), turns),
            Step::Nothing(why) => return (why.to_owned(), turns),
        }
    }
    panic!("{host} is asked for ever");
}

fn told(found: &[Found]) -> String {
    let one = |found: &Found| {
        let over: Vec<&str> = found.transports.iter().map(|transport| transport.name()).collect();
        format!("{}:{} {}", found.rank, found.address, over.join("+"))
    };
    found.iter().map(one).collect::<Vec<_>>().join(", ")
}

const CARRIER: &str = "
    example.com NAPTR 50 50 s SIPS+D2T - _sips._tcp.example.com.
    example.com NAPTR 50 60 s SIP+D2T - _sip._tcp.example.com.
    example.com NAPTR 50 70 s SIP+D2U - _sip._udp.example.com.
    _sips._tcp.example.com SRV 0 1 5061 one.example.com.
    _sip._tcp.example.com SRV 0 1 5060 one.example.com.
    _sip._tcp.example.com SRV 1 1 5060 two.example.com.
    _sip._udp.example.com SRV 0 1 5060 one.example.com.
    _sip._udp.example.com SRV 1 1 5070 two.example.com.
    one.example.com A 203.0.113.1
    two.example.com A 203.0.113.3
    two.example.com A 203.0.113.2
    one.example.com AAAA 2001:db8::1
    example.com A 203.0.113.9";

#[test]
fn rfc_3263_from_a_name_to_addresses() {
    let srv_only = "
        _sip._udp.Example.com SRV 20 0 5060 b.example.com.
        _sip._udp.example.com SRV 10 0 5080 a.example.com.
        a.example.com A 203.0.113.1
        b.example.com A 203.0.113.2";
    let host_only = "pbx.example.com A 203.0.113.2
        pbx.example.com A 203.0.113.1
        pbx.example.com AAAA 2001:db8::7";
    let closed = "_sip._udp.example.com SRV 0 0 0 .
        example.com A 203.0.113.9";
    let table = [
        // A port: addresses alone, by every transport of the peer.
        ("example.com", Some(5090), "udp tcp", CARRIER, "0:203.0.113.9:5090 udp+tcp", 1),
        // NAPTR, and what the peer may speak of it, in the domain's order.
        ("example.com", None, "tls", CARRIER, "0:203.0.113.1:5061 tls", 3),
        (
            "example.com",
            None,
            "udp",
            CARRIER,
            "0:203.0.113.1:5060 udp, 1:203.0.113.2:5070 udp, 1:203.0.113.3:5070 udp",
            3,
        ),
        (
            "example.com",
            None,
            "udp tcp",
            CARRIER,
            "0:203.0.113.1:5060 tcp+udp, 1:203.0.113.2:5060 tcp, 1:203.0.113.3:5060 tcp, 3:203.0.113.2:5070 udp, 3:203.0.113.3:5070 udp",
            3,
        ),
        ("EXAMPLE.com.", None, "tls", CARRIER, "0:203.0.113.1:5061 tls", 3),
        // SRV without NAPTR.
        ("example.com", None, "udp tcp", srv_only, "0:203.0.113.1:5080 udp, 1:203.0.113.2:5060 udp", 3),
        // A host of its own: the default ports.
        (
            "pbx.example.com",
            None,
            "udp tcp",
            host_only,
            "0:203.0.113.1:5060 udp+tcp, 0:203.0.113.2:5060 udp+tcp",
            3,
        ),
        ("pbx.example.com", None, "tls", host_only, "0:203.0.113.1:5061 tls, 0:203.0.113.2:5061 tls", 3),
        // RFC 2782: a service that is told not to be there is not looked for elsewhere.
        ("example.com", None, "udp", closed, "its SRV records say that the service is not there", 2),
        ("example.com", None, "udp tcp", closed, "0:203.0.113.9:5060 tcp", 3),
        ("nowhere.example.com", None, "udp", CARRIER, "no address stands behind it", 3),
    ];
    for (host, port, over, records, expected, turns) in table {
        let expected = (expected.to_owned(), turns);
        assert_eq!(sought(host, port, over, false, records), expected, "{host} {port:?} {over}");
    }
    assert_eq!(sought("pbx.example.com", None, "udp", true, host_only).0, "0:[2001:db8::7]:5060 udp");
}

#[test]
fn no_answer_takes_the_encryption_away() {
    let plain = "
        example.com NAPTR 10 10 s SIP+D2U - _sip._udp.example.com.
        example.com NAPTR 20 10 s SIP+D2T - _sip._tcp.example.com.
        _sip._udp.example.com SRV 0 1 5060 evil.example.com.
        _sip._tcp.example.com SRV 0 1 5060 evil.example.com.
        evil.example.com A 203.0.113.66";
    let encrypted_too = format!(
        "{plain}
        _sips._tcp.example.com SRV 0 1 5061 one.example.com.
        one.example.com A 203.0.113.1"
    );
    let none = "no address stands behind it";
    let table = [
        // A domain that offers plain services alone has none for a peer that is encrypted.
        ("tls", plain, none),
        ("tls tcp", plain, none),
        ("tls udp tcp", plain, none),
        ("tls", &encrypted_too, "0:203.0.113.1:5061 tls"),
        ("tls udp", &encrypted_too, "0:203.0.113.1:5061 tls"),
        // Where the policy itself prefers the clear, what is encrypted is the last resort, and nothing plain follows it.
        ("udp tls tcp", &encrypted_too, "0:203.0.113.66:5060 udp"),
        // A domain may prefer what is encrypted: then that alone.
        ("udp tls", CARRIER, "0:203.0.113.1:5061 tls"),
    ];
    for (over, records, expected) in table {
        assert_eq!(sought("example.com", None, over, false, records).0, expected, "{over}");
    }
}

#[test]
fn records_that_are_no_use_are_passed_over() {
    let table = [
        // Flags, services, regular expressions that RFC 3263 does not know; an empty replacement.
        ("example.com NAPTR 10 10 u SIP+D2U - _x.example.com.", true),
        ("example.com NAPTR 10 10 s E2U+sip - _x.example.com.", true),
        ("example.com NAPTR 10 10 s SIP+D2S - _x.example.com.", true),
        ("example.com NAPTR 10 10 s SIP+D2U !.*!sip:x@y! _x.example.com.", true),
        ("example.com NAPTR 10 10 s SIP+D2U - .", true),
        ("example.com NAPTR 10 10 S sip+d2u - _x.example.com.", false),
        // A record of a lower order that fits hides the others (RFC 3403).
        (
            "example.com NAPTR 20 1 s SIP+D2U - _sip._udp.example.com.
             example.com NAPTR 10 9 s SIP+D2U - _x.example.com.",
            false,
        ),
    ];
    for (naptr, ignored) in table {
        let records = format!(
            "{naptr}
             _sip._udp.example.com SRV 0 0 5060 one.example.com.
             _x.example.com SRV 0 0 5066 one.example.com.
             one.example.com A 203.0.113.1"
        );
        let expected = if ignored { "0:203.0.113.1:5060 udp" } else { "0:203.0.113.1:5066 udp" };
        assert_eq!(sought("example.com", None, "udp", false, &records).0, expected, "{naptr}");
    }
    // Port 0 is no place.
    let zero = "_sip._udp.example.com SRV 0 0 0 one.example.com.
        one.example.com A 203.0.113.1
        example.com A 203.0.113.9";
    assert_eq!(sought("example.com", None, "udp", false, zero).0, "0:203.0.113.9:5060 udp");
}

#[test]
fn a_flood_of_records_is_cut() {
    let srv: String = (0..RECORDS_MAX + 1)
        .map(|n| format!("_sip._udp.example.com SRV {n} 0 5060 h{n}.example.com.\n"))
        .collect();
    let hosts: String = (0..RECORDS_MAX + 1).map(|n| format!("h{n}.example.com A 203.0.113.{n}\n")).collect();
    let (list, _) = sought("example.com", None, "udp", false, &format!("{srv}{hosts}"));
    assert_eq!(list.split(", ").count(), RECORDS_MAX);
    let many: String = (0..=ADDRESSES_MAX).map(|n| format!("example.com A 203.0.113.{n}\n")).collect();
    let (list, _) = sought("example.com", None, "udp", false, &many);
    assert_eq!(list.split(", ").count(), ADDRESSES_MAX);
    let both: String = (0..4)
        .flat_map(|host| {
            let srv = format!("_sip._udp.example.com SRV 0 0 5060 h{host}.example.com.\n");
            std::iter::once(srv)
                .chain((0..16).map(move |n| format!("h{host}.example.com A 203.0.{host}.{n}\n")))
        })
        .collect();
    let (list, _) = sought("example.com", None, "udp", false, &both);
    assert_eq!(list.split(", ").count(), FOUND_MAX);
}

fn found(rows: &[(u8, u16, u16, u16)]) -> Vec<Found> {
    let one = |(last, rank, weight, record): &(u8, u16, u16, u16)| Found {
        address: SocketAddr::from(([203, 0, 113, *last], 5060)),
        transports: Transports::new(),
        rank: *rank,
        weight: *weight,
        record: *record,
    };
    rows.iter().map(one).collect()
}

/// How often each stands at each place in so many calls.
fn places(found: &[Found], calls: u64) -> HashMap<(u8, usize), u64> {
    let mut places = HashMap::new();
    for call in 0..calls {
        let order = ordered(found, call.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        assert_eq!(order.len(), found.len());
        for (place, found) in order.iter().enumerate() {
            let IpAddr::V4(ip) = found.address.ip() else { panic!("{found:?}") };
            *places.entry((ip.octets()[3], place)).or_default() += 1;
        }
    }
    places
}

#[test]
fn weights_share_out_the_calls_and_priorities_hold() {
    let calls = 20_000;
    let seen = |rows, at| *places(&found(rows), calls).get(&at).unwrap_or(&0);
    // Address, rank, weight, record; then who stands where in how many of 20,000 calls.
    let shares = &[(1, 0, 60, 0), (2, 0, 20, 1), (3, 0, 20, 2), (4, 1, 1, 3)][..];
    let zeros = &[(1, 0, 0, 0), (2, 0, 0, 1)][..];
    let rare = &[(1, 0, 0, 0), (2, 0, 99, 1)][..];
    let one_host = &[(1, 0, 5, 0), (2, 0, 5, 0), (3, 1, 5, 1)][..];
    let table = [
        (shares, (1, 0), 11_500..12_500),
        (shares, (2, 0), 3_600..4_400),
        (shares, (3, 0), 3_600..4_400),
        (shares, (4, 3), calls..calls + 1),
        (zeros, (1, 0), 9_500..10_500),
        // RFC 2782: a record of weight 0 has a very small chance beside others.
        (rare, (1, 0), 100..320),
        (one_host, (1, 0), 9_500..10_500),
        (one_host, (3, 2), calls..calls + 1),
    ];
    for (rows, at, expected) in table {
        let count = seen(rows, at);
        assert!(expected.contains(&count), "{rows:?} {at:?}: {count}");
    }
}
