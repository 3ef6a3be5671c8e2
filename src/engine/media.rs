//! What the media of all calls has in common: the ports, and the numbers.
//!
//! Owns that both live as long as the process. Refuses to know what a call does with them. Read first: `media/ports.rs`.

use crate::call::MediaMeans;
use crate::media::order::Fingerprint;
use crate::media::ports::Ports;
use crate::policy::media::SiteMedia;

/// Ports and numbers; none where media is not anchored.
#[derive(Debug)]
pub(super) struct Media {
    ports: Option<(Ports, u64)>,
    fingerprint: Option<Fingerprint>,
}

impl Media {
    /// Of what the policy says that the process starts with.
    pub fn new(site: Option<&SiteMedia>) -> Self {
        let ports = site.map(|site| {
            let pools = [&site.inside, &site.outside].map(|place| (place.address, place.ports.clone()));
            (Ports::new(&pools, site.rest), 0)
        });
        Self { ports, fingerprint: None }
    }

    /// Ports that calls hold.
    pub fn ports_out(&self) -> usize {
        self.ports.as_ref().map_or(0, |(ports, _)| ports.out())
    }

    /// What our certificate hashes to, for peers that shake hands.
    pub fn prove_by(&mut self, fingerprint: Fingerprint) {
        self.fingerprint = Some(fingerprint);
    }

    /// What a call may use of it.
    pub fn means(&mut self) -> Option<MediaMeans<'_>> {
        let fingerprint = self.fingerprint.as_ref();
        self.ports.as_mut().map(|(ports, next)| MediaMeans { ports, next, fingerprint })
    }
}
