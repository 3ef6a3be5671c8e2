//! One handshake with one peer, in either role, until both have the same keys.
//!
//! Owns that no key leaves it before the certificate is the one that the signalling told of, the peer has shown that it has
//! its private key (by its signature, and by a last message that only the keys agreed on could have made), and the profile is
//! one that the leg lets. Refuses to know where datagrams come from.
//! Read first: RFC 5763 §5; RFC 5764 §4.1, §4.2; RFC 6347 §4.1.2.7, §4.2; RFC 8122 §5; RFC 7714 §12.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::identity::Identity;
use crate::clock::Tick;
use crate::media::order::Fingerprint;
use crate::media::srtp::{MasterKey, Suite};

/// Suites that a handshake may agree on; of these a leg lets some, and those alone are offered or taken.
pub const PROFILES: [Suite; 4] =
    [Suite::AesCm128HmacSha1T80, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1T32];

/// Every wait for an answer, where we begin. RFC 6347 §4.2.4.1 says a second for any network; who waits for the first word of
/// a call is served by less. The library sends a flight eight times, and gives up.
const WAIT_ACTIVE: Duration = Duration::from_millis(700);
/// The same, where the peer begins. The library sends its flight no more once the peer has repeated the one before, so it must
/// have done so before the peer's own wait is over.
const WAIT_PASSIVE: Duration = Duration::from_millis(450);
/// The library waits for ever once the peer has repeated a flight, or sent a part of one: it is given so long to send the rest,
/// which a peer repeats after one second, and two more.
const STALLED: Duration = Duration::from_millis(3_500);
/// All of one handshake: who has not come to its end by then begins another.
const PATIENCE: Duration = Duration::from_secs(12);
/// What we send at most: below what any tunnel leaves of 1,280 octets.
const DATAGRAM_OCTETS_MAX: usize = 1_150;
/// All that a peer may say in one handshake: a chain of certificates, sent a few times. The library keeps what it cannot use
/// yet; more than this ends it.
pub const OCTETS_MAX: usize = 64 << 10;
/// The same in parts of messages. The library goes through all that it keeps for each that comes, so that small ones cost the
/// most; a handshake has about ten, and eight times that where all is repeated.
pub const PARTS_MAX: usize = 128;
/// Octets before what a record holds: type, version, epoch and number, length (RFC 6347 §4.1).
const RECORD_HEAD: usize = 13;
/// Octets before what a part holds: type, length, number, place and length of the part (RFC 6347 §4.2.2).
const PART_HEAD: usize = 12;
/// Where the peer is, as the library is told: it knows one, and sends nothing.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 1);
/// The first octet of a record of a handshake (RFC 5246 §6.2.1).
const HANDSHAKE_RECORD: u8 = 22;
/// What exports keys for SRTP (RFC 5764 §4.2).
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// Ciphers of the handshake itself: for a certificate of either kind on the peer's side, ours is ECDSA's.
const CIPHERS: [CipherSuiteId; 4] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
];

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
    /// Who has shown to have the key of its certificate is not who was signalled.
    Certificate,
    /// It came to its end, and no profile for SRTP was agreed on that this leg lets.
    Profile,
    /// The peer, or time, ended it, or somebody in its name did before anything was proven; what is known of it.
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
    endpoint: Endpoint,
    identity: Arc<Identity>,
    suites: Arc<[Suite]>,
    active: bool,
    /// Somebody proved to be another.
    other: Arc<AtomicBool>,
    /// When it must have come to its end; `None` until it has begun.
    by: Option<Tick>,
    /// When it is over unless the peer says more.
    stalls: Option<Tick>,
    /// Octets of the peer so far, and parts of messages.
    taken: usize,
    parts: usize,
    outgoing: VecDeque<BytesMut>,
    /// Keys that were not told yet.
    keys: Option<Box<Keys>>,
    /// It came to its end.
    done: bool,
    /// What was said without proof that it is over.
    word: Option<String>,
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
        let other = Arc::new(AtomicBool::new(false));
        let made = catch_unwind(AssertUnwindSafe(|| config(identity, expected, suites, active, &other)))
            .unwrap_or_else(|_| Err(Broken::Protocol(FAILED.to_owned())));
        let (config, broken) = match made {
            Ok(config) => (Some(Arc::new(config)), None),
            Err(broken) => (None, Some(broken)),
        };
        let server = if active { None } else { config.clone() };
        let mut handshake = Self {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, server),
            identity: Arc::clone(identity),
            suites: Arc::clone(suites),
            active,
            other,
            by: active.then(|| now.after(PATIENCE)),
            stalls: None,
            taken: 0,
            parts: 0,
            outgoing: VecDeque::new(),
            keys: None,
            done: false,
            word: None,
            broken,
        };
        if let (true, Some(config)) = (active, config) {
            handshake.asked(now, true, |endpoint, at| {
                endpoint.connect(at, PEER, config, None).map(|()| Vec::new())
            });
        }
        handshake
    }

    /// Takes a datagram of the peer.
    pub fn take(&mut self, now: Tick, datagram: &[u8]) {
        self.by.get_or_insert_with(|| now.after(PATIENCE));
        self.taken = self.taken.saturating_add(datagram.len());
        self.parts = self.parts.saturating_add(parts(datagram));
        if self.taken > OCTETS_MAX || self.parts > PARTS_MAX {
            // Behind the end it is our last flight that is asked for again: enough is enough there as well.
            let said =
                format!("the peer said more than {OCTETS_MAX} octets, or in more than {PARTS_MAX} parts");
            self.ends(Broken::Protocol(said));
            return;
        }
        let matters = datagram.first() == Some(&HANDSHAKE_RECORD);
        self.asked(now, matters, |endpoint, at| endpoint.read(at, PEER, None, BytesMut::from(datagram)));
        self.stalls = match self.endpoint.poll_timeout(&PEER) {
            None if !self.done => self.stalls.or(Some(now.after(STALLED))),
            None | Some(_) => None,
        };
    }

    /// Looks at the time.
    pub fn pass(&mut self, now: Tick) {
        if self.done {
            return;
        }
        if [self.by, self.stalls].into_iter().flatten().any(|end| end <= now) {
            let cause = self.word.take().unwrap_or_else(|| "it took too long".to_owned());
            self.ends(Broken::Protocol(cause));
            return;
        }
        if self.endpoint.poll_timeout(&PEER).is_some_and(|due| due <= self.identity.instant(now)) {
            self.asked(now, true, |endpoint, at| endpoint.handle_timeout(PEER, at).map(|()| Vec::new()));
        }
    }

    /// The next thing to do. To be asked until it waits or is broken.
    pub fn step(&mut self, buffer: &mut [u8]) -> Step {
        if let Some(datagram) = self.outgoing.pop_front() {
            return match buffer.get_mut(..datagram.len()) {
                Some(place) => {
                    place.copy_from_slice(&datagram);
                    Step::Send(datagram.len())
                }
                None => self.ends(Broken::Protocol("a datagram of ours is too long".to_owned())),
            };
        }
        if let Some(broken) = &self.broken {
            return Step::Broken(broken.clone());
        }
        if let Some(keys) = self.keys.take() {
            return Step::Keys(keys);
        }
        let never = Tick::from_micros(u64::MAX);
        let due = self.endpoint.poll_timeout(&PEER).filter(|_| !self.done);
        let due = due.map(|due| self.identity.tick(due));
        let ends = [self.by, self.stalls].map(|end| end.filter(|_| !self.done));
        Step::Wait(ends.into_iter().chain([due]).flatten().min().unwrap_or(never))
    }

    fn ends(&mut self, broken: Broken) -> Step {
        self.broken = Some(broken.clone());
        Step::Broken(broken)
    }

    /// Asks the library. `matters` is false of what anybody can say in a peer's name and nothing needs: an error there ends
    /// nothing (RFC 6347 §4.1.2.7), and is not answered.
    fn asked(
        &mut self,
        now: Tick,
        matters: bool,
        ask: impl FnOnce(&mut Endpoint, Instant) -> Result<Vec<EndpointEvent>, Error>,
    ) {
        if self.broken.is_some() {
            return;
        }
        let at = self.identity.instant(now);
        let endpoint = &mut self.endpoint;
        // A library that panics ends this handshake, and no thread with all its calls.
        let said = catch_unwind(AssertUnwindSafe(|| {
            let said = ask(endpoint, at);
            (said, std::iter::from_fn(|| endpoint.poll_transmit()).map(|sent| sent.message).collect())
        }));
        let (said, outgoing): (_, VecDeque<BytesMut>) = match said {
            Ok(said) => said,
            Err(_) => {
                self.ends(Broken::Protocol(FAILED.to_owned()));
                return;
            }
        };
        match said {
            Ok(events) => {
                self.outgoing.extend(outgoing);
                events.into_iter().for_each(|event| self.heard(&event));
            }
            Err(_) if self.done => {}
            Err(error) if !matters => self.word = Some(error.to_string()),
            Err(error) => {
                // The alert that tells the peer why.
                self.outgoing.extend(outgoing);
                let broken = if self.other.load(Ordering::Relaxed) {
                    Broken::Certificate
                } else {
                    Broken::Protocol(self.word.take().unwrap_or_else(|| error.to_string()))
                };
                self.ends(broken);
            }
        }
    }

    fn heard(&mut self, event: &EndpointEvent) {
        match event {
            EndpointEvent::HandshakeComplete => {
                self.done = true;
                match self.exported() {
                    Some(keys) => self.keys = Some(keys),
                    None => drop(self.ends(Broken::Profile)),
                }
            }
            // RFC 5764 §5.1: nothing but keys is made of it. Who ends it says so in the signalling.
            EndpointEvent::ApplicationData(_) | EndpointEvent::PeerClosed => {}
            // What the library may learn to say is nothing that is waited for.
            _ => {}
        }
    }

    /// Both sides' keys, where the peer is who it must be.
    fn exported(&self) -> Option<Box<Keys>> {
        let state = self.endpoint.get_connection_state(PEER)?;
        let suite = suite_of(state.srtp_protection_profile())?;
        // The library asks of both that a certificate is shown; it is asked again here, for without one nobody is proven.
        if !self.suites.contains(&suite) || state.peer_certificates.is_empty() {
            return None;
        }
        // RFC 5764 §4.2: the client's key, the server's, the client's salt, the server's.
        let octets = 2 * (suite.key_octets() + suite.salt_octets());
        let material = state.export_keying_material(LABEL, &[], octets).ok()?;
        let (both, salts) = material.as_ref().split_at_checked(2 * suite.key_octets())?;
        let (client, server) = both.split_at_checked(suite.key_octets())?;
        let (client_salt, server_salt) = salts.split_at_checked(suite.salt_octets())?;
        let key = |key: &[u8], salt: &[u8]| MasterKey::new(suite, &Zeroizing::new([key, salt].concat())).ok();
        let (client, server) = (key(client, client_salt)?, key(server, server_salt)?);
        let (outbound, inbound) = if self.active { (client, server) } else { (server, client) };
        Some(Box::new(Keys { inbound, outbound }))
    }
}

