//! Whose turn it is: the states of offer and answer, and the early dialogs that answer the same offer.
//!
//! Owns that each transition takes the old state whole. Refuses to know what is in a description.
//! Read first: RFC 3264 §4; RFC 6337 §2, §3; RFC 3261 §13.2.2.4.

use super::Whence;
use super::offer::Offer;
use super::pair::Pair;
use crate::media::order::MediaLeg;
use crate::media::sdp::Description;

/// Early dialogs that may answer one offer.
pub const FORKS_MAX: usize = 8;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) enum State {
    /// Nobody has said anything.
    #[default]
    Fresh,
    /// An offer waits; what held before it, if anything did.
    Offered { offer: Box<Offer>, stands: Option<Pair> },
    /// The caller's first offer is answered, and no dialog has won.
    Early(Early),
    /// The same, and within one of the dialogs another offer waits.
    EarlyOffered(Early, Box<Offer>),
    /// One dialog, one agreement.
    Agreed(Pair),
}

/// The first offer and who has answered it.
#[derive(Debug)]
pub(super) struct Early {
    pub offer: Box<Offer>,
    pub branches: Vec<Branch>,
}

/// One early dialog that has answered.
#[derive(Debug)]
pub(super) struct Branch {
    pub fork: u64,
    pub pair: Pair,
    /// Whether another offer was agreed in it since.
    pub renewed: bool,
}

/// An offer that an answer is for.
pub(super) struct Asked<'a> {
    pub offer: &'a Offer,
    /// What holds with whoever answers.
    pub stands: Option<&'a Pair>,
    /// What holds with whoever asked: more, where another dialog has answered.
    pub asker: Option<&'a Pair>,
    /// The dialog that has answered it before, and agreed on something else since.
    pub again: Option<&'a Branch>,
}

impl Early {
    pub fn branch(&self, fork: u64) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.fork == fork)
    }

    fn asked(&self, whence: Whence) -> Option<Asked<'_>> {
        let branch = self.branch(whence.fork);
        let room = branch.is_some() || self.branches.len() < FORKS_MAX;
        if whence.leg != MediaLeg::B || !room {
            return None;
        }
        let stands = branch.map(|branch| &branch.pair);
        // Each dialog's answer goes to the caller with the key that the first one went with.
        let asker = stands.or_else(|| self.branches.first().map(|branch| &branch.pair));
        Some(Asked { offer: &self.offer, stands, asker, again: branch.filter(|branch| branch.renewed) })
    }

    fn put(&mut self, fork: u64, pair: Pair, renewed: bool) {
        match self.branches.iter_mut().find(|branch| branch.fork == fork) {
            Some(branch) => {
                branch.pair = pair;
                branch.renewed |= renewed;
            }
            None => self.branches.push(Branch { fork, pair, renewed }),
        }
    }

    fn won(mut self, fork: u64) -> Option<Pair> {
        let at = self.branches.iter().position(|branch| branch.fork == fork)?;
        Some(self.branches.swap_remove(at).pair)
    }
}

impl State {
    /// Whether the first offer is answered in other dialogs, but not in this one: RFC 3264 §4 counts for each.
    pub fn waits_in(&self, fork: u64) -> bool {
        match self {
            Self::Early(early) | Self::EarlyOffered(early, _) => early.branch(fork).is_none(),
            Self::Fresh | Self::Offered { .. } | Self::Agreed(_) => false,
        }
    }

    /// Whether no dialog has won yet of those that may answer.
    pub const fn is_early(&self) -> bool {
        match self {
            Self::Early(_) | Self::EarlyOffered(..) => true,
            Self::Fresh | Self::Offered { .. } | Self::Agreed(_) => false,
        }
    }

    /// What holds before a new offer in this dialog.
    pub fn stands(&self, fork: u64) -> Option<&Pair> {
        match self {
            Self::Agreed(pair) => Some(pair),
            Self::Early(early) => early.branch(fork).map(|branch| &branch.pair),
            Self::Fresh | Self::Offered { .. } | Self::EarlyOffered(..) => None,
        }
    }

