//! The calls of one thread and their sockets.
//!
//! Owns places: a socket's is what its events name, and leads to its call without a search. Sockets are bounded, and calls by whoever
//! orders them. Refuses to know when packets come. Read first: `media/stream`.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::Settings;
use super::socket::{MediaSocket, Owner, Way};
use super::wait::Watch;
use crate::clock::Tick;
use crate::media::dtls::Identity;
use crate::media::order::{Local, MediaId, MediaLeg, News, Order, Protection, STREAMS_MAX, Spot, Terms};
use crate::media::stream::{Arrival, Departure, Port, Session, Verdict};

/// A place in a list that other places are remembered by.
type Place = usize;

/// Places that are taken and given back.
#[derive(Debug)]
struct Places<T> {
    list: Vec<Option<T>>,
    free: Vec<Place>,
}

impl<T> Places<T> {
    const fn new() -> Self {
        Self { list: Vec::new(), free: Vec::new() }
    }

    /// Where the next one will stand.
    fn next(&self) -> Place {
        self.free.last().copied().unwrap_or(self.list.len())
    }

    fn put(&mut self, one: T) {
        match self.free.pop().and_then(|place| self.list.get_mut(place)) {
            Some(place) => *place = Some(one),
            None => self.list.push(Some(one)),
        }
    }

    fn take(&mut self, place: Place) -> Option<T> {
        let one = self.list.get_mut(place)?.take()?;
        self.free.push(place);
        Some(one)
    }

    fn at(&self, place: Place) -> Option<&T> {
        self.list.get(place)?.as_ref()
    }

    fn at_mut(&mut self, place: Place) -> Option<&mut T> {
        self.list.get_mut(place)?.as_mut()
    }

    const fn count(&self) -> usize {
        self.list.len() - self.free.len()
    }
}

/// Sockets of one stream: by leg, then by port.
type Ends = [[Option<Place>; 2]; 2];

/// One call.
#[derive(Debug)]
struct Call {
    id: MediaId,
    session: Session,
    ends: [Ends; STREAMS_MAX],
}

impl Call {
    fn end(&mut self, leg: MediaLeg, stream: u8, port: Port) -> Option<&mut Option<Place>> {
        self.ends.get_mut(usize::from(stream))?.get_mut(leg as usize)?.get_mut(port as usize)
    }
}

/// Every call of one thread.
#[derive(Debug)]
pub(super) struct Table {
    watch: Watch,
    places: HashMap<MediaId, Place>,
    calls: Places<Call>,
    sockets: Places<MediaSocket>,
    sockets_max: usize,
    /// How many of the sockets are twins, which come beside the others and are bounded by themselves.
    twins: usize,
    twins_max: usize,
    /// Sockets whose packets have gone to one address for a while. Its room is fixed: who finds none asks again.
    steady: Vec<Place>,
    identity: Option<Arc<Identity>>,
    /// Calls with handshakes that want to be looked at, and when; a call that has ended wants nothing.
    shaking: Vec<(Place, Tick)>,
    /// Where their datagrams are written.
    buffer: Vec<u8>,
}

/// Sockets that wait for a twin.
const STEADY_MAX: usize = 256;
/// Twins that are opened in one turn.
const TWINS_PER_TURN: usize = 8;
/// Octets that a datagram of a handshake may have.
const HANDSHAKE_OCTETS_MAX: usize = 2_048;

impl Table {
    pub(super) fn new(watch: Watch, settings: &Settings, identity: Option<Arc<Identity>>) -> Self {
        // Each thread has its share.
        let share = |all: usize| all.checked_div(settings.threads.max(1)).unwrap_or(0);
        Self {
            watch,
            places: HashMap::new(),
            calls: Places::new(),
            sockets: Places::new(),
            sockets_max: share(settings.sockets_max),
            twins: 0,
            twins_max: share(settings.twins_max),
            steady: Vec::with_capacity(STEADY_MAX),
            identity,
            shaking: Vec::new(),
            buffer: vec![0; HANDSHAKE_OCTETS_MAX],
        }
    }

    /// The socket at this place.
    pub(super) fn socket(&self, place: Place) -> Option<&MediaSocket> {
        self.sockets.at(place)
    }

    /// The same, to be changed.
    pub(super) fn socket_mut(&mut self, place: Place) -> Option<&mut MediaSocket> {
        self.sockets.at_mut(place)
    }

