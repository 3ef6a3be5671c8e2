//! A refresh of ours, and a key of ours that has served.

use super::*;

fn repeat(call: &mut Call, leg: MediaLeg) -> Told {
    let sdp = call.step(|anchor, means| anchor.repeat(leg, means)).unwrap();
    Told::new(Passed { sdp, orders: Vec::new(), exposed: false, misplaced: None })
}

fn repeated(call: &mut Call, leg: MediaLeg, sdp: &str) -> Result<Vec<Order>, Refusal> {
    call.step(|anchor, means| anchor.repeated(leg, sdp.as_bytes(), means))
}

#[test]
fn a_refresh_tells_another_key_where_ours_has_served_and_its_answer_makes_it_hold() {
    for (leg, other, place, key) in [(A, B, PBX, KEY), (B, A, TRUNK, OTHER_KEY)] {
        let (mut call, _, answered) = agreed();
        let (served, stays) = (outbound(&answered.terms(leg)), outbound(&answered.terms(other)));
        let before = repeat(&mut call, leg);
        call.anchor.renew(leg);
        let offer = sdp(place, &savp(key));
        assert_eq!(call.anchor.knows(leg, offer.as_bytes()), Some(false), "an answer has another key too");
        let asked = repeat(&mut call, leg);
        let told = asked.stream().crypto[0].key.expose().to_vec();
        assert_ne!(told, served);
        assert_eq!(asked.version(), before.version() + 1);
        // A refresh that is refused is tried again with what was said.
        assert_eq!(repeated(&mut call, leg, &sdp(place, AVP)).unwrap_err(), Refusal::Clear);
        assert_eq!(repeat(&mut call, leg).text, asked.text);
        let orders = repeated(&mut call, leg, &offer).unwrap();
        assert_eq!(outbound(&terms(&orders, leg).unwrap()), told);
        assert_eq!(outbound(&terms(&orders, other).unwrap()), stays);
        // From then on that is what stands.
        assert_eq!(repeat(&mut call, leg).text, asked.text);
        assert_eq!(call.anchor.knows(leg, offer.as_bytes()), Some(true));
    }
}

#[test]
fn a_key_that_nobody_answered_is_forgotten_where_another_offer_is_agreed() {
    let (mut call, _, answered) = agreed();
    call.anchor.renew(A);
    let unheard = repeat(&mut call, A).stream().crypto[0].key.expose().to_vec();
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    let back = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    let now = outbound(&back.terms(A));
    assert_ne!(now, outbound(&answered.terms(A)));
    assert_ne!(now, unheard);
    let orders = repeated(&mut call, A, &sdp(PBX, &savp(KEY))).unwrap();
    assert_eq!(outbound(&terms(&orders, A).unwrap()), now);
}

#[test]
fn a_key_that_serves_again_after_it_was_renewed_is_renewed_again() {
    let (mut call, _, _) = agreed();
    let mut seen = Vec::new();
    for _ in 0..3 {
        call.anchor.renew(B);
        let asked = repeat(&mut call, B).stream().crypto[0].key.expose().to_vec();
        assert!(!seen.contains(&asked));
        seen.push(asked);
        repeated(&mut call, B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    }
}

#[test]
fn a_key_that_has_served_while_an_offer_waits_is_replaced_after_it() {
    for leg in [A, B] {
        let (mut call, _, answered) = agreed();
        let served = outbound(&answered.terms(leg));
        call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
        call.anchor.renew(leg);
        call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
        assert_ne!(repeat(&mut call, leg).stream().crypto[0].key.expose(), served, "{leg:?}");
    }
}
