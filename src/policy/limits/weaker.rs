//! What a reload lets through that the caps before did not.
//!
//! Owns the sentences. Refuses to judge whether that was meant. Read first: `../compare.rs`.

use super::{Amount, Limits};
use crate::clock::time_text;

impl Limits {
    /// What is let through beyond `older`, one sentence each.
    pub(in crate::policy) fn beyond(&self, older: &Self, currency: &str, weaker: &mut Vec<String>) {
        for old in &older.caps {
            let unit = old.what.unit(currency);
            match self.caps.iter().find(|new| new.id == old.id) {
                None => weaker.push(format!("{} is gone: nothing bounds it any more", old.id)),
                Some(new) if rises(old.block, new.block) => {
                    let (from, to) = (old.block.words(old.what), new.block.words(new.what));
                    weaker.push(format!("{} went up from {from} to {to}{unit}", old.id));
                }
                Some(_) => {}
            }
        }
        for new in &self.lasting {
            let old = older.lasting.iter().find(|old| old.of == new.of);
            if let Some(old) = old.filter(|old| new.duration_max > old.duration_max) {
                let (from, to) = (time_text(old.duration_max), time_text(new.duration_max));
                weaker.push(format!("{} became longer: {to} instead of {from}", new.path));
            }
        }
    }
}

/// Whether an amount lets more through; where one counts channels and the other does not, that cannot be ruled out.
const fn rises(old: Amount, new: Amount) -> bool {
    match (old, new) {
        (Amount::Fixed(old), Amount::Fixed(new)) | (Amount::EachChannel(old), Amount::EachChannel(new)) => {
            new > old
        }
        (Amount::Fixed(_), Amount::EachChannel(_)) | (Amount::EachChannel(_), Amount::Fixed(_)) => true,
    }
}
