//! One packet under one session key: enciphered and tagged, or checked and deciphered, in place.
//!
//! Owns the initial values, what a tag covers and where everything stands in a packet. Refuses to know windows and
//! roll-over: the index is given. Read first: RFC 3711 §3.1, §3.4, §4.1.1, §4.2; RFC 7714 §8, §9.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Refused;
use super::counter::{Counter, KEY_OCTETS_MAX};
use super::derive::{SessionKeys, Stream};
use super::key::{MasterKey, Mki};
use super::mac::Mac;
use crate::media::rtcp;
use crate::media::rtp::BadPacket;

/// Octets of a GCM tag.
const GCM_TAG_OCTETS: usize = 16;
/// The bit before an SRTCP index that says the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;
/// Octets of that bit and the index.
pub(super) const WORD_OCTETS: usize = 4;

/// The session keys of SRTP or of SRTCP, ready for packets.
pub(super) struct Transform {
    cipher: Cipher,
    tag_octets: usize,
}

enum Cipher {
    CounterMode { counter: Counter, mac: Mac, salt: Zeroizing<[u8; 14]> },
    Gcm { key: LessSafeKey, salt: Zeroizing<[u8; 12]> },
}

/// What an initial value is made of.
#[derive(Clone, Copy)]
struct Place {
    ssrc: u32,
    index: u64,
}

impl Transform {
    /// Derives the stream's keys.
    pub(super) fn new(master: &MasterKey, stream: Stream) -> Self {
        let keys = SessionKeys::derive(master, stream);
        let suite = master.suite();
        let cipher = if suite.is_aead() {
            let algorithm = if suite.key_octets() == KEY_OCTETS_MAX { &AES_256_GCM } else { &AES_128_GCM };
            let key = keys.cipher.get(..suite.key_octets()).unwrap_or_default();
            // A key is refused for its length alone, and the suite's table gives each algorithm its own.
            let key = UnboundKey::new(algorithm, key).expect("the key has the algorithm's length");
            let salt = Zeroizing::new(std::array::from_fn(|at| keys.salt[at]));
            Cipher::Gcm { key: LessSafeKey::new(key), salt }
        } else {
            let counter = match stream {
                Stream::Srtp => Counter::new(suite, &keys.cipher),
                Stream::Srtcp => Counter::Rare(suite, keys.cipher),
            };
            Cipher::CounterMode { counter, mac: Mac::new(&keys.mac), salt: keys.salt }
        };
        let tag_octets = match stream {
            Stream::Srtp => suite.srtp_tag_octets(),
            Stream::Srtcp => suite.srtcp_tag_octets(),
        };
        Self { cipher, tag_octets }
    }

    /// Octets that protection adds to an SRTP packet; SRTCP has its word beside.
    pub(super) const fn tag_octets(&self) -> usize {
        self.tag_octets
    }

    /// Whether a packet that was refused is left as it came.
    pub(super) const fn leaves_refused_alone(&self) -> bool {
        match self.cipher {
            // RFC 3711 §3.3: the tag is checked before anything is deciphered.
            Cipher::CounterMode { .. } => true,
            Cipher::Gcm { .. } => false,
        }
    }

    /// Protects an RTP packet that fills all of `packet` but the tag's place; `header` octets stay in the clear.
    pub(super) fn seal_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<(), Refused> {
        let place = Place { ssrc, index };
        let length = packet.len().checked_sub(self.tag_octets).ok_or(Refused::Room)?;
        let (body, tag) = packet.split_at_mut_checked(length).ok_or(Refused::Room)?;
        match &self.cipher {
            Cipher::CounterMode { counter, mac, salt } => {
                let payload = body.get_mut(header..).ok_or(Refused::Room)?;
                counter.apply(&place.counter_iv(salt), payload);
                copy(&mac.tag(body, place.roll_over(), 4), tag);
            }
            Cipher::Gcm { key, salt } => {
                let (clear, payload) = body.split_at_mut_checked(header).ok_or(Refused::Room)?;
                let nonce = Nonce::assume_unique_for_key(place.gcm_rtp_nonce(salt));
                let made = key.seal_in_place_separate_tag(nonce, Aad::from(&*clear), payload);
                copy(made.map_err(|_too_long| Refused::Room)?.as_ref(), tag);
            }
        }
        Ok(())
    }

