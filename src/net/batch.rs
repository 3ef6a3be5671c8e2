//! Many datagrams for one system call: recvmmsg(2) and sendmmsg(2).
//!
//! Owns the only `unsafe` of the crate, each block with its proof. Refuses to know listeners, SIP and the loop.
//! Read first: recvmmsg(2), sendmmsg(2), ip(7), ipv6(7).
#![allow(unsafe_code, reason = "recvmmsg and sendmmsg have no safe face; each block is proven beside it")]

use std::fmt;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use bytes::Bytes;

/// Datagrams for one call of the system at most.
pub const BATCH: usize = 32;

/// Datagrams asked for at least. What a call of the system costs here grows with what it is asked for, not only with what
/// it brings, so a quiet socket is asked for few and a busy one for more.
const ASKED_MIN: usize = 4;

/// The largest datagram UDP can carry; nothing is ever cut off.
pub const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Octets of a cache line.
const LINE: usize = 64;

/// Distance between two receive buffers: seventeen cache lines past the largest datagram, so that the first lines of all
/// buffers do not fight for the same cache sets.
const fn stride(datagram_bytes_max: usize) -> usize {
    datagram_bytes_max.next_multiple_of(LINE) + 17 * LINE
}

/// Room for one address of either family: a `sockaddr_in` fits into a `sockaddr_in6`.
type Name = libc::sockaddr_in6;

const NAME_BYTES: libc::socklen_t = size_of::<Name>() as libc::socklen_t;

/// A datagram that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Where to.
    pub remote: SocketAddr,
    /// What.
    pub bytes: Bytes,
}

/// What the kernel reads and writes beside the bytes: one name, one vector and one header for each datagram.
struct Forms {
    names: Box<[Name]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

impl Forms {
    fn new() -> Self {
        // SAFETY: all three are plain C structs of integers and raw pointers; all zeroes is a valid value of each.
        let (name, vector, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Self {
            names: vec![name; BATCH].into_boxed_slice(),
            vectors: vec![vector; BATCH].into_boxed_slice(),
            headers: vec![header; BATCH].into_boxed_slice(),
        }
    }
}

/// Buffers to receive one batch, made once and used for every socket in turn.
pub struct Inbox {
    buffers: Box<[u8]>,
    /// From one buffer to the next.
    stride: usize,
    /// Bytes of a datagram at most.
    datagram_bytes_max: usize,
    forms: Forms,
    received: usize,
    /// Datagrams the next call asks for.
    asks: usize,
    drained: bool,
}

/// What it takes to send one batch, made once and used for every socket in turn.
pub struct Outbox {
    forms: Forms,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// Buffers for `BATCH` datagrams of any size; pages that are never written to cost no memory.
    #[must_use]
    pub fn new() -> Self {
        Self::sized(DATAGRAM_BYTES_MAX)
    }

    /// Buffers for `BATCH` datagrams of so many bytes at most, `DATAGRAM_BYTES_MAX` in any case; of a longer one the
    /// rest is cut off.
    #[must_use]
    pub fn sized(datagram_bytes_max: usize) -> Self {
        let datagram_bytes_max = datagram_bytes_max.min(DATAGRAM_BYTES_MAX);
        let stride = stride(datagram_bytes_max);
        Self {
            buffers: vec![0; stride * BATCH].into_boxed_slice(),
            stride,
            datagram_bytes_max,
            forms: Forms::new(),
            received: 0,
            asks: ASKED_MIN,
            drained: false,
        }
    }

    /// Takes what waits on a socket, without waiting; returns how many datagrams `datagram` now has, `BATCH` at most.
    /// `WouldBlock` when nothing waited.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.received = 0;
        self.drained = false;
        let asked = self.asks.clamp(ASKED_MIN, BATCH);
        let places = self.buffers.chunks_exact_mut(self.stride).zip(self.forms.names.iter_mut());
        for (((buffer, name), vector), header) in
            places.zip(self.forms.vectors.iter_mut()).zip(self.forms.headers.iter_mut()).take(asked)
        {
            *vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: self.datagram_bytes_max };
            *header = message(name, NAME_BYTES, vector);
        }
        // SAFETY: the loop above wrote the first `asked` <= BATCH headers. Each points to one name, one vector and, through it, to
        // one buffer of `stride` >= `datagram_bytes_max` bytes; all live in boxes owned by `self`, which stays borrowed
        // until the call returns, and no two entries share memory. The kernel keeps no pointer after the call. A null
        // timeout is allowed.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.forms.headers.as_mut_ptr(),
                asked as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        self.received = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        self.drained = self.received < asked;
        // A full answer may have left a whole batch behind.
        self.asks = if self.drained { self.received * 2 } else { BATCH };
        Ok(self.received)
    }