const FAILED: &str = "the DTLS library failed";

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { active, done, broken, .. } = self;
        let mut shown = f.debug_struct("Handshake");
        shown.field("active", active).field("done", done).field("broken", broken).finish_non_exhaustive()
    }
}

/// What the library is told of one handshake.
fn config(
    identity: &Identity,
    expected: &Fingerprint,
    suites: &[Suite],
    active: bool,
    other: &Arc<AtomicBool>,
) -> Result<HandshakeConfig, Broken> {
    let profiles: Vec<_> = suites.iter().copied().filter_map(profile_of).collect();
    if profiles.is_empty() {
        return Err(Broken::Profile);
    }
    let (expected, other) = (expected.clone(), Arc::clone(other));
    // Asked once the peer has shown that it has the private key: by its signature of the key exchange, or of all that was said.
    let is_peer = move |chain: &[Vec<u8>], _: &[_]| match chain.first() {
        // RFC 5763 §5: compared before anything that the peer says is believed.
        Some(der) if is_of(&expected, der) => Ok(()),
        Some(_) | None => {
            other.store(true, Ordering::Relaxed);
            Err(Error::ErrInvalidCertificate)
        }
    };
    ConfigBuilder::default()
        .with_crypto_provider(identity.provider())
        .with_certificates(vec![identity.certificate()])
        .with_cipher_suites(CIPHERS.to_vec())
        .with_srtp_protection_profiles(profiles)
        // RFC 5763 §5: both show a certificate, signed by whomever.
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(Arc::new(is_peer)))
        .with_server_name(super::identity::NAME.to_owned())
        .with_flight_interval(if active { WAIT_ACTIVE } else { WAIT_PASSIVE })
        .with_mtu(DATAGRAM_OCTETS_MAX)
        .build(active, None)
        .map_err(|error| Broken::Protocol(error.to_string()))
}

