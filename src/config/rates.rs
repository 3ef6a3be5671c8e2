//! What calls cost, as it is written: two rates, or a rate deck in a file of its own.
//!
//! Owns the form of a deck (CSV with a header); a line that cannot be read is told with its file, its place and its cure, and a deck with
//! one such line is not taken. Refuses to know budgets. Read first: `lists.rs`; `policy/rates.rs`; RFC 4180.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use super::fields::{Fields, choose};
use super::lists::{self, Content, LINE_OCTETS_MAX, Lists, Named};
use super::problem::{Cause, Desk, PROBLEMS_MAX, Place, quoted};
use super::settings::path;
use super::values;
use crate::policy::money::Money;
use crate::policy::rates::{Deck, Rate, Rates};

/// Prices of one deck.
pub const PRICES_MAX: usize = 1_000_000;
/// Seconds of one step of billing.
const STEP_S_MAX: u64 = 3_600;

/// Reads `rates:`.
pub fn rates(root: &Fields<'_>, lists: &Lists<'_>) -> Rates {
    let mut rates = Rates::default();
    let Some(fields) = root.section("rates") else { return rates };
    if let Some(currency) = fields.checked("currency", currency) {
        rates.currency = currency;
    }
    if let Some(money) = fields.checked("home_rate", money) {
        rates.home.per_minute = money;
    }
    if let Some(money) = fields.checked("other_rate", money) {
        rates.other.per_minute = money;
    }
    if rates.home.per_minute > rates.other.per_minute {
        let cause = Cause::new("home_rate is above other_rate");
        fields.error("home_rate", cause.cure("what nobody can place costs the more"));
    }
    if let Some(written) = fields.checked("deck", |text| path(text).map(|()| text.to_owned())) {
        rates.deck = deck(&fields, lists, &written, &rates.currency);
    }
    rates
}

fn currency(text: &str) -> Result<Arc<str>, Cause> {
    // ISO 4217.
    if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(Arc::from(text));
    }
    Err(Cause::new(format!("{} is no currency", quoted(text))).cure("write its three letters, as in EUR"))
}

fn money(text: &str) -> Result<Money, Cause> {
    Money::read(text).ok_or_else(|| {
        let cause = Cause::new(format!("{} is no sum of money", quoted(text)));
        cause.cure("write 0.02, or 3, without a currency")
    })
}

/// The deck of a file; `None` where it cannot be used, which is told.
fn deck(fields: &Fields<'_>, lists: &Lists<'_>, written: &str, currency: &str) -> Option<Arc<Deck>> {
    let (desk, place, key) = (fields.desk(), fields.place_of("deck"), fields.path_of("deck"));
    let (name, path, opened) = match lists.named(desk, place, &key, written)? {
        Named::Known(Content::Deck(deck)) => {
            if let Some(other) = deck.currency.as_deref().filter(|other| *other != currency) {
                let cause = format!("{} names its prices in {other}", quoted(written));
                fields.error("currency", Cause::new(cause).cure("write that currency here"));
            }
            return Some(deck);
        }
        Named::Known(Content::Numbers(_)) => {
            fields.error("deck", Cause::new(format!("{} is a list of numbers", quoted(written))));
            return None;
        }
        Named::New { name, path, opened } => (name, path, opened),
    };
    let stamp = opened.stamp;
    let own = Desk::new(&name, "");
    let read = Reading::new(&own, currency).all(opened.lines);
    let bad = own.has_errors();
    desk.absorb(own);
    let read = read.map_err(|error| lists::cannot(desk, place, &key, &name, &error));
    let deck = Arc::new(read.ok().filter(|_| !bad)?);
    if deck.is_empty() {
        let cause = Cause::new(format!("{} holds no price", quoted(&name)));
        fields.error("deck", cause.cure("write a header, and a line for each prefix"));
        return None;
    }
    lists.keep(path, stamp, Content::Deck(Arc::clone(&deck)));
    Some(deck)
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Prefix,
    Price,
    Connect,
    Increment,
    Currency,
    Name,
}

const COLUMNS: [(&str, Column); 8] = [
    ("prefix", Column::Prefix),
    ("price_per_minute", Column::Price),
    ("price", Column::Price),
    ("connect_fee", Column::Connect),
    ("increment", Column::Increment),
    ("currency", Column::Currency),
    ("name", Column::Name),
    ("destination", Column::Name),
];

/// One deck being read.
struct Reading<'a> {
    desk: &'a Desk<'a>,
    currency: &'a str,
    deck: Deck,
    columns: Vec<Column>,
    separator: char,
    bad: usize,
}

impl<'a> Reading<'a> {
    fn new(desk: &'a Desk<'a>, currency: &'a str) -> Self {
        Self { desk, currency, deck: Deck::default(), columns: Vec::new(), separator: ',', bad: 0 }
    }

