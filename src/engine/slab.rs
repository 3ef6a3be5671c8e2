//! Slots that are found by number, and know when the number is an old one.
//!
//! Owns `Slab`. Refuses to know what stands in it. When the last value leaves a grown slab, its memory goes back.
//! Read first: nothing; it is a table.

/// No slot.
const NONE: u32 = u32::MAX;
/// Slots kept when the last value is gone.
const SLOTS_KEPT: usize = 64;

/// Where a value stands, and which one of those that stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlabKey {
    /// The slot.
    pub index: u32,
    /// Tells it from earlier values of that slot.
    pub generation: u32,
}

impl SlabKey {
    /// Both numbers in one.
    #[must_use]
    pub const fn bits(self) -> u64 {
        ((self.generation as u64) << 32) | self.index as u64
    }

    /// From `bits`.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "each half is what it is cut to")]
    pub const fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

#[derive(Debug)]
enum Slot<T> {
    Free { next: u32 },
    Full { generation: u32, value: T },
}

/// The slots.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    len: usize,
    /// The last one given out, over all slots: a key comes again only after 2^32 insertions, and only in its slot.
    generation: u32,
}

impl<T> Slab<T> {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: Vec::new(), free: NONE, len: 0, generation: 0 }
    }

    /// Puts a value in.
    pub fn insert(&mut self, value: T) -> SlabKey {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        self.len += 1;
        let full = Slot::Full { generation, value };
        let index = self.free;
        match self.slots.get_mut(index as usize) {
            Some(slot) => {
                self.free = match slot {
                    Slot::Free { next } => *next,
                    // The list of free slots holds none that is full.
                    Slot::Full { .. } => NONE,
                };
                *slot = full;
                SlabKey { index, generation }
            }
            None => {
                self.slots.push(full);
                // Four thousand million values do not fit into memory.
                SlabKey { index: u32::try_from(self.slots.len() - 1).unwrap_or(NONE), generation }
            }
        }
    }

    /// The value of a key; `None` when it is gone.
    #[must_use]
    pub fn find(&self, key: SlabKey) -> Option<&T> {
        match self.slots.get(key.index as usize)? {
            Slot::Full { generation, value } if *generation == key.generation => Some(value),
            Slot::Full { .. } | Slot::Free { .. } => None,
        }
    }

    /// The same, to change.
    pub fn find_mut(&mut self, key: SlabKey) -> Option<&mut T> {
        match self.slots.get_mut(key.index as usize)? {
            Slot::Full { generation, value } if *generation == key.generation => Some(value),
            Slot::Full { .. } | Slot::Free { .. } => None,
        }
    }

    /// The value that stands in a slot now, with its key.
    pub fn at_mut(&mut self, index: u32) -> Option<(SlabKey, &mut T)> {
        match self.slots.get_mut(index as usize)? {
            Slot::Full { generation, value } => Some((SlabKey { index, generation: *generation }, value)),
            Slot::Free { .. } => None,
        }
    }

    /// The same, to read.
    #[must_use]
    pub fn at(&self, index: u32) -> Option<(SlabKey, &T)> {
        match self.slots.get(index as usize)? {
            Slot::Full { generation, value } => Some((SlabKey { index, generation: *generation }, value)),
            Slot::Free { .. } => None,
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: SlabKey) -> Option<T> {
        self.find(key)?;
        let slot = self.slots.get_mut(key.index as usize)?;
        let taken = std::mem::replace(slot, Slot::Free { next: self.free });
        self.free = key.index;
        self.len -= 1;
        if self.len == 0 && self.slots.len() > SLOTS_KEPT {
            self.slots = Vec::new();
            self.free = NONE;
        }
        match taken {
            Slot::Full { value, .. } => Some(value),
            Slot::Free { .. } => None,
        }
    }

    /// Every value with its key, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (SlabKey, &T)> {
        self.slots.iter().zip(0_u32..).filter_map(|(slot, index)| match slot {
            Slot::Full { generation, value } => Some((SlabKey { index, generation: *generation }, value)),
            Slot::Free { .. } => None,
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_finds_nothing() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(second.index, first.index);
        assert_eq!(slab.remove(first), None);
        assert_eq!((slab.find(first), slab.find(second)), (None, Some(&'b')));
        assert_eq!(SlabKey::from_bits(second.bits()), second);
    }

    #[test]
    fn a_key_stays_old_after_the_memory_went_back() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..1_000).map(|n| slab.insert(n)).collect();
        keys.iter().for_each(|key| assert!(slab.remove(*key).is_some()));
        assert_eq!((slab.len(), slab.slots.capacity()), (0, 0));
        let fresh = slab.insert(7);
        assert_eq!(fresh.index, 0);
        assert_eq!((slab.find(keys[0]), slab.find(fresh)), (None, Some(&7)));
    }

    #[test]
    fn free_slots_are_used_again_before_new_ones() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..8).map(|n| slab.insert(n)).collect();
        for key in &keys[2..5] {
            slab.remove(*key);
        }
        (0..3).for_each(|n| assert!(slab.insert(n).index < 8));
        assert_eq!((slab.len(), slab.iter().count(), slab.insert(9).index), (8, 8, 8));
    }
}
