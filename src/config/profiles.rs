//! Profiles: what a make of trunk or PBX does differently, as settings of a peer. A key that is written beside counts instead.
//!
//! Owns the table, and nothing else knows a maker's name. A row is a key of the table with its value and its reason (a key of
//! a section with a dot, where that section is written); what is not known has no row and keeps its default. Read first: `table/cast.rs`.

use super::fields::{Fields, Item};
use super::problem::{Cause, Place, nearest};
use super::tree::{Entry, Node, Value};
use super::values;
use crate::policy::PeerSide;

/// The value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// One word.
    Word(&'static str),
    /// A list.
    List(&'static [&'static str]),
}

/// One key that a profile sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The peer's key, or `section.key` for one of a section that is written; `tls` counts as written where the peer's
    /// listener serves TLS, and `media` where media is anchored.
    pub key: &'static str,
    /// Its value.
    pub value: Setting,
    /// Why, for `check`.
    pub why: &'static str,
}

/// A key that a profile cannot know and does not work without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The peer's key.
    pub key: &'static str,
    /// Why.
    pub why: &'static str,
    /// What is written, for instance.
    pub example: &'static str,
}

/// A profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Its name in the YAML.
    pub name: &'static str,
    /// The side that such a peer stands on; `None` either.
    pub side: Option<PeerSide>,
    /// What it sets.
    pub rows: &'static [Row],
    /// What must stand beside it.
    pub needs: &'static [Need],
    /// Whether calls go to the host of `request_host`, looked up by DNS, where no targets are written.
    pub by_name: bool,
    /// Why it takes no certificate but one with an RSA key; `None` where it takes others too.
    pub rsa: Option<&'static str>,
}

const fn word(key: &'static str, value: &'static str, why: &'static str) -> Row {
    Row { key, value: Setting::Word(value), why }
}

const fn pbx(name: &'static str, rows: &'static [Row]) -> Profile {
    Profile { name, side: Some(PeerSide::Inside), rows, needs: &[], by_name: false, rsa: None }
}

const GIVES_UP: &str = "the statuses on which it gives up instead of trying another trunk";

/// The names, for the key table.
pub const NAMES: &[&str] = &["generic", "twilio", "asterisk", "freepbx", "freeswitch", "3cx"];

/// Every profile.
pub const PROFILES: &[Profile] = &[
    // The defaults of the key table, by name.
    Profile { name: "generic", side: None, rows: &[], needs: &[], by_name: false, rsa: None },
    // Twilio Elastic SIP Trunking, from its documentation as it stood on 2026-11-21; realm and algorithm of its challenges
    // from traces of such trunks that their owners published (407, realm "sip.twilio.com", qop auth, no algorithm).
    Profile {
        name: "twilio",
        side: Some(PeerSide::Outside),
        rows: &[
            Row {
                key: "sources",
                // A wrong network opens the door to whoever holds it, a missing one only fails a call: none that was not read.
                value: Setting::List(&["54.172.60.0/30", "54.244.51.0/30"]),
                why: "two of its regions, as read on 2026-11-21; its other regions are strangers: compare its list, and write yours",
            },
            word("number_format", "e164_plus", "it takes E.164 with + and nothing else"),
            word("caller_format", "e164_plus", "it takes E.164 with + and nothing else"),
            word("tls.ca", "system", "its authorities (DigiCert) are among those that a system trusts"),
            word(
                "tls.wildcard",
                "allow",
                "its certificate is for *.pstn.twilio.com, which RFC 5922 has nobody take",
            ),
            word("tls.client_certificate", "none", "it shows none when it calls: its address says who it is"),
            Row {
                key: "media.networks",
                value: Setting::List(&["168.86.128.0/18"]),
                why: "its media comes from there in every region",
            },
            Row {
                key: "media.suites",
                value: Setting::List(&["AES_CM_128_HMAC_SHA1_80"]),
                why: "the one suite that it offers",
            },
            word("cps", "1", "calls a second of a new trunk; raise it when Twilio has"),
            word("login.realm", "sip.twilio.com", "the realm in its challenges, for every trunk the same"),
            Row {
                key: "login.algorithms",
                value: Setting::List(&["sha-512-256", "sha-256", "md5"]),
                why: "its challenges name no algorithm, which is MD5; a better one is taken where it offers one",
            },
        ],
        needs: &[Need {
            key: "request_host",
            why: "a call to any other host than the trunk's termination domain is dropped without an answer",
            example: "NAME.pstn.twilio.com",
        }],
        by_name: true,
        rsa: Some("the suites of TLS that Twilio lists are for RSA certificates alone"),
    },
    // The PBXs differ in what makes them dial out another way, and else in what each message says for itself, which is read
    // from it: what one has not announced it is not asked for, so no row would be more than a default written twice.
    // - Asterisk, and FreePBX upon it: `100rel` is `yes` (supported, never required) in its PJSIP reference
    //   (docs.asterisk.org, Module_Configuration/res_pjsip); its timers are PJSIP's, 1800 s and at least 90 s (docs.pjsip.org,
    //   pjsip_timer_setting), which are the defaults here.
    // - FreeSWITCH: `enable-100rel` is commented out in its own sip_profiles, and its INVITE then names no 100rel.
    // - 3CX: its page of trunk requirements (3cx.com/docs/supported-sip-trunk-requirements) shows `Supported: replaces,
    //   timer` and an Allow with UPDATE and without PRACK.
    // Read on 2026-11-22.
    pbx("asterisk", &[word("refusal", "asterisk", GIVES_UP)]),
    pbx("freepbx", &[word("refusal", "freepbx", GIVES_UP)]),
    pbx("freeswitch", &[word("refusal", "freeswitch", GIVES_UP)]),
    pbx("3cx", &[word("refusal", "3cx", GIVES_UP)]),
];

