//! What came of an order to the running edge, in words and tables that fit 80 columns.
//!
//! Owns the sentences. Refuses to know who carried it out. Read first: `engine/orders.rs`.

use std::fmt::Write as _;

use serde_json::Value;

/// Columns of a table.
const WIDTH: usize = 80;
/// Characters of an id that a table shows, and that `cut` takes.
const ID_SHOWN: usize = 8;

/// Whether nothing came of it, or less than was asked for.
#[must_use]
pub fn in_vain(answer: &Value) -> bool {
    let some =
        |path: &str| answer.pointer(path).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let left_named = answer.pointer("/cut/cut").and_then(Value::as_u64) == Some(0) && some("/cut/left_alone");
    answer.get("refused").is_some() || some("/cut/unknown") || some("/cut/several") || left_named
}

/// For people.
#[must_use]
pub fn tell(answer: &Value) -> String {
    let Some((kind, about)) = answer.as_object().and_then(|answer| answer.iter().next()) else {
        return "the edge gave no answer".to_owned();
    };
    match kind.as_str() {
        "refused" => refused(about),
        "suspended" => suspended(about),
        "resumed" => resumed(about),
        "calls" => calls(about),
        "cut" => cut(about),
        "limits" => limits(about),
        "bans" => bans(about),
        "banned" => {
            let lasts = duration(number(about, "/lasts_s"));
            format!("banned {} for {lasts}; `ringfence unban {0}` lifts that", text(about, "/source"))
        }
        "unbanned" => format!("lifted {} ban(s) of {}", number(about, "/lifted"), text(about, "/source")),
        _ => answer.to_string(),
    }
}

fn refused(about: &Value) -> String {
    let mut told = format!("nothing was done: {}", text(about, "/why"));
    let known: Vec<String> = list(about, "/known").map(show).collect();
    if !known.is_empty() {
        told.push_str("\nit knows: ");
        told.push_str(&known.join(", "));
    }
    told
}

fn suspended(about: &Value) -> String {
    let at = |key: &str| text(about, &format!("/suspension/{key}"));
    let until = Some(at("until")).filter(|until| !until.is_empty());
    let until = until.map_or_else(|| "until it is resumed".to_owned(), |until| format!("until {until}"));
    let live = match number(about, "/calls_cut") {
        0 => "no call was ended".to_owned(),
        cut => format!("{cut} call(s) were ended"),
    };
    let before = if about.pointer("/replaced") == Some(&Value::Bool(true)) {
        " (an order before it is replaced)"
    } else {
        ""
    };
    format!(
        "suspended {} {} {until}{before}: new calls are refused, {live}, emergency calls go through; `{}` takes it back",
        at("kind"),
        at("name"),
        at("resume"),
    )
}

fn resumed(about: &Value) -> String {
    let lifted: Vec<String> = list(about, "/lifted").map(show).collect();
    if lifted.is_empty() {
        "nothing was suspended".to_owned()
    } else {
        format!("resumed {}", lifted.join(", "))
    }
}

fn cut(about: &Value) -> String {
    let mut told = match number(about, "/cut") {
        0 => "no call was ended".to_owned(),
        cut => format!("ended {cut} call(s) on both legs"),
    };
    let named = |path: &str| list(about, path).map(show).collect::<Vec<_>>().join(", ");
    if list(about, "/unknown").next().is_some() {
        let unknown = named("/unknown");
        let _ = write!(
            told,
            "\nno call that lives begins with: {unknown} (6 digits at least; `ringfence calls` lists them)"
        );
    }
    if list(about, "/several").next().is_some() {
        let _ = write!(told, "\nseveral calls begin with: {}; write more digits", named("/several"));
    }
    if number(about, "/emergencies") > 0 {
        let _ = write!(
            told,
            "\nleft alone, for they call for help: {}; each is ended only where it is named alone, by its whole id",
            named("/left_alone")
        );
    }
    told
}

