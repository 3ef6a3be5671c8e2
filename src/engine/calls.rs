//! The table of calls and the table of dialog tags.
//!
//! Owns their keys and sizes. Refuses to know what a call does. Read first: RFC 3261 §12.
//! The dialog table is the authority: a request with a To tag belongs to a call only if the tag stands here.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::slab::{Slab, SlabKey};
use super::timers::TimerId;
use super::transactions::CallKey;
use super::transferred::Link;
use crate::call::{Branch, Call, LocalTag, ServerId, Side, Timer};
use crate::clock::Tick;
use crate::media::order::MediaId;
use crate::policy::{PeerId, Policy};
use crate::sip::ListenerId;

/// Requests of one side within one call, BYE aside: one in so long, and so many at once. Speech needs a few, DTMF by INFO
/// some ten a second.
const PACE_INTERVAL: Duration = Duration::from_millis(50);
const PACE_BURST: u32 = 100;

/// When the next request would come if all came evenly (the generic cell rate algorithm).
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace(Option<Tick>);

impl Pace {
    /// Whether one more may come now; counts it.
    pub fn admits(&mut self, now: Tick) -> bool {
        let due = self.0.map_or(now, |due| due.max(now));
        if due > now.after(PACE_INTERVAL.saturating_mul(PACE_BURST)) {
            return false;
        }
        self.0 = Some(due.after(PACE_INTERVAL));
        true
    }
}

/// A live call with what the engine keeps beside it.
#[derive(Debug)]
pub struct Entry {
    /// The call.
    pub call: Call,
    /// The policy that admitted it.
    pub policy: Arc<Policy>,
    /// Who called.
    pub from: PeerId,
    /// Whether its record was written.
    pub recorded: bool,
    /// Whether a bug showed in it; a second time it is not asked again.
    pub panicked: bool,
    /// Its tags in the dialog table, so that they go when it goes.
    pub tags: SmallVec<[LocalTag; 2]>,
    /// Its armed deadlines, one of a kind.
    pub armed: SmallVec<[(Timer, TimerId); 4]>,
    /// Requests it has been handed and has not finally answered.
    pub unanswered: SmallVec<[ServerId; 2]>,
    /// The INVITEs it sent whose transactions live, the last one last.
    pub invited: SmallVec<[Branch; 2]>,
    /// What it is found by while it lives.
    pub alike: super::alike::Keys,
    /// When it was admitted.
    pub began: Tick,
    /// Whether it was sent on by somebody here.
    pub forwarded: bool,
    /// Its caller as it was sent, where that reads otherwise.
    pub caller_sent: Option<Box<str>>,
    /// Its media, where the relay has some of it.
    pub media: Option<MediaId>,
    /// The mark of its row (`Call::mark`), where it has one.
    pub dialog: Option<u64>,
    /// The other call of a transfer that is carried out.
    pub link: Option<Link>,
    /// How fast each side asks.
    paces: [Pace; 2],
    /// Panics that a test planted in it.
    #[cfg(test)]
    pub planted: u8,
}

impl Entry {
    /// A call that was just born.
    #[must_use]
    pub fn new(call: Call, policy: Arc<Policy>, from: PeerId, began: Tick) -> Self {
        Self {
            call,
            policy,
            from,
            recorded: false,
            panicked: false,
            tags: SmallVec::new(),
            armed: SmallVec::new(),
            unanswered: SmallVec::new(),
            invited: SmallVec::new(),
            alike: super::alike::Keys::new(),
            began,
            forwarded: false,
            caller_sent: None,
            media: None,
            dialog: None,
            link: None,
            paces: [Pace::default(); 2],
            #[cfg(test)]
            planted: 0,
        }
    }
}

impl Entry {
    /// How fast one side asks.
    pub fn pace_mut(&mut self, side: Side) -> &mut Pace {
        let [a, b] = &mut self.paces;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }
}

#[cfg(test)]
impl Entry {
    /// Panics if a test planted that.
    pub fn trip(planted: &mut u8) {
        if let Some(rest) = planted.checked_sub(1) {
            *planted = rest;
            std::panic::resume_unwind(Box::new("planted"));
        }
    }
}

/// Calls by key: one indexed load for each look-up.
#[derive(Debug, Default)]
pub struct Calls(Slab<Box<Entry>>);

