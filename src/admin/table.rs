//! The status as people read it: a table that fits 80 columns.
//!
//! Owns the words and the order. Refuses to know where the numbers come from.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::wrap::wrap;

/// Columns of the page.
const WIDTH: usize = 80;

/// Draws `status`, the answer to `Request::Status`.
#[must_use]
pub fn draw(status: &Value) -> String {
    let mut page = String::new();
    let text = |path: &str| status.pointer(path).map(show).unwrap_or_default();
    let state = if status.pointer("/draining") == Some(&Value::Bool(true)) { ", draining" } else { "" };
    line(
        &mut page,
        &format!(
            "ringfence {}  up {}  policy {}{state}",
            text("/version"),
            duration(status.pointer("/uptime_s").and_then(Value::as_u64).unwrap_or(0)),
            text("/generation"),
        ),
    );
    line(
        &mut page,
        &format!(
            "calls {}  connections {}  heap {}  resident {}",
            text("/gauges/calls"),
            text("/net/connections"),
            bytes(status.pointer("/heap_bytes").and_then(Value::as_u64)),
            bytes(status.pointer("/resident_bytes").and_then(Value::as_u64)),
        ),
    );
    if let Some(ports) = status.pointer("/media/ports") {
        let media = format!(
            "media of {} calls on {} of {ports} ports",
            text("/media/calls"),
            text("/media/ports_out")
        );
        line(&mut page, &media);
    }
    policy(&mut page, status);
    peers(&mut page, status);
    suspensions(&mut page, status);
    locks(&mut page, status);
    bans(&mut page, status);
    certificates(&mut page, status);
    for (title, path) in [
        ("gauges", "/gauges"),
        ("counts", "/counts"),
        ("net", "/net"),
        ("streams", "/streams"),
        ("tls", "/tls"),
        ("sinks", "/sinks"),
    ] {
        if let Some(Value::Object(map)) = status.pointer(path) {
            section(&mut page, title, map);
        }
    }
    page
}

/// The policy file, and what of it is not in force.
fn policy(page: &mut String, status: &Value) {
    let text = |path: &str| status.pointer(path).map(show).unwrap_or_default();
    let Some(policy) = status.pointer("/policy") else { return };
    wide(page, &format!("policy in force since {} from {}", text("/policy/since"), text("/policy/file")));
    if let Some(refused) = policy.pointer("/refused").filter(|refused| !refused.is_null()) {
        refusal(page, "the file was REFUSED at", refused);
    } else if policy.pointer("/unread") == Some(&Value::Bool(true)) {
        wide(page, "  the file says something else by now: `ringfence reload` takes it");
    }
}

/// Since when something on disk is not in force, and why.
fn refusal(page: &mut String, what: &str, refused: &Value) {
    let at = refused.pointer("/at").map(show).unwrap_or_default();
    let count = refused.pointer("/count").and_then(Value::as_u64).unwrap_or(0);
    let errors = if count == 1 { "error" } else { "errors" };
    wide(page, &format!("  {what} {at} ({count} {errors}):"));
    list(refused, "/errors").for_each(|error| wide(page, &format!("  {}", show(error))));
}

/// A line that may be long, broken between words.
fn wide(page: &mut String, text: &str) {
    for row in wrap(text, WIDTH).lines() {
        page.push_str(row);
        page.push('\n');
    }
}

fn peers(page: &mut String, status: &Value) {
    let Some(Value::Object(peers)) = status.pointer("/peers") else { return };
    line(page, "");
    line(page, "peer                                      state     calls");
    for (name, state) in peers {
        let calls = reserved(status, name);
        line(page, &format!("  {name:<38}  {:<8}  {calls:>5}", show(state)));
        for target in down(status, name) {
            line(page, &format!("    {target:<36}  down: no call goes there"));
        }
        for (target, seconds) in of_peer(status, "/targets_held", name).filter_map(target_and_number) {
            line(page, &format!("    {target:<36}  asked for a pause: {seconds} s more"));
        }
        if list(status, "/tried_last").any(|peer| peer.as_str() == Some(&**name)) {
            line(page, "    half of its last calls failed: it is tried after all others");
        }
        let waiting = of_peer(status, "/waiting", name).find_map(|entry| entry.pointer("/1")?.as_u64());
        if let Some(waiting) = waiting {
            line(page, &format!("    calls that wait for their turn (`cps`): {waiting}"));
        }
        let asked = of_peer(status, "/unanswered", name).find_map(|entry| entry.pointer("/1")?.as_u64());
        if let Some(asked) = asked {
            line(page, &format!("    asked for its password {asked} time(s), and did not answer"));
        }
        let own = |entry: &&Value| entry.pointer("/peer").and_then(Value::as_str) == Some(name);
        list(status, "/registrations").filter(own).for_each(|entry| registered(page, entry));
        list(status, "/names").filter(own).for_each(|entry| named(page, entry));
    }
}