/// One call on two lines: what it is, and between whom.
fn calls(about: &Value) -> String {
    let mut page = String::new();
    if list(about, "/calls").next().is_none() {
        return "no call is up".to_owned();
    }
    line(&mut page, "id        direction  state    for      from -> to");
    for call in list(about, "/calls") {
        let id: String = text(call, "/id").chars().take(ID_SHOWN).collect();
        let up = call.pointer("/answered").is_some_and(|answered| !answered.is_null());
        let seconds = number(call, if up { "/duration_s" } else { "/lived_s" });
        let parties = format!("{} -> {}", text(call, "/from"), text(call, "/to"));
        let (direction, state) = (text(call, "/direction"), text(call, "/state"));
        line(&mut page, &format!("{id:<8}  {direction:<9}  {state:<7}  {:<7}  {parties}", duration(seconds)));
        let peers = format!("{} -> {}", text(call, "/caller"), text(call, "/callee"));
        let help = if call.pointer("/emergency") == Some(&Value::Bool(true)) { ", EMERGENCY" } else { "" };
        let began: String = text(call, "/began").chars().take(19).collect();
        line(&mut page, &format!("          {peers}{help}, since {began}Z"));
    }
    let (all, shown) = (number(about, "/all"), list(about, "/calls").count() as u64);
    if all > shown {
        line(&mut page, &format!("and {} more that began later", all - shown));
    }
    page
}

fn limits(about: &Value) -> String {
    let mut page = String::new();
    if list(about, "/limits").next().is_none() {
        return "nothing is used of any cap".to_owned();
    }
    line(&mut page, "used  whose                     of what");
    for limit in list(about, "/limits") {
        let at = |key: &str| text(limit, &format!("/{key}"));
        let most = Some(at("block")).filter(|most| !most.is_empty());
        let most = most.map_or_else(String::new, |most| format!(" of {most}"));
        let (percent, whose) = (number(limit, "/percent"), at("whose"));
        line(&mut page, &format!("{percent:>3} %  {whose:<24}  {}{most}{}", at("used"), at("unit")));
        line(&mut page, &format!("       {}", at("cap")));
    }
    let (all, shown) = (number(about, "/all"), list(about, "/limits").count() as u64);
    if all > shown {
        line(&mut page, &format!("and {} more with less", all - shown));
    }
    page
}

fn bans(about: &Value) -> String {
    let mut page = String::new();
    if list(about, "/bans").next().is_none() {
        return "nobody is banned".to_owned();
    }
    line(&mut page, "banned (`ringfence unban`)                holds for              left");
    for ban in list(about, "/bans") {
        let how = if number(ban, "/nth") == 0 { "  by order" } else { "" };
        let (source, holds) = (text(ban, "/source"), text(ban, "/holds_for"));
        line(&mut page, &format!("  {source:<38}  {holds:<21}  {}{how}", duration(number(ban, "/left_s"))));
        if !text(ban, "/listener").is_empty() {
            line(&mut page, &format!("    at listener {}", text(ban, "/listener")));
        }
    }
    let (all, shown) = (number(about, "/all"), list(about, "/bans").count() as u64);
    if all > shown {
        line(&mut page, &format!("and {} more that end sooner", all - shown));
    }
    page
}

fn line(page: &mut String, text: &str) {
    page.extend(text.chars().take(WIDTH));
    page.push('\n');
}

fn list<'a>(about: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    about.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

fn text(about: &Value, path: &str) -> String {
    about.pointer(path).filter(|value| !value.is_null()).map(show).unwrap_or_default()
}

fn number(about: &Value, path: &str) -> u64 {
    about.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

/// As a terminal may show it: what a sender chose holds no control.
fn show(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.chars().map(|one| if one.is_control() { '?' } else { one }).collect(),
        None => value.to_string(),
    }
}

fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _) => format!("{hours}h{minutes:02}m"),
        (_, _) => format!("{days}d{hours:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_came_of_an_order_is_told_in_a_sentence() {
        let suspension = json!({ "kind": "peer", "name": "trunk", "until": null, "resume": "ringfence resume --peer trunk" });
        for (answer, words, vain) in [
            (
                json!({ "refused": { "why": "the policy names no peer \"Trunk\"", "known": ["pbx", "trunk"] } }),
                "nothing was done: the policy names no peer \"Trunk\"\nit knows: pbx, trunk",
                true,
            ),
            (
                json!({ "suspended": { "suspension": suspension, "replaced": false, "calls_cut": 2 } }),
                "suspended peer trunk until it is resumed: new calls are refused, 2 call(s) were ended, emergency calls go \
                 through; `ringfence resume --peer trunk` takes it back",
                false,
            ),
            (json!({ "resumed": { "lifted": [] } }), "nothing was suspended", false),
            (
                json!({ "resumed": { "lifted": ["site office", "number 201"] } }),
                "resumed site office, number 201",
                false,
            ),
            (
                json!({ "cut": { "cut": 3, "unknown": [], "several": [], "emergencies": 0 } }),
                "ended 3 call(s) on both legs",
                false,
            ),
            (
                json!({ "cut": { "cut": 0, "unknown": [], "several": [], "emergencies": 1, "left_alone": ["ab"] } }),
                "no call was ended\nleft alone, for they call for help: ab; each is ended only where it is named alone, by its whole id",
                true,
            ),
            (
                json!({ "cut": { "cut": 0, "unknown": ["abc"], "several": ["123456"], "emergencies": 0 } }),
                "no call was ended\nno call that lives begins with: abc (6 digits at least; `ringfence calls` lists them)\n\
                 several calls begin with: 123456; write more digits",
                true,
            ),
            (
                json!({ "banned": { "source": "192.0.2.0/24", "lasts_s": 3600 } }),
                "banned 192.0.2.0/24 for 1h00m; `ringfence unban 192.0.2.0/24` lifts that",
                false,
            ),
            (
                json!({ "unbanned": { "source": "192.0.2.7", "lifted": 1 } }),
                "lifted 1 ban(s) of 192.0.2.7",
                false,
            ),
            (json!({ "calls": { "all": 0, "calls": [] } }), "no call is up", false),
            (json!({ "bans": { "all": 0, "bans": [] } }), "nobody is banned", false),
            (json!({ "limits": { "all": 0, "limits": [] } }), "nothing is used of any cap", false),
        ] {
            assert_eq!((tell(&answer), in_vain(&answer)), (words.to_owned(), vain), "{answer}");
        }
    }

    #[test]
    fn tables_fit_eighty_columns_and_say_what_they_leave_out() {
        let call = json!({
            "id": "0123456789abcdef0123456789abcdef", "direction": "outbound", "from": "+12125550100", "to": "+37127913000\u{1b}",
            "caller": "a-peer-with-a-very-long-name-indeed", "callee": "another-peer-with-a-very-long-name", "state": "ringing",
            "emergency": true, "began": "2026-11-23T14:00:00.000000Z", "answered": null, "duration_s": 0, "lived_s": 75
        });
        let page = tell(&json!({ "calls": { "all": 3, "calls": [call] } }));
        assert!(page.lines().all(|line| line.chars().count() <= WIDTH), "{page}");
        assert!(
            page.contains("01234567  outbound   ringing  1m15s    +12125550100 -> +37127913000?\n"),
            "{page}"
        );
        assert!(page.ends_with("and 2 more that began later\n"), "{page}");
        let limit = json!({ "cap": "caps.outbound.spend_per_day.site", "whose": "site headquarters", "used": "3.00", "block": "30.00",
            "unit": " USD within a day", "percent": 10 });
        let page = tell(&json!({ "limits": { "all": 2, "limits": [limit] } }));
        assert!(page.contains(" 10 %  site headquarters         3.00 of 30.00 USD within a day\n"), "{page}");
        assert!(page.ends_with("and 1 more with less\n"), "{page}");
        let ban = json!({ "source": "192.0.2.0/24", "holds_for": "datagrams and streams", "listener": null, "left_s": 60, "nth": 0 });
        let page = tell(&json!({ "bans": { "all": 1, "bans": [ban] } }));
        assert!(page.contains("192.0.2.0/24") && page.contains("by order"), "{page}");
    }
}
