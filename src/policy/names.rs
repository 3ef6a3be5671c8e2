//! Numbers for the names of the YAML, stable for the life of the process.
//!
//! Owns which name has which number, so that a reload keeps them and counters, buckets and live calls find their
//! peer again. Refuses to know what stands behind a name. Read first: DESIGN.md §4.

use std::sync::Arc;

use super::peer::{PeerId, SiteId};
use crate::sip::{ListenerId, PartyId};

/// More names than 65,535 of one kind were used since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyNames;

/// The names known so far. `config` keeps one for the process and builds every policy with it.
#[derive(Debug, Clone, Default)]
pub struct Names {
    listeners: Vec<Arc<str>>,
    peers: Vec<Arc<str>>,
    sites: Vec<Arc<str>>,
    parties: Vec<Arc<str>>,
}

impl Names {
    /// The listener of this name, new or known.
    pub fn listener(&mut self, name: &str) -> Result<ListenerId, TooManyNames> {
        number(&mut self.listeners, name).map(ListenerId)
    }

    /// The peer of this name, new or known.
    pub fn peer(&mut self, name: &str) -> Result<PeerId, TooManyNames> {
        number(&mut self.peers, name).map(PeerId)
    }

    /// The site of this name, new or known.
    pub fn site(&mut self, name: &str) -> Result<SiteId, TooManyNames> {
        number(&mut self.sites, name).map(SiteId)
    }

    /// The party of this peer, or of one target of it as it is written, new or known; never `PartyId::NONE`.
    pub fn party(&mut self, peer: &str, target: Option<&str>) -> Result<PartyId, TooManyNames> {
        // No name of a peer holds a space.
        let name = target.map_or_else(|| peer.to_owned(), |target| format!("{peer} {target}"));
        number(&mut self.parties, &name).map(|number| PartyId(number + 1))
    }

    /// How many peers were ever named: the length of `Policy::peers`.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// How many listeners were ever named: the length of `Policy::listeners`.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.listeners.len()
    }
}

fn number(names: &mut Vec<Arc<str>>, name: &str) -> Result<u16, TooManyNames> {
    let known = names.iter().position(|known| &**known == name);
    let place = known.unwrap_or_else(|| {
        names.push(Arc::from(name));
        names.len() - 1
    });
    let id = u16::try_from(place).ok().filter(|id| *id < u16::MAX);
    if id.is_none() && known.is_none() {
        names.pop();
    }
    id.ok_or(TooManyNames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_kinds_do_not_mix() {
        let mut names = Names::default();
        assert_eq!(names.peer("pbx"), Ok(PeerId(0)));
        assert_eq!(names.peer("trunk"), Ok(PeerId(1)));
        assert_eq!(names.peer("pbx"), Ok(PeerId(0)));
        assert_eq!(names.listener("trunk"), Ok(ListenerId(0)));
        assert_eq!(names.site("trunk"), Ok(SiteId(0)));
        assert_eq!((names.peers(), names.listeners()), (2, 1));
        assert_eq!(names.party("trunk", None), Ok(PartyId(1)));
        assert_eq!(names.party("trunk", Some("sip.example.com")), Ok(PartyId(2)));
        assert_eq!(names.party("trunk", None), Ok(PartyId(1)));
    }

    #[test]
    fn names_end_at_the_last_number() {
        let mut names = Names { peers: vec![Arc::from("x"); usize::from(u16::MAX) - 1], ..Names::default() };
        assert_eq!(names.peer("last"), Ok(PeerId(u16::MAX - 1)));
        assert_eq!(names.peer("over"), Err(TooManyNames));
        assert_eq!(names.peers(), usize::from(u16::MAX));
        assert_eq!(names.peer("last"), Ok(PeerId(u16::MAX - 1)));
    }
}
