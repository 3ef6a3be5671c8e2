//! What `check` says of caps and money: what bounds calls to the outside, what the budgets buy, and what can be lost at worst.
//!
//! Owns the words. Refuses to count. Read first: spec/limits.md, "Hard bound".

use crate::policy::limits::{Amount, Per, Span, What};
use crate::policy::money::Money;
use crate::policy::rates::{Class, Rate, Rates};
use crate::policy::{Policy, Site};

/// From Friday evening to Monday morning.
const WEEKEND_HOURS: u64 = 62;

/// The chapter.
pub(super) fn sentences(policy: &Policy) -> Vec<String> {
    let limits = &policy.limits;
    let currency = policy.rates.currency();
    let mut out: Vec<String> = limits.describe(currency).map(|(_, words)| words).collect();
    out.push(prices(&policy.rates));
    out.extend(policy.sites.iter().map(|site| worst(policy, site)));
    out.extend(bought(policy));
    out
}

/// What calls cost.
fn prices(rates: &Rates) -> String {
    let currency = rates.currency();
    match &rates.deck {
        Some(deck) => format!(
            "a call costs what the rate deck says ({} prefixes); what it does not know costs its dearest, {} {currency} a minute",
            deck.len(),
            deck.dearest().per_minute
        ),
        None => format!(
            "a call costs {} {currency} a minute to a geographic, mobile or toll-free number of the home country, and {} to anything else: \
             there is no rate deck",
            rates.home.per_minute, rates.other.per_minute
        ),
    }
}

/// The budget of a site within a while; `None` where nothing bounds it.
fn budget(policy: &Policy, site: &Site, span: Span) -> Option<Money> {
    let fits = |cap: &&crate::policy::limits::Limit| {
        cap.per == Per::Site && cap.of == Class::Home && cap.what == What::Spend(span)
    };
    let cap = policy.limits.caps.iter().find(fits)?;
    Some(match cap.block {
        Amount::Fixed(amount) => Money(amount),
        Amount::EachChannel(_) => Money(cap.block.of(site.channels)),
    })
}

/// What a site can lose at worst.
fn worst(policy: &Policy, site: &Site) -> String {
    let (hour, day, month) = (
        budget(policy, site, Span::Hour),
        budget(policy, site, Span::Day),
        budget(policy, site, Span::Month),
    );
    let currency = policy.rates.currency();
    let least = |these: [Option<Money>; 3]| these.into_iter().flatten().min();
    let times = |money: Option<Money>, times: u64| money.map(|money| Money(money.0.saturating_mul(times)));
    let hourly = least([hour, day, month]);
    let daily = least([times(hour, 24), day, month]);
    let weekend = least([times(hour, WEEKEND_HOURS), times(day, WEEKEND_HOURS.div_ceil(24)), month]);
    match (hourly, daily, weekend) {
        (Some(hourly), Some(daily), Some(weekend)) => format!(
            "site {}: at worst its calls cost {hourly} {currency} within an hour, {daily} within a day and {weekend} over a weekend, and one \
             step of billing of each call that is up",
            site.name
        ),
        (None, ..) | (_, None, _) | (.., None) => {
            format!("site {}: NOTHING bounds what its calls may cost", site.name)
        }
    }
}

/// What the budgets of a day buy.
fn bought(policy: &Policy) -> Vec<String> {
    let rates = &policy.rates;
    let buys = |cap: &crate::policy::limits::Limit, rate: &Rate| {
        let minutes = rate.paid_for(Money(cap.block.of(1))).as_secs() / 60;
        if rate.per_minute.0 == 0 { "any number of minutes".to_owned() } else { format!("{minutes} minutes") }
    };
    let daily =
        |cap: &&crate::policy::limits::Limit| cap.what == What::Spend(Span::Day) && cap.of == Class::Home;
    let one = |cap: &crate::policy::limits::Limit| {
        let money = Money(cap.block.of(1));
        let who = cap.per.name();
        match &rates.deck {
            Some(deck) => format!(
                "{money} {} a day for each {who} buy {} at the dearest price",
                rates.currency(),
                buys(cap, &deck.dearest())
            ),
            None => format!(
                "{money} {} a day for each {who} buy {} at home, or {} anywhere else",
                rates.currency(),
                buys(cap, &rates.home),
                buys(cap, &rates.other)
            ),
        }
    };
    policy.limits.caps.iter().filter(daily).map(one).collect()
}