    /// Judges a packet and sends it on; whether the system took it.
    pub(super) fn packet(
        &mut self,
        now: Tick,
        owner: Owner,
        source: SocketAddr,
        buffer: &mut [u8],
        octets: usize,
    ) -> io::Result<()> {
        let Owner { call: place, stream, leg, port } = owner;
        let Some(call) = self.calls.at_mut(place) else { return Ok(()) };
        let arrival = Arrival { stream, leg, port, source };
        match call.session.packet(now, arrival, buffer, octets) {
            // It was counted.
            Verdict::Drop(_) => Ok(()),
            Verdict::Shake => {
                self.look_at(place, now);
                Ok(())
            }
            Verdict::Send(Departure { leg, port, to, octets }) => {
                let end = call.end(leg, stream, port).copied().flatten();
                match (end, buffer.get(..octets)) {
                    (Some(end), Some(packet)) => self.send(end, port, packet, to),
                    (None, _) | (_, None) => Ok(()),
                }
            }
        }
    }

    /// Sends by a socket, or by its twin.
    fn send(&mut self, place: Place, port: Port, packet: &[u8], to: SocketAddr) -> io::Result<()> {
        let Some(socket) = self.sockets.at_mut(place) else { return Ok(()) };
        // Reports are so few that no twin pays for itself.
        let way = if port == Port::Rtp { socket.way(to) } else { Way::Addressed };
        let sent = match way {
            Way::Addressed => socket.send(packet, to),
            Way::Steady => {
                if self.steady.len() < STEADY_MAX {
                    self.steady.push(place);
                } else {
                    socket.asks_again();
                }
                socket.send(packet, to)
            }
            Way::Twin(twin) => match self.sockets.at(twin) {
                Some(twin) => twin.send_on(packet),
                None => Ok(0),
            },
        };
        sent.map(|_| ())
    }

    /// Whether a socket waits for its twin.
    pub(super) fn is_steady(&self) -> bool {
        !self.steady.is_empty()
    }

    /// Gives twins to some that wait for one: each opens a socket, and packets wait meanwhile. To be called when no event is left in
    /// the turn.
    pub(super) fn pair_some(&mut self) {
        for _ in 0..TWINS_PER_TURN {
            let Some(place) = self.steady.pop() else { return };
            if let Err(error) = self.pair(place) {
                // Packets go on as they went.
                tracing::debug!(%error, "a media socket gets no twin");
            }
        }
    }

    fn pair(&mut self, place: Place) -> io::Result<()> {
        // The place may be another's by now; then this is a little early for it, and no harm.
        let Some(socket) = self.sockets.at(place) else { return Ok(()) };
        let (Some(to), known) = socket.course() else { return Ok(()) };
        let twin = match known {
            Some(twin) => {
                let Some(met) = self.sockets.at(twin) else { return Ok(()) };
                met.meet(to)?;
                twin
            }
            None if self.twins >= self.twins_max => return Ok(()),
            None => {
                let twin = self.sockets.next();
                let Some(open) = socket.twin(&self.watch, twin)? else { return Ok(()) };
                self.sockets.put(open);
                self.twins += 1;
                twin
            }
        };
        if let Some(socket) = self.sockets.at_mut(place) {
            socket.met(twin);
        }
        Ok(())
    }

    /// Closes a socket and its twin. Dropping one ends its watch with it: epoll(7).
    fn end_socket(&mut self, place: Place) {
        let Some(socket) = self.sockets.take(place) else { return };
        if let (_, Some(twin)) = socket.course()
            && self.sockets.take(twin).is_some()
        {
            self.twins -= 1;
        }
    }

    /// Carries out an order; gives what is to be told of it.
    pub(super) fn carry_out(&mut self, now: Tick, order: Order) -> Option<News> {
        match order {
            Order::Open { spot, local } => self.open(spot, local),
            Order::Set { spot, terms } => self.set(now, spot, *terms),
            Order::Shut { spot } => {
                if let Some(place) = self.places.get(&spot.media).copied() {
                    self.shut(place, spot);
                }
                None
            }
            Order::Close { media } => self.close(media),
        }
    }

    /// Tells what time brought to every call.
    pub(super) fn tell(&mut self, now: Tick, mut told: impl FnMut(News)) {
        for call in self.calls.list.iter_mut().flatten() {
            call.session.tell(now, &mut told);
        }
    }

    /// When handshakes want to be looked at.
    pub(super) fn shakes_at(&self) -> Option<Tick> {
        self.shaking.iter().map(|(_, at)| *at).min()
    }

