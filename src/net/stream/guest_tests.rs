//! Guests among the streams: their share of the table, and their time (attack row F1).

use super::*;

/// Guests in a table for 6, of whom 3 may be open, 2 from one address.
fn with_guests() -> Bench {
    Bench::new(|settings| {
        settings.connections_max = 6;
        settings.guests_max = 3;
        settings.guests_per_source_max = 2;
        settings.guest_timeout = Duration::from_secs(10);
        settings.first_message_timeout = Duration::from_secs(60);
    })
}

#[test]
fn f1_guests_have_a_share_of_their_own_and_peers_the_rest() {
    let mut bench = with_guests();
    let mut guests: Vec<TcpStream> = [70, 70, 70, 71].map(|host| bench.client_at(host)).into();
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert_eq!(seen.news, [News::NoRoom(Room::Source([127, 0, 0, 70].into()))]);
    bench.turn();
    assert_eq!((bench.streams.guests(), bench.streams.counts().refused_source), (3, 1), "2 from one address");
    assert!(is_closed(&mut guests[2]));
    let _third = bench.client_at(72);
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert_eq!(seen.news[0], News::NoRoom(Room::Guests));
    assert_eq!((bench.streams.guests(), bench.streams.counts().evicted_guests), (3, 1));
    assert!(is_closed(&mut guests[0]), "the oldest of whoever holds most made way");
    let mut more = bench.client_at(72);
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert_eq!((seen.news, bench.streams.counts().refused_guests), (vec![News::NoRoom(Room::Guests)], 1));
    assert!(is_closed(&mut more), "nobody holds more than it does");
    let peers: Vec<TcpStream> = (0..4).map(|_| bench.client()).collect();
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert_eq!(seen.news, [News::NoRoom(Room::Table)]);
    assert_eq!((bench.streams.live(), bench.streams.guests()), (6, 3), "three peers beside three guests");
    // A place comes back with its guest, and with one that has proven who it is.
    drop((guests.remove(1), peers));
    bench.until(|seen| seen.news.len() == 5);
    assert_eq!(bench.streams.guests(), 2);
    let mut phone = bench.client_at(72);
    phone.write_all(OPTIONS).unwrap();
    let seen = bench.until(|seen| !seen.messages.is_empty());
    assert_eq!(bench.streams.guests(), 3);
    bench.streams.proven(seen.messages[0].0);
    bench.streams.proven(seen.messages[0].0);
    assert_eq!((bench.streams.guests(), bench.streams.live()), (2, 3), "once");
    let _last = bench.client_at(73);
    bench.turn();
    assert_eq!((bench.streams.guests(), bench.streams.counts().refused_guests), (3, 1));
}

#[test]
fn f1_a_guest_that_proves_nothing_in_time_is_cut_whatever_it_says() {
    let mut bench = with_guests();
    let mut guests: Vec<TcpStream> = [70, 71].map(|host| bench.client_at(host)).into();
    let mut ids = Vec::new();
    for guest in &mut guests {
        guest.write_all(OPTIONS).unwrap();
        ids.push(bench.until(|seen| !seen.messages.is_empty()).messages[0].0);
    }
    bench.streams.proven(ids[1]);
    let started = bench.now;
    bench.pass(Duration::from_millis(9_999));
    guests[0].write_all(OPTIONS).unwrap();
    bench.until(|seen| !seen.messages.is_empty());
    assert_eq!(bench.streams.live(), 2, "limit - 1");
    assert_eq!(bench.streams.next_deadline(), Some(started.after(Duration::from_secs(10))));
    bench.pass(Duration::from_millis(1));
    bench.turn();
    assert_eq!((bench.streams.live(), bench.streams.counts().cut_guest), (1, 1), "words are no proof");
    assert!(is_closed(&mut guests[0]));
    bench.pass(Duration::from_secs(100));
    bench.turn();
    assert_eq!((bench.streams.live(), bench.streams.guests()), (1, 0), "who has proven itself stays");
}

