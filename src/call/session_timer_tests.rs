//! Who refreshes and how often: the tables of RFC 4028 §7 to §10, each limit with its neighbours.

use bytes::Bytes;

use super::*;
use crate::sip::parse::{Limits, parse};

fn message(first: &str, lines: &str) -> Message {
    let text = format!(
        "{first}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nMax-Forwards: 70\r\nFrom: <sip:a@192.0.2.1>;tag=1\r\n\
         To: <sip:b@192.0.2.2>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1>\r\n{lines}\
         Content-Length: 0\r\n\r\n"
    );
    parse(Bytes::from(text), &Limits::default()).unwrap()
}

fn invite(lines: &str) -> Message {
    message("INVITE sip:b@192.0.2.2 SIP/2.0", lines)
}

fn response(lines: &str) -> Message {
    message("SIP/2.0 200 OK", lines)
}

const USUAL: SessionTimers = SessionTimers { expires: 1_800, min_se: 300, refresher: Refreshes::Edge };
const THEIRS: SessionTimers = SessionTimers { refresher: Refreshes::Peer, ..USUAL };

#[test]
fn a_request_is_granted_at_most_what_it_asks_and_what_the_policy_allows() {
    for (lines, want) in [
        // Interval: limit - 1, limit, limit + 1 of Min-SE and of session_expires.
        ("Supported: timer\r\nSession-Expires: 299\r\n", None),
        ("Supported: timer\r\nSession-Expires: 300\r\n", Some(300)),
        ("Supported: timer\r\nSession-Expires: 301\r\n", Some(301)),
        ("Supported: timer\r\nx: 1799\r\n", Some(1_799)),
        ("Supported: timer\r\nx: 1800\r\n", Some(1_800)),
        ("Supported: timer\r\nx: 1801\r\n", Some(1_800)),
        ("Supported: timer\r\nx: 99999999999999\r\n", Some(1_800)),
        ("Require: timer\r\nx: 10\r\n", None),
        // Who knows no session timers cannot try again: the interval is lifted.
        ("Session-Expires: 10\r\n", Some(300)),
        ("", Some(1_800)),
        ("Supported: timer\r\n", Some(1_800)),
        // A proxy's Min-SE holds too, and is bounded.
        ("Min-SE: 3600\r\n", Some(3_600)),
        ("Supported: timer\r\nSession-Expires: 4000\r\nMin-SE: 3600\r\n", Some(3_600)),
        ("Min-SE: 4294967295\r\n", Some(INTERVAL_SECONDS_MAX)),
    ] {
        let granted = grant(&USUAL, &Asked::read(&invite(lines)).unwrap());
        assert_eq!(granted.ok().map(|granted| granted.interval), want, "{lines}");
    }
}