/// The profile of a name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

/// What a profile set for one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The profile.
    pub profile: &'static Profile,
    /// Rows that count, and those that a key written beside replaces.
    pub rows: Vec<(&'static Row, bool)>,
}

/// Writes the rows of each peer's profile into the tree, where the peer does not write the key itself. They stand at the
/// place of the profile's name, so that whatever is said of them points there.
pub fn fill(root: &mut Node) {
    let secure = serving_tls(root);
    let anchored = entries_of(root).into_iter().flatten().any(|entry| entry.key == "media");
    let peers = entries_of(root).into_iter().flatten().filter(|entry| entry.key == "peers");
    for peer in peers.flat_map(|peers| entries_of(&mut peers.value)).flatten() {
        if let Some(entries) = entries_of(&mut peer.value) {
            fill_peer(entries, &secure, anchored);
        }
    }
}

/// The listeners that have a certificate.
fn serving_tls(root: &mut Node) -> Vec<String> {
    let listeners = entries_of(root).into_iter().flatten().find(|entry| entry.key == "listeners");
    let mut listeners: Vec<&mut Entry> =
        listeners.and_then(|entry| entries_of(&mut entry.value)).into_iter().flatten().collect();
    let has = |entry: &mut &mut Entry| {
        entries_of(&mut entry.value).is_some_and(|keys| keys.iter().any(|key| key.key == "certificate"))
    };
    listeners.iter_mut().filter_map(|entry| has(entry).then(|| entry.key.clone())).collect()
}

fn fill_peer(entries: &mut Vec<Entry>, secure: &[String], anchored: bool) {
    let Some(wanted) = entries.iter().find(|entry| entry.key == "profile") else { return };
    let (place, Value::Scalar(name)) = (wanted.value.place, &wanted.value.value) else { return };
    // An unknown name is told where the key is read, and keys that the one which was meant sets are not told as missing.
    let Some(profile) = named(name).or_else(|| nearest(name, NAMES.iter().copied()).and_then(named)) else {
        return;
    };
    if profile.by_name {
        fill_targets(entries, place);
    }
    let listener = entries.iter().find(|entry| entry.key == "listener").map(|entry| &entry.value.value);
    let by_tls = matches!(listener, Some(Value::Scalar(name)) if secure.contains(name));
    for (section, stands) in [("tls", by_tls), ("media", anchored)] {
        let says =
            profile.rows.iter().any(|row| row.key.split_once('.').is_some_and(|(name, _)| name == section));
        if stands && says && !entries.iter().any(|entry| entry.key == section) {
            let value = Node::made(place, Value::Map(Vec::new()));
            entries.push(Entry { key: section.to_owned(), place, value });
        }
    }
    for row in profile.rows {
        match row.key.split_once('.') {
            None => fill_key(entries, row.key, row.value, place),
            Some((section, key)) => {
                let section = entries.iter_mut().find(|entry| entry.key == section);
                if let Some(entries) = section.and_then(|entry| entries_of(&mut entry.value)) {
                    fill_key(entries, key, row.value, place);
                }
            }
        }
    }
}

fn fill_key(entries: &mut Vec<Entry>, key: &str, value: Setting, place: Place) {
    if entries.iter().any(|entry| entry.key == key) {
        return;
    }
    let scalar = |text: &str| Node::made(place, Value::Scalar(text.to_owned()));
    let value = match value {
        Setting::Word(text) => scalar(text),
        Setting::List(words) => {
            Node::made(place, Value::List(words.iter().map(|text| scalar(text)).collect()))
        }
    };
    entries.push(Entry { key: key.to_owned(), place, value });
}