#[test]
fn f1_a_guest_whom_a_new_policy_lists_is_one_no_more() {
    let mut bench = with_guests();
    let _guests = [70, 70, 71].map(|host| bench.client_at(host));
    bench.turn();
    let now = bench.now;
    let listed = |_: ListenerId, ip: IpAddr| {
        Some(Met { party: PartyId(1), guest: ip == IpAddr::from([127, 0, 0, 71]), known: false })
    };
    bench.streams.close_unknown(now, &listed);
    assert_eq!((bench.streams.guests(), bench.streams.live()), (1, 3));
    bench.pass(Duration::from_secs(11));
    bench.turn();
    assert_eq!((bench.streams.guests(), bench.streams.live()), (0, 2));
}

#[test]
fn f1_a_guest_where_a_peers_name_leads_by_now_is_not_cut_in_its_call() {
    let mut bench = with_guests();
    let _guests = [70, 71].map(|host| bench.client_at(host));
    bench.until(|_| true);
    bench.turn();
    assert_eq!((bench.streams.guests(), bench.streams.live()), (2, 2));
    bench.pass(Duration::from_secs(11));
    let led = |_: ListenerId, ip: IpAddr| {
        Some(Met { party: PartyId(1), guest: ip == IpAddr::from([127, 0, 0, 71]), known: false })
    };
    bench.streams.on_time(bench.now, &led);
    assert_eq!((bench.streams.guests(), bench.streams.live()), (0, 1));
    assert_eq!(bench.streams.counts().cut_guest, 1, "the other one");
    let first_message = bench.streams.next_deadline().unwrap();
    assert!(first_message > bench.now, "its other deadlines hold");
    bench.pass(Duration::from_secs(60));
    bench.turn();
    assert_eq!((bench.streams.live(), bench.streams.counts().cut_first_message), (0, 1));
}

#[test]
fn f1_a_stream_of_a_removed_peer_is_no_guest_without_a_guests_bounds() {
    let mut bench = with_guests();
    let _listed = bench.client();
    let mut guest = bench.client_at(70);
    guest.write_all(OPTIONS).unwrap();
    let proven = bench.until(|seen| !seen.messages.is_empty()).messages[0].0;
    bench.streams.proven(proven);
    let _other = bench.client_at(71);
    bench.turn();
    bench.turn();
    assert_eq!((bench.streams.guests(), bench.streams.live()), (1, 3));
    let roams = |_: ListenerId, _: IpAddr| Some(Met { party: PartyId(1), guest: true, known: false });
    bench.streams.close_unknown(bench.now, &roams);
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert_eq!(seen.news.len(), 1, "the listed one alone is closed: {:?}", seen.news);
    assert_ne!(seen.news, [News::Closed(proven)], "who has proven a password stays");
    assert_eq!(bench.streams.guests(), 1);
}

/// How many connections of a source were counted as a stranger's frames.
fn counted(seen: &Seen, host: u8) -> usize {
    let of = |news: &&News| matches!(news, News::Silent(flow) if flow.remote.ip() == IpAddr::from([127, 0, 0, host]));
    seen.news.iter().filter(of).count()
}

#[test]
fn f1_a_crowd_at_one_listener_takes_no_place_at_another() {
    let mut bench = Bench::new(|settings| (settings.guests_max, settings.guests_per_source_max) = (12, 4));
    let crowded = bench.address;
    let other = bench.streams.listen(ListenerId(4), Transport::Tcp, "127.0.0.1:0".parse().unwrap()).unwrap();
    let mut crowd: Vec<TcpStream> = (0..12).map(|n| bench.client_at(71 + n / 4)).collect();
    bench.turn();
    assert_eq!(bench.streams.guests(), 12);
    for turn in 0..20 {
        bench.address = other;
        let mut phone = bench.client_at(70);
        let seen = bench.until(|seen| !seen.news.is_empty());
        assert_eq!((bench.streams.guests(), counted(&seen, 70)), (12, 0), "{turn}");
        bench.address = crowded;
        // Those that are cut come again at once, and others with them.
        crowd.extend((0..12).map(|n| bench.client_at(71 + n / 3)));
        bench.turn();
        phone.write_all(OPTIONS).unwrap();
        let seen = bench.until(|seen| !seen.messages.is_empty());
        bench.streams.proven(seen.messages[0].0);
        assert_eq!(bench.streams.guests(), 11, "{turn}: it was not the one that made way");
        crowd.push(bench.client_at(80));
        bench.turn();
    }
}