#[test]
fn who_refreshes_is_as_asked_or_as_preferred() {
    use Refresher::{Uac, Uas};
    for (lines, settings, who, require) in [
        ("", &USUAL, Uas, false),
        ("", &THEIRS, Uas, false),
        ("Session-Expires: 600;refresher=uac\r\n", &USUAL, Uas, false),
        ("Session-Expires: 600;refresher=uas\r\n", &USUAL, Uas, false),
        ("Supported: timer\r\n", &USUAL, Uas, true),
        ("Supported: timer\r\n", &THEIRS, Uac, true),
        ("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n", &USUAL, Uac, true),
        ("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n", &THEIRS, Uac, true),
        ("Supported: 100rel, TIMER\r\nSession-Expires: 600;refresher=uas\r\n", &THEIRS, Uas, true),
    ] {
        let granted = grant(settings, &Asked::read(&invite(lines)).unwrap()).unwrap();
        assert_eq!((granted.refresher, granted.require), (who, require), "{lines}");
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    for lines in ["Session-Expires: soon\r\n", "Session-Expires: 90;refresher=me\r\n", "Min-SE: -1\r\n"] {
        assert!(Asked::read(&invite(lines)).is_err(), "{lines}");
    }
}

#[test]
fn an_answer_is_taken_within_bounds() {
    use Role::{Edge, Peer};
    for (lines, role, interval, agreed) in [
        ("", Edge, 1_800, false),
        ("Session-Expires: soon\r\n", Edge, 1_800, false),
        ("Session-Expires: 600;refresher=uac\r\n", Edge, 600, true),
        ("Session-Expires: 600\r\n", Edge, 600, true),
        ("Session-Expires: 600;refresher=uas\r\n", Peer, 600, true),
        // RFC 4028 §9 lets nobody lengthen it; refreshed more often than asked, nothing breaks.
        ("Session-Expires: 7200;refresher=uac\r\n", Edge, 1_800, true),
        // Nor is who lengthens it and wants to refresh waited for so long.
        ("Session-Expires: 1800;refresher=uas\r\n", Peer, 1_800, true),
        ("Session-Expires: 1801;refresher=uas\r\n", Edge, 1_800, true),
        ("Session-Expires: 4294967295;refresher=uas\r\n", Edge, 1_800, true),
        ("Session-Expires: 89;refresher=uac\r\n", Edge, 90, true),
        ("Session-Expires: 0;refresher=uas\r\n", Peer, 90, true),
    ] {
        let mut timer = SessionTimer::new(&USUAL);
        timer.heard(&response(lines), &USUAL);
        assert_eq!((timer.role, timer.interval, timer.agreed), (role, interval, agreed), "{lines}");
    }
}

#[test]
fn a_longer_interval_is_taken_where_the_peers_min_se_demands_it() {
    let mut timer = SessionTimer::new(&USUAL);
    assert!(timer.raise(&response("Min-SE: 86400\r\n")));
    for (seconds, role) in [(86_400, Role::Peer), (86_401, Role::Edge)] {
        timer.heard(&response(&format!("Session-Expires: {seconds};refresher=uas\r\n")), &USUAL);
        assert_eq!((timer.role, timer.interval), (role, 86_400), "{seconds}");
    }
}

#[test]
fn a_422_is_followed_a_few_times_and_only_upwards() {
    let mut timer = SessionTimer::new(&USUAL);
    for (lines, follows, offered) in [
        ("", false, 1_800),
        ("Min-SE: 1800\r\n", false, 1_800),
        ("Min-SE: 86401\r\n", false, 1_800),
        ("Min-SE: 1801\r\n", true, 1_801),
        ("Min-SE: 1800\r\n", false, 1_801),
        ("Min-SE: 86399\r\n", true, 86_399),
        ("Min-SE: 86400\r\n", true, 86_400),
    ] {
        assert_eq!((timer.raise(&response(lines)), timer.offered()), (follows, offered), "{lines}");
    }
    let mut timer = SessionTimer { raises: RAISES_MAX, ..SessionTimer::new(&USUAL) };
    assert!(!timer.raise(&response("Min-SE: 2000\r\n")));
    timer.heard(&response("Session-Expires: 1800;refresher=uas\r\n"), &USUAL);
    assert!(timer.raise(&response("Min-SE: 2000\r\n")));
}

#[test]
fn a_refresh_is_due_at_half_and_the_end_shortly_before_it_expires() {
    for (role, interval, due_ms) in [
        (Role::Edge, 90, 45_000),
        (Role::Edge, 91, 45_500),
        (Role::Edge, 1_800, 900_000),
        (Role::Peer, 90, 60_000),
        (Role::Peer, 95, 64_000),
        (Role::Peer, 96, 64_000),
        (Role::Peer, 97, 65_000),
        (Role::Peer, 1_800, 1_768_000),
    ] {
        let timer = SessionTimer { role, interval, ..SessionTimer::new(&USUAL) };
        assert_eq!(timer.due(), Duration::from_millis(due_ms), "{role:?} {interval}");
    }
}

#[test]
fn our_request_keeps_the_roles_of_the_dialog() {
    let written = |timer: &SessionTimer, settings: &SessionTimers| {
        let mut writer = Writer::request(&Method::Invite, text(b"sip:b@192.0.2.2"));
        timer.write_request(&mut writer, settings);
        String::from_utf8_lossy(&writer.finish(&[])).into_owned()
    };
    let mut timer = SessionTimer::new(&USUAL);
    assert!(written(&timer, &USUAL).contains("Session-Expires: 1800;refresher=uac\r\nMin-SE: 300\r\n"));
    assert!(written(&timer, &THEIRS).contains("Session-Expires: 1800;refresher=uas\r\n"));
    timer.heard(&response("Session-Expires: 600;refresher=uas\r\n"), &USUAL);
    assert!(written(&timer, &USUAL).contains("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n"));
    timer.granted(Granted { interval: 700, refresher: Refresher::Uas, require: true });
    assert!(written(&timer, &THEIRS).contains("Session-Expires: 700;refresher=uac\r\n"));
    let plain = SessionTimers::default();
    assert!(!written(&SessionTimer::new(&plain), &plain).contains("Min-SE"));
}

#[test]
fn update_is_used_where_allow_says_so_and_nobody_refused_it() {
    let mut timer = SessionTimer::new(&USUAL);
    for (lines, updates) in [
        ("", false),
        ("Allow: INVITE, UPDATE\r\n", true),
        ("", true),
        ("Allow: INVITE, ACK\r\nAllow: BYE\r\n", false),
    ] {
        timer.note_allow(&response(lines));
        assert_eq!(timer.updates(), updates, "{lines}");
    }
    timer.note_update(true);
    assert!(timer.updates());
    timer.note_update(false);
    timer.note_allow(&response("Allow: INVITE, UPDATE\r\n"));
    assert!(!timer.updates());
}

#[test]
fn only_a_peer_that_knows_timers_lets_its_session_expire() {
    let mut timer = SessionTimer::new(&USUAL);
    assert!(!timer.expires());
    timer.heard(&response("Session-Expires: 600;refresher=uac\r\n"), &USUAL);
    assert!(timer.expires());
    timer.heard(&response(""), &USUAL);
    assert!(!timer.expires());
    for (require, end) in [(true, 568), (false, 568)] {
        timer.granted(Granted { interval: 600, refresher: Refresher::Uas, require });
        assert_eq!((timer.expires(), timer.end()), (require, Duration::from_secs(end)));
    }
}