/// Calls go where the host of the Request-URI leads.
fn fill_targets(entries: &mut Vec<Entry>, place: Place) {
    let host = entries.iter().find(|entry| entry.key == "request_host");
    let Some(Value::Scalar(host)) = host.map(|entry| &entry.value.value) else { return };
    let host = Node::made(place, Value::Scalar(host.clone()));
    if !entries.iter().any(|entry| entry.key == "targets") {
        let value = Node::made(place, Value::List(vec![host]));
        entries.push(Entry { key: "targets".to_owned(), place, value });
    }
}

fn entries_of(node: &mut Node) -> Option<&mut Vec<Entry>> {
    match &mut node.value {
        Value::Map(entries) => Some(entries),
        Value::Nothing | Value::Scalar(_) | Value::List(_) | Value::Untold => None,
    }
}

/// Checks that a peer's profile fits it, and says what it set.
pub fn applied(fields: &Fields<'_>, side: PeerSide) -> Option<Applied> {
    let profile = fields.checked("profile", |text| {
        let words: Vec<(&str, &'static Profile)> =
            PROFILES.iter().map(|profile| (profile.name, profile)).collect();
        super::fields::choose(text, &words)
    })?;
    // A side that could not be read was told.
    let side_known = !fields.desk().is_flawed(&fields.path_of("side"));
    if side_known && profile.side.is_some_and(|wanted| wanted != side) {
        let (stands, other) = match side {
            PeerSide::Inside => ("inside", "a trunk"),
            PeerSide::Outside => ("outside", "a PBX"),
        };
        let cause = format!("{} is the profile of {other}, and this peer stands {stands}", profile.name);
        fields.error("profile", Cause::new(cause).cure("change the side or the profile"));
    }
    // Where calls go by names alone, each call's Request-URI names the one it goes to.
    let named = profile.by_name && by_names_alone(fields);
    for need in profile.needs.iter().filter(|need| !fields.is_set(need.key) && !named) {
        let cause = format!("{} needs {} beside it: {}", profile.name, need.key, need.why);
        fields.error("profile", Cause::new(cause).cure(format!("add {}: {}", need.key, need.example)));
    }
    let place = fields.place_of("profile");
    let counts = |row: &'static Row| Some((row, stands(fields, row.key)? == place));
    Some(Applied { profile, rows: profile.rows.iter().filter_map(counts).collect() })
}

/// Whether `targets` holds names and nothing else.
fn by_names_alone(fields: &Fields<'_>) -> bool {
    let targets = fields.list("targets");
    let named = |item: &Item<'_>| match &item.node.value {
        Value::Scalar(text) => values::domain_name(text).is_some(),
        Value::Nothing | Value::List(_) | Value::Map(_) | Value::Untold => false,
    };
    !targets.is_empty() && targets.iter().all(named)
}

/// Where the value of a row's key stands; `None` for a key of a section that is not written.
fn stands(fields: &Fields<'_>, key: &str) -> Option<Place> {
    let Some((section, key)) = key.split_once('.') else { return Some(fields.place_of(key)) };
    let Value::Map(entries) = &fields.node(section)?.value else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.place)
}

impl Row {
    /// The value as it would be written.
    #[must_use]
    pub fn value_text(&self) -> String {
        match self.value {
            Setting::Word(text) => text.to_owned(),
            Setting::List(words) => format!("[{}]", words.join(", ")),
        }
    }
}

impl Applied {
    /// What it set, one sentence each.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let row = |(row, counts): &(&Row, bool)| {
            let (key, value, why) = (row.key, row.value_text(), row.why);
            if *counts {
                format!("profile {}: {key}: {value} ({why}); write {key} to override", self.profile.name)
            } else {
                format!("profile {}: {key} is overridden (it would be {value})", self.profile.name)
            }
        };
        self.rows.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::peer_keys;

    #[test]
    fn every_row_sets_a_key_of_the_table_and_every_name_is_there() {
        assert_eq!(PROFILES.iter().map(|profile| profile.name).collect::<Vec<_>>(), NAMES);
        for profile in PROFILES {
            for key in profile.rows.iter().map(|row| row.key).chain(profile.needs.iter().map(|need| need.key))
            {
                let key = key.split('.').next().unwrap_or_default();
                assert!(peer_keys().any(|known| known == key), "{}: {key}", profile.name);
            }
        }
    }
}