    /// Opens an SRTP packet; returns the length of the RTP packet.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        mki: Mki,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Refused> {
        let place = Place { ssrc, index };
        let short = Refused::Packet(BadPacket::Short);
        let length = packet.len().checked_sub(mki.octets() + self.tag_octets).ok_or(short)?;
        if length < header {
            return Err(short);
        }
        let (body, trailer) = packet.split_at_mut_checked(length).ok_or(short)?;
        match &self.cipher {
            Cipher::CounterMode { counter, mac, salt } => {
                // RFC 3711 §3.1: MKI, then the tag.
                let (identifier, tag) = trailer.split_at_checked(mki.octets()).ok_or(short)?;
                same_mki(identifier, mki)?;
                same_tag(&mac.tag(body, place.roll_over(), 4), tag)?;
                counter.apply(&place.counter_iv(salt), body.get_mut(header..).ok_or(short)?);
            }
            Cipher::Gcm { key, salt } => {
                // RFC 7714 §8.2: the tag is the end of the ciphertext; the MKI follows.
                let (tag, identifier) = trailer.split_at_checked(self.tag_octets).ok_or(short)?;
                same_mki(identifier, mki)?;
                let (clear, payload) = body.split_at_mut_checked(header).ok_or(short)?;
                let nonce = Nonce::assume_unique_for_key(place.gcm_rtp_nonce(salt));
                key.open_in_place_separate_tag(nonce, Aad::from(&*clear), tag, payload)
                    .map_err(|_unauthentic| Refused::Unauthentic)?;
            }
        }
        Ok(length)
    }

    /// Protects an RTCP packet that fills all of `packet` but the places of tag and word.
    pub(super) fn seal_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<(), Refused> {
        let place = Place { ssrc, index: u64::from(index) };
        let length = packet.len().checked_sub(self.tag_octets + WORD_OCTETS).ok_or(Refused::Room)?;
        let word = (ENCRYPTED | index).to_be_bytes();
        match &self.cipher {
            Cipher::CounterMode { counter, mac, salt } => {
                let payload = packet.get_mut(rtcp::HEADER_OCTETS..length).ok_or(Refused::Room)?;
                counter.apply(&place.counter_iv(salt), payload);
                // RFC 3711 §3.4: the word stands before the tag, which covers it.
                let (body, tag) = packet.split_at_mut_checked(length + WORD_OCTETS).ok_or(Refused::Room)?;
                copy(&word, body.get_mut(length..).ok_or(Refused::Room)?);
                copy(&mac.tag(body, [0; 4], 0), tag);
            }
            Cipher::Gcm { key, salt } => {
                let (body, trailer) = packet.split_at_mut_checked(length).ok_or(Refused::Room)?;
                let (clear, payload) = body.split_at_mut_checked(rtcp::HEADER_OCTETS).ok_or(Refused::Room)?;
                let nonce = Nonce::assume_unique_for_key(place.gcm_rtcp_nonce(salt));
                let made = key.seal_in_place_separate_tag(nonce, Aad::from(associated(clear, word)), payload);
                let (tag, end) = trailer.split_at_mut_checked(self.tag_octets).ok_or(Refused::Room)?;
                copy(made.map_err(|_too_long| Refused::Room)?.as_ref(), tag);
                copy(&word, end);
            }
        }
        Ok(())
    }

    /// The index an SRTCP packet carries, read before anything is known to be authentic.
    pub(super) fn rtcp_index(&self, packet: &[u8], mki: Mki) -> Result<u32, Refused> {
        let short = Refused::Packet(BadPacket::Short);
        let behind = match self.cipher {
            Cipher::CounterMode { .. } => mki.octets() + self.tag_octets,
            Cipher::Gcm { .. } => mki.octets(),
        };
        let trailer = WORD_OCTETS + mki.octets() + self.tag_octets;
        if packet.len() < rtcp::HEADER_OCTETS + trailer {
            return Err(short);
        }
        let end = packet.len().checked_sub(behind).ok_or(short)?;
        let &word = packet.get(..end).and_then(|head| head.last_chunk()).ok_or(short)?;
        let word = u32::from_be_bytes(word);
        // RFC 3711 §3.4: without the E bit the packet is in the clear, which neither side agreed to.
        if word & ENCRYPTED == 0 { Err(Refused::Unencrypted) } else { Ok(word & !ENCRYPTED) }
    }

    /// Opens an SRTCP packet whose index was read by [`Transform::rtcp_index`]; returns the length of the RTCP packet.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        mki: Mki,
        ssrc: u32,
        index: u32,
    ) -> Result<usize, Refused> {
        let place = Place { ssrc, index: u64::from(index) };
        let short = Refused::Packet(BadPacket::Short);
        let trailer = WORD_OCTETS + mki.octets() + self.tag_octets;
        let length = packet.len().checked_sub(trailer).ok_or(short)?;
        if length < rtcp::HEADER_OCTETS {
            return Err(short);
        }
        match &self.cipher {
            Cipher::CounterMode { counter, mac, salt } => {
                let (body, rest) = packet.split_at_mut_checked(length + WORD_OCTETS).ok_or(short)?;
                let (identifier, tag) = rest.split_at_checked(mki.octets()).ok_or(short)?;
                same_mki(identifier, mki)?;
                same_tag(&mac.tag(body, [0; 4], 0), tag)?;
                let payload = body.get_mut(rtcp::HEADER_OCTETS..length).ok_or(short)?;
                counter.apply(&place.counter_iv(salt), payload);
            }
            Cipher::Gcm { key, salt } => {
                let (body, rest) = packet.split_at_mut_checked(length).ok_or(short)?;
                let (tag, rest) = rest.split_at_checked(self.tag_octets).ok_or(short)?;
                same_mki(rest.get(WORD_OCTETS..).ok_or(short)?, mki)?;
                let (clear, payload) = body.split_at_mut_checked(rtcp::HEADER_OCTETS).ok_or(short)?;
                let nonce = Nonce::assume_unique_for_key(place.gcm_rtcp_nonce(salt));
                let aad = Aad::from(associated(clear, (ENCRYPTED | index).to_be_bytes()));
                key.open_in_place_separate_tag(nonce, aad, tag, payload)
                    .map_err(|_unauthentic| Refused::Unauthentic)?;
            }
        }
        Ok(length)
    }
}

