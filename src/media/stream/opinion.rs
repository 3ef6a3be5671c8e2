//! What a listener would say of a stream: the E-model, cut to what a relay sees.
//!
//! Owns the impairments of the codecs. Delay beyond our own sight is assumed, so that the figure compares calls of one
//! site and is no measurement of a line. Read first: ITU-T G.107 §7; G.113 appendix I, tables I.1 to I.4.

use std::time::Duration;

/// The rating of a call without loss, delay and echo (G.107 table 2).
const UNIMPAIRED: f32 = 93.2;
/// One way, beside the listener's buffer: a frame, the far network and two machines, in milliseconds.
const DELAY_ASSUMED_MS: f32 = 60.0;
/// Above it a delay is felt much more, in milliseconds (G.107 as everybody simplifies it).
const DELAY_FELT_MS: f32 = 177.3;

/// What one codec takes from the rating, and how it bears loss.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Codec {
    /// The equipment impairment without loss.
    impairment: f32,
    /// The packet-loss robustness: the percentage of loss that costs half of what is left.
    robustness: f32,
}

impl Codec {
    /// By the static payload types (RFC 3551 §6). What is dynamic is judged as G.711: it is seldom worse.
    const fn of(payload_type: u8) -> Self {
        match payload_type {
            // GSM full rate.
            3 => Self { impairment: 20.0, robustness: 10.0 },
            // G.723.1 at 6.3 kbit/s.
            4 => Self { impairment: 15.0, robustness: 16.1 },
            // G.728.
            15 => Self { impairment: 7.0, robustness: 17.0 },
            // G.729 annex A.
            18 => Self { impairment: 11.0, robustness: 19.0 },
            // G.711 whose receiver conceals loss.
            _ => Self { impairment: 0.0, robustness: 25.1 },
        }
    }
}

/// The mean opinion score, 1.0 to 4.5: of a payload type, the share of packets that were lost, and jitter.
pub(super) fn opinion(payload_type: u8, lost: u64, received: u64, jitter: Duration) -> f32 {
    let codec = Codec::of(payload_type);
    let sent = lost.saturating_add(received).max(1);
    let loss_percent = 100.0 * lost as f32 / sent as f32;
    // A buffer that follows jitter holds about twice as much.
    let delay = DELAY_ASSUMED_MS + 2.0 * jitter.as_secs_f32() * 1_000.0;
    let delayed = 0.024 * delay + 0.11 * (delay - DELAY_FELT_MS).max(0.0);
    // G.107 §7.5: Ie-eff = Ie + (95 - Ie) * Ppl / (Ppl / BurstR + Bpl), with loss at random.
    let equipment =
        codec.impairment + (95.0 - codec.impairment) * loss_percent / (loss_percent + codec.robustness);
    score(UNIMPAIRED - delayed - equipment)
}

/// G.107 annex B: the score that a rating means.
fn score(rating: f32) -> f32 {
    let rating = rating.clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7.0e-6;
    score.clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    // G.107 annex B, table B.1: rating and score.
    #[test]
    fn ratings_mean_the_scores_of_g_107() {
        for (rating, expected) in
            [(0.0, 1.0), (50.0, 2.58), (60.0, 3.1), (70.0, 3.6), (80.0, 4.02), (90.0, 4.34), (100.0, 4.5)]
        {
            assert!((score(rating) - expected).abs() < 0.01, "{rating}: {}", score(rating));
        }
    }

    #[test]
    fn loss_jitter_and_a_narrower_codec_cost_and_never_leave_the_scale() {
        let still = Duration::ZERO;
        let best = opinion(8, 0, 1_000, still);
        assert!((4.3..=4.45).contains(&best), "{best}");
        let rows = [
            (8, 10, 990, still, 4.2, 4.4),
            (8, 50, 950, still, 3.6, 4.0),
            (8, 200, 800, still, 1.5, 2.6),
            (18, 0, 1_000, still, 3.9, 4.15),
            (18, 50, 950, still, 3.0, 3.6),
            (8, 0, 1_000, Duration::from_millis(20), 4.3, 4.45),
            (8, 0, 1_000, Duration::from_millis(200), 2.4, 3.7),
            (3, 0, 1_000, still, 3.4, 3.8),
        ];
        for (codec, lost, received, jitter, low, high) in rows {
            let found = opinion(codec, lost, received, jitter);
            assert!((low..=high).contains(&found), "{codec} {lost} {jitter:?}: {found}");
            assert!(found <= best);
        }
        for (lost, received, jitter) in [
            (u64::MAX, u64::MAX, Duration::MAX),
            (0, 0, still),
            (1, 0, still),
            (0, u64::MAX, Duration::from_secs(3_600)),
        ] {
            let found = opinion(8, lost, received, jitter);
            assert!((1.0..=4.5).contains(&found), "{lost} {received} {jitter:?}: {found}");
        }
    }
}
