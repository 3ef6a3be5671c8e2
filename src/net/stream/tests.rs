//! Streams against a plain TCP peer, with the clock in the test's hand.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Waker};

use super::*;
use crate::net::tls::lab::Authority;
use crate::net::tls::{Book, ClientRule};
use crate::sip::PartyId;
use crate::sip::framing::Framed;
use crate::sip::parse::Limits;

#[path = "guest_tests.rs"]
mod guests;

const LISTENER: ListenerId = ListenerId(3);
const OPTIONS: &[u8] = b"OPTIONS sip:edge SIP/2.0\r\nContent-Length: 4\r\n\r\nbody";

/// What one turn of the loop saw.
#[derive(Debug, Default)]
struct Seen {
    messages: Vec<(ConnectionId, Vec<u8>)>,
    broken: Vec<ConnectionId>,
    news: Vec<News>,
}

struct Bench {
    poll: Poll,
    waker: Arc<Waker>,
    streams: Streams,
    address: SocketAddr,
    now: Tick,
}

/// Whoever is not a stranger is met as peer 1, those from 127.0.0.70 on as guests.
fn who(_: ListenerId, ip: IpAddr) -> Option<Met> {
    let guest = ip >= IpAddr::from([127, 0, 0, 70]);
    (ip != IpAddr::from([127, 0, 0, 66])).then_some(Met {
        party: PartyId(1),
        guest,
        known: ip == IpAddr::from([127, 0, 0, 90]),
    })
}

impl Bench {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let mut streams = Streams::new(settings, poll.registry().try_clone().unwrap());
        let address = streams.listen(LISTENER, Transport::Tcp, "127.0.0.1:0".parse().unwrap()).unwrap();
        Self { poll, waker, streams, address, now: Tick::from_micros(1_000_000) }
    }

    /// One wake-up: events, time, frames, news, flush.
    fn turn(&mut self) -> Seen {
        let mut events = Events::with_capacity(64);
        self.poll.poll(&mut events, Some(Duration::from_millis(50))).unwrap();
        for event in events.iter().filter(|event| event.token() != Token(0)) {
            self.streams.on_event(self.now, event, &who);
        }
        self.streams.on_time(self.now, &who);
        self.streams.take_done(self.now);
        let mut seen = Seen::default();
        for id in
            (0..self.streams.readable()).filter_map(|_| self.streams.next_readable()).collect::<Vec<_>>()
        {
            while let Some(reading) = self.streams.read(self.now, id) {
                if !self.frames(reading, &mut seen) {
                    break;
                }
            }
        }
        self.streams.flush(self.now);
        seen.news.extend(std::iter::from_fn(|| self.streams.next_news()));
        seen
    }

    fn frames(&mut self, mut reading: Reading, seen: &mut Seen) -> bool {
        let id = reading.flow.connection;
        loop {
            match reading.framer.next(&Limits::default()) {
                Ok(Some(Framed::Message(frame))) => {
                    seen.messages.push((id, frame.bytes.to_vec()));
                    reading.messages += 1;
                }
                Ok(Some(Framed::KeepAlivePing)) => self.streams.pong(id),
                Ok(Some(Framed::Pong)) => {}
                Ok(None) => return self.streams.give_back(self.now, reading),
                Err(_) => {
                    seen.broken.push(id);
                    let hop = reading.flow.back();
                    self.streams.send(self.now, &hop, b"SIP/2.0 400 Bad\r\nContent-Length: 0\r\n\r\n");
                    self.streams.close(self.now, id);
                    return false;
                }
            }
        }
    }

    /// Turns until `done`, at most two seconds.
    fn until(&mut self, mut done: impl FnMut(&Seen) -> bool) -> Seen {
        let mut all = Seen::default();
        for _ in 0..40 {
            let seen = self.turn();
            all.messages.extend(seen.messages);
            all.broken.extend(seen.broken);
            all.news.extend(seen.news);
            if done(&all) {
                return all;
            }
        }
        panic!("it never came; seen {all:?}, counts {:?}", self.streams.counts());
    }

    fn client(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        client
    }

    /// One from 127.0.0.`host`.
    fn client_at(&self, host: u8) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, host], 0)).into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        socket.into()
    }

    fn hop(&self, remote: SocketAddr) -> Hop {
        Hop {
            listener: LISTENER,
            transport: Transport::Tcp,
            remote,
            connection: ConnectionId::NONE,
            party: PartyId::NONE,
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }
}

fn read_some(client: &mut TcpStream) -> Vec<u8> {
    let mut buffer = [0; 65_536];
    let count = client.read(&mut buffer).unwrap_or(0);
    buffer[..count].to_vec()
}

