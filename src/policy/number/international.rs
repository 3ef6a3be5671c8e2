//! What makes digits a whole international number.
//!
//! Owns that check. Refuses to know how they were dialled. Read first: ITU-T E.164 §6.

use super::E164;
use super::deny::Deny;
use super::digits::{DIGITS_MAX, Digits};
use super::world::World;

/// Reads digits behind `+` or an international prefix, given in parts.
pub fn international(parts: &[&[u8]], world: &World) -> Result<E164, Deny> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let first = parts.iter().find_map(|part| part.first());
    match first {
        None => return Err(Deny::Empty),
        // ITU-T E.164 §6.2.1: no country code begins with 0: a prefix stands there twice.
        Some(b'0') => return Err(Deny::CcZero),
        Some(_) => {}
    }
    if length > DIGITS_MAX {
        return Err(Deny::TooLong);
    }
    let digits = Digits::of(parts).ok_or(Deny::BadChar)?;
    let country = world.country(digits.as_bytes()).ok_or(Deny::UnassignedCc)?;
    let code_length = u8::try_from(country.code.len()).map_err(|_| Deny::UnassignedCc)?;
    let number = E164 { digits, code_length };
    let national = number.national().as_bytes();
    if national.first() == Some(&b'0') && !country.zero_ok {
        return Err(Deny::NsnZero);
    }
    // Digits that are too many are no slip: a switch ignores them, and the number without them rings.
    if !u8::try_from(national.len()).is_ok_and(|length| country.national_digits.contains(&length)) {
        return Err(Deny::NsnLength);
    }
    // The North American plan: [2-9]xx [2-9]xx xxxx.
    let (area, exchange) = (national.first(), national.get(3));
    if &*country.code == "1" && (area < Some(&b'2') || exchange < Some(&b'2')) {
        return Err(Deny::NanpForm);
    }
    Ok(number)
}
