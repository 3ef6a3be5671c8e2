//! AES in counter mode over octets in place: the packets' cipher and the key derivation's generator.
//!
//! Owns the expanded key, which is wiped when dropped. Refuses to know what an initial value is made of.
//! Read first: RFC 3711 §4.1.1; RFC 6188 §2.

use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipher, BlockEncryptMut, InnerIvInit as _, KeyInit as _, StreamCipher as _, StreamCipherCoreWrapper,
};
use aes::{Aes128Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use zeroize::Zeroizing;

use super::suite::Suite;

/// The most octets that a cipher's key has.
pub(super) const KEY_OCTETS_MAX: usize = 32;

/// A key, expanded where packets follow one another.
pub(super) enum Counter {
    Aes128(Box<Aes128Enc>),
    Aes256(Box<Aes256Enc>),
    /// Expanded for each packet: a kilobyte less for a stream that has one packet in seconds.
    Rare(Suite, Zeroizing<[u8; KEY_OCTETS_MAX]>),
}

impl Counter {
    /// Expands as many octets as the suite's cipher reads.
    pub(super) fn new(suite: Suite, key: &[u8; KEY_OCTETS_MAX]) -> Self {
        if suite.key_octets() == KEY_OCTETS_MAX {
            Self::Aes256(Box::new(Aes256Enc::new(key.into())))
        } else {
            Self::Aes128(Box::new(aes_128(key)))
        }
    }

    /// Adds the key stream that begins at `iv`.
    pub(super) fn apply(&self, iv: &[u8; 16], octets: &mut [u8]) {
        match self {
            Self::Aes128(key) => stream(&**key, iv, octets),
            Self::Aes256(key) => stream(&**key, iv, octets),
            Self::Rare(suite, key) if suite.key_octets() == KEY_OCTETS_MAX => {
                stream(Aes256Enc::new((&**key).into()), iv, octets);
            }
            Self::Rare(_, key) => stream(aes_128(key), iv, octets),
        }
    }
}

/// AES-128 under the first half of the octets.
fn aes_128(key: &[u8; KEY_OCTETS_MAX]) -> Aes128Enc {
    let half = Zeroizing::new(std::array::from_fn::<u8, 16, _>(|at| key[at]));
    Aes128Enc::new((&*half).into())
}

fn stream(key: impl BlockEncryptMut<BlockSize = U16> + BlockCipher, iv: &[u8; 16], octets: &mut [u8]) {
    let core = CtrCore::<_, Ctr128BE>::inner_iv_init(key, iv.into());
    StreamCipherCoreWrapper::from_core(core).apply_keystream(octets);
}

#[cfg(test)]
mod tests {
    use super::*;

    const IV: [u8; 16] =
        [0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0, 0];

    fn zeros_under(suite: Suite, key: u128, rest: u128, octets: usize) -> Vec<u8> {
        let mut whole = [0; 32];
        whole[..16].copy_from_slice(&key.to_be_bytes());
        whole[16..].copy_from_slice(&rest.to_be_bytes());
        let mut out = vec![0; octets];
        Counter::new(suite, &whole).apply(&IV, &mut out);
        let mut again = vec![0; octets];
        Counter::Rare(suite, Zeroizing::new(whole)).apply(&IV, &mut again);
        assert_eq!(out, again, "expanded once or for each packet");
        out
    }

    #[test]
    fn an_expanded_key_is_wiped_when_dropped() {
        const fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<Aes128Enc>();
        wiped::<Aes256Enc>();
        wiped::<Zeroizing<[u8; KEY_OCTETS_MAX]>>();
    }

    #[test]
    fn rfc_3711_b_2() {
        let out = zeros_under(Suite::AesCm128HmacSha1T80, 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c, 0, 48);
        let blocks: [u128; 3] = [
            0xe03e_ad09_35c9_5e80_e166_b16d_d92b_4eb4,
            0xd235_1316_2b02_d0f7_2a43_a2fe_4a5f_97ab,
            0x41e9_5b3b_b0a2_e8dd_4779_01e4_fca8_94c0,
        ];
        assert_eq!(out, blocks.map(u128::to_be_bytes).concat());
    }

    #[test]
    fn rfc_6188_7_1() {
        let (key, rest) =
            (0x57f8_2fe3_613f_d170_a85e_c93c_40b1_f092, 0x2ec4_cb0d_c025_b582_7214_7cc4_3894_4a98);
        let out = zeros_under(Suite::AesCm256HmacSha1T32, key, rest, 48);
        let blocks: [u128; 3] = [
            0x92bd_d28a_93c3_f525_11c6_77d0_8b55_15a4,
            0x9da7_1b23_78a8_54f6_7050_756d_ed16_5bac,
            0x63c4_868b_7096_d884_21b5_63b8_c94c_9a31,
        ];
        assert_eq!(out, blocks.map(u128::to_be_bytes).concat());
    }
}
