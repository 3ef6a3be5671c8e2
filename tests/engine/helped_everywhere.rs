//! Row B12 as one table: what stands in the way of every other call, in each country, over a trunk that takes no SRTP.

use std::sync::Arc;
use std::time::Duration;

use ringfence::config::plans::plans;
use ringfence::config::world;
use ringfence::engine::{Settings, Whom};
use ringfence::policy::Plan;
use ringfence::policy::number::Dialling;
use ringfence::policy::rules::hours::Hours;
use ringfence::policy::rules::{Blocklist, Entry, Rule};
use ringfence::policy::suspended::Strength;

use super::edge::{Edge, PBX, TRUNK, alter, settings};
use super::helped::{at_trunk, help};
use super::media_rig::{anchored_with, hidden, invite, plain, response, secure, tls};
use super::suspending::suspend;

/// What stands in the way of every call of a table's row.
type Obstacle = (&'static str, fn(&mut Plan), fn(&mut Settings));

/// Nothing but caps.
fn caps(plan: &mut Plan) {
    plan.sites[0].channels = 1;
    for id in [0, 1, 3] {
        alter(plan, id, |peer| peer.concurrent_calls_max = 1);
    }
}

#[test]
fn b12_help_is_called_in_each_country_whatever_is_full_closed_or_in_the_clear() {
    let none: fn(&mut Settings) = |_| {};
    let obstacles: [Obstacle; 6] = [
        ("caps full", caps, none),
        (
            "blocklisted",
            |plan| {
                let all = Blocklist::new(["1", "9", "+1"], []).unwrap();
                plan.rules.outbound.push(Entry::enforced("all", Rule::Blocklist(all)));
            },
            none,
        ),
        (
            "hours closed",
            |plan| {
                let never = Hours {
                    zone_name: "UTC".into(),
                    zone: jiff::tz::TimeZone::UTC,
                    open: Vec::new(),
                    written: Vec::new(),
                    holidays: Vec::new(),
                    home: false,
                };
                plan.rules.outbound.push(Entry::enforced("never", Rule::Hours(Box::new(never))));
            },
            none,
        ),
        (
            "media ports out",
            |plan| {
                let media = plan.media.as_mut().unwrap();
                media.inside.ports = 20_000..=20_003;
                media.outside.ports = 30_000..=30_003;
            },
            none,
        ),
        (
            "tables full",
            |_| {},
            |settings| {
                (settings.calls_max, settings.transactions_max, settings.client_transactions_max) = (1, 1, 1);
            },
        ),
        ("suspended site", |_| {}, none),
    ];
    for (what, change, limits) in obstacles {
        for (country, number) in [("us", "911"), ("us", "112"), ("de", "110"), ("de", "112")] {
            let policy = anchored_with(
                |id, peer| {
                    secure(peer);
                    if id == 0 {
                        peer.dialling = dialling_in(country);
                    }
                },
                change,
            );
            let mut held = settings();
            limits(&mut held);
            let mut edge = Edge::with(policy, held);
            if what == "suspended site" {
                let office = Whom::Site("office".into());
                suspend(&mut edge, office, Strength::All, None);
            }
            let dial = |number: &str, nth: u32| {
                help(invite(&hidden("10.0.0.2", 4_000)), nth)
                    .with(|r| r.uri = format!("sip:{number}@10.0.0.1"))
            };
            let what = format!("{what} {country} {number}");
            let one = edge.hear(tls(PBX), &dial("+12125550177", 1).text());
            let two = edge.hear(tls(PBX), &dial("+12125550178", 2).text());
            let refused =
                [one, two].iter().any(|seen| seen.statuses(PBX).iter().any(|status| *status >= 400));
            assert!(refused, "{what}: stands in the way of nobody");
            let seen = edge.hear(tls(PBX), &dial(number, 3).text());
            let first = at_trunk(&seen, TRUNK);
            assert_eq!(
                String::from_utf8_lossy(first.request_uri()).split(['@', ':']).nth(1),
                Some(number),
                "{what}"
            );
            // And the trunk takes no SRTP.
            let seen = edge.hear(tls(TRUNK), &response(&first, 488, TRUNK, "", ""));
            let second = at_trunk(&seen, TRUNK);
            let ok = response(&second, 200, TRUNK, &plain("198.51.100.5", 5_000), "");
            let seen = edge.hear(tls(TRUNK), &ok);
            assert_eq!((seen.statuses(PBX), seen.codes().contains(&39504)), (vec![200], true), "{what}");
            let after = edge.pass(Duration::from_secs(1));
            assert!(after.to(TRUNK).iter().all(|one| one.method().as_bytes() != b"BYE"), "{what}");
        }
    }
}

/// A plan of a country.
fn dialling_in(country: &str) -> Option<Arc<Dialling>> {
    let world = world::built_in().unwrap();
    let text = "plans:\n  us: { country_code: \"1\", idd: [\"011\"], national_prefix: \"1\", nsn_lengths: [10], emergency: [\"112\"] }\n  \
                de: { country_code: \"49\", idd: [\"00\"], national_prefix: \"0\", nsn_lengths: [10, 11] }\n";
    let plan = plans("plans.yaml", text, &world).unwrap().remove(country).unwrap();
    Some(Arc::new(Dialling {
        name: country.into(),
        path: "peers.pbx.dial_plan".into(),
        plan: Arc::new(plan),
        world,
    }))
}
