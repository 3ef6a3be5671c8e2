//! The crypto-suites: names, and the lengths that follow from them.
//!
//! Owns the table of what is spoken; weaker or unfinished suites (F8, SEED, NULL, ARIA) are not in it.
//! Read first: RFC 4568 §6.2; RFC 6188 §4; RFC 7714 §12, §14.2.

/// A crypto-suite: cipher and authentication of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suite {
    /// AES-128 in counter mode, HMAC-SHA1 cut to 80 bits.
    AesCm128HmacSha1T80,
    /// AES-128 in counter mode, HMAC-SHA1 cut to 32 bits for SRTP; SRTCP keeps 80.
    AesCm128HmacSha1T32,
    /// AES-256 in counter mode, HMAC-SHA1 cut to 80 bits.
    AesCm256HmacSha1T80,
    /// AES-256 in counter mode, HMAC-SHA1 cut to 32 bits for SRTP; SRTCP keeps 80.
    AesCm256HmacSha1T32,
    /// AES-128 in Galois/counter mode, a tag of 128 bits.
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode, a tag of 128 bits.
    AeadAes256Gcm,
}

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 6] = [
        Self::AesCm128HmacSha1T80,
        Self::AesCm128HmacSha1T32,
        Self::AesCm256HmacSha1T80,
        Self::AesCm256HmacSha1T32,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// The name in SDP.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1T80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1T32 => "AES_CM_128_HMAC_SHA1_32",
            // RFC 6188 §4: the key's length stands before the mode, unlike in RFC 4568.
            Self::AesCm256HmacSha1T80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1T32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Reads the name (ASCII case-insensitive, as literals of ABNF are); `None` for one that is not spoken.
    #[must_use]
    pub fn read(token: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| token.eq_ignore_ascii_case(suite.token().as_bytes()))
    }

    /// Octets of the master key, and of each session key that enciphers.
    #[must_use]
    pub const fn key_octets(self) -> usize {
        match self {
            Self::AesCm128HmacSha1T80 | Self::AesCm128HmacSha1T32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256HmacSha1T80 | Self::AesCm256HmacSha1T32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of the master salt.
    #[must_use]
    pub const fn salt_octets(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Octets of master key and master salt together: what SDP carries and DTLS exports.
    #[must_use]
    pub const fn master_octets(self) -> usize {
        self.key_octets() + self.salt_octets()
    }

    /// Octets of the tag of an SRTP packet.
    #[must_use]
    pub const fn srtp_tag_octets(self) -> usize {
        match self {
            Self::AesCm128HmacSha1T80 | Self::AesCm256HmacSha1T80 => 10,
            Self::AesCm128HmacSha1T32 | Self::AesCm256HmacSha1T32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Octets of the tag of an SRTCP packet.
    #[must_use]
    pub const fn srtcp_tag_octets(self) -> usize {
        // RFC 4568 §6.2.2, RFC 6188 §4: the short tag is for SRTP alone.
        if self.is_aead() { 16 } else { 10 }
    }

    /// Whether one algorithm enciphers and authenticates.
    #[must_use]
    pub const fn is_aead(self) -> bool {
        match self {
            Self::AesCm128HmacSha1T80
            | Self::AesCm128HmacSha1T32
            | Self::AesCm256HmacSha1T80
            | Self::AesCm256HmacSha1T32 => false,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_whatever_their_case_and_nothing_else_is() {
        for suite in Suite::ALL {
            assert_eq!(Suite::read(suite.token().as_bytes()), Some(suite));
            assert_eq!(Suite::read(suite.token().to_lowercase().as_bytes()), Some(suite));
        }
        for other in [
            "",
            "F8_128_HMAC_SHA1_80",
            "AES_CM_128_HMAC_SHA1_8",
            "AES_CM_128_NULL_AUTH",
            "AEAD_AES_128_GCM_8",
        ] {
            assert_eq!(Suite::read(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn lengths_are_those_of_the_rfcs() {
        let rows = [
            (16, 14, 10, 10),
            (16, 14, 4, 10),
            (32, 14, 10, 10),
            (32, 14, 4, 10),
            (16, 12, 16, 16),
            (32, 12, 16, 16),
        ];
        for (suite, (key, salt, srtp, srtcp)) in Suite::ALL.into_iter().zip(rows) {
            assert_eq!((suite.key_octets(), suite.salt_octets()), (key, salt), "{suite:?}");
            assert_eq!((suite.srtp_tag_octets(), suite.srtcp_tag_octets()), (srtp, srtcp), "{suite:?}");
            assert_eq!(suite.master_octets(), key + salt, "{suite:?}");
        }
    }
}
