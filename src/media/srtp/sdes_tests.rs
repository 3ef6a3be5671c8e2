//! `a=crypto` as peers write it, and as nobody may.

use super::*;

/// RFC 4568 §4.1.
const KEY_30: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn line(rest: &str) -> String {
    format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}{rest}")
}

fn read(value: &str) -> Result<Crypto, Unusable> {
    Crypto::read(value.as_bytes())
}

#[test]
fn rfc_4568_examples_are_read() {
    let crypto = read(&line("|2^20|1:4")).unwrap();
    assert_eq!((crypto.tag, crypto.lifetime), (1, Some(1 << 20)));
    assert_eq!(crypto.mki, Mki::new(1, 4).unwrap());
    assert_eq!(crypto.key.suite(), Suite::AesCm128HmacSha1T80);
    assert_eq!(crypto.key.expose(), b"YS___semctl () {\t220;}\n}\nunles");
    let second = "2 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|1:32";
    assert_eq!(read(second), Err(Unusable::Mki), "an identifier of 32 octets is beyond us");
    let said = format!("{crypto:?}");
    assert!(said.contains("[redacted]") && !said.contains("semctl") && !said.contains("89, 83"), "{said}");
}

#[test]
fn a_key_is_written_into_room_that_was_there_before_it() {
    for suite in Suite::ALL {
        let key = MasterKey::new(suite, &vec![9; suite.master_octets()]).unwrap();
        let mut value = Vec::new();
        Crypto::write(7, &key, &mut value);
        // One growth, to the octet: a second one would free a block with the key in it.
        assert_eq!(value.capacity(), value.len(), "{suite:?}");
    }
}

#[test]
fn what_is_written_reads_back_padded_or_not() {
    for suite in Suite::ALL {
        let octets: Vec<u8> = (200..=255).cycle().take(suite.master_octets()).collect();
        let key = MasterKey::new(suite, &octets).unwrap();
        let mut value = b"before ".to_vec();
        Crypto::write(7, &key, &mut value);
        let value = value.strip_prefix(b"before ").unwrap();
        let expected = Crypto { tag: 7, key: key.clone(), mki: Mki::NONE, lifetime: None };
        assert_eq!(Crypto::read(value), Ok(expected.clone()), "{suite:?}");
        let unpadded: Vec<u8> = value.iter().copied().filter(|octet| *octet != b'=').collect();
        assert_eq!(Crypto::read(&unpadded), Ok(expected), "{suite:?}");
        let padding = value.len() - unpadded.len();
        assert_eq!(padding, (3 - suite.master_octets() % 3) % 3);
        let mut short = unpadded.clone();
        short.pop();
        assert_eq!(Crypto::read(&short), Err(Unusable::Key), "{suite:?}");
        if padding == 2 {
            let mut half = unpadded;
            half.push(b'=');
            assert_eq!(Crypto::read(&half), Err(Unusable::Key), "{suite:?}");
        }
    }
}

#[test]
fn lifetimes_begin_at_2_to_the_20_and_end_with_the_suite() {
    for (text, expected) in [
        ("2^20", Ok(1 << 20)),
        ("2^31", Ok(1 << 31)),
        ("2^48", Ok(1 << 48)),
        ("1048576", Ok(1 << 20)),
        ("001048576", Ok(1 << 20)),
        ("281474976710656", Ok(1 << 48)),
        ("2^19", Err(Unusable::Lifetime)),
        ("1048575", Err(Unusable::Lifetime)),
        ("2^49", Err(Unusable::Lifetime)),
        ("281474976710657", Err(Unusable::Lifetime)),
        ("2^64", Err(Unusable::Lifetime)),
        ("2^999", Err(Unusable::Lifetime)),
        ("99999999999999999999999999", Err(Unusable::Lifetime)),
        ("0", Err(Unusable::Lifetime)),
        ("2^", Err(Unusable::Syntax)),
        ("2^-1", Err(Unusable::Syntax)),
        ("+1048576", Err(Unusable::Syntax)),
        ("", Err(Unusable::Syntax)),
        ("x", Err(Unusable::Syntax)),
    ] {
        assert_eq!(
            read(&line(&format!("|{text}"))).map(|crypto| crypto.lifetime),
            expected.map(Some),
            "{text}"
        );
    }
}

#[test]
fn identifiers_have_one_to_four_octets() {
    for (text, expected) in [
        ("1:1", Ok(Mki::new(1, 1).unwrap())),
        ("1:4", Ok(Mki::new(1, 4).unwrap())),
        ("0:2", Ok(Mki::new(0, 2).unwrap())),
        ("255:1", Ok(Mki::new(255, 1).unwrap())),
        ("4294967295:4", Ok(Mki::new(u32::MAX, 4).unwrap())),
        ("256:1", Err(Unusable::Mki)),
        ("4294967296:4", Err(Unusable::Mki)),
        ("9999999999999999999999:4", Err(Unusable::Mki)),
        ("1:5", Err(Unusable::Mki)),
        ("1:128", Err(Unusable::Mki)),
        ("1:0", Err(Unusable::Syntax)),
        ("1:", Err(Unusable::Syntax)),
        (":1", Err(Unusable::Syntax)),
        ("1:1:1", Err(Unusable::Syntax)),
        ("-1:1", Err(Unusable::Syntax)),
        ("1:1|1:1", Err(Unusable::Syntax)),
        ("1:1|2^20", Err(Unusable::Syntax)),
    ] {
        assert_eq!(read(&line(&format!("|{text}"))).map(|crypto| crypto.mki), expected, "{text}");
    }
    assert_eq!(read(&line("|2^20|2^20")), Err(Unusable::Syntax));
}

