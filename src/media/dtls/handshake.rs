//! One handshake with one peer, in either role, until both have the same keys.
//!
//! Owns that no key leaves it before the certificate is the one that the signalling told of, the peer has shown that it has
//! its private key, and the profile is one that the leg lets. Refuses to know where datagrams come from.
//! Read first: RFC 5763 §5; RFC 5764 §4.1, §4.2; RFC 8122 §5; RFC 7714 §12.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dimpl::{Dtls, Error, KeyingMaterial, Output, SrtpProfile, UnexpectedMessageError};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::identity::Identity;
use crate::clock::Tick;
use crate::media::order::Fingerprint;
use crate::media::srtp::{MasterKey, Suite};

/// Suites that a handshake may agree on. The library offers all of them, and as a server takes the first that it is offered.
pub const PROFILES: [Suite; 3] = [Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1T80];

/// What came of a handshake.
#[derive(Debug)]
pub struct Keys {
    /// The peer's.
    pub inbound: MasterKey,
    /// Ours.
    pub outbound: MasterKey,
}

/// Why a handshake is over without keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The certificate is not the one that was signalled.
    Certificate,
    /// No profile for SRTP was agreed on, or one that this leg does not let.
    Profile,
    /// The peer, or time, ended it; what the library says of it.
    Protocol(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate => {
                f.write_str("the peer's certificate is not the one whose fingerprint was signalled")
            }
            Self::Profile => f.write_str("no SRTP profile that this leg may use was agreed on"),
            Self::Protocol(cause) => f.write_str(cause),
        }
    }
}

/// What is to be done next.
#[derive(Debug)]
pub enum Step {
    /// The first octets of the buffer are to be sent.
    Send(usize),
    /// Both have keys. Told once.
    Keys(Box<Keys>),
    /// Nothing before a datagram comes, or this time.
    Wait(Tick),
    /// It is over.
    Broken(Broken),
}

/// One handshake.
pub struct Handshake {
    dtls: Dtls,
    identity: Arc<Identity>,
    expected: Fingerprint,
    suites: Arc<[Suite]>,
    active: bool,
    proven: bool,
    connected: bool,
    /// Keys, until both sides have ended the handshake.
    keys: Option<Box<Keys>>,
    /// Keys were told.
    done: bool,
    broken: Option<Broken>,
}

impl Handshake {
    /// Begins one: with the first flight where we are `active`, else with waiting for it.
    #[must_use]
    pub fn new(
        identity: &Arc<Identity>,
        (expected, suites): (&Fingerprint, &Arc<[Suite]>),
        active: bool,
        now: Tick,
    ) -> Self {
        let at = identity.instant(now);
        let dtls = Dtls::new_auto(Arc::clone(&identity.config), identity.certificate(), at);
        let mut handshake = Self {
            dtls,
            identity: Arc::clone(identity),
            expected: expected.clone(),
            suites: Arc::clone(suites),
            active,
            proven: false,
            connected: false,
            keys: None,
            done: false,
            broken: None,
        };
        handshake.guarded(|dtls| {
            dtls.set_active(active);
            dtls.handle_timeout(at)
        });
        handshake
    }

    /// Takes a datagram of the peer.
    pub fn take(&mut self, now: Tick, datagram: &[u8]) {
        let at = self.identity.instant(now);
        self.guarded(|dtls| {
            dtls.handle_timeout(at)?;
            dtls.handle_packet(datagram)
        });
    }

    /// Looks at the time.
    pub fn pass(&mut self, now: Tick) {
        let at = self.identity.instant(now);
        self.guarded(|dtls| dtls.handle_timeout(at));
    }

