//! Session keys from a master key, once: the key derivation rate is always zero.
//!
//! Owns the pseudo-random function and the labels. Read first: RFC 3711 §4.3; RFC 6188 §3; RFC 7714 §11.

use zeroize::Zeroizing;

use super::counter::{Counter, KEY_OCTETS_MAX};
use super::key::MasterKey;
use super::mac::TAG_OCTETS;

/// What a label is for: three keys for SRTP, three for SRTCP (RFC 3711 §4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Srtp,
    Srtcp,
}

/// Octets of a print.
pub(super) const PRINT_OCTETS: usize = 16;
/// The label of a print: of those that RFC 3711 §4.3.2 reserves the last, far from what RFC 6904 took of them.
const PRINT_LABEL: u8 = 0xff;

/// The session keys of one stream. Only as many octets are used as the suite has.
pub(super) struct SessionKeys {
    pub(super) cipher: Zeroizing<[u8; KEY_OCTETS_MAX]>,
    pub(super) salt: Zeroizing<[u8; 14]>,
    pub(super) mac: Zeroizing<[u8; TAG_OCTETS]>,
}

impl SessionKeys {
    pub(super) fn derive(master: &MasterKey, stream: Stream) -> Self {
        // RFC 3711 §4.3.2: labels 0, 1, 2 are SRTP's encryption, authentication and salt; 3, 4, 5 SRTCP's.
        let first = match stream {
            Stream::Srtp => 0,
            Stream::Srtcp => 3,
        };
        let mut keys = Self {
            cipher: Zeroizing::new([0; KEY_OCTETS_MAX]),
            salt: Zeroizing::new([0; 14]),
            mac: Zeroizing::new([0; TAG_OCTETS]),
        };
        let suite = master.suite();
        // RFC 6188 §3: a 256-bit master key is expanded with AES-256; RFC 7714 §11: AES-CM also where the suite is GCM.
        let generator = Counter::new(suite, &master.key());
        expand(&generator, master, first, keys.cipher.get_mut(..suite.key_octets()).unwrap_or_default());
        if !suite.is_aead() {
            expand(&generator, master, first + 1, &mut *keys.mac);
        }
        expand(&generator, master, first + 2, keys.salt.get_mut(..suite.salt_octets()).unwrap_or_default());
        keys
    }
}

/// What a master key is known again by. It is one more session key, so that it tells of the others as little as they
/// do of one another, and the same wherever they are the same.
pub(super) fn print(master: &MasterKey) -> [u8; PRINT_OCTETS] {
    let mut print = [0; PRINT_OCTETS];
    expand(&Counter::new(master.suite(), &master.key()), master, PRINT_LABEL, &mut print);
    print
}

/// Fills `out`, which is all zero, with the pseudo-random function of a label.
fn expand(generator: &Counter, master: &MasterKey, label: u8, out: &mut [u8]) {
    // RFC 3711 §4.3.1: x = (label || 48 bits of index / kdr) xor salt; without a rate these bits are zero, so that the
    // label meets the seventh octet from the right. §4.3.3: the block counter is the sixteen bits behind x.
    let mut iv = Zeroizing::new([0; 16]);
    for (place, octet) in iv.iter_mut().zip(master.salt().iter()) {
        *place = *octet;
    }
    iv[7] ^= label;
    generator.apply(&iv, out);
}

#[cfg(test)]
mod tests {
    use super::super::suite::Suite;
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        let nibble = |digit: &u8| char::from(*digit).to_digit(16).unwrap() as u8;
        hex.as_bytes().chunks(2).map(|pair| nibble(&pair[0]) << 4 | nibble(&pair[1])).collect()
    }

    #[test]
    fn rfc_3711_b_3() {
        let master = octets("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6");
        let master = MasterKey::new(Suite::AesCm128HmacSha1T80, &master).unwrap();
        let keys = SessionKeys::derive(&master, Stream::Srtp);
        assert_eq!(keys.cipher[..16], octets("c61e7a93744f39ee10734afe3ff7a087"));
        assert_eq!(keys.salt[..], octets("30cbbc08863d8c85d49db34a9ae1"));
        assert_eq!(keys.mac[..], octets("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
        // The RFC prints 94 octets of the authentication key.
        let mut long = [0; 94];
        expand(&Counter::new(master.suite(), &master.key()), &master, 1, &mut long);
        let printed = "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef722709863\
                       71c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2";
        assert_eq!(long[..], octets(printed));
    }

    #[test]
    fn rfc_6188_7_2() {
        let master = octets(
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b63b04803de51ee7c96423ab5b78d2",
        );
        let master = MasterKey::new(Suite::AesCm256HmacSha1T80, &master).unwrap();
        let keys = SessionKeys::derive(&master, Stream::Srtp);
        assert_eq!(
            keys.cipher[..],
            octets("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4")
        );
        assert_eq!(keys.salt[..], octets("fa31791685ca444a9e07c6c64e93"));
        assert_eq!(keys.mac[..], octets("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
    }

    #[test]
    fn srtcp_has_keys_of_its_own() {
        let master = octets("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6");
        let master = MasterKey::new(Suite::AesCm128HmacSha1T80, &master).unwrap();
        let keys = SessionKeys::derive(&master, Stream::Srtcp);
        assert_eq!(keys.cipher[..16], octets("4c1aa45a81f73d61c800bbb00fbb1eaa"));
        assert_eq!(keys.salt[..], octets("9581c7ad87b3e530bf3e4454a8b3"));
        assert_eq!(keys.mac[..], octets("8d54534feb49ae8e7993a6bd0b844fc323a93dfd"));
    }
}
