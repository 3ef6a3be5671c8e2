//! One socket of a stream.
//!
//! Owns how it is opened and marked, and its twin: a second socket on the same port, connected to where the packets have gone for a
//! while. The system finds the way for each packet of a socket that is not connected, and once for one that is: a twentieth of what a
//! packet costs in the clear. The first socket hears everybody else, so that the twin changes what a packet costs and nothing that is seen.
//! Read first: udp(7), ip(7), ipv6(7), connect(2).

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::wait::Watch;
use crate::media::order::MediaLeg;
use crate::media::stream::Port;

/// Whose socket it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    /// The call's place in the table.
    pub(super) call: usize,
    pub(super) stream: u8,
    pub(super) leg: MediaLeg,
    pub(super) port: Port,
}

/// Packets that go to one address, one behind the other, until a twin is worth its socket: a second of speech.
const STEADY_PACKETS: u8 = 50;

/// How a packet is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By this socket, with its address.
    Addressed,
    /// The same, and from now on a twin is worth it.
    Steady,
    /// By the twin at this place of the table.
    Twin(usize),
}

/// Where the packets of a socket go.
#[derive(Debug, Clone, Copy, Default)]
struct Course {
    to: Option<SocketAddr>,
    /// Packets that went there, up to [`STEADY_PACKETS`].
    packets: u8,
    twin: Option<usize>,
    /// The twin is connected to `to`.
    is_met: bool,
}

/// A socket on a port of ours.
#[derive(Debug)]
pub(super) struct MediaSocket {
    pub(super) owner: Owner,
    /// The turn of the thread that took a packet last.
    pub(super) turn: u64,
    course: Course,
    udp: UdpSocket,
    is_ipv6: bool,
    dscp: u8,
}

impl MediaSocket {
    /// Binds it and has it watched.
    pub(super) fn open(
        watch: &Watch,
        place: usize,
        owner: Owner,
        bind: IpAddr,
        port: u16,
    ) -> io::Result<Self> {
        let address = SocketAddr::new(bind, port);
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // One socket, one family: networks of sources are written in the family that is used.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        // SO_REUSEADDR and SO_REUSEPORT stay off: nobody shares a port of a call but a twin, and see there.
        socket.bind(&address.into())?;
        watch.add(&socket, place)?;
        Ok(Self::around(socket, owner, address.is_ipv6()))
    }

    fn around(socket: Socket, owner: Owner, is_ipv6: bool) -> Self {
        Self { owner, turn: 0, course: Course::default(), udp: socket.into(), is_ipv6, dscp: 0 }
    }

    /// A second socket on this one's port that hears and meets the address where its packets go alone. `None` when they go nowhere yet.
    pub(super) fn twin(&self, watch: &Watch, place: usize) -> io::Result<Option<Self>> {
        let Some(to) = self.course.to else { return Ok(None) };
        let address = self.udp.local_addr()?;
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if self.is_ipv6 {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        let first = SockRef::from(&self.udp);
        // Both allow it for this one bind; nobody may join them afterwards.
        first.set_reuse_address(true)?;
        let bound = socket.set_reuse_address(true).and_then(|()| socket.bind(&address.into()));
        first.set_reuse_address(false)?;
        bound?;
        socket.set_reuse_address(false)?;
        socket.connect(&to.into())?;
        watch.add(&socket, place)?;
        let mut twin = Self::around(socket, self.owner, self.is_ipv6);
        twin.mark(self.dscp);
        Ok(Some(twin))
    }

    /// Which way a packet to this address goes; remembers that it went.
    pub(super) fn way(&mut self, to: SocketAddr) -> Way {
        let course = &mut self.course;
        if course.to != Some(to) {
            // The twin stays where it is until this is steady too.
            (course.to, course.packets, course.is_met) = (Some(to), 0, false);
            return Way::Addressed;
        }
        match course.twin {
            Some(twin) if course.is_met => Way::Twin(twin),
            Some(_) | None if course.packets < STEADY_PACKETS => {
                course.packets += 1;
                if course.packets == STEADY_PACKETS { Way::Steady } else { Way::Addressed }
            }
            // No twin could be had; it is tried again when the packets go elsewhere.
            Some(_) | None => Way::Addressed,
        }
    }

    /// There was no room to wait for a twin: it is asked for again after a while.
    pub(super) const fn asks_again(&mut self) {
        self.course.packets = 0;
    }

    /// Where the packets go, and the twin there was.
    pub(super) const fn course(&self) -> (Option<SocketAddr>, Option<usize>) {
        (self.course.to, self.course.twin)
    }

    /// The twin at this place goes where this one's packets go.
    pub(super) const fn met(&mut self, twin: usize) {
        (self.course.twin, self.course.is_met) = (Some(twin), true);
    }

    /// Goes there from now on: for a twin.
    pub(super) fn meet(&self, to: SocketAddr) -> io::Result<()> {
        SockRef::from(&self.udp).connect(&to.into())
    }

    /// Sends without waiting to whom it meets: for a twin. An ICMP error of a packet before is told by the send behind it, which
    /// sends nothing then; that packet is not the one to blame, and goes.
    pub(super) fn send_on(&self, packet: &[u8]) -> io::Result<usize> {
        match self.udp.send(packet) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => self.udp.send(packet),
            sent => sent,
        }
    }

    /// For one packet.
    pub(super) const fn udp(&self) -> &UdpSocket {
        &self.udp
    }

    /// For the batch.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.udp.as_fd()
    }

    /// Sends without waiting.
    pub(super) fn send(&self, packet: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.udp.send_to(packet, to)
    }

    /// Marks what leaves from now on.
    pub(super) fn mark(&mut self, dscp: u8) {
        if self.dscp == dscp {
            return;
        }
        let socket = SockRef::from(&self.udp);
        // RFC 2474 §3: the six upper bits of the octet; the lower two are for congestion (RFC 3168 §5).
        let octet = u32::from(dscp) << 2;
        let marked = if self.is_ipv6 { socket.set_tclass_v6(octet) } else { socket.set_tos_v4(octet) };
        match marked {
            Ok(()) => self.dscp = dscp,
            Err(error) => tracing::debug!(%error, dscp, "packets of a stream leave without their mark"),
        }
    }
}
