//! The keys that find a message's transaction.
//!
//! Owns matching by RFC 3261 branches and by RFC 2543's fields. A key is a keyed hash: sixteen octets, no allocation,
//! and nobody outside can choose two messages that fall together. Refuses to know the tables.
//! Read first: RFC 3261 §8.2.2.2, §9.2, §17.1.3, §17.2.3.

use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::num::NonZeroU64;

use crate::sip::{Host, Message, Method, Via};

/// RFC 3261 §8.1.1.7.
const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

/// Who sends: the number of a peer, which is met on one listener. No two peers share a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender(pub u16);

/// A server transaction's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerKey([u64; 2]);

impl Hash for ServerKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// What two copies of one request have in common that came on different paths (RFC 3261 §8.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergedKey(NonZeroU64);

impl Hash for MergedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.get());
    }
}

/// A client transaction's key: our own branch, and the method as CSeq names it (RFC 3261 §17.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientKey {
    /// The 64 random bits of the branch.
    pub branch: u64,
    method: u64,
}

impl ClientKey {
    /// For a branch and a method token. Of a longer token the first eight octets count: a branch has one transaction
    /// besides its CANCEL, so they are told apart.
    #[must_use]
    pub fn new(branch: u64, method: &[u8]) -> Self {
        let mut octets = [0_u8; 8];
        for (place, octet) in octets.iter_mut().zip(method) {
            *place = *octet;
        }
        Self { branch, method: u64::from_be_bytes(octets) }
    }
}

impl Hash for ClientKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.branch);
    }
}

/// Passes on 64 bits that are random already: for the maps whose keys stand in this file.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // No key of this file comes here; FNV-1a keeps any other one right, if slow.
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }
}

/// For `HashMap`s over these keys.
pub type BuildKeyHasher = BuildHasherDefault<KeyHasher>;

/// Makes server keys under this process's secret.
#[derive(Clone)]
pub struct Keys {
    /// A hasher that has taken the secret in: what follows is keyed by it.
    keyed: DefaultHasher,
    /// Taken in between the first and the second half of a key.
    between: u64,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys([redacted])")
    }
}

impl Keys {
    /// Under a secret from the seeded generator.
    #[must_use]
    pub fn new(secret: [u64; 2]) -> Self {
        let mut keyed = DefaultHasher::new();
        secret.iter().for_each(|word| keyed.write_u64(*word));
        Self { keyed, between: secret[1] }
    }

    /// The server transaction a request starts or belongs to; an ACK belongs to its INVITE's.
    #[must_use]
    pub fn server(&self, sender: Sender, request: &Message) -> ServerKey {
        match request.method() {
            // RFC 3261 §17.2.3: the method matches, save for ACK, whose transaction an INVITE made.
            Method::Ack => self.server_of(sender, request, &Method::Invite),
            Method::Invite
            | Method::Bye
            | Method::Cancel
            | Method::Options
            | Method::Register
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Message
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Other(_) => self.server_of(sender, request, request.method()),
        }
    }

    /// The INVITE server transaction a CANCEL means (RFC 3261 §9.2: as if the CANCEL were that INVITE).
    #[must_use]
    pub fn cancelled(&self, sender: Sender, cancel: &Message) -> ServerKey {
        self.server_of(sender, cancel, &Method::Invite)
    }

    fn server_of(&self, sender: Sender, request: &Message, method: &Method) -> ServerKey {
        let via = request.top_via();
        let mut fields = Fields::new(&self.keyed);
        match rfc3261_branch(&via) {
            Some(branch) => {
                // RFC 3261 §17.2.3: branch, sent-by and method. 0 is no port: absent is kept apart from 5060, as the
                // peer wrote it in every message of the transaction.
                fields.head(Kind::Rfc3261, sender, via.port.unwrap_or(0));
                fields.host(&via);
                fields.field(method.as_bytes());
                fields.field(branch);
            }
            None => {
                // RFC 3261 §17.2.3, for RFC 2543 peers: Request-URI, tags, Call-ID, CSeq and the whole top Via.
                fields.head(Kind::Rfc2543, sender, 0);
                fields.field(&request.cseq().number.to_le_bytes());
                fields.field(method.as_bytes());
                fields.field(request.request_uri());
                fields.optional(request.from_tag());
                fields.field(request.call_id());
                fields.field(via.raw);
                // An ACK carries the tag of the response, which its INVITE had not: the table compares that one.
                if *method != Method::Invite {
                    fields.optional(request.to_tag());
                }
            }
        }
        let mut hasher = fields.hasher();
        let first = hasher.finish();
        hasher.write_u64(self.between);
        ServerKey([first, hasher.finish()])
    }

