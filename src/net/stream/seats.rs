//! Where guests sit: at which listener, over which transport, from which source, and who of them must make way.
//!
//! Owns the order in which they make way. Refuses to know sockets. Each step costs O(log n) in the guests there are, and a look
//! at the connections of one source, which are few (`guests_per_source`). Read first: attack row F1.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::Source;
use crate::sip::{ConnectionId, ListenerId, Transport};

/// Connections of the source that makes way that are looked at, from the oldest on, for one that has said nothing.
pub(super) const LOOK_MAX: usize = 32;

/// A listener's transport.
pub(super) type Door = (ListenerId, Transport);

/// All guests.
#[derive(Debug, Default)]
pub(super) struct Seats {
    rooms: Vec<Room>,
    taken: usize,
    next: u64,
}

/// The guests of one door.
#[derive(Debug)]
struct Room {
    door: Door,
    taken: usize,
    /// From the oldest to the youngest, with the number of its turn.
    sources: HashMap<Source, Vec<(u64, ConnectionId)>>,
    /// Last stands the source that holds most places, and of several the one whose oldest is the oldest.
    crowds: BTreeSet<(usize, Reverse<u64>, Source)>,
}

impl Seats {
    /// How many guests there are.
    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    /// One more.
    pub(super) fn take(&mut self, door: Door, source: Source, id: ConnectionId) {
        let place = self.rooms.iter().position(|room| room.door == door).unwrap_or_else(|| {
            self.rooms.push(Room { door, taken: 0, sources: HashMap::new(), crowds: BTreeSet::new() });
            self.rooms.len() - 1
        });
        let Some(room) = self.rooms.get_mut(place) else { return };
        let turn = self.next;
        self.next += 1;
        self.taken += 1;
        room.change(source, |seats| seats.push((turn, id)));
    }

    /// One is gone, or is none any more.
    pub(super) fn leave(&mut self, door: Door, source: Source, id: ConnectionId) {
        let Some(room) = self.rooms.iter_mut().find(|room| room.door == door) else { return };
        let before = room.taken;
        room.change(source, |seats| seats.retain(|(_, seated)| *seated != id));
        self.taken -= before - room.taken;
    }

    /// Of whom one must make way for a newcomer when all places are taken, from the oldest on: of the source that holds most
    /// places, at the door that does. So each door has its share, whatever happens at others, and no source gains by holding
    /// more than another. None where the newcomer itself would be the one.
    pub(super) fn crowd(&self, door: Door, source: Source) -> Option<impl Iterator<Item = ConnectionId>> {
        let fullest = self.rooms.iter().max_by_key(|room| (room.taken, room.door == door))?;
        let (most, _, crowd) = fullest.crowds.last()?;
        let own = fullest.sources.get(&source).map_or(0, Vec::len);
        if fullest.door == door && own >= *most {
            return None;
        }
        fullest.sources.get(crowd).map(|seats| seats.iter().take(LOOK_MAX).map(|(_, id)| *id))
    }
}

impl Room {
    /// Changes who of a source sits here, and keeps all that is known of them in step.
    fn change(&mut self, source: Source, how: impl FnOnce(&mut Vec<(u64, ConnectionId)>)) {
        let rank = |seats: &[(u64, ConnectionId)]| {
            seats.first().map(|(turn, _)| (seats.len(), Reverse(*turn), source))
        };
        let seats = self.sources.entry(source).or_default();
        if let Some(rank) = rank(seats) {
            self.crowds.remove(&rank);
        }
        self.taken -= seats.len();
        how(seats);
        self.taken += seats.len();
        match rank(seats) {
            Some(rank) => {
                self.crowds.insert(rank);
            }
            None => {
                self.sources.remove(&source);
            }
        }
    }
}