#[test]
fn f1_a_newcomer_finds_its_place_beside_a_crowd_and_the_silent_go_first() {
    let mut bench = Bench::new(|settings| (settings.guests_max, settings.guests_per_source_max) = (6, 3));
    let mut crowd: Vec<TcpStream> = [71, 71, 71, 72, 72, 72].map(|host| bench.client_at(host)).into();
    bench.turn();
    crowd[0].write_all(OPTIONS).unwrap();
    bench.until(|seen| !seen.messages.is_empty());
    let _newcomer = bench.client_at(70);
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert_eq!((counted(&seen, 71), counted(&seen, 72)), (0, 0), "whoever had no time is at no fault");
    assert!(is_closed(&mut crowd[1]), "of two that hold the same, the older; its first has said something");
    bench.now = bench.now.after(Duration::from_secs(5));
    let mut again = bench.client_at(71);
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert_eq!((counted(&seen, 71), counted(&seen, 72)), (0, 1), "72 holds most now");
    assert!(is_closed(&mut crowd[3]));
    again.write_all(OPTIONS).unwrap();
    bench.until(|seen| !seen.messages.is_empty());
    let counts = bench.streams.counts();
    assert_eq!((bench.streams.guests(), counts.evicted_guests, counts.refused_guests), (6, 2, 0));
}

#[test]
fn f1_a_guest_that_never_says_anything_whole_counts_as_a_stranger() {
    let mut bench = with_guests();
    // Closed by itself, cut, and a peer.
    drop(bench.client_at(70));
    let seen = bench.until(|seen| counted(seen, 70) > 0);
    assert_eq!(counted(&seen, 70), 1);
    let _silent = bench.client_at(71);
    bench.turn();
    bench.pass(Duration::from_secs(10));
    let seen = bench.until(|seen| counted(seen, 71) > 0);
    assert_eq!((counted(&seen, 71), bench.streams.counts().cut_guest), (1, 1));
    drop(bench.client());
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert!(matches!(seen.news[..], [News::Closed(_)]), "a peer's machine: {seen:?}");
    let mut speaks = bench.client_at(72);
    speaks.write_all(OPTIONS).unwrap();
    bench.until(|seen| !seen.messages.is_empty());
    drop(speaks);
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert!(matches!(seen.news[..], [News::Closed(_)]), "it said something: {seen:?}");
}

/// Whoever proved a password there is not pushed aside by those who never did: nobody takes its place, and it takes nobody's.
#[test]
fn f1_a_crowd_takes_no_place_of_a_source_that_is_known() {
    let mut bench = Bench::new(|settings| (settings.guests_max, settings.guests_per_source_max) = (4, 2));
    let _crowd: Vec<TcpStream> = (71..75).map(|host| bench.client_at(host)).collect();
    bench.turn();
    assert_eq!(bench.streams.guests(), 4);
    let mut known: Vec<TcpStream> = [90, 90].map(|host| bench.client_at(host)).into();
    let _more: Vec<TcpStream> = (75..85).map(|host| bench.client_at(host)).collect();
    bench.turn();
    bench.turn();
    assert_eq!(
        (bench.streams.guests(), bench.streams.live(), bench.streams.counts().refused_guests),
        (4, 6, 0)
    );
    for phone in &mut known {
        phone.write_all(OPTIONS).unwrap();
        assert_eq!(bench.until(|seen| !seen.messages.is_empty()).messages.len(), 1);
    }
    // Of its own it has no more than any other address.
    let _third = bench.client_at(90);
    bench.turn();
    assert_eq!((bench.streams.live(), bench.streams.counts().refused_source), (6, 1));
}