    /// Takes one datagram that waits on a socket which does not wait itself: who sent it, how many bytes it has, and the whole buffer,
    /// as [`Inbox::place`] gives it. What `receive` took before is gone. `WouldBlock` when nothing waited.
    pub fn receive_one(&mut self, socket: &UdpSocket) -> io::Result<(SocketAddr, usize, &mut [u8])> {
        self.received = 0;
        let buffer = self.buffers.get_mut(..self.stride).unwrap_or_default();
        let room = buffer.get_mut(..self.datagram_bytes_max).unwrap_or_default();
        let (length, source) = socket.recv_from(room)?;
        Ok((SocketAddr::new(source.ip().to_canonical(), source.port()), length, buffer))
    }

    /// Whether the last `receive` took all there was; what comes later gives a new edge.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    /// A datagram of the last `receive`: who sent it, and its bytes. `None` past the last, and for an address that
    /// is neither IPv4 nor IPv6. An IPv4-mapped IPv6 address is given as the IPv4 address it is.
    #[must_use]
    pub fn datagram(&self, index: usize) -> Option<(SocketAddr, &[u8])> {
        let (source, length) = self.form(index)?;
        let start = index * self.stride;
        Some((source, self.buffers.get(start..start + length)?))
    }

    /// The same in its place, to be changed there: who sent it, how many bytes it has, and the whole buffer, which has
    /// more than a thousand bytes behind the largest datagram.
    pub fn place(&mut self, index: usize) -> Option<(SocketAddr, usize, &mut [u8])> {
        let (source, length) = self.form(index)?;
        let start = index * self.stride;
        Some((source, length, self.buffers.get_mut(start..start + self.stride)?))
    }

    /// Who sent a datagram, and how many bytes it has.
    fn form(&self, index: usize) -> Option<(SocketAddr, usize)> {
        if index >= self.received {
            return None;
        }
        let header = self.forms.headers.get(index)?;
        let name = self.forms.names.get(index)?;
        let length = usize::try_from(header.msg_len).ok()?.min(self.datagram_bytes_max);
        Some((address(name, header.msg_hdr.msg_namelen)?, length))
    }
}

impl Outbox {
    /// Forms for `BATCH` datagrams.
    #[must_use]
    pub fn new() -> Self {
        Self { forms: Forms::new() }
    }