/// Whether a trunk holds us, where and for how long, and why the last try failed.
fn registered(page: &mut String, entry: &Value) {
    let text =
        |path: &str| entry.pointer(path).filter(|value| !value.is_null()).map(show).unwrap_or_default();
    let at = Some(text("/at")).filter(|at| !at.is_empty()).map(|at| format!(" at {at}")).unwrap_or_default();
    let left = entry.pointer("/left_s").and_then(Value::as_u64);
    let left = left.map(|seconds| format!(" for {}", duration(seconds))).unwrap_or_default();
    line(page, &format!("    {} as {}{at}{left}", text("/state"), text("/user")));
    let why = text("/why");
    if !why.is_empty() {
        line(page, &format!("      {why}"));
    }
}

/// A name, how well it is known, and where it leads.
fn named(page: &mut String, entry: &Value) {
    let text = |path: &str| entry.pointer(path).map(show).unwrap_or_default();
    let left = entry.pointer("/ttl_left_s").and_then(Value::as_u64);
    let left = left.map(|seconds| format!(" for {}", duration(seconds))).unwrap_or_default();
    line(page, &format!("    {:<36}  {}{left}", text("/name"), text("/state")));
    let addresses = entry.pointer("/addresses").and_then(Value::as_array);
    for address in addresses.into_iter().flatten() {
        line(page, &format!("      {}", show(address)));
    }
}

/// What is suspended by order.
fn suspensions(page: &mut String, status: &Value) {
    if list(status, "/suspensions").next().is_none() {
        return;
    }
    line(page, "");
    line(page, "suspended, and what resumes it            strength   until");
    for one in list(status, "/suspensions") {
        let text =
            |path: &str| one.pointer(path).filter(|value| !value.is_null()).map(show).unwrap_or_default();
        let what = format!("{} {}", text("/kind"), text("/name"));
        let until = Some(text("/until")).filter(|until| !until.is_empty());
        let until = until.unwrap_or_else(|| "resumed".to_owned());
        line(page, &format!("  {what:<38.38}  {:<9}  {until}", text("/strength")));
        wide(page, &format!("    {}", text("/resume")));
        if !text("/why").is_empty() {
            wide(page, &format!("    {}", text("/why")));
        }
    }
}

/// Who is locked out after wrong passwords.
fn locks(page: &mut String, status: &Value) {
    if list(status, "/locks").next().is_none() {
        return;
    }
    line(page, "");
    line(page, "locked out, and what lifts it             peer              left");
    for lock in list(status, "/locks") {
        let text = |path: &str, none: &str| {
            lock.pointer(path).filter(|value| !value.is_null()).map_or_else(|| none.to_owned(), show)
        };
        // What its sender chose stands last: however long, it hides nothing else.
        let who = format!("{} as {}", text("/source", "any unlisted source"), text("/user", "anybody"));
        let left = duration(lock.pointer("/left_s").and_then(Value::as_u64).unwrap_or(0));
        line(page, &format!("  {who:<38.38}  {:<16}  {left}", text("/peer", "(roaming)")));
        if let Some(kind) = lock.get("holds_for") {
            line(page, &format!("    holds for {}", show(kind)));
        }
        if let Some(command) = lock.get("unlock") {
            line(page, &format!("    {}", show(command)));
        }
    }
}

/// Who is banned, and for what.
fn bans(page: &mut String, status: &Value) {
    if list(status, "/bans").next().is_none() {
        return;
    }
    line(page, "");
    line(page, "banned (`ringfence unlock --source`)      holds for              left");
    for ban in list(status, "/bans") {
        let text = |path: &str| ban.pointer(path).map(show).unwrap_or_default();
        let left = duration(ban.pointer("/left_s").and_then(Value::as_u64).unwrap_or(0));
        line(page, &format!("  {:<38}  {:<21}  {left}", text("/source"), text("/holds_for")));
        if let Some(listener) = ban.pointer("/listener").filter(|listener| !listener.is_null()) {
            line(page, &format!("    at listener {}", show(listener)));
        }
    }
    let all = status.pointer("/banned").and_then(Value::as_u64).unwrap_or(0);
    let shown = list(status, "/bans").count() as u64;
    if all > shown {
        line(page, &format!("  and {} more that end sooner", all - shown));
    }
}

/// Certificates and the days they have left; files that others were put into and that cannot be used.
fn certificates(page: &mut String, status: &Value) {
    let refused = status.pointer("/certificates_refused").filter(|refused| !refused.is_null());
    if list(status, "/certificates").next().is_none() && refused.is_none() {
        return;
    }
    line(page, "");
    line(page, "certificate                                         days left");
    for one in list(status, "/certificates") {
        let text = |path: &str| one.pointer(path).map(show).unwrap_or_default();
        line(page, &format!("  {:<50}  {:>6}", text("/at"), text("/days_left")));
    }
    if let Some(refused) = refused {
        refusal(page, "those served stay, for the files on disk are REFUSED since", refused);
    }
}