impl Calls {
    /// Live calls.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no call lives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Enters a call.
    pub fn insert(&mut self, entry: Box<Entry>) -> CallKey {
        let SlabKey { index, generation } = self.0.insert(entry);
        CallKey { index, generation }
    }

    /// A live call.
    pub fn at(&mut self, key: CallKey) -> Option<&mut Entry> {
        self.0.find_mut(slab_key(key)).map(Box::as_mut)
    }

    /// Takes a call out.
    pub fn remove(&mut self, key: CallKey) -> Option<Box<Entry>> {
        self.0.remove(slab_key(key))
    }

    /// Where the legs of every call stand: the listener and the far address.
    pub fn ways(&self) -> impl Iterator<Item = (ListenerId, IpAddr)> + '_ {
        self.0.iter().flat_map(|(_, entry)| entry.call.ways())
    }

    /// Every call with its key.
    pub fn iter(&self) -> impl Iterator<Item = (CallKey, &Entry)> {
        self.0.iter().map(|(SlabKey { index, generation }, entry)| (CallKey { index, generation }, &**entry))
    }

    /// Every live key.
    #[must_use]
    pub fn keys(&self) -> Vec<CallKey> {
        self.0.iter().map(|(SlabKey { index, generation }, _)| CallKey { index, generation }).collect()
    }
}

const fn slab_key(key: CallKey) -> SlabKey {
    SlabKey { index: key.index, generation: key.generation }
}

/// Tags kept room for when no call lives.
const IDLE_TAGS: usize = 1_024;

/// The tags are our own random numbers, so they are their own hash: an outsider can look up any, and enter none.
#[derive(Debug, Default, Clone, Copy)]
pub struct TagHasher(u64);

impl Hasher for TagHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }
}

/// Dialog tags of ours to the call and leg that own them.
#[derive(Debug, Default)]
pub struct Dialogs(HashMap<LocalTag, (CallKey, Side), BuildHasherDefault<TagHasher>>);

impl Dialogs {
    /// How many tags are bound.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is bound.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose tag this is.
    #[must_use]
    pub fn find(&self, tag: LocalTag) -> Option<(CallKey, Side)> {
        self.0.get(&tag).copied()
    }

    /// Enters a tag.
    pub fn bind(&mut self, tag: LocalTag, key: CallKey, side: Side) {
        self.0.insert(tag, (key, side));
    }

    /// Takes it out, where it is this call's: a leg may have gone over to another.
    pub fn unbind(&mut self, tag: LocalTag, key: CallKey) {
        if self.find(tag).is_some_and(|(owner, _)| owner == key) {
            self.0.remove(&tag);
        }
        if self.0.is_empty() && self.0.capacity() > IDLE_TAGS {
            self.0.shrink_to(IDLE_TAGS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_by_its_owner_until_it_is_unbound() {
        let mut dialogs = Dialogs::default();
        let (one, two) = (CallKey { index: 0, generation: 1 }, CallKey { index: 1, generation: 2 });
        dialogs.bind(LocalTag(7), one, Side::A);
        dialogs.bind(LocalTag(8), two, Side::B);
        assert_eq!(dialogs.find(LocalTag(7)), Some((one, Side::A)));
        assert_eq!(dialogs.find(LocalTag(9)), None);
        dialogs.unbind(LocalTag(7), two);
        assert_eq!(dialogs.find(LocalTag(7)), Some((one, Side::A)), "it is another call's");
        dialogs.unbind(LocalTag(7), one);
        assert_eq!(dialogs.find(LocalTag(7)), None);
        assert_eq!(dialogs.len(), 1);
    }

    #[test]
    fn an_emptied_dialog_table_gives_its_memory_back() {
        let mut dialogs = Dialogs::default();
        let key = CallKey { index: 0, generation: 1 };
        for tag in 0..100_000_u64 {
            dialogs.bind(LocalTag(tag.wrapping_mul(0x9E37_79B9_7F4A_7C15)), key, Side::A);
        }
        for tag in 0..100_000_u64 {
            dialogs.unbind(LocalTag(tag.wrapping_mul(0x9E37_79B9_7F4A_7C15)), key);
        }
        assert!(dialogs.0.capacity() <= 4 * IDLE_TAGS, "{}", dialogs.0.capacity());
    }
}
