//! Whether a tone is in what was heard.
//!
//! Owns one filter, and the way from PCMU to samples. Read first: Goertzel, "An Algorithm for the Evaluation of Finite
//! Trigonometric Series" (1958); ITU-T G.711 table 2a.

/// Samples a second.
const RATE: f64 = 8_000.0;

/// The share of the power of some samples that a tone has: 1 is nothing but this tone, 0 is none of it.
pub fn share(samples: &[i16], pitch: u16) -> f64 {
    let around = 2.0 * (std::f64::consts::TAU * f64::from(pitch) / RATE).cos();
    let (mut last, mut before, mut power) = (0.0, 0.0, 0.0);
    for sample in samples.iter().copied().map(f64::from) {
        (last, before) = (sample + around * last - before, last);
        power += sample * sample;
    }
    let count = f64::from(u32::try_from(samples.len()).expect("some seconds"));
    if power == 0.0 {
        0.0
    } else {
        (last * last + before * before - around * last * before) * 2.0 / (count * power)
    }
}

/// One octet of PCMU.
pub fn of_pcmu(octet: u8) -> i16 {
    let turned = !octet;
    let magnitude = ((i16::from(turned & 0x0F) << 3) + 0x84) << ((turned >> 4) & 7);
    if turned & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude }
}

#[test]
fn a_tone_is_told_from_another_and_from_noise() {
    let tone = |pitch: f64| -> Vec<i16> {
        (0..8_000)
            .map(|at| ((std::f64::consts::TAU * pitch * f64::from(at) / RATE).sin() * 8_000.0) as i16)
            .collect()
    };
    assert!(share(&tone(440.0), 440) > 0.95 && share(&tone(1_000.0), 440) < 0.01);
    let noise: Vec<i16> =
        (0..8_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 16) as u16 as i16).collect();
    assert!(share(&noise, 440) < 0.05);
    assert_eq!(share(&[], 440), 0.0);
    assert_eq!([0xFF, 0x7F, 0x80, 0x00].map(of_pcmu), [0, 0, 32_124, -32_124]);
}