    /// Sends the first of `datagrams`, `BATCH` at most, without waiting; returns how many the system took.
    /// An error is that of the first one; it may be left out and the rest tried again.
    pub fn send(&mut self, socket: BorrowedFd<'_>, datagrams: &[Datagram]) -> io::Result<usize> {
        let mut count: libc::c_uint = 0;
        let places =
            self.forms.names.iter_mut().zip(self.forms.vectors.iter_mut()).zip(self.forms.headers.iter_mut());
        for (datagram, ((name, vector), header)) in datagrams.iter().zip(places) {
            let name_bytes = write_address(name, datagram.remote);
            *vector = libc::iovec {
                iov_base: datagram.bytes.as_ptr().cast_mut().cast(),
                iov_len: datagram.bytes.len(),
            };
            *header = message(name, name_bytes, vector);
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        // SAFETY: the loop above wrote the first `count` <= BATCH headers. Each points to a name and a vector owned by
        // `self`, and the vector to the bytes of a datagram borrowed until after the call. sendmmsg reads through
        // these pointers and writes only `msg_len` of the headers, so casting away `const` is never acted upon.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.forms.headers.as_mut_ptr(),
                count,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("received", &self.received).finish_non_exhaustive()
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

/// One message of one vector.
fn message(name: &mut Name, name_bytes: libc::socklen_t, vector: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: a plain C struct of integers and raw pointers; all zeroes is a valid value. (A literal would have to
    // name padding fields that differ between C libraries.)
    let mut header: libc::mmsghdr = unsafe { zeroed() };
    header.msg_hdr.msg_name = ptr::from_mut(name).cast();
    header.msg_hdr.msg_namelen = name_bytes;
    header.msg_hdr.msg_iov = vector;
    header.msg_hdr.msg_iovlen = 1;
    header
}

/// Reads an address the kernel wrote into `name`, `length` bytes of it.
fn address(name: &Name, length: libc::socklen_t) -> Option<SocketAddr> {
    let length = usize::try_from(length).ok()?;
    match libc::c_int::from(name.sin6_family) {
        libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: `name` is a whole, initialised `sockaddr_in6` (28 bytes, aligned to 4); a `sockaddr_in` is 16
            // bytes of integers with the same alignment, every bit pattern of which is valid.
            let name = unsafe { ptr::from_ref(name).cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(name.sin_port)))
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            let port = u16::from_be(name.sin6_port);
            Some(match ip.to_ipv4_mapped() {
                Some(ip) => SocketAddr::new(IpAddr::V4(ip), port),
                None => SocketAddr::V6(SocketAddrV6::new(ip, port, 0, name.sin6_scope_id)),
            })
        }
        _ => None,
    }
}

/// Writes an address for the kernel; returns how many bytes of `name` it takes.
fn write_address(name: &mut Name, remote: SocketAddr) -> libc::socklen_t {
    match remote {
        SocketAddr::V4(remote) => {
            // SAFETY: a plain C struct of integers; all zeroes is a valid value.
            let mut four: libc::sockaddr_in = unsafe { zeroed() };
            four.sin_family = libc::AF_INET as libc::sa_family_t;
            four.sin_port = remote.port().to_be();
            four.sin_addr.s_addr = u32::from(*remote.ip()).to_be();
            // SAFETY: `name` is exclusively borrowed, 28 bytes long and aligned to 4; 16 bytes of integers aligned to
            // 4 are written into it, and any bytes make a valid `sockaddr_in6`.
            unsafe { ptr::from_mut(name).cast::<libc::sockaddr_in>().write(four) };
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(remote) => {
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = remote.port().to_be();
            name.sin6_flowinfo = 0;
            name.sin6_addr.s6_addr = remote.ip().octets();
            name.sin6_scope_id = remote.scope_id();
            NAME_BYTES
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn pair(host: &str) -> (UdpSocket, UdpSocket) {
        let one = UdpSocket::bind((host, 0)).unwrap();
        let two = UdpSocket::bind((host, 0)).unwrap();
        (one, two)
    }

    fn batch_crosses(host: &str) {
        let (from, to) = pair(host);
        let remote = to.local_addr().unwrap();
        let many: Vec<Datagram> = (0..BATCH + 3)
            .map(|n| Datagram { remote, bytes: Bytes::from(format!("datagram {n}")) })
            .collect();
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        assert_eq!(outbox.send(from.as_fd(), &many).unwrap(), BATCH, "never more than a batch");
        assert_eq!(outbox.send(from.as_fd(), &many[BATCH..]).unwrap(), 3);

        let mut taken = 0;
        for (asked, comes) in [(ASKED_MIN, ASKED_MIN), (BATCH, BATCH + 3 - ASKED_MIN)] {
            assert_eq!(inbox.receive(to.as_fd()).unwrap(), comes);
            assert_eq!(inbox.is_drained(), comes < asked);
            for n in 0..comes {
                let (source, bytes) = inbox.datagram(n).unwrap();
                assert_eq!(source, from.local_addr().unwrap());
                assert_eq!(bytes, format!("datagram {}", taken + n).as_bytes());
            }
            assert_eq!(inbox.datagram(comes), None, "nothing left over from the batch before");
            taken += comes;
        }
        assert_eq!(taken, many.len());
    }

    #[test]
    fn a_batch_crosses_over_ipv4() {
        batch_crosses("127.0.0.1");
    }

    #[test]
    fn a_batch_crosses_over_ipv6() {
        batch_crosses("::1");
    }

    #[test]
    fn an_empty_socket_would_block_and_leaves_nothing() {
        let (_, to) = pair("127.0.0.1");
        let mut inbox = Inbox::new();
        assert_eq!(inbox.receive(to.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(inbox.datagram(0), None);
    }

    #[test]
    fn the_largest_datagram_arrives_whole_and_an_empty_one_is_empty() {
        let (from, to) = pair("127.0.0.1");
        let remote = to.local_addr().unwrap();
        let large = Bytes::from(vec![b'x'; 65_507]);
        let both = [Datagram { remote, bytes: large.clone() }, Datagram { remote, bytes: Bytes::new() }];
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        assert_eq!(outbox.send(from.as_fd(), &both).unwrap(), 2);
        assert_eq!(inbox.receive(to.as_fd()).unwrap(), 2);
        assert_eq!(inbox.datagram(0).unwrap().1, &large[..]);
        assert_eq!(inbox.datagram(1).unwrap().1, b"");
    }

    #[test]
    fn a_smaller_inbox_cuts_and_gives_places_with_room_behind() {
        let (from, to) = pair("127.0.0.1");
        let remote = to.local_addr().unwrap();
        let mut inbox = Inbox::sized(100);
        for (length, taken) in [(99, 99), (100, 100), (101, 100), (60_000, 100), (0, 0)] {
            from.send_to(&vec![b'x'; length], remote).unwrap();
            assert_eq!(inbox.receive(to.as_fd()).unwrap(), 1);
            let (source, octets, place) = inbox.place(0).unwrap();
            assert_eq!((source, octets), (from.local_addr().unwrap(), taken));
            assert!(place.len() >= 1_100 && place[..octets].iter().all(|octet| *octet == b'x'));
            place[..octets].fill(b'y');
            assert!(inbox.datagram(0).unwrap().1.iter().all(|octet| *octet == b'y'));
            assert!(inbox.place(1).is_none());
            from.send_to(&vec![b'z'; length], remote).unwrap();
            let (source, octets, place) = inbox.receive_one(&to).unwrap();
            assert_eq!((source, octets), (from.local_addr().unwrap(), taken));
            assert!(place.len() >= 1_100 && place[..octets].iter().all(|octet| *octet == b'z'));
            assert!(inbox.place(0).is_none());
        }
    }

    #[test]
    fn a_mapped_address_is_given_as_ipv4() {
        let to = UdpSocket::bind("[::]:0").unwrap();
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = to.local_addr().unwrap().port();
        from.send_to(b"x", ("127.0.0.1", port)).unwrap();
        let mut inbox = Inbox::new();
        assert_eq!(inbox.receive(to.as_fd()).unwrap(), 1);
        assert_eq!(inbox.datagram(0).unwrap().0, from.local_addr().unwrap());
    }

    #[test]
    fn an_unsendable_datagram_is_an_error_of_the_first_and_a_short_count_behind_it() {
        let (from, to) = pair("127.0.0.1");
        let good = Datagram { remote: to.local_addr().unwrap(), bytes: Bytes::from_static(b"x") };
        let bad = Datagram { remote: "[::1]:9".parse().unwrap(), bytes: Bytes::from_static(b"y") };
        let mut outbox = Outbox::new();
        assert_eq!(outbox.send(from.as_fd(), &[good.clone(), bad.clone(), good.clone()]).unwrap(), 1);
        assert!(outbox.send(from.as_fd(), &[bad, good]).is_err());
        assert_eq!(outbox.send(from.as_fd(), &[]).unwrap(), 0);
    }

    #[test]
    fn addresses_survive_the_journey() {
        for text in ["192.0.2.7:5060", "[2001:db8::7]:5061", "[fe80::1%3]:5060", "255.255.255.255:65535"] {
            let remote: SocketAddr = text.parse().unwrap();
            // SAFETY: a plain C struct of integers; all zeroes is a valid value.
            let mut name: Name = unsafe { zeroed() };
            let length = write_address(&mut name, remote);
            assert_eq!(address(&name, length), Some(remote), "{text}");
            assert_eq!(address(&name, length - 1), None, "a short address is no address");
        }
    }
}