/// The far side sees the end (or a reset), not a time-out.
fn is_closed(client: &mut TcpStream) -> bool {
    match client.read(&mut [0; 16]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn f1_an_end_that_comes_with_the_last_bytes_is_seen() {
    let mut bench = Bench::new(|_| {});
    for _ in 0..5 {
        let mut client = bench.client();
        client.write_all(OPTIONS).unwrap();
        drop(client);
        std::thread::sleep(Duration::from_millis(20));
        let seen = bench.until(|seen| seen.news.iter().any(|news| matches!(news, News::Closed(_))));
        assert_eq!(seen.messages.len(), 1);
    }
    assert_eq!(bench.streams.live(), 0);
}

#[test]
fn messages_cross_however_they_are_cut_and_answers_use_the_same_connection() {
    let mut bench = Bench::new(|_| {});
    let mut client = bench.client();
    client.write_all(&OPTIONS[..10]).unwrap();
    bench.turn();
    client.write_all(&OPTIONS[10..]).unwrap();
    client.write_all(OPTIONS).unwrap();
    let seen = bench.until(|seen| seen.messages.len() == 2);
    assert!(seen.messages.iter().all(|(_, bytes)| bytes == OPTIONS));
    let id = seen.messages[0].0;
    // By connection, and by the far side's address alone: the same stream, one write.
    let hop = bench.hop(client.local_addr().unwrap());
    let now = bench.now;
    bench.streams.send(now, &Hop { connection: id, ..hop }, b"one");
    bench.streams.send(now, &hop, b"two");
    bench.streams.flush(now);
    assert_eq!(read_some(&mut client), b"onetwo");
    assert_eq!(bench.streams.live(), 1);
}

#[test]
fn a_ping_is_answered_by_a_pong() {
    let mut bench = Bench::new(|_| {});
    let mut client = bench.client();
    client.write_all(b"\r\n\r\n").unwrap();
    bench.turn();
    bench.turn();
    assert_eq!(read_some(&mut client), b"\r\n");
}

#[test]
fn f2_a_stream_that_cannot_be_framed_is_answered_and_closed() {
    let mut bench = Bench::new(|_| {});
    let mut client = bench.client();
    client.write_all(b"INVITE sip:x SIP/2.0\r\nContent-Length: -1\r\n\r\n").unwrap();
    client.write_all(OPTIONS).unwrap();
    let seen = bench.until(|seen| !seen.broken.is_empty());
    assert!(seen.messages.is_empty(), "nothing behind the lie is read");
    assert!(read_some(&mut client).starts_with(b"SIP/2.0 400"));
    assert!(is_closed(&mut client), "our side is shut once the answer is out");
    // A closing stream serves no hop any more.
    let hop = Hop { connection: seen.broken[0], ..bench.hop(client.local_addr().unwrap()) };
    assert!(bench.streams.connection(hop.connection).is_some());
    bench.pass(Duration::from_secs(3));
    bench.turn();
    assert_eq!(bench.streams.live(), 0, "it goes even if the far side stays");
}

#[test]
fn f1_a_slow_head_is_cut_although_a_byte_comes_now_and_then() {
    let mut bench = Bench::new(|_| {});
    let mut client = bench.client();
    client.write_all(OPTIONS).unwrap();
    bench.until(|seen| seen.messages.len() == 1);
    for byte in &OPTIONS[..3] {
        client.write_all(&[*byte]).unwrap();
        bench.turn();
        assert_eq!(bench.streams.live(), 1);
        bench.pass(Duration::from_secs(4));
    }
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert!(matches!(seen.news[..], [News::Closed(_)]));
    assert_eq!(bench.streams.counts().cut_head, 1);
    assert!(is_closed(&mut client));
}

#[test]
fn f1_a_slow_body_is_cut() {
    let mut bench = Bench::new(|_| {});
    let mut client = bench.client();
    client.write_all(OPTIONS).unwrap();
    client.write_all(&OPTIONS[..OPTIONS.len() - 2]).unwrap();
    bench.until(|seen| seen.messages.len() == 1);
    bench.pass(Duration::from_millis(9_900));
    bench.turn();
    assert_eq!(bench.streams.live(), 1);
    bench.pass(Duration::from_millis(200));
    bench.turn();
    assert_eq!((bench.streams.live(), bench.streams.counts().cut_body), (0, 1));
}

#[test]
fn f1_a_stream_that_says_nothing_or_only_pings_is_cut() {
    let mut bench = Bench::new(|_| {});
    let mut silent = bench.client();
    let mut pinging = bench.client();
    bench.turn();
    for _ in 0..3 {
        bench.pass(Duration::from_millis(5_100));
        pinging.write_all(b"\r\n\r\n").unwrap();
        bench.turn();
    }
    assert_eq!(bench.streams.counts().cut_first_message, 2);
    assert!(is_closed(&mut silent));
    assert_eq!(bench.streams.live(), 0);
}

#[test]
fn an_idle_stream_goes_after_its_time() {
    let mut bench = Bench::new(|settings| settings.idle_timeout = Duration::from_secs(60));
    let mut client = bench.client();
    client.write_all(OPTIONS).unwrap();
    bench.until(|seen| seen.messages.len() == 1);
    bench.pass(Duration::from_secs(59));
    bench.turn();
    client.write_all(b"\r\n\r\n").unwrap();
    bench.turn();
    bench.pass(Duration::from_secs(59));
    bench.turn();
    assert_eq!(bench.streams.live(), 1, "a keep-alive keeps it alive");
    bench.pass(Duration::from_secs(2));
    bench.turn();
    assert_eq!((bench.streams.live(), bench.streams.counts().cut_idle), (0, 1));
}

#[test]
fn f1_caps_hold_overall_and_for_each_source() {
    let mut bench = Bench::new(|settings| {
        settings.connections_per_source_max = 2;
        settings.connections_max = 3;
    });
    let mut clients: Vec<TcpStream> = (0..3).map(|_| bench.client()).collect();
    bench.turn();
    assert_eq!((bench.streams.live(), bench.streams.counts().refused_source), (2, 1));
    assert!(is_closed(&mut clients[2]));
    drop(clients.remove(0));
    bench.until(|seen| matches!(seen.news[..], [News::Closed(_)]));
    let _again = bench.client();
    bench.turn();
    assert_eq!((bench.streams.live(), bench.streams.counts().refused_source), (2, 1), "a place comes back");
    let far = TcpListener::bind("127.0.0.1:0").unwrap();
    let (now, hop) = (bench.now, bench.hop(far.local_addr().unwrap()));
    bench.streams.send(now, &hop, b"x");
    assert_eq!(bench.streams.live(), 3);
    let _more = bench.client();
    bench.turn();
    assert_eq!(bench.streams.counts().refused_full, 1);
}

#[test]
fn a_stranger_is_closed_at_once_and_told_of() {
    let mut bench = Bench::new(|_| {});
    let mut client = bench.client_at(66);
    let seen = bench.until(|seen| !seen.news.is_empty());
    let News::Stranger(flow) = seen.news[0] else { panic!("{seen:?}") };
    assert_eq!(flow.remote, client.local_addr().unwrap());
    assert!(is_closed(&mut client));
    assert_eq!(bench.streams.live(), 0);
}

#[test]
fn a_hop_without_connection_is_called_and_the_connection_used_again() {
    let mut bench = Bench::new(|_| {});
    let far = TcpListener::bind("127.0.0.1:0").unwrap();
    let (now, hop) = (bench.now, bench.hop(far.local_addr().unwrap()));
    bench.streams.send(now, &hop, b"one");
    bench.streams.send(now, &hop, b"two");
    let (mut client, from) = far.accept().unwrap();
    assert_eq!(from.ip(), bench.address.ip(), "it leaves from the listener's address");
    bench.turn();
    assert_eq!(read_some(&mut client), b"onetwo");
    bench.streams.send(now, &hop, b"three");
    bench.turn();
    assert_eq!(read_some(&mut client), b"three");
    assert_eq!((bench.streams.live(), bench.streams.counts().connected), (1, 1));
    // What it answers comes in like on any other.
    client.write_all(OPTIONS).unwrap();
    bench.until(|seen| seen.messages.len() == 1);
}

#[test]
fn a_refused_connection_makes_its_hop_unsendable() {
    let mut bench = Bench::new(|_| {});
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (now, hop) = (bench.now, bench.hop(nobody));
    bench.streams.send(now, &hop, b"one");
    bench.streams.send(now, &hop, b"two");
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert_eq!(seen.news, [News::Unsendable(hop)], "once for each hop");
    assert_eq!((bench.streams.live(), bench.streams.counts().connect_failed), (0, 1));
}

#[test]
fn a_connection_that_is_not_taken_in_time_is_given_up() {
    let mut bench = Bench::new(|_| {});
    // A listener that never accepts, with its queue full: the call stays open.
    let far = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    far.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    far.listen(0).unwrap();
    let remote = far.local_addr().unwrap().as_socket().unwrap();
    let _first = TcpStream::connect(remote).unwrap();
    let (now, hop) = (bench.now, bench.hop(remote));
    bench.streams.send(now, &hop, b"x");
    bench.turn();
    bench.pass(Duration::from_secs(5));
    let seen = bench.until(|seen| !seen.news.is_empty());
    assert_eq!(seen.news, [News::Unsendable(hop)]);
}

#[test]
fn f3_bytes_for_a_far_side_that_reads_none_are_bounded() {
    let mut bench = Bench::new(|settings| settings.write_queue_bytes_max = 100_000);
    let mut client = bench.client();
    client.write_all(OPTIONS).unwrap();
    let id = bench.until(|seen| seen.messages.len() == 1).messages[0].0;
    let hop = Hop { connection: id, ..bench.hop(client.local_addr().unwrap()) };
    let block = vec![b'x'; 50_000];
    let mut news = Vec::new();
    for _ in 0..2_000 {
        let now = bench.now;
        bench.streams.send(now, &hop, &block);
        bench.streams.flush(now);
        news.extend(std::iter::from_fn(|| bench.streams.next_news()));
        if !news.is_empty() {
            break;
        }
    }
    let hop = Hop { connection: ConnectionId::NONE, ..hop };
    assert_eq!(news, [News::Closed(id), News::Unsendable(hop)], "once, for all that waited there");
    assert_eq!(bench.streams.counts().cut_write, 1);
}

#[test]
fn bytes_that_an_accepted_stream_did_not_take_before_it_died_are_told_of() {
    let mut bench = Bench::new(|settings| settings.write_queue_bytes_max = 64 << 20);
    let mut client = bench.client();
    client.write_all(OPTIONS).unwrap();
    let id = bench.until(|seen| seen.messages.len() == 1).messages[0].0;
    let remote = client.local_addr().unwrap();
    let (now, hop) = (bench.now, Hop { connection: id, ..bench.hop(remote) });
    bench.streams.send(now, &hop, &vec![b'x'; 32 << 20]);
    bench.turn();
    drop(client);
    let news = bench.until(|seen| seen.news.len() > 1).news;
    assert_eq!(news, [News::Closed(id), News::Unsendable(bench.hop(remote))]);
}

#[test]
fn a_stream_of_a_peer_that_is_gone_from_the_policy_is_closed() {
    let mut bench = Bench::new(|_| {});
    let mut client = bench.client();
    bench.turn();
    let now = bench.now;
    bench.streams.close_unknown(now, &who);
    bench.turn();
    assert_eq!(bench.streams.live(), 1, "a peer that stays keeps its streams");
    bench.streams.close_unknown(now, &|_, _| None);
    let seen = bench.turn();
    assert!(matches!(seen.news[..], [News::Closed(_)]), "{seen:?}");
    assert!(is_closed(&mut client), "though it never said a word");
}

#[test]
fn a_stale_id_reaches_nobody() {
    let mut bench = Bench::new(|_| {});
    let mut client = bench.client();
    client.write_all(OPTIONS).unwrap();
    let id = bench.until(|seen| seen.messages.len() == 1).messages[0].0;
    drop(client);
    bench.until(|seen| !seen.news.is_empty());
    let mut other = bench.client();
    other.write_all(OPTIONS).unwrap();
    let next = bench.until(|seen| seen.messages.len() == 1).messages[0].0;
    assert_ne!(id, next, "the place is used again, the id is not");
    let now = bench.now;
    let hop = Hop { connection: id, ..bench.hop("127.0.0.1:1".parse().unwrap()) };
    bench.streams.send(now, &hop, b"secret");
    bench.streams.flush(now);
    other.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(read_some(&mut other).is_empty());
}

/// RFC 5923 §5: whom a connection was made for is part of what it is found by.
#[test]
fn a_tls_connection_made_for_one_name_serves_no_other_and_nobody_is_called_without_one() {
    let mut bench = Bench::new(|_| {});
    let ca = Authority::new("lab");
    let entry = |party: u16, name: &str| {
        (PartyId(party), ca.shown(&["edge.example.com"]), ca.trust(&[name], ClientRule::Nothing))
    };
    let entries = vec![entry(1, "one.example.com"), entry(2, "two.example.com")];
    let book = Book::build(entries, Vec::new(), &Book::default()).unwrap();
    bench.streams.cover(Arc::new(book), &bench.waker).unwrap();
    let far = TcpListener::bind("127.0.0.1:0").unwrap();
    let hop = |party| Hop {
        transport: Transport::Tls,
        party: PartyId(party),
        ..bench.hop(far.local_addr().unwrap())
    };
    let (now, hops) = (bench.now, [0, 1, 2, 3].map(hop));
    for (hop, live) in hops.iter().zip([0, 1, 2, 2]).chain(hops.iter().zip([2, 2, 2, 2])) {
        bench.streams.send(now, hop, b"x");
        assert_eq!(bench.streams.live(), live, "{hop:?}");
    }
    let unsendable: Vec<News> = std::iter::from_fn(|| bench.streams.next_news()).collect();
    assert_eq!(unsendable, [0, 3, 0, 3].map(|party| News::Unsendable(hops[party])));
}