impl Place {
    /// What a tag of SRTP covers behind the packet.
    fn roll_over(self) -> [u8; 4] {
        // RFC 3711 §4.2: M = authenticated portion || ROC.
        let [_, _, a, b, c, d, _, _] = self.index.to_be_bytes();
        [a, b, c, d]
    }

    fn counter_iv(self, salt: &[u8; 14]) -> [u8; 16] {
        // RFC 3711 §4.1.1: IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16).
        let mut wide = [0; 16];
        copy(salt, &mut wide);
        let place = u128::from(self.ssrc) << 64 | u128::from(self.index) << 16;
        (u128::from_be_bytes(wide) ^ place).to_be_bytes()
    }

    fn gcm_rtp_nonce(self, salt: &[u8; 12]) -> [u8; 12] {
        // RFC 7714 §8.1: 16 zero bits, SSRC, ROC, SEQ: the index as it is, for it is ROC and SEQ.
        xor(salt, u128::from(self.ssrc) << 48 | u128::from(self.index))
    }

    fn gcm_rtcp_nonce(self, salt: &[u8; 12]) -> [u8; 12] {
        // RFC 7714 §9.1: 16 zero bits, SSRC, 16 zero bits, a zero bit and the 31-bit index.
        xor(salt, u128::from(self.ssrc) << 48 | u128::from(self.index))
    }
}

/// A salt and the low 96 bits of a number.
fn xor(salt: &[u8; 12], number: u128) -> [u8; 12] {
    let [_, _, _, _, low @ ..] = number.to_be_bytes();
    std::array::from_fn(|at| salt[at] ^ low[at])
}

/// What an SRTCP tag of GCM covers beside the ciphertext (RFC 7714 §9.2).
fn associated(clear: &[u8], word: [u8; WORD_OCTETS]) -> [u8; rtcp::HEADER_OCTETS + WORD_OCTETS] {
    let mut octets = [0; rtcp::HEADER_OCTETS + WORD_OCTETS];
    for (place, octet) in octets.iter_mut().zip(clear.iter().chain(&word)) {
        *place = *octet;
    }
    octets
}