    /// The next thing to do. To be asked until it waits or is broken.
    pub fn step(&mut self, buffer: &mut [u8]) -> Step {
        loop {
            if let Some(broken) = &self.broken {
                return Step::Broken(broken.clone());
            }
            if self.connected
                && let Some(keys) = self.keys.take()
            {
                self.done = true;
                return Step::Keys(keys);
            }
            let (dtls, place) = (&mut self.dtls, &mut *buffer);
            // A library that panics ends this handshake, and no thread with all its calls.
            let polled = catch_unwind(AssertUnwindSafe(move || {
                let place = place;
                dtls.poll_output(place)
            }));
            let Ok(output) = polled else {
                return self.ends(Broken::Protocol("the DTLS library failed".to_owned()));
            };
            match output {
                Output::Packet(packet) => return Step::Send(packet.len()),
                // RFC 5763 §5: compared before anything that the peer says is believed.
                Output::PeerCert(der) if hash(&self.expected, der) => self.proven = true,
                Output::PeerCert(_) => return self.ends(Broken::Certificate),
                Output::KeyingMaterial(material, profile) => {
                    self.keys = keys(&material, profile, self.active, &self.suites);
                    if self.keys.is_none() {
                        return self.ends(Broken::Profile);
                    }
                }
                Output::Connected if self.proven => self.connected = true,
                Output::Connected => return self.ends(Broken::Certificate),
                Output::Timeout(_) if self.connected && !self.done => {
                    return self.ends(Broken::Profile);
                }
                Output::Timeout(at) => return Step::Wait(self.identity.tick(at)),
                Output::BufferTooSmall { .. } => {
                    return self.ends(Broken::Protocol("a datagram of ours is too long".to_owned()));
                }
                // RFC 5764 §5.1: nothing but keys is made of it. Who ends it says so in the signalling.
                Output::ApplicationData(_) | Output::CloseNotify => {}
                // What the library may learn to say is nothing that is waited for.
                _ => {}
            }
        }
    }

    fn ends(&mut self, broken: Broken) -> Step {
        self.broken = Some(broken.clone());
        Step::Broken(broken)
    }

    fn guarded(&mut self, act: impl FnOnce(&mut Dtls) -> Result<(), Error>) {
        if self.broken.is_some() {
            return;
        }
        let dtls = &mut self.dtls;
        match catch_unwind(AssertUnwindSafe(|| act(dtls))) {
            // RFC 6347 §4.1.2.7: what is no answer is left out. The library says so before it has changed anything.
            Ok(
                Ok(())
                | Err(Error::UnexpectedMessage(UnexpectedMessageError::UnrecognizedAutoServerResponse)),
            ) => {}
            Ok(Err(error)) => self.broken = Some(Broken::Protocol(error.to_string())),
            Err(_) => self.broken = Some(Broken::Protocol("the DTLS library failed".to_owned())),
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { active, proven, done, broken, .. } = self;
        let mut shown = f.debug_struct("Handshake");
        shown.field("active", active).field("proven", proven).field("done", done).field("broken", broken);
        shown.finish_non_exhaustive()
    }
}

/// Whether a certificate is the one of a fingerprint; a hash that is not known, or too weak, is nobody's.
fn hash(expected: &Fingerprint, der: &[u8]) -> bool {
    match &*expected.hash {
        "sha-256" => expected.octets[..] == Sha256::digest(der)[..],
        "sha-384" => expected.octets[..] == Sha384::digest(der)[..],
        "sha-512" => expected.octets[..] == Sha512::digest(der)[..],
        _ => false,
    }
}

/// Both sides' keys from what the handshake exports.
fn keys(
    material: &KeyingMaterial,
    profile: SrtpProfile,
    active: bool,
    suites: &[Suite],
) -> Option<Box<Keys>> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1T80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
        // The library may learn others; that is no reason to take them.
        _ => return None,
    };
    if !suites.contains(&suite) {
        return None;
    }
    // RFC 5764 §4.2: the client's key, the server's, the client's salt, the server's.
    let (both, salts) = material.split_at_checked(2 * suite.key_octets())?;
    let (client, server) = both.split_at_checked(suite.key_octets())?;
    let (client_salt, server_salt) = salts.split_at_checked(suite.salt_octets())?;
    let key = |key: &[u8], salt: &[u8]| MasterKey::new(suite, &Zeroizing::new([key, salt].concat())).ok();
    let (client, server) = (key(client, client_salt)?, key(server, server_salt)?);
    let (outbound, inbound) = if active { (client, server) } else { (server, client) };
    Some(Box::new(Keys { inbound, outbound }))
}