// Row E5: what asks for less, or for what is not known, makes the line unusable.
#[test]
fn session_parameters_are_obeyed_refused_or_ignored_as_the_rfc_says() {
    for (text, expected) in [
        (" WSH=64", None),
        (" WSH=4000", None),
        ("\t wsh=128  ", None),
        (" -EXTENSION", None),
        (" -ext=1 -UNENCRYPTED_SRTP", None),
        (" UNENCRYPTED_SRTP", Some(Unusable::Unencrypted)),
        (" unencrypted_srtp", Some(Unusable::Unencrypted)),
        (" UNENCRYPTED_SRTCP", Some(Unusable::Unencrypted)),
        (" WSH=64 UNENCRYPTED_SRTCP", Some(Unusable::Unencrypted)),
        (" UNENCRYPTED_SRTP=1", Some(Unusable::Unencrypted)),
        (" UNAUTHENTICATED_SRTP", Some(Unusable::Unauthenticated)),
        (" KDR=0", Some(Unusable::KeyDerivationRate)),
        (" KDR=24", Some(Unusable::KeyDerivationRate)),
        (" FEC_ORDER=FEC_SRTP", Some(Unusable::Fec)),
        (" FEC_ORDER=SRTP_FEC", Some(Unusable::Fec)),
        (" FEC_KEY=inline:x", Some(Unusable::Fec)),
        (" EXTENSION", Some(Unusable::Parameter)),
        (" UNENCRYPTED", Some(Unusable::Parameter)),
        (" =", Some(Unusable::Parameter)),
        (" -", Some(Unusable::Syntax)),
        (" WSH", Some(Unusable::Syntax)),
        (" WSH=", Some(Unusable::Syntax)),
        (" WSH=63", Some(Unusable::Syntax)),
        (" WSH=9999999999", Some(Unusable::Syntax)),
        (" WSH=64 WSH=64", Some(Unusable::Syntax)),
    ] {
        assert_eq!(read(&line(text)).err(), expected, "{text}");
    }
}

// Row E2: bad base64, lengths and suites.
#[test]
fn broken_lines_are_refused_for_what_is_broken() {
    let (suite, key) = ("AES_CM_128_HMAC_SHA1_80", KEY_30);
    for (value, expected) in [
        (String::new(), Unusable::Syntax),
        ("1".to_owned(), Unusable::Syntax),
        (format!("1 {suite}"), Unusable::Syntax),
        (format!("{suite} inline:{key}"), Unusable::Syntax),
        (format!("x {suite} inline:{key}"), Unusable::Syntax),
        (format!("-1 {suite} inline:{key}"), Unusable::Syntax),
        (format!("01 {suite} inline:{key}"), Unusable::Syntax),
        (format!("1234567890 {suite} inline:{key}"), Unusable::Syntax),
        (format!("1 {suite} {key}"), Unusable::Syntax),
        (format!("1 {suite} uri:{key}"), Unusable::Syntax),
        (format!("1 {suite} in"), Unusable::Syntax),
        (format!("1 F8_128_HMAC_SHA1_80 inline:{key}"), Unusable::Suite),
        (format!("1 AES_256_CM_HMAC_SHA1_80 inline:{key}"), Unusable::Key),
        (format!("1 AEAD_AES_128_GCM inline:{key}"), Unusable::Key),
        (format!("1 {suite} inline:"), Unusable::Key),
        (format!("1 {suite} inline:{key}A"), Unusable::Key),
        (format!("1 {suite} inline:{key}===="), Unusable::Key),
        (format!("1 {suite} inline:{}", key.replace('W', "_")), Unusable::Key),
        (format!("1 {suite} inline:{}", key.replace('W', "\u{fc}")), Unusable::Key),
        (format!("1 {suite} inline:{}", "A".repeat(300)), Unusable::Key),
        (format!("1 {suite} inline:{key};inline:{key}"), Unusable::Keys),
        (format!("1 {suite} inline:{key}|2^20|1:1;inline:{key}|2^20|2:1"), Unusable::Keys),
        (format!("1 {suite} inline:{key}{}", " ".repeat(512)), Unusable::Long),
    ] {
        assert_eq!(read(&value).err(), Some(expected), "{value}");
    }
    assert!(read(&format!("0 aes_cm_128_hmac_sha1_80 INLINE:{key}")).is_ok());
    assert!(read(&format!("999999999\t{suite}  inline:{key}{}", " ".repeat(400))).is_ok());
}

#[test]
fn every_cause_says_what_is_wrong() {
    let all = [
        Unusable::Long,
        Unusable::Syntax,
        Unusable::Suite,
        Unusable::Key,
        Unusable::Keys,
        Unusable::Lifetime,
        Unusable::Mki,
        Unusable::Unencrypted,
        Unusable::Unauthenticated,
        Unusable::KeyDerivationRate,
        Unusable::Fec,
        Unusable::Parameter,
    ];
    let texts: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), all.len());
}