/// As many octets as both have: a tag is cut to the place it has.
fn copy(from: &[u8], to: &mut [u8]) {
    for (place, octet) in to.iter_mut().zip(from) {
        *place = *octet;
    }
}

fn same_mki(found: &[u8], agreed: Mki) -> Result<(), Refused> {
    if found == agreed.as_bytes() { Ok(()) } else { Err(Refused::Mki) }
}

fn same_tag(made: &[u8], found: &[u8]) -> Result<(), Refused> {
    let cut = made.get(..found.len()).ok_or(Refused::Unauthentic)?;
    if found.len() >= 4 && bool::from(cut.ct_eq(found)) { Ok(()) } else { Err(Refused::Unauthentic) }
}

const _: () = assert!(super::TRAILER_OCTETS_MAX == GCM_TAG_OCTETS + WORD_OCTETS);

#[cfg(test)]
mod tests {
    use super::super::Suite;
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        let nibble = |digit: &u8| char::from(*digit).to_digit(16).unwrap() as u8;
        hex.as_bytes().chunks(2).map(|pair| nibble(&pair[0]) << 4 | nibble(&pair[1])).collect()
    }

    /// RFC 7714 §16 and §17 give session keys and salt.
    fn rfc_7714(key_octets: u8) -> Transform {
        let algorithm = if key_octets == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key: Vec<u8> = (0..key_octets).collect();
        let key = LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap());
        let cipher = Cipher::Gcm { key, salt: Zeroizing::new(*b"Quid pro quo") };
        Transform { cipher, tag_octets: GCM_TAG_OCTETS }
    }

    #[test]
    fn rfc_7714_16_1_1_and_16_2_1() {
        let plain = octets(
            "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573",
        );
        let rows = [
            (
                16,
                "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
                 899d7f27beb16a9152cf765ee4390cce",
            ),
            (
                32,
                "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
                 7aa3db36dfffd6b0f9bb7878d7a76c13",
            ),
        ];
        for (key_octets, sealed) in rows {
            let transform = rfc_7714(key_octets);
            let mut packet = plain.clone();
            packet.resize(plain.len() + GCM_TAG_OCTETS, 0);
            transform.seal_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b).unwrap();
            assert_eq!(packet, octets(sealed));
            let length = transform.open_rtp(&mut packet, 12, Mki::NONE, 0x5501_a0b2, 0xf17b).unwrap();
            assert_eq!(packet[..length], plain);
        }
    }

    #[test]
    fn rfc_7714_17_1_1() {
        let plain = octets(
            "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
        );
        let sealed = octets(
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b\
             c84aa45896cf4d2fc5abf87245d9eade800005d4",
        );
        let transform = rfc_7714(16);
        let mut packet = plain.clone();
        packet.resize(plain.len() + GCM_TAG_OCTETS + WORD_OCTETS, 0);
        transform.seal_rtcp(&mut packet, 0x4d61_7273, 0x5d4).unwrap();
        assert_eq!(packet, sealed);
        assert_eq!(transform.rtcp_index(&packet, Mki::NONE), Ok(0x5d4));
        let length = transform.open_rtcp(&mut packet, Mki::NONE, 0x4d61_7273, 0x5d4).unwrap();
        assert_eq!(packet[..length], plain);
    }

    // RFC 3711 names none of a whole packet; libsrtp's reference packets are the ones everybody checks against.
    #[test]
    fn libsrtp_reference_packets() {
        let master = octets("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6");
        let master = MasterKey::new(Suite::AesCm128HmacSha1T80, &master).unwrap();
        let mut packet =
            octets("800f1234decafbadcafebabeabababababababababababababababab00000000000000000000");
        Transform::new(&master, Stream::Srtp).seal_rtp(&mut packet, 12, 0xcafe_babe, 0x1234).unwrap();
        let sealed = "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb";
        assert_eq!(packet, octets(sealed));
        let mut packet =
            octets("81c8000bcafebabeabababababababababababababababab0000000000000000000000000000");
        Transform::new(&master, Stream::Srtcp).seal_rtcp(&mut packet, 0xcafe_babe, 1).unwrap();
        let sealed = "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798";
        assert_eq!(packet, octets(sealed));
    }
}
