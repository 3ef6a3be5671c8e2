//! Which record waits for which report, and what a silence means.

use super::*;
use crate::call::passed::Messages;
use crate::call::record::{Disposition, EndedBy};
use crate::clock::Wall;
use crate::media::order::{Learning, Local, Terms};
use crate::policy::Trail;

const MEDIA: MediaId = MediaId(7);

fn at(millis: u64) -> Tick {
    Tick::from_micros(millis * 1_000)
}

fn spot(leg: MediaLeg, stream: u8) -> Spot {
    Spot { media: MEDIA, leg, stream }
}

fn record() -> Box<CallRecord> {
    Box::new(CallRecord {
        id: 1,
        follows: None,
        direction: None,
        from: String::new(),
        to: String::new(),
        credential: None,
        forwarder: None,
        legs: Vec::new(),
        began: Wall::default(),
        rang: None,
        answered: None,
        ended: Wall::default(),
        disposition: Disposition::Answered,
        ended_by: EndedBy::Caller,
        status: 200,
        why: "bye".into(),
        code: None,
        number: None,
        trail: Trail::new(),
        messages: Messages::default(),
        media: Vec::new(),
    })
}

fn report() -> Vec<StreamReport> {
    vec![StreamReport {
        spot: spot(MediaLeg::A, 0),
        packets: 50,
        octets: 8_000,
        lost: 1,
        jitter: Duration::from_micros(125),
        late: 0,
        replayed: 0,
        unauthentic: 0,
        foreign: 0,
        refused: 0,
        events: 2,
        opinion: Some(4.4),
    }]
}

fn open(spot: Spot) -> Order {
    Order::Open { spot, local: Local { bind: [127, 0, 0, 1].into(), rtp: 20_000, rtcp: None } }
}

fn set(spot: Spot, receives: bool) -> Order {
    let place = Some("192.0.2.1:4000".parse().unwrap());
    let terms = Terms {
        remote: place,
        remote_rtcp: place,
        receives,
        sends: true,
        protection: Protection::Plain,
        early: false,
        learning: Learning::Signalled,
        formats: SmallVec::new(),
        events: None,
        clock_rate: 8_000,
        packets_per_second_max: 500,
        dscp: 46,
        silence: Some(Duration::from_secs(60)),
    };
    Order::Set { spot, terms: Box::new(terms) }
}

fn watched(orders: &[Order]) -> Watched {
    let mut watched = Watched {
        key: CallKey::from_bits(0),
        ears: SmallVec::new(),
        closed: false,
        report: None,
        record: None,
    };
    orders.iter().for_each(|order| watched.take(order));
    watched
}

fn watch() -> Watch {
    let mut watch = Watch::new(None);
    watch.calls.insert(MEDIA, watched(&[open(spot(MediaLeg::A, 0)), open(spot(MediaLeg::B, 0))]));
    watch
}

#[test]
fn a_record_waits_for_its_report_for_a_second_at_most() {
    // The report comes behind the record.
    let mut watch_one = watch();
    assert!(watch_one.keep(at(0), Some(MEDIA), record()).is_none());
    assert_eq!(watch_one.due(), Some(at(1_000)));
    assert!(watch_one.reported(MediaId(8), report()).is_none(), "another's report is no report of it");
    assert!(watch_one.overdue(at(999)).is_none());
    assert_eq!(watch_one.reported(MEDIA, report()).unwrap().media, report());
    assert!(watch_one.is_idle() && watch_one.calls.is_empty() && watch_one.due().is_none());
    // It never comes.
    let mut watch_two = watch();
    assert!(watch_two.keep(at(0), Some(MEDIA), record()).is_none());
    assert_eq!(watch_two.overdue(at(1_000)).unwrap().media, Vec::new());
    assert!(watch_two.is_idle() && watch_two.calls.is_empty());
    assert!(watch_two.reported(MEDIA, report()).is_none(), "too late");
    // It came before.
    let mut watch_three = watch();
    assert!(watch_three.reported(MEDIA, report()).is_none());
    assert_eq!(watch_three.keep(at(5), Some(MEDIA), record()).unwrap().media, report());
    assert!(watch_three.is_idle());
    // A call without media waits for nothing.
    for media in [None, Some(MediaId(9))] {
        assert_eq!(watch().keep(at(0), media, record()).unwrap().media, Vec::new());
    }
}

#[test]
fn a_silence_ends_a_call_where_nobody_is_heard_and_is_one_way_where_the_other_is() {
    let (a, b, picture) = (spot(MediaLeg::A, 0), spot(MediaLeg::B, 0), spot(MediaLeg::A, 1));
    let both = [open(a), open(b), set(a, true), set(b, true)];
    let rows: [(&[Order], &[Spot], Spot, Silence); 6] = [
        (&both, &[a], a, Silence::OneWay),
        (&both, &[a, b], b, Silence::Whole),
        // The other one listens to music and may not speak: there is nobody else to be heard.
        (&[open(a), open(b), set(a, true), set(b, false)], &[a], a, Silence::Whole),
        (&[open(a), open(b), set(a, true), set(b, true), Order::Shut { spot: b }], &[a], a, Silence::Whole),
        // Pictures go on.
        (&[open(a), set(a, true), open(picture), set(picture, true)], &[a], a, Silence::Elsewhere),
        // Held and taken back: the silence of before counts no more.
        (
            &[open(a), open(b), set(a, true), set(b, true), set(a, false), set(a, true)],
            &[b],
            b,
            Silence::OneWay,
        ),
    ];
    for (index, (orders, silent, told, meant)) in rows.into_iter().enumerate() {
        let mut watched = watched(orders);
        for spot in silent {
            watched.ear(*spot).unwrap().silent = true;
        }
        assert_eq!(watched.silence(told, true), meant, "row {index}");
        // The other side has not been heard for a while either.
        let both = if meant == Silence::Whole { Silence::Whole } else { Silence::Elsewhere };
        assert_eq!(watched.silence(told, false), both, "row {index}");
    }
    let mut held = watched(&both);
    held.ear(a).unwrap().silent = true;
    held.take(&set(a, false));
    assert!(!held.ear(a).unwrap().silent, "who may not send is not silent");
    held.take(&Order::Close { media: MEDIA });
    assert!(held.closed && held.ears.is_empty());
}