/// Parts of messages in a datagram, and records of anything else; what is left of one at the end counts as one.
fn parts(datagram: &[u8]) -> usize {
    let number = |octets: &[u8]| octets.iter().fold(0, |number, octet| number << 8 | usize::from(*octet));
    let (mut rest, mut count) = (datagram, 0);
    while !rest.is_empty() {
        let length = rest.get(RECORD_HEAD - 2..RECORD_HEAD).map_or(0, number);
        let end = rest.len().min(RECORD_HEAD + length);
        let (record, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = behind;
        let mut held = record.get(RECORD_HEAD..).unwrap_or_default();
        // Behind the change of keys it is the peer's own, and cannot be read here.
        if record.first() != Some(&HANDSHAKE_RECORD) || record.get(3..5) != Some(&[0, 0]) || held.is_empty() {
            count += 1;
            held = &[];
        }
        while !held.is_empty() {
            count += 1;
            let length = held.get(PART_HEAD - 3..PART_HEAD).map_or(0, number);
            held = held.get(PART_HEAD + length..).unwrap_or_default();
        }
    }
    count
}

/// Whether a certificate is the one of a fingerprint; a hash that is not known, or too weak, is nobody's.
fn is_of(expected: &Fingerprint, der: &[u8]) -> bool {
    match &*expected.hash {
        "sha-256" => expected.octets[..] == Sha256::digest(der)[..],
        "sha-384" => expected.octets[..] == Sha384::digest(der)[..],
        "sha-512" => expected.octets[..] == Sha512::digest(der)[..],
        _ => false,
    }
}

const fn profile_of(suite: Suite) -> Option<SrtpProtectionProfile> {
    match suite {
        Suite::AesCm128HmacSha1T80 => Some(SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80),
        Suite::AesCm128HmacSha1T32 => Some(SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32),
        Suite::AeadAes128Gcm => Some(SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm),
        Suite::AeadAes256Gcm => Some(SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm),
        // RFC 5764 has none for them.
        Suite::AesCm256HmacSha1T80 | Suite::AesCm256HmacSha1T32 => None,
    }
}

fn suite_of(profile: SrtpProtectionProfile) -> Option<Suite> {
    Suite::ALL.into_iter().find(|suite| profile_of(*suite) == Some(profile))
}
