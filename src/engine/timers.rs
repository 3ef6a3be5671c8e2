//! A hierarchical timing wheel: every deadline of the engine.
//!
//! Owns the order of deadlines. Refuses to know whose they are: an item is any small `Copy` value. Cancelling takes a
//! timer out at once; nothing is left behind that could fire, or count.
//! Read first: RFC 3261 §17 for the lengths that matter here (milliseconds to minutes).

use crate::clock::Tick;

/// One granule is 2^10 microseconds.
const GRANULE_BITS: u32 = 10;
/// Each level has 2^6 slots, each as long as all slots of the level below together.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Enough for every tick: 54 bits of granules in steps of 6.
const LEVELS: usize = 9;
/// The last granule there is.
const DUE_MAX: u64 = u64::MAX >> GRANULE_BITS;
/// No node.
const NONE: u32 = u32::MAX;
/// Nodes kept when the last timer is gone; above that the memory goes back.
const NODES_KEPT: usize = 256;

/// An armed timer; stale once it fired or was cancelled, and harmless then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerId {
    index: u32,
    generation: std::num::NonZeroU32,
}

/// A timer in its slot's circular list, or a free node in the list of those (`generation` 0, `next` alone counts).
#[derive(Debug, Clone, Copy)]
struct Node<T> {
    /// The granule it is due in.
    due: u64,
    next: u32,
    previous: u32,
    generation: u32,
    /// level * SLOTS + slot.
    place: u16,
    item: T,
}

#[derive(Debug, Clone)]
struct Level {
    /// Bit n: slot n holds timers.
    occupied: u64,
    /// The first node of each slot.
    heads: [u32; SLOTS],
}

/// The wheel. Its granularity is 1.024 ms: a timer fires late by less than that, never early. Timers of one granule
/// fire in no promised order, but always in the same one for the same history.
#[derive(Debug)]
pub struct Wheel<T: Copy> {
    levels: Box<[Level; LEVELS]>,
    nodes: Vec<Node<T>>,
    free: u32,
    len: usize,
    /// The last one given out; never reused until all 32 bits have gone by.
    generation: u32,
    /// The granule up to which slots were opened. Every timer lies in the lowest level whose slot tells it from this.
    opened: u64,
}

