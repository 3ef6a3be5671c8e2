//! A table of times by key that never grows: eight places for each set of keys, and the oldest time makes room.
//!
//! Owns its bound. Refuses to know what a time means. Read first: spec/limits.md, "Memory bounds".

/// Keys at once: 16 octets each, 1 MiB in all.
pub const KEYS_MAX: usize = 65_536;

/// Places of one set.
const WAYS: usize = 8;

/// One place; key 0 is nobody's.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    key: u64,
    time: u64,
}

/// Times by key. Takes its memory with the first key.
#[derive(Debug, Default)]
pub struct Slots(Vec<[Place; WAYS]>);

/// Nobody's key is one of the others.
const fn own(key: u64) -> u64 {
    if key == 0 { 1 } else { key }
}

fn set(key: u64) -> usize {
    // Keys are keyed hashes: any bits of them will do.
    usize::try_from(key % (KEYS_MAX / WAYS) as u64).unwrap_or(0)
}

impl Slots {
    /// The time of a key.
    #[must_use]
    pub fn find(&self, key: u64) -> Option<u64> {
        let key = own(key);
        self.0.get(set(key))?.iter().find(|place| place.key == key).map(|place| place.time)
    }

    /// Gives a key a time. Whose key made room for it.
    pub fn put(&mut self, key: u64, time: u64) -> Option<u64> {
        if self.0.is_empty() {
            self.0 = vec![[Place::default(); WAYS]; KEYS_MAX / WAYS];
        }
        let key = own(key);
        let places = self.0.get_mut(set(key))?;
        let rank = |place: &Place| (place.key != key, place.key != 0, place.time);
        let place = places.iter_mut().min_by_key(|place| rank(place))?;
        let gone = (place.key != 0 && place.key != key).then_some(place.key);
        *place = Place { key, time };
        gone
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: u64) {
        let key = own(key);
        let places = self.0.get_mut(set(key)).into_iter().flatten();
        places.filter(|place| place.key == key).for_each(|place| *place = Place::default());
    }

    /// How many keys there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().flatten().filter(|place| place.key != 0).count()
    }

    /// Octets that it holds.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.0.len() * size_of::<[Place; WAYS]>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_keys_take_the_room_of_the_bound_and_the_newest_stay() {
        let mut slots = Slots::default();
        assert_eq!((slots.bytes(), slots.find(7), slots.count()), (0, None, 0));
        let key = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        let gone = (1..=1_000_000_u64).filter(|n| slots.put(key(*n), *n).is_some()).count();
        assert_eq!(slots.bytes(), KEYS_MAX * 16);
        assert!(slots.count() <= KEYS_MAX && gone >= 1_000_000 - KEYS_MAX);
        assert_eq!(slots.find(key(1_000_000)), Some(1_000_000));
        assert_eq!(slots.find(key(1)), None);
        assert_eq!(slots.put(key(1_000_000), 5), None, "a key that is there takes nobody's place");
        slots.remove(key(1_000_000));
        assert_eq!(slots.find(key(1_000_000)), None);
        let mut nobody = Slots::default();
        assert_eq!((nobody.put(0, 9), nobody.find(0)), (None, Some(9)), "0 is a key like any other");
    }
}