    fn all(mut self, mut lines: Box<dyn BufRead>) -> io::Result<Deck> {
        let mut line = Vec::with_capacity(LINE_OCTETS_MAX);
        for number in 1_u32.. {
            line.clear();
            let most = LINE_OCTETS_MAX as u64 + 2;
            if lines.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let long = line.len() as u64 == most && !line.ends_with(b"\n");
            let told = match std::str::from_utf8(&line) {
                _ if long => {
                    let cause = format!("the line has more than {LINE_OCTETS_MAX} octets");
                    Err(Cause::new(cause).cure("write one price a line; what follows was not read"))
                }
                Ok(text) => self.line(text.trim_start_matches('\u{feff}').trim()),
                Err(_) => Err(Cause::new("the line is not UTF-8").cure("save the file as UTF-8")),
            };
            let Err(cause) = told else { continue };
            self.desk.error(Place { line: number, column: 1, length: 1 }, "", cause);
            self.bad += 1;
            if long || self.bad >= PROBLEMS_MAX || self.columns.is_empty() || self.deck.len() >= PRICES_MAX {
                break;
            }
        }
        Ok(self.deck)
    }

    fn line(&mut self, line: &str) -> Result<(), Cause> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if self.columns.is_empty() {
            self.separator = if line.contains(';') && !line.contains(',') { ';' } else { ',' };
            self.columns = header(&self.cells(line)?)?;
            return Ok(());
        }
        let cells = self.cells(line)?;
        if cells.len() > self.columns.len() {
            let cause = format!("{} cells, and the header has {}", cells.len(), self.columns.len());
            return Err(Cause::new(cause).cure("put a text with a comma in double quotes"));
        }
        let (prefix, rate) = self.row(&cells)?;
        if self.deck.len() >= PRICES_MAX {
            let cause = format!("more than {PRICES_MAX} prices");
            return Err(Cause::new(cause).cure("leave out longer prefixes that cost what a shorter one does"));
        }
        if self.deck.add(&prefix, rate) {
            return Ok(());
        }
        let cause = format!("{} stands in another line with another price", quoted(&prefix));
        Err(Cause::new(cause).cure("keep one of them"))
    }

    fn cells<'l>(&self, line: &'l str) -> Result<Vec<Cow<'l, str>>, Cause> {
        if self.separator == ';' {
            return Ok(line.split(';').map(Cow::Borrowed).collect());
        }
        lists::cells(line)
    }

    fn row(&mut self, cells: &[Cow<'_, str>]) -> Result<(String, Rate), Cause> {
        let (mut prefix, mut rate) = (None, Rate::steps(Money(0), 60));
        let mut priced = false;
        for (cell, column) in cells.iter().zip(&self.columns) {
            let text = cell.trim();
            match column {
                Column::Prefix => prefix = Some(digits(text)?),
                Column::Price => {
                    rate.per_minute = money(text)?;
                    priced = true;
                }
                Column::Connect if !text.is_empty() => rate.connect = money(text)?,
                Column::Increment if !text.is_empty() => (rate.first_s, rate.then_s) = steps(text)?,
                Column::Currency if !text.is_empty() && text != self.currency => {
                    let cause =
                        format!("{} is another currency than {}", quoted(text), quoted(self.currency));
                    return Err(Cause::new(cause).cure("write all prices in the currency of `rates`"));
                }
                Column::Currency if !text.is_empty() => self.deck.currency = Some(text.into()),
                Column::Connect | Column::Increment | Column::Currency | Column::Name => {}
            }
        }
        let missing = |what: &str| Cause::new(format!("the line names no {what}"));
        let prefix = prefix.ok_or_else(|| missing("prefix").cure("write digits, as in 371"))?;
        if !priced {
            return Err(missing("price").cure("write it as 0.12"));
        }
        Ok((prefix, rate))
    }
}

fn header(cells: &[Cow<'_, str>]) -> Result<Vec<Column>, Cause> {
    let cure = "the columns are prefix, price_per_minute, connect_fee, increment, currency and name";
    let mut columns = Vec::new();
    for cell in cells {
        let name = cell.trim().to_ascii_lowercase();
        let column = choose(&name, &COLUMNS).map_err(|_| {
            Cause::new(format!("{} is no column of a rate deck", quoted(cell.trim()))).cure(cure)
        })?;
        if column != Column::Name && columns.contains(&column) {
            return Err(
                Cause::new(format!("the column {} stands there twice", quoted(&name))).cure("keep one")
            );
        }
        columns.push(column);
    }
    let has = |column| columns.contains(&column);
    if has(Column::Prefix) && has(Column::Price) {
        Ok(columns)
    } else {
        Err(Cause::new("the first line names no prefix or no price").cure(cure))
    }
}

/// Digits of a prefix, with a plus or without.
fn digits(text: &str) -> Result<String, Cause> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(digits.to_owned());
    }
    Err(Cause::new(format!("{} is no prefix", quoted(text)))
        .cure("write 1 to 15 digits with the country code, as in 371"))
}

/// `60/60`, `30/6`, or `60` for both.
fn steps(text: &str) -> Result<(u32, u32), Cause> {
    let (first, then) = text.split_once('/').unwrap_or((text, text));
    let one = |text: &str| {
        let seconds = values::count(text.trim(), 1, STEP_S_MAX)?;
        Ok(u32::try_from(seconds).unwrap_or(u32::MAX))
    };
    let both = one(first).and_then(|first| one(then).map(|then| (first, then)));
    both.map_err(|_: Cause| {
        let cause = Cause::new(format!("{} is no increment", quoted(text)));
        cause.cure("write seconds of the first step and of each further one, as in 60/60 or 30/6")
    })
}

#[cfg(test)]
#[path = "rates_tests.rs"]
mod tests;