impl<T: Copy> Wheel<T> {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        let level = Level { occupied: 0, heads: [NONE; SLOTS] };
        Self {
            levels: Box::new(std::array::from_fn(|_| level.clone())),
            nodes: Vec::new(),
            free: NONE,
            len: 0,
            generation: 0,
            opened: 0,
        }
    }

    /// Arms a timer. O(1).
    pub fn insert(&mut self, at: Tick, item: T) -> TimerId {
        // Rounded up, so that the granule begins at `at` or after.
        let granule = (1 << GRANULE_BITS) - 1;
        let due = (at.micros() >> GRANULE_BITS) + u64::from(at.micros() & granule != 0);
        let due = due.min(DUE_MAX);
        let generation = self.next_generation();
        let node = Node { due, next: NONE, previous: NONE, generation: generation.get(), place: 0, item };
        let index = match self.nodes.get_mut(self.free as usize) {
            Some(free) => {
                let index = self.free;
                self.free = free.next;
                *free = node;
                index
            }
            None => {
                self.nodes.push(node);
                // NONE nodes would be 128 GiB.
                u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
            }
        };
        self.len += 1;
        self.link(index);
        TimerId { index, generation }
    }

    /// Cancels it; `None` when it fired or was cancelled before. O(1), nothing stays behind.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let node = self.nodes.get(id.index as usize)?;
        if node.generation != id.generation.get() {
            return None;
        }
        Some(self.take(id.index))
    }

    /// When `expire` has something to do: never later than the first deadline, sometimes a little earlier.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tick> {
        let (_, _, start) = self.first_slot()?;
        Some(Tick::from_micros(start.saturating_mul(1 << GRANULE_BITS)))
    }

    /// The next item due at `now`, one at a time, in order of deadlines.
    pub fn expire(&mut self, now: Tick) -> Option<T> {
        let now = now.micros() >> GRANULE_BITS;
        loop {
            let due = self.first_slot().filter(|&(_, _, start)| start <= now);
            let Some((level, slot, start)) = due else {
                self.opened = self.opened.max(now);
                return None;
            };
            self.opened = self.opened.max(start);
            if level == 0 {
                let first = self.levels.first().and_then(|level| level.heads.get(slot)).copied();
                return first.map(|index| self.take(index));
            }
            self.open(level, slot);
        }
    }

    /// How many are armed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn next_generation(&mut self) -> std::num::NonZeroU32 {
        self.generation = self.generation.wrapping_add(1).max(1);
        std::num::NonZeroU32::new(self.generation).unwrap_or(std::num::NonZeroU32::MIN)
    }

    /// The earliest slot that holds timers: its level, its number, and the granule it starts with.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        // A lower level ends before the next slot of a higher one begins, so the first level found has the first timer.
        let (number, level) = self.levels.iter().enumerate().find(|(_, level)| level.occupied != 0)?;
        let slot = level.occupied.trailing_zeros();
        let shift = SLOT_BITS * u32::try_from(number).unwrap_or(0);
        let above = self.opened.checked_shr(shift + SLOT_BITS).unwrap_or(0);
        let start = ((above << SLOT_BITS) | u64::from(slot)) << shift;
        Some((number, slot as usize, start))
    }

    /// Puts every timer of a slot into lower levels, now that `opened` has come to the slot's start.
    fn open(&mut self, level: usize, slot: usize) {
        let Some(level) = self.levels.get_mut(level) else { return };
        let Some(head) = level.heads.get_mut(slot) else { return };
        let first = std::mem::replace(head, NONE);
        level.occupied &= !(1 << slot);
        let mut index = first;
        while let Some(node) = self.nodes.get(index as usize) {
            let next = node.next;
            self.link(index);
            if next == first {
                break;
            }
            index = next;
        }
    }

    /// Appends a node to the slot it is due in.
    fn link(&mut self, index: u32) {
        let Some(node) = self.nodes.get_mut(index as usize) else { return };
        node.due = node.due.max(self.opened);
        let apart = node.due ^ self.opened;
        let level = (63 - (apart | 1).leading_zeros()) / SLOT_BITS;
        let slot = (node.due >> (level * SLOT_BITS)) & (SLOTS as u64 - 1);
        let place = level as usize * SLOTS + slot as usize;
        node.place = u16::try_from(place).unwrap_or(0);
        (node.next, node.previous) = (index, index);
        let Some(level) = self.levels.get_mut(level as usize) else { return };
        level.occupied |= 1 << slot;
        let Some(head) = level.heads.get_mut(slot as usize) else { return };
        if *head == NONE {
            *head = index;
            return;
        }
        let first = *head;
        let last = self.nodes.get(first as usize).map_or(first, |node| node.previous);
        self.join(last, index);
        self.join(index, first);
    }

    fn join(&mut self, before: u32, after: u32) {
        if let Some(node) = self.nodes.get_mut(before as usize) {
            node.next = after;
        }
        if let Some(node) = self.nodes.get_mut(after as usize) {
            node.previous = before;
        }
    }

    /// Takes an armed node out of its slot and frees it.
    fn take(&mut self, index: u32) -> T {
        let node = self.nodes[index as usize];
        self.join(node.previous, node.next);
        let (level, slot) = (usize::from(node.place) / SLOTS, usize::from(node.place) % SLOTS);
        let level = &mut self.levels[level];
        if node.next == index {
            level.heads[slot] = NONE;
            level.occupied &= !(1 << slot);
        } else if level.heads[slot] == index {
            level.heads[slot] = node.next;
        }
        self.len -= 1;
        if self.len == 0 && self.nodes.len() > NODES_KEPT {
            self.nodes = Vec::new();
            self.free = NONE;
        } else {
            self.nodes[index as usize] = Node { generation: 0, next: self.free, ..node };
            self.free = index;
        }
        node.item
    }
}

