//! A table that holds so many keys and no more.
//!
//! Owns its bound. Refuses to know what stands under a key. Read first: spec/limits.md, "Memory bounds".

use std::collections::HashMap;

use crate::clock::Tick;
use crate::policy::keyed::Key;

/// Keys of one table. Past it the eighth goes that was touched the longest ago: such a key starts anew, with every cap of its
/// peer and site still in force.
pub const KEYS_MAX: usize = 8_192;

/// Keys, when each was touched, and what stands under it.
#[derive(Debug)]
pub struct Table<T>(HashMap<Key, (Tick, T)>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Default> Table<T> {
    /// What stands under a key.
    #[must_use]
    pub fn find(&self, key: Key) -> Option<&T> {
        self.0.get(&key).map(|(_, found)| found)
    }

    /// The same, to be changed.
    pub fn find_mut(&mut self, key: Key) -> Option<&mut T> {
        self.0.get_mut(&key).map(|(_, found)| found)
    }

    /// What stands under a key that is touched now, new or known.
    pub fn entry(&mut self, key: Key, at: Tick) -> &mut T {
        if self.0.len() >= KEYS_MAX && !self.0.contains_key(&key) {
            let mut touched: Vec<Tick> = self.0.values().map(|(touched, _)| *touched).collect();
            let (_, oldest, _) = touched.select_nth_unstable(KEYS_MAX / 8);
            let oldest = *oldest;
            self.0.retain(|_, (touched, _)| *touched > oldest);
        }
        let (touched, found) = self.0.entry(key).or_default();
        *touched = at;
        found
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::keyed::{Keyed, Scope};
    use crate::policy::peer::PeerId;

    #[test]
    fn keys_are_bounded_and_the_oldest_make_room() {
        let keyed = Keyed::new(7);
        let key = |n: usize| keyed.key(Scope::Block, PeerId(0), &[&n.to_string()]);
        let mut table: Table<u32> = Table::default();
        for n in 0..=KEYS_MAX {
            *table.entry(key(n), Tick::from_micros(n as u64)) = 1;
        }
        assert!(table.len() <= KEYS_MAX);
        assert_eq!((table.find(key(0)), table.find(key(KEYS_MAX))), (None, Some(&1)));
    }
}