/// The targets of a peer that are down.
fn down<'a>(status: &'a Value, peer: &'a str) -> impl Iterator<Item = &'a str> {
    of_peer(status, "/targets_down", peer).filter_map(|entry| entry.pointer("/1")?.as_str())
}

fn list<'a>(status: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    status.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

/// The entries of a list that begin with a peer's name.
fn of_peer<'a>(status: &'a Value, path: &str, peer: &'a str) -> impl Iterator<Item = &'a Value> {
    list(status, path).filter(move |entry| entry.pointer("/0").and_then(Value::as_str) == Some(peer))
}

fn target_and_number(entry: &Value) -> Option<(&str, u64)> {
    Some((entry.pointer("/1")?.as_str()?, entry.pointer("/2")?.as_u64()?))
}

/// Calls a peer holds, from the gauge that leaves zero ones out.
fn reserved(status: &Value, peer: &str) -> u64 {
    let list = status.pointer("/gauges/reserved").and_then(Value::as_array);
    let name = format!("peer {peer}");
    list.into_iter()
        .flatten()
        .find(|entry| entry.pointer("/0").and_then(Value::as_str) == Some(&*name))
        .and_then(|entry| entry.pointer("/1").and_then(Value::as_u64))
        .unwrap_or(0)
}

/// Names and numbers in two columns; zero ones are left out, for nobody reads them.
fn section(page: &mut String, title: &str, map: &Map<String, Value>) {
    let shown: Vec<(&String, u64)> = map
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_u64()?)))
        .filter(|(_, value)| *value > 0)
        .collect();
    if shown.is_empty() {
        return;
    }
    line(page, "");
    line(page, title);
    for pair in shown.chunks(2) {
        let mut row = String::new();
        for (name, value) in pair {
            // Writing into a String cannot fail.
            let _ = write!(row, "  {name:<25} {value:>10} ");
        }
        line(page, row.trim_end());
    }
}