impl<T: Copy> Default for Wheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const GRANULE: u64 = 1 << GRANULE_BITS;

    fn tick(micros: u64) -> Tick {
        Tick::from_micros(micros)
    }

    #[test]
    fn a_timer_costs_thirty_two_octets() {
        assert!(size_of::<Node<u32>>() <= 32);
        assert_eq!(size_of::<Option<TimerId>>(), 8);
    }

    #[test]
    fn never_early_and_late_by_less_than_a_granule() {
        for at in [1, 2, 1_023, 1_024, 1_025, 500_000, 32_000_000, 32_000_001, 86_400_000_000, u64::MAX >> 1]
        {
            let mut wheel = Wheel::new();
            wheel.insert(tick(at), 7_u32);
            assert_eq!(wheel.expire(tick(at.saturating_sub(1))), None, "{at} early");
            assert_eq!(wheel.expire(tick(at + GRANULE - 1)), Some(7), "{at} late");
            assert!(wheel.is_empty());
        }
    }

    #[test]
    fn the_end_of_time_is_a_deadline_like_any_other() {
        let mut wheel = Wheel::new();
        let id = wheel.insert(Tick::ZERO.after(Duration::MAX), 1_u32);
        wheel.insert(tick(5), 2);
        assert_eq!(wheel.expire(tick(1 << 62)), Some(2));
        assert_eq!(wheel.expire(tick(1 << 62)), None);
        assert_eq!(wheel.cancel(id), Some(1));
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_stale_id_cancels_nothing() {
        let mut wheel = Wheel::new();
        let first = wheel.insert(tick(10), 1_u32);
        assert_eq!(wheel.cancel(first), Some(1));
        let second = wheel.insert(tick(10), 2);
        assert_eq!(wheel.cancel(first), None);
        assert_eq!(wheel.expire(tick(2_000)), Some(2));
        assert_eq!(wheel.cancel(second), None);
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn memory_goes_back_when_the_last_timer_is_gone() {
        let mut wheel = Wheel::new();
        let ids: Vec<_> = (0..10_000_u32).map(|n| wheel.insert(tick(u64::from(n) * 7_000), n)).collect();
        assert!(ids.into_iter().enumerate().all(|(n, id)| wheel.cancel(id) == u32::try_from(n).ok()));
        assert_eq!((wheel.len(), wheel.nodes.capacity()), (0, 0));
        wheel.insert(tick(9), 3);
        assert_eq!(wheel.expire(tick(1_024)), Some(3));
    }

    /// What a timer's life can be made of.
    #[derive(Debug, Clone)]
    enum Step {
        Insert(u64),
        Cancel(usize),
        Advance(u64),
        AdvanceToDeadline,
        FireOne,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let span = prop_oneof![0..5_000_u64, 0..100_000_000_u64, 0..1_u64 << 50];
        prop::collection::vec(
            prop_oneof![
                4 => span.clone().prop_map(Step::Insert),
                2 => any::<usize>().prop_map(Step::Cancel),
                1 => span.prop_map(Step::Advance),
                1 => Just(Step::AdvanceToDeadline),
                1 => Just(Step::FireOne),
            ],
            1..200,
        )
    }

    /// The model: deadlines by granule, each with the items still armed for it.
    #[derive(Default)]
    struct Model(BTreeMap<u64, Vec<usize>>);

    impl Model {
        fn fire(&mut self, wheel: &mut Wheel<usize>, now: u64) -> Option<usize> {
            let fired = wheel.expire(tick(now));
            let first = self.0.first_key_value().map(|(due, _)| *due).filter(|due| *due <= now / GRANULE);
            assert_eq!(fired.is_some(), first.is_some(), "at {now}");
            let (item, due) = (fired?, first?);
            let armed = self.0.get_mut(&due).unwrap();
            let at = armed.iter().position(|armed| *armed == item).expect("fires in the first granule");
            armed.remove(at);
            if armed.is_empty() {
                self.0.remove(&due);
            }
            Some(item)
        }
        fn cancel(&mut self, item: usize) -> Option<usize> {
            let due = *self.0.iter().find(|(_, armed)| armed.contains(&item))?.0;
            let armed = self.0.get_mut(&due).unwrap();
            armed.retain(|armed| *armed != item);
            if armed.is_empty() {
                self.0.remove(&due);
            }
            Some(item)
        }
    }

    proptest! {
        #[test]
        fn the_wheel_is_a_sorted_map(steps in steps()) {
            let (mut wheel, mut model, mut now, mut ids) = (Wheel::new(), Model::default(), 0_u64, Vec::new());
            for step in steps {
                match step {
                    Step::Insert(ahead) => {
                        let item = ids.len();
                        ids.push(wheel.insert(tick(now + ahead), item));
                        // A deadline already opened fires at once, in the granule of now.
                        let due = (now + ahead).div_ceil(GRANULE).max(wheel.opened);
                        model.0.entry(due).or_default().push(item);
                    }
                    Step::Cancel(which) if !ids.is_empty() => {
                        let item = which % ids.len();
                        prop_assert_eq!(wheel.cancel(ids[item]), model.cancel(item));
                    }
                    Step::Cancel(_) => {}
                    Step::Advance(by) => {
                        now += by;
                        while model.fire(&mut wheel, now).is_some() {}
                    }
                    Step::AdvanceToDeadline => {
                        if let Some(deadline) = wheel.next_deadline() {
                            prop_assert!(deadline.micros() / GRANULE <= *model.0.first_key_value().unwrap().0);
                            now = now.max(deadline.micros());
                            model.fire(&mut wheel, now);
                        }
                    }
                    Step::FireOne => {
                        model.fire(&mut wheel, now);
                    }
                }
                prop_assert_eq!(wheel.len(), model.0.values().map(Vec::len).sum::<usize>());
                prop_assert_eq!(wheel.next_deadline().is_some(), !model.0.is_empty());
            }
        }
    }
}
