//! What reading one number costs, and looking up what it is.

#[path = "meter/mod.rs"]
mod meter;

use std::hint::black_box;

use ringfence::config::plans::plans;
use ringfence::config::world::{BUILT_IN, world};
use ringfence::policy::number::{Number, read};

const PLANS: &str = include_str!("../tests/numbers/dial_plans.yaml");

fn main() {
    let world = world(&BUILT_IN).expect("what is built in is whole");
    let plans = plans("dial_plans.yaml", PLANS, &world).expect("these are whole");
    let plan = |name: &str| plans.get(name).expect("a plan of the table");
    let (us, nine, jp) = (plan("us_direct"), plan("us_nine"), plan("jp_direct"));
    let reading = |name, uri: &'static str, plan| {
        let world = &world;
        meter::Bench::new(name, move |rounds| {
            (0..rounds).for_each(|_| {
                let _ = black_box(read(black_box(uri.as_bytes()), plan, world));
            });
        })
    };
    let premium = match read(b"sip:+81990512345@pbx", us, &world).map(|reading| reading.number) {
        Ok(Number::E164(number)) => number,
        other => unreachable!("{other:?}"),
    };
    meter::main(vec![
        reading("read_plus", "sip:+12125550100@pbx;user=phone", us),
        reading("read_national", "sip:2125550100@pbx", us),
        reading("read_outside_line", "sip:918095551234@pbx", nine),
        reading("read_escaped", "sip:%2B1%20(809)%20555-1234;ext=4711@pbx", us),
        reading("read_carrier", "sip:003301018095551234@pbx", jp),
        reading("read_emergency", "sip:911@pbx", us),
        reading("deny_feature_code", "sip:*7218095551234@pbx", us),
        meter::Bench::new("risk", |rounds| {
            (0..rounds).for_each(|_| {
                black_box(world.risk(black_box(&premium), "1"));
            });
        }),
    ]);
}
