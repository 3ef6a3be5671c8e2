//! Caps, as they are written: what is counted, of whom, how much.
//!
//! Owns the step from `caps:` and `longest_calls:` to the policy's limits. Refuses to count. Read first: `table/caps.rs`;
//! `policy/limits.rs`.

use std::sync::Arc;

use super::fields::{Fields, choose};
use super::problem::{Cause, quoted};
use super::table::CAP;
use super::values;
use crate::policy::limits::{Amount, Limit, Limits, Per, Span, What, standing};
use crate::policy::money::Money;
use crate::policy::rates::Class;

/// The most that a cap may name: no sum of what is counted runs over.
const AMOUNT_MAX: u64 = 1_000_000_000;

const CLASSES: [(&str, Class); 3] =
    [("outbound", Class::Home), ("international", Class::International), ("high_risk", Class::HighRisk)];

/// Reads `caps:` and `longest_calls:`; what stands by default stands where it is not written.
pub fn limits(root: &Fields<'_>) -> Limits {
    let mut limits = Limits::standing();
    if root.instead_of_list("caps") {
        limits.caps.clear();
        let cause = Cause::new("nothing bounds how many calls there are to the outside, and what they cost");
        root.warning("caps", cause.cure("leave caps out, and what stands by default bounds them"));
    }
    let mut written: Vec<(Arc<str>, String)> = Vec::new();
    for item in root.list("caps") {
        let fields = Fields::open(root.desk(), &CAP, item.node, item.node.place, item.path.clone());
        let Some((fields, (of, what, per))) = fields.and_then(|fields| {
            let about = about(&fields)?;
            Some((fields, about))
        }) else {
            continue;
        };
        let id = standing::path(of, what, per);
        if let Some((_, twin)) = written.iter().find(|(known, _)| *known == id) {
            let cause = format!("this cap already stands at {twin}");
            fields.error("count", Cause::new(cause).cure("keep one of them"));
            continue;
        }
        limits.caps.retain(|cap| cap.id != id);
        written.push((Arc::clone(&id), item.path.clone()));
        let Some(Some(block)) = fields.checked("block", |text| amount(text, what)) else { continue };
        let warn = fields.checked("warn", |text| amount(text, what)).flatten();
        if let (Some(Amount::Fixed(warn)), Amount::Fixed(block)) = (warn, block)
            && warn > block
        {
            fields.error("warn", Cause::new("warn is above block").cure("lower warn, or raise block"));
        }
        limits.caps.push(Limit { id, path: Arc::from(item.path.as_str()), of, what, per, warn, block });
    }
    if let Some(fields) = root.section("longest_calls") {
        for lasting in &mut limits.lasting {
            if let Some(time) = fields.time_if(standing::class(lasting.of)) {
                lasting.duration_max = time;
            }
        }
    }
    limits
}

/// What a cap is about.
fn about(fields: &Fields<'_>) -> Option<(Class, What, Per)> {
    let measures = standing::MEASURES.map(|what| (standing::measure(what), what));
    let scopes = Per::ALL.map(|per| (per.name(), per));
    let of = fields.checked("of", |text| choose(text, &CLASSES));
    let what = fields.checked("count", |text| choose(text, &measures));
    let per = fields.checked("per", |text| choose(text, &scopes));
    Some((of?, what?, per?))
}

/// An amount of what is counted; `None` where the word none stands.
fn amount(text: &str, what: What) -> Result<Option<Amount>, Cause> {
    if text == "none" {
        return Ok(None);
    }
    let (text, each) = match text.strip_suffix(" per channel") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let amount = match what {
        What::AtOnce | What::Calls(_) | What::NewNumbers(_) => values::count(text, 1, AMOUNT_MAX)?,
        What::Minutes(_) => values::count(text, 1, AMOUNT_MAX)?.saturating_mul(60),
        What::Spend(Span::Second | Span::Minute | Span::Hour | Span::Day | Span::Month)
        | What::SpendClosed(_) => money(text)?,
    };
    Ok(Some(if each { Amount::EachChannel(amount) } else { Amount::Fixed(amount) }))
}

/// A sum of money, in millionths.
fn money(text: &str) -> Result<u64, Cause> {
    Money::read(text).map(|money| money.0).ok_or_else(|| {
        let cause = Cause::new(format!("{} is no sum of money", quoted(text)));
        cause.cure("write 30, or 2.50, in the currency of `rates`")
    })
}