    /// The caller's first offer, as long as nobody has won.
    pub fn first(&self) -> Option<&Description> {
        match self {
            Self::Offered { offer, stands: None } if offer.from == MediaLeg::A => Some(&offer.said),
            Self::Early(early) | Self::EarlyOffered(early, _) => Some(&early.offer.said),
            Self::Fresh | Self::Offered { .. } | Self::Agreed(_) => None,
        }
    }

    /// An offer was made where none waited.
    pub fn offered(self, offer: Offer) -> Self {
        let offer = Box::new(offer);
        match self {
            Self::Fresh => Self::Offered { offer, stands: None },
            Self::Agreed(pair) => Self::Offered { offer, stands: Some(pair) },
            Self::Early(early) => Self::EarlyOffered(early, offer),
            waits @ (Self::Offered { .. } | Self::EarlyOffered(..)) => waits,
        }
    }

    /// The offer that is answered from there; `None` where there is none.
    pub fn asked(&self, whence: Whence) -> Option<Asked<'_>> {
        match self {
            Self::Offered { offer, stands } => {
                let stands = stands.as_ref();
                let answers = offer.from.other() == whence.leg;
                answers.then_some(Asked { offer, stands, asker: stands, again: None })
            }
            Self::Early(early) => early.asked(whence),
            Self::EarlyOffered(early, offer) if offer.fork == whence.fork => {
                let stands = early.branch(offer.fork).map(|branch| &branch.pair);
                let answers = offer.from.other() == whence.leg;
                answers.then_some(Asked { offer, stands, asker: stands, again: None })
            }
            Self::EarlyOffered(early, _) => early.asked(whence),
            Self::Fresh | Self::Agreed(_) => None,
        }
    }

    /// The answer was taken. Whether nothing else can come of its offer.
    pub fn answered(self, whence: Whence, pair: Pair) -> (Self, bool) {
        match self {
            Self::Offered { offer, stands: None } if offer.from == MediaLeg::A => {
                let branches = vec![Branch { fork: whence.fork, pair, renewed: false }];
                (Self::Early(Early { offer, branches }), false)
            }
            Self::Offered { .. } => (Self::Agreed(pair), true),
            Self::Early(mut early) => {
                early.put(whence.fork, pair, false);
                (Self::Early(early), false)
            }
            Self::EarlyOffered(mut early, offer) => {
                let renewed = offer.fork == whence.fork;
                early.put(whence.fork, pair, renewed);
                (if renewed { Self::Early(early) } else { Self::EarlyOffered(early, offer) }, false)
            }
            other @ (Self::Fresh | Self::Agreed(_)) => (other, false),
        }
    }

    /// One dialog has won: its pair, and the offer that waited in another.
    pub fn settled(self, fork: u64) -> (Self, Option<Pair>, Option<Box<Offer>>) {
        match self {
            Self::Early(early) => match early.won(fork) {
                Some(pair) => (Self::Agreed(pair.clone()), Some(pair), None),
                None => (Self::Fresh, None, None),
            },
            Self::EarlyOffered(early, offer) => match (early.won(fork), offer.fork == fork) {
                (Some(pair), true) => (Self::Offered { offer, stands: Some(pair.clone()) }, Some(pair), None),
                (Some(pair), false) => (Self::Agreed(pair.clone()), Some(pair), Some(offer)),
                (None, _) => (Self::Fresh, None, Some(offer)),
            },
            other @ (Self::Fresh | Self::Offered { .. } | Self::Agreed(_)) => (other, None, None),
        }
    }

    /// The offer that waits is gone; what held before holds.
    pub fn withdrawn(self) -> (Self, Option<Box<Offer>>) {
        match self {
            Self::Offered { offer, stands: None } => (Self::Fresh, Some(offer)),
            Self::Offered { offer, stands: Some(pair) } => (Self::Agreed(pair), Some(offer)),
            Self::EarlyOffered(early, offer) => (Self::Early(early), Some(offer)),
            other @ (Self::Fresh | Self::Early(_) | Self::Agreed(_)) => (other, None),
        }
    }
}
