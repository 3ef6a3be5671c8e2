//! One socket of a stream.
//!
//! Owns how it is opened and marked. An ICMP error never reaches it: it is not connected. Read first: udp(7), ip(7), ipv6(7).

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

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

/// A socket on a port of ours.
#[derive(Debug)]
pub(super) struct MediaSocket {
    pub(super) owner: Owner,
    /// It may have more, and stands in the list of those for the next turn.
    pub(super) waits: bool,
    udp: UdpSocket,
    is_ipv6: bool,
    dscp: u8,
}

impl MediaSocket {
    /// Binds and registers it.
    pub(super) fn open(
        registry: &Registry,
        token: Token,
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
        // SO_REUSEADDR and SO_REUSEPORT stay off: nobody shares a port of a call.
        socket.bind(&address.into())?;
        registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { owner, waits: false, udp: socket.into(), is_ipv6: address.is_ipv6(), dscp: 0 })
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
