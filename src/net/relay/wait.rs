//! What a thread of the relay waits on: its sockets and its bell.
//!
//! Owns an epoll that tells of a socket for as long as something waits on it. A packet of a stream mostly comes alone, and who is told
//! of it but once must ask again, in vain, to know that it was alone; that costs a third of taking it. Refuses to know packets.
//! Read first: epoll(7) about level and edge; eventfd(2).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::{Errno, write};

/// Events of one wait.
const EVENTS: usize = 1_024;
/// What the bell is told of as; no place of the table is as large.
const BELL: u64 = u64::MAX;

/// The wait itself.
#[derive(Debug)]
pub(super) struct Wait(Arc<OwnedFd>);

/// What the last wait brought. It stays with its thread.
pub(super) struct Events(Vec<Event>);

/// Where sockets are put under watch.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<OwnedFd>);

/// What wakes the thread from another.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    /// The bell rang.
    Bell,
    /// Something waits on the socket at this place.
    Socket(usize),
}

impl Wait {
    /// A wait on nothing yet.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(epoll::create(CreateFlags::CLOEXEC)?)))
    }

    /// A bell that ends this wait.
    pub(super) fn bell(&self) -> io::Result<Bell> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // By the edge: each ring is one, and nobody has to read it.
        epoll::add(&self.0, &bell, EventData::new_u64(BELL), EventFlags::IN | EventFlags::ET)?;
        Ok(Bell(bell))
    }

    /// Where sockets are put under watch.
    pub(super) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.0))
    }

    /// Waits until something is ready, so long at most; a signal may end it earlier, with nothing.
    pub(super) fn wait(&self, events: &mut Events, timeout: Duration) -> io::Result<()> {
        events.0.clear();
        // Longer than any wait of ours; what does not fit is the longest there is.
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
        match epoll::wait(&self.0, spare_capacity(&mut events.0), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Events {
    /// Room for those of one wait.
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }

    /// What is ready.
    pub(super) fn iter(&self) -> impl Iterator<Item = Ready> {
        self.0.iter().filter_map(|event| {
            // The struct is packed: its fields are copied.
            let about = event.data;
            match about.u64() {
                BELL => Some(Ready::Bell),
                place => usize::try_from(place).ok().map(Ready::Socket),
            }
        })
    }
}

impl Watch {
    /// Tells of this socket from now on, as the one at this place, for as long as something waits on it. Closing it ends that.
    pub(super) fn add(&self, socket: impl AsFd, place: usize) -> io::Result<()> {
        Ok(epoll::add(&self.0, socket, EventData::new_u64(place as u64), EventFlags::IN)?)
    }
}

impl Bell {
    /// Ends the wait of the thread, or its next one.
    pub(super) fn ring(&self) -> io::Result<()> {
        match write(&self.0, &1_u64.to_ne_bytes()) {
            // So full that it has rung and was not heard yet: eventfd(2).
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    fn ready(wait: &Wait) -> Vec<Ready> {
        let mut events = Events::new();
        wait.wait(&mut events, AT_ONCE).unwrap();
        events.iter().collect()
    }

    #[test]
    fn a_socket_is_told_of_until_nothing_waits_on_it_and_never_once_it_is_closed() {
        let wait = Wait::new().unwrap();
        let (from, to) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        wait.watch().add(&to, 7).unwrap();
        assert_eq!(ready(&wait), []);
        for _ in 0..2 {
            from.send_to(b"x", to.local_addr().unwrap()).unwrap();
        }
        for _ in 0..2 {
            assert_eq!(ready(&wait), [Ready::Socket(7)]);
            to.recv(&mut [0; 8]).unwrap();
        }
        assert_eq!(ready(&wait), []);
        from.send_to(b"x", to.local_addr().unwrap()).unwrap();
        assert_eq!(ready(&wait), [Ready::Socket(7)]);
        drop(to);
        assert_eq!(ready(&wait), []);
    }

    #[test]
    fn the_bell_is_heard_once_for_all_its_rings_and_again_for_the_next() {
        let wait = Wait::new().unwrap();
        let bell = wait.bell().unwrap();
        assert_eq!(ready(&wait), []);
        for _ in 0..3 {
            bell.ring().unwrap();
            bell.ring().unwrap();
            assert_eq!(ready(&wait), [Ready::Bell]);
            assert_eq!(ready(&wait), []);
        }
    }
}