    /// What would show `request` to be a merged one; `None` where RFC 3261 §8.2.2.2 does not ask: with a To tag, for
    /// ACK and CANCEL, and for OPTIONS, which may be answered as often as it comes.
    #[must_use]
    pub fn merged(&self, sender: Sender, request: &Message) -> Option<MergedKey> {
        let asked = match request.method() {
            Method::Ack | Method::Cancel | Method::Options => false,
            Method::Invite
            | Method::Bye
            | Method::Register
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Message
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Other(_) => request.to_tag().is_none(),
        };
        if !asked {
            return None;
        }
        let mut fields = Fields::new(&self.keyed);
        fields.head(Kind::Merged, sender, 0);
        fields.field(&request.cseq().number.to_le_bytes());
        fields.field(request.method().as_bytes());
        fields.optional(request.from_tag());
        fields.field(request.call_id());
        NonZeroU64::new(fields.hasher().finish()).map(MergedKey)
    }
}

/// Whether a request's top Via is matched by RFC 2543's fields for want of an RFC 3261 branch.
#[must_use]
pub fn is_rfc2543(via: &Via<'_>) -> bool {
    rfc3261_branch(via).is_none()
}

/// The branch, where it starts with the cookie (RFC 3261 §17.2.3). The bare cookie identifies nothing.
fn rfc3261_branch<'a>(via: &Via<'a>) -> Option<&'a [u8]> {
    via.branch.filter(|branch| {
        branch.len() > MAGIC_COOKIE.len()
            && branch.get(..MAGIC_COOKIE.len()).is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE))
    })
}

/// What is hashed; no two kinds write the same.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Rfc3261 = 1,
    Rfc2543 = 2,
    Merged = 3,
}

/// Octets that gather before the hasher takes them: it takes one long stretch much faster than many short ones.
const GATHERED: usize = 128;

/// A list of fields on its way through the hasher.
struct Fields {
    hasher: DefaultHasher,
    gathered: [u8; GATHERED],
    filled: usize,
}

impl Fields {
    fn new(keyed: &DefaultHasher) -> Self {
        Self { hasher: keyed.clone(), gathered: [0; GATHERED], filled: 0 }
    }

    fn put(&mut self, octets: &[u8]) {
        let end = self.filled + octets.len();
        if let Some(place) = self.gathered.get_mut(self.filled..end) {
            place.copy_from_slice(octets);
            self.filled = end;
        } else {
            self.flush();
            self.hasher.write(octets);
        }
    }

    fn flush(&mut self) {
        self.hasher.write(self.gathered.get(..self.filled).unwrap_or_default());
        self.filled = 0;
    }

    /// The small fields. The sender is among them: another peer that overhears a branch cannot take its transaction.
    fn head(&mut self, kind: Kind, sender: Sender, port: u16) {
        let [a, b] = sender.0.to_le_bytes();
        let [c, d] = port.to_le_bytes();
        self.put(&[kind as u8, a, b, c, d]);
    }

    /// Octets with their count before them, so that no two lists of fields write the same.
    fn field(&mut self, octets: &[u8]) {
        self.put(&u32::try_from(octets.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.put(octets);
    }

    fn optional(&mut self, octets: Option<&[u8]>) {
        self.put(&[u8::from(octets.is_some())]);
        self.field(octets.unwrap_or_default());
    }

    /// The host of sent-by: names are compared without case, addresses as such.
    fn host(&mut self, via: &Via<'_>) {
        match via.host {
            Host::Address(IpAddr::V4(address)) => self.field(&address.octets()),
            Host::Address(IpAddr::V6(address)) => self.field(&address.octets()),
            Host::Name(name) => {
                self.field(&name.len().to_le_bytes());
                for part in name.chunks(16) {
                    let mut lower = [0_u8; 16];
                    lower.iter_mut().zip(part).for_each(|(place, octet)| *place = octet.to_ascii_lowercase());
                    self.put(&lower);
                }
            }
        }
    }

    fn hasher(mut self) -> DefaultHasher {
        self.flush();
        self.hasher
    }
}