fn line(page: &mut String, text: &str) {
    page.extend(text.chars().take(WIDTH));
    page.push('\n');
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

fn bytes(count: Option<u64>) -> String {
    match count {
        None => "?".to_owned(),
        Some(count) if count < 10_000 => format!("{count} B"),
        Some(count) if count < 10_000_000 => format!("{} kB", count / 1_000),
        Some(count) => format!("{} MB", count / 1_000_000),
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
    use super::*;
    use serde_json::json;

    #[test]
    fn the_page_fits_80_columns_and_leaves_zeros_out() {
        let status = json!({
            "version": "0.1.0", "uptime_s": 93_784, "generation": 3, "draining": true,
            "gauges": { "calls": 12, "timers": 0, "reserved": [["peer office-pbx", 12], ["site office-pbx", 7]] },
            "counts": { "requests": 1_234_567, "responses": 7, "a_very_long_name_that_nobody_chose_well_at_all": 5 },
            "peers": { "office-pbx": "up", "spare": "unprobed", "trunk": "down" },
            "targets_down": [["trunk", "203.0.113.65:5060"]],
            "registrations": [
                { "peer": "spare", "user": "office-7", "state": "registered", "at": "203.0.113.66:5060",
                  "left_s": 1_450, "why": null },
                { "peer": "trunk", "user": "office", "state": "unregistered", "at": null, "left_s": null,
                  "why": "it refuses our login" },
            ],
            "names": [
                { "peer": "trunk", "name": "sip.example.com", "state": "fresh", "ttl_left_s": 250,
                  "addresses": ["203.0.113.65:5060", "203.0.113.66:5060"] },
                { "peer": "spare", "name": "sbc.example.net", "state": "nowhere", "ttl_left_s": null, "addresses": [] },
            ],
            "targets_held": [["spare", "203.0.113.66:5060", 12]], "tried_last": ["spare"], "waiting": [["spare", 3]],
            "unanswered": [["spare", 4]],
            "locks": [
                { "peer": "office-pbx", "source": "192.0.2.10", "user": "office", "left_s": 850, "nth": 1,
                  "holds_for": "datagrams", "unlock": "ringfence unlock office --source 192.0.2.10" },
                { "peer": null, "source": null, "user": "phone", "left_s": 1_800, "nth": 2,
                  "holds_for": "datagrams and streams", "unlock": "ringfence unlock phone" },
                { "peer": "spare", "source": "2001:db8::", "user": null, "left_s": 90_000, "nth": 3,
                  "holds_for": "datagrams", "unlock": "ringfence unlock --source 2001:db8::" },
            ],
            "banned": 7, "bans": [
                { "source": "192.0.2.66", "holds_for": "datagrams", "listener": "outside", "left_s": 850, "nth": 1 },
                { "source": "2001:db8:ffff:ffff::", "holds_for": "datagrams and streams", "listener": null, "left_s": 3_600, "nth": 3 },
            ],
            "policy": { "file": "/etc/ringfence/policy.yaml", "since": "2026-11-20T10:00:00.000Z", "unread": true,
              "refused": { "at": "2026-11-21T11:30:00.000Z", "count": 1, "errors":
                ["/etc/ringfence/policy.yaml:42:7: peers.trunk.sources[1]: \"10.0.0.0/33\" is not a network: a prefix is 0 to 32"] } },
            "certificates": [{ "at": "listeners.office.certificate", "days_left": 28, "file": "/etc/x.pem" }],
            "certificates_refused": { "at": "2026-11-21T11:40:00.000Z", "count": 1, "errors":
              ["/etc/ringfence/policy.yaml:12:20: listeners.office.certificate: the key does not belong to the certificate"] },
            "media": { "calls": 11, "ports_out": 44, "ports": 10_000 },
            "net": { "connections": 2 }, "heap_bytes": 12_345_678, "resident_bytes": 23_456_789,
        });
        let page = draw(&status);
        insta::assert_snapshot!(page, @r#"
        ringfence 0.1.0  up 1d02h  policy 3, draining
        calls 12  connections 2  heap 12 MB  resident 23 MB
        media of 11 calls on 44 of 10000 ports
        policy in force since 2026-11-20T10:00:00.000Z from /etc/ringfence/policy.yaml
          the file was REFUSED at 2026-11-21T11:30:00.000Z (1 error):
          /etc/ringfence/policy.yaml:42:7: peers.trunk.sources[1]: "10.0.0.0/33" is not
            a network: a prefix is 0 to 32

        peer                                      state     calls
          office-pbx                              up           12
          spare                                   unprobed      0
            203.0.113.66:5060                     asked for a pause: 12 s more
            half of its last calls failed: it is tried after all others
            calls that wait for their turn (`cps`): 3
            asked for its password 4 time(s), and did not answer
            registered as office-7 at 203.0.113.66:5060 for 24m10s
            sbc.example.net                       nowhere
          trunk                                   down          0
            203.0.113.65:5060                     down: no call goes there
            unregistered as office
              it refuses our login
            sip.example.com                       fresh for 4m10s
              203.0.113.65:5060
              203.0.113.66:5060

        locked out, and what lifts it             peer              left
          192.0.2.10 as office                    office-pbx        14m10s
            holds for datagrams
            ringfence unlock office --source 192.0.2.10
          any unlisted source as phone            (roaming)         30m00s
            holds for datagrams and streams
            ringfence unlock phone
          2001:db8:: as anybody                   spare             1d01h
            holds for datagrams
            ringfence unlock --source 2001:db8::

        banned (`ringfence unlock --source`)      holds for              left
          192.0.2.66                              datagrams              14m10s
            at listener outside
          2001:db8:ffff:ffff::                    datagrams and streams  1h00m
          and 5 more that end sooner

        certificate                                         days left
          listeners.office.certificate                            28
          those served stay, for the files on disk are REFUSED since
            2026-11-21T11:40:00.000Z (1 error):
          /etc/ringfence/policy.yaml:12:20: listeners.office.certificate: the key does
            not belong to the certificate

        gauges
          calls                             12

        counts
          requests                     1234567   responses                          7
          a_very_long_name_that_nobody_chose_well_at_all          5

        net
          connections                        2
        "#);
        assert!(page.lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn a_file_that_nobody_has_read_yet_is_told() {
        let policy = |refused: Value, unread: bool| {
            draw(
                &json!({ "policy": { "file": "p.yaml", "since": "2026-11-20T10:00:00.000Z", "refused": refused, "unread": unread } }),
            )
        };
        assert!(policy(Value::Null, true).contains("the file says something else by now"));
        assert!(!policy(Value::Null, false).contains("something else"));
        let refused = json!({ "at": "2026-11-21T11:30:00.000Z", "count": 2, "errors": ["p.yaml:1:1: bad", "p.yaml:2:1: bad"] });
        let page = policy(refused, true);
        assert!(
            page.contains("REFUSED at 2026-11-21T11:30:00.000Z (2 errors)")
                && page.contains("  p.yaml:2:1: bad"),
            "{page}"
        );
        assert!(!page.contains("something else"), "the errors say it");
    }

    #[test]
    fn a_strange_answer_is_drawn_all_the_same() {
        assert!(draw(&json!({})).starts_with("ringfence"));
        assert!(draw(&json!([1])).starts_with("ringfence"));
    }
}