    /// Looks at those whose time it is: sends what they say, and tells what came of them.
    pub(super) fn shake(&mut self, now: Tick, mut told: impl FnMut(News)) {
        let Self { calls, sockets, shaking, buffer, .. } = self;
        shaking.retain_mut(|(place, at)| {
            if now < *at {
                return true;
            }
            let Some(Call { session, ends, .. }) = calls.at_mut(*place) else { return false };
            let send = |stream: u8, departure: Departure, packet: &[u8]| {
                let Departure { leg, port, to, .. } = departure;
                let end = ends.get(usize::from(stream)).map(|legs| legs[leg as usize][port as usize]);
                let socket = end.flatten().and_then(|place| sockets.at(place));
                if let Some(Err(error)) = socket.map(|socket| socket.send(packet, to)) {
                    // It is sent again when no answer comes.
                    tracing::debug!(%error, "a datagram of a handshake cannot be sent");
                }
            };
            let again = session.shake(now, buffer, send, &mut told);
            *at = again.unwrap_or(*at);
            again.is_some()
        });
    }

    /// Has the handshakes of a call looked at.
    fn look_at(&mut self, place: Place, now: Tick) {
        match self.shaking.iter_mut().find(|(known, _)| *known == place) {
            Some((_, at)) => *at = now,
            None => self.shaking.push((place, now)),
        }
    }

    fn open(&mut self, spot: Spot, local: Local) -> Option<News> {
        let failed = |why| Some(News::Failed { spot, why });
        if usize::from(spot.stream) >= STREAMS_MAX {
            return failed(format!("a call has {STREAMS_MAX} streams at most"));
        }
        let place = self.places.get(&spot.media).copied();
        if let Some(place) = place {
            self.shut(place, spot);
        }
        let ports = [(Port::Rtp, Some(local.rtp)), (Port::Rtcp, local.rtcp)];
        let wanted = ports.iter().filter(|(_, port)| port.is_some()).count();
        let count = self.sockets.count() - self.twins;
        if count + wanted > self.sockets_max {
            return failed(format!("{count} sockets for media are open, as many as there may be"));
        }
        let place = place.unwrap_or_else(|| self.begin(spot.media));
        for (port, number) in ports {
            let Some(number) = number else { continue };
            let owner = Owner { call: place, stream: spot.stream, leg: spot.leg, port };
            let socket = self.sockets.next();
            match MediaSocket::open(&self.watch, socket, owner, local.bind, number) {
                Ok(open) => self.sockets.put(open),
                Err(error) => {
                    self.shut(place, spot);
                    let address = SocketAddr::new(local.bind, number);
                    return failed(format!("no socket on {address} for media: {error}"));
                }
            }
            let end = self.calls.at_mut(place).and_then(|call| call.end(spot.leg, spot.stream, port));
            if let Some(end) = end {
                *end = Some(socket);
            }
        }
        if let Some(call) = self.calls.at_mut(place) {
            call.session.open(spot.leg, spot.stream, local.rtcp.is_none());
        }
        None
    }

    fn begin(&mut self, id: MediaId) -> Place {
        let place = self.calls.next();
        let ends = [[[None; 2]; 2]; STREAMS_MAX];
        self.calls.put(Call { id, session: Session::new(id, self.identity.clone()), ends });
        self.places.insert(id, place);
        place
    }

    fn set(&mut self, now: Tick, spot: Spot, terms: Terms) -> Option<News> {
        let place = *self.places.get(&spot.media)?;
        if matches!(terms.protection, Protection::Dtls { .. }) {
            self.look_at(place, now);
        }
        let call = self.calls.at_mut(place)?;
        for port in [Port::Rtp, Port::Rtcp] {
            let end = call.end(spot.leg, spot.stream, port).copied().flatten();
            let twin = end.and_then(|place| self.sockets.at(place)).and_then(|socket| socket.course().1);
            for place in [end, twin].into_iter().flatten() {
                if let Some(socket) = self.sockets.at_mut(place) {
                    socket.mark(terms.dscp);
                }
            }
        }
        call.session.set(now, spot, terms)
    }

    fn shut(&mut self, place: Place, spot: Spot) {
        let Some(call) = self.calls.at_mut(place) else { return };
        call.session.shut(spot.leg, spot.stream);
        let ends =
            [Port::Rtp, Port::Rtcp].map(|port| call.end(spot.leg, spot.stream, port).and_then(Option::take));
        ends.into_iter().flatten().for_each(|socket| self.end_socket(socket));
    }

    fn close(&mut self, media: MediaId) -> Option<News> {
        let call = self.calls.take(self.places.remove(&media)?)?;
        debug_assert_eq!(call.id, media);
        for socket in call.ends.iter().flatten().flatten().flatten() {
            self.end_socket(*socket);
        }
        Some(call.session.report())
    }
}
