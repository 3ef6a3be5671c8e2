//! Datagram sockets: one for each UDP listener, read and written in batches.
//!
//! Owns binding, buffer sizes and the queue of what waits to be sent. Refuses to know SIP and the engine.
//! Read first: RFC 3261 §18.1.1, §18.2.1; udp(7).

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::batch::{Datagram, Outbox};
use super::{Refused, Settings};
use crate::sip::ListenerId;

/// Datagrams that may wait on one socket when the system takes no more; above it they are dropped and counted.
/// UDP promises nothing, and SIP sends again.
pub const SEND_QUEUE_MAX: usize = 8_192;

/// One UDP listener.
#[derive(Debug)]
pub struct UdpPort {
    /// The listener it serves.
    pub listener: ListenerId,
    socket: UdpSocket,
    queue: VecDeque<Datagram>,
    blocked: bool,
}

/// What a flush did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Datagrams the system took.
    pub sent: u64,
    /// Where a datagram could not go, and why; the rest went on.
    pub unsendable: Vec<(SocketAddr, io::ErrorKind)>,
    /// Datagrams dropped because they are larger than any can be: that says nothing of where they were to go.
    pub oversize: u64,
}

impl UdpPort {
    /// Binds. Fails with the cause and the cure when another process has the address.
    pub fn bind(listener: ListenerId, address: SocketAddr, settings: &Settings) -> Result<Self, Refused> {
        let refused = |source| Refused { what: format!("udp {address}"), source };
        let socket =
            Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP)).map_err(refused)?;
        if address.is_ipv6() {
            // One socket, one family: an IPv4 peer is met on an IPv4 listener.
            socket.set_only_v6(true).map_err(refused)?;
        }
        socket.set_nonblocking(true).map_err(refused)?;
        // SO_REUSEADDR and SO_REUSEPORT stay off: a second process on this address must fail to start.
        socket.bind(&address.into()).map_err(refused)?;
        raise_receive_buffer(&socket, settings.udp_receive_buffer_bytes, address);
        Ok(Self { listener, socket: socket.into(), queue: VecDeque::new(), blocked: false })
    }

    /// The bound address.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// For the poll.
    #[must_use]
    pub fn raw(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// For `Inbox::receive`.
    #[must_use]
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Queues a datagram; `false` when the queue is full and it was dropped.
    pub fn push(&mut self, datagram: Datagram) -> bool {
        if self.queue.len() >= SEND_QUEUE_MAX {
            return false;
        }
        self.queue.push_back(datagram);
        true
    }

    /// How many wait to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether the last flush left something because the system took no more; it is tried again a little later.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Sends what is queued, until the system takes no more.
    pub fn flush(&mut self, outbox: &mut Outbox) -> Flushed {
        let mut flushed = Flushed::default();
        self.blocked = false;
        while !self.queue.is_empty() {
            match outbox.send(self.socket.as_fd(), self.queue.make_contiguous()) {
                Ok(0) => {
                    self.blocked = true;
                    break;
                }
                Ok(taken) => {
                    flushed.sent += taken as u64;
                    self.queue.drain(..taken);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_full(&error) => {
                    self.blocked = true;
                    break;
                }
                // EMSGSIZE: the fault of this datagram alone.
                Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                    self.queue.pop_front();
                    flushed.oversize += 1;
                }
                Err(error) => {
                    if let Some(lost) = self.queue.pop_front() {
                        flushed.unsendable.push((lost.remote, error.kind()));
                    }
                }
            }
        }
        flushed
    }
}

/// The socket's buffer, or the network card's queue, takes no more just now.
fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}

/// A burst waits in the socket's buffer while the loop is busy. What the system grants above its own limit needs a
/// privilege; without it the limit (net.core.rmem_max) stands.
fn raise_receive_buffer(socket: &Socket, bytes: usize, address: SocketAddr) {
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, bytes).is_ok() {
        return;
    }
    let granted = socket.set_recv_buffer_size(bytes).and_then(|()| socket.recv_buffer_size());
    match granted {
        Ok(granted) if granted >= bytes => {}
        Ok(granted) => tracing::warn!(
            listener = %address,
            asked_bytes = bytes,
            granted_bytes = granted,
            "the receive buffer is smaller than asked: bursts may be lost; raise net.core.rmem_max"
        ),
        Err(error) => tracing::warn!(listener = %address, %error, "the receive buffer stays as it is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn port() -> UdpPort {
        UdpPort::bind(ListenerId(0), "127.0.0.1:0".parse().unwrap(), &Settings::default()).unwrap()
    }

    #[test]
    fn f9_a_second_bind_is_refused_with_cause_and_cure() {
        let first = port();
        let address = first.local_address().unwrap();
        let refused = UdpPort::bind(ListenerId(1), address, &Settings::default()).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains(&address.to_string()) && text.contains("another process"), "{text}");
    }

    #[test]
    fn what_cannot_be_sent_is_named_and_the_rest_goes_on() {
        let mut from = port();
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let remote = to.local_addr().unwrap();
        let nowhere: SocketAddr = "[::1]:9".parse().unwrap();
        for remote in [remote, nowhere, remote] {
            assert!(from.push(Datagram { remote, bytes: Bytes::from_static(b"x") }));
        }
        let flushed = from.flush(&mut Outbox::new());
        assert_eq!(flushed.sent, 2);
        assert_eq!(flushed.unsendable.len(), 1);
        assert_eq!(flushed.unsendable[0].0, nowhere);
        assert!(from.queued() == 0 && !from.is_blocked());
    }

    #[test]
    fn a_datagram_that_is_too_large_is_dropped_alone_and_blames_nobody() {
        let mut from = port();
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let remote = to.local_addr().unwrap();
        for length in [1, 65_508, 65_507] {
            assert!(from.push(Datagram { remote, bytes: vec![b'x'; length].into() }));
        }
        let flushed = from.flush(&mut Outbox::new());
        assert_eq!(flushed, Flushed { sent: 2, unsendable: Vec::new(), oversize: 1 });
        assert!(from.queued() == 0 && !from.is_blocked());
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut from = port();
        let remote = from.local_address().unwrap();
        let datagram = Datagram { remote, bytes: Bytes::from_static(b"x") };
        let taken = (0..SEND_QUEUE_MAX + 5).filter(|_| from.push(datagram.clone())).count();
        assert_eq!(taken, SEND_QUEUE_MAX);
    }

    #[test]
    fn the_receive_buffer_holds_a_burst() {
        let port = port();
        let socket = socket2::SockRef::from(&port.socket);
        assert!(socket.recv_buffer_size().unwrap() > 200_000);
    }
}
