//! What binds a transfer that the edge makes: emergencies, a policy that has changed since, encrypted media.

use ringfence::engine::Input;
use ringfence::media::order::{Order, Protection};
use ringfence::policy::Plan;
use ringfence::policy::peer::Onward;
use ringfence::policy::rules::{Blocklist, Entry, Rule};

use super::edge::{PBX, TRUNK, alter, from};
use super::emergency::dialling;
use super::media_rig::{
    self, KEY, Site, anchored_with, body, hidden, plain, response, secure, tls, with_body,
};
use super::targets::invites;
use super::texts::{Request, answer, tag};
use super::transfers::{GOOD, asked, may};
use super::transfers_made::{Up, under};

#[test]
fn c1_b12_a_transfer_of_an_inside_peer_to_an_emergency_number_is_an_emergency_call() {
    for caller in [PBX, TRUNK] {
        let mut site = under(|plan| {
            alter(plan, 0, |pbx| {
                pbx.dialling = dialling("pbx");
                pbx.concurrent_calls_max = 1;
            });
            plan.rules
                .outbound
                .push(Entry::enforced("9", Rule::Blocklist(Blocklist::new(["9"], []).unwrap())));
        });
        let up = Up::begin(&mut site, caller);
        let seen = site.hear(from(PBX), &up.refer(PBX, "911").text());
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![202], vec![39806]), "{:?}", seen.alerts);
        let invite = invites(&seen, TRUNK).remove(0);
        assert_eq!(String::from_utf8_lossy(invite.request_uri()), "sip:911@198.51.100.5:5060");
        // A trunk names none.
        let mut site = under(|plan| alter(plan, 0, |pbx| pbx.dialling = dialling("pbx")));
        let up = Up::begin(&mut site, caller);
        for number in ["911", "+1911"] {
            let seen = site.hear(
                from(TRUNK),
                &up.refer(TRUNK, number)
                    .with(|r| {
                        r.cseq += u32::try_from(number.len()).unwrap();
                        r.branch += number;
                    })
                    .text(),
            );
            assert_eq!((seen.statuses(TRUNK), seen.codes()), (vec![403], vec![32218]), "{number}");
        }
    }
}

#[test]
fn c1_b12_no_trunk_transfers_an_emergency_call() {
    let mut site = under(|plan| alter(plan, 0, |pbx| pbx.dialling = dialling("pbx")));
    let invite = with_body(Request::new("INVITE", PBX), &plain("10.0.0.2", 4_000)).with(|r| {
        r.uri = "sip:911@10.0.0.1".into();
    });
    let seen = site.hear(from(PBX), &invite.text());
    let invite = invites(&seen, TRUNK).remove(0);
    let seen = site.hear(from(TRUNK), &response(&invite, 200, TRUNK, &plain("198.51.100.5", 4_000), ""));
    let ok = seen.to(PBX).into_iter().find(|one| one.status() == Some(200)).unwrap();
    let up = Up { caller: PBX, called: TRUNK, invite, ok };
    site.hear(from(PBX), &up.of(PBX, "ACK", 1).text());
    let seen = site.hear(from(TRUNK), &up.refer(TRUNK, GOOD).text());
    assert_eq!((seen.statuses(TRUNK), seen.codes(), seen.sent.len()), (vec![403], vec![32218], 1));
}

#[test]
fn c1_a_transfer_must_be_let_by_the_policy_in_force_too() {
    type Change = fn(&mut Plan);
    #[rustfmt::skip]
    let table: [(Change, bool); 4] = [
        (|_| {}, true),
        (|plan| alter(plan, 0, |pbx| pbx.transfers = Onward::Refuse), false),
        (|plan| plan.rules.outbound.push(Entry::enforced("1312", Rule::Blocklist(Blocklist::new(["+1312"], []).unwrap()))), false),
        (|plan| plan.peers[0] = None, false),
    ];
    for (change, goes) in table {
        let mut site = under(|_| {});
        let up = Up::begin(&mut site, TRUNK);
        let policy = anchored_with(
            |_, _| {},
            |plan| {
                may(plan, Onward::Perform);
                plan.generation = 2;
                change(plan);
                if plan.peers[0].is_none() {
                    plan.routes.remove(1);
                    plan.sites[0].peers.remove(0);
                }
            },
        );
        site.input(Input::Reload(policy));
        let seen = site.hear(from(PBX), &up.refer(PBX, GOOD).text());
        let expected = if goes { (vec![202], vec![]) } else { (vec![403], vec![32218]) };
        assert_eq!((seen.statuses(PBX), seen.codes()), expected, "{:?}", seen.alerts);
        assert_eq!(invites(&seen, TRUNK).len(), usize::from(goes));
        // The call itself lives on under its own.
        let seen = site.hear(from(PBX), &up.of(PBX, "BYE", 90).text());
        assert_eq!(seen.statuses(PBX), [200]);
    }
}

#[test]
fn c1_a_call_whose_media_is_encrypted_is_transferred_under_new_keys_of_ours() {
    let mut site = Site::under(anchored_with(|_, peer| secure(peer), |plan| may(plan, Onward::Perform)));
    let (offer, reply) = (hidden("10.0.0.2", 4_000), hidden("198.51.100.5", 4_000));
    let up = media_rig::Up::begin(&mut site, tls(PBX), &offer, &reply);
    let refer = up.request_a("REFER", 50).with(|r| r.more = format!("Refer-To: <sip:{GOOD}@x.example>\r\n"));
    let seen = site.hear(up.flow, &refer.text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![202], vec![]), "{:?}", seen.alerts);
    let invite = invites(&seen, TRUNK).remove(0);
    assert!(body(&invite).contains("RTP/SAVP") && body(&invite).contains("a=crypto:"), "{}", body(&invite));
    let seen = site.hear(up.back(), &response(&invite, 200, TRUNK, &hidden("198.51.100.5", 4_400), ""));
    let again = invites(&seen, TRUNK).remove(0);
    let ours = |sdp: &str| sdp.lines().find(|line| line.starts_with("a=crypto:")).map(str::to_owned);
    let (before, after) = (ours(&body(&up.invite_b)), ours(&body(&again)));
    assert!(after.is_some() && before != after && !body(&again).contains(KEY.trim_end()));
    // The description follows the last one of the same dialog.
    let origin = |sdp: &str| sdp.lines().nth(1).map(str::to_owned).unwrap();
    let words = |sdp: &str| origin(sdp).split(' ').nth(1).map(str::to_owned);
    assert_eq!(words(&body(&again)), words(&body(&up.invite_b)));
    let seen = site.hear(up.back(), &response(&again, 200, TRUNK, &reply, ""));
    assert_eq!(asked(&seen, "ACK", TRUNK).len(), 1);
    let covered = seen.media.iter().all(|order| match order {
        Order::Set { terms, .. } => matches!(terms.protection, Protection::Srtp { .. }),
        Order::Open { .. } | Order::Shut { .. } | Order::Close { .. } => true,
    });
    assert!(covered && seen.media.iter().any(|order| matches!(order, Order::Set { .. })), "{:?}", seen.media);
    let bye = site.hear(up.back(), &up.request_b("BYE", 60).text());
    let to = asked(&bye, "BYE", TRUNK).remove(0);
    assert_eq!(tag(to.from_tag()), tag(invite.from_tag()));
    site.hear(up.back(), &answer(&to, 200, "", TRUNK));
}
