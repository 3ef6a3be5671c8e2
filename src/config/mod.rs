//! YAML to checked settings. All errors at once, each with place, cause and cure.
//!
//! Owns the policy file: its keys, defaults, checks and messages. Refuses to know what is done with the settings.
//! Read first: `table.rs` (every key), then `load` below.

mod caller_rules;
mod callers;
mod caps;
mod changes;
pub mod check;
mod credentials;
mod cross;
mod detectors;
mod emergencies;
mod fields;
mod floods;
mod hours;
mod keys;
mod listed;
mod listeners;
pub mod lists;
mod logins;
mod media;
mod numbers;
mod peers;
pub mod places;
pub mod plans;
pub mod problem;
pub mod profiles;
mod rates;
#[cfg(test)]
mod reference_tests;
mod routes;
mod rules;
mod schema;
pub mod secrets;
mod settings;
mod table;
pub mod tls;
mod tree;
mod values;
pub mod world;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;
use std::sync::Arc;
use std::time::Duration;

pub use changes::{Changes, changes, moved};
pub use schema::schema;

use crate::clock::{Clock, Wall};
use crate::net::tls::Held;
use crate::net::tls::material::FILE_BYTES_MAX;
use crate::policy::{Names, OnReload, PeerId, Plan, Policy};
use crate::sinks::Sink;

use cross::Cast;
use fields::Fields;
use problem::{Cause, Desk, Errors, Place, Problem};
use profiles::Applied;

/// A whole, checked configuration.
#[derive(Debug)]
pub struct Config {
    /// The policy.
    pub policy: Arc<Policy>,
    /// The engine's settings (fixed at start; a reload that changes them says that a restart is needed).
    pub engine: crate::engine::Settings,
    /// Sockets.
    pub net: crate::net::Settings,
    /// Names.
    pub dns: crate::net::resolve::Settings,
    /// Sinks.
    pub sinks: crate::sinks::Settings,
    /// Control socket.
    pub admin: crate::admin::Settings,
    /// Certificates, keys and authorities.
    pub tls: tls::Material,
    /// How long a stop waits for live calls.
    pub drain: Duration,
    /// What profiles set, by peer.
    pub profiles: Vec<(PeerId, Applied)>,
    /// Files of numbers, as they were read.
    pub lists: Arc<[lists::Kept]>,
    /// What is allowed by exception, or looks unmeant; sorted by place.
    pub warnings: Vec<Problem>,
}

/// What a text that stands for itself cannot do.
const ALONE: &str = "a policy without a file names no other files";

/// A policy file's text and what is needed to read it.
#[derive(Debug, Clone)]
pub struct Source {
    /// How it is named in messages.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Where relative paths begin.
    pub folder: PathBuf,
    /// When it was last changed; `observe: true` counts from here.
    pub dated: Wall,
    /// Opens the files it names.
    pub open: fn(&Path) -> io::Result<String>,
    /// Opens the files of numbers that it names.
    pub open_list: fn(&Path) -> io::Result<lists::Opened>,
    /// Opens the files of secrets that it names.
    pub open_secret: fn(&Path) -> io::Result<String>,
    /// Reads an environment variable that it names.
    pub environment: fn(&str) -> Option<OsString>,
    /// Opens files that hold certificates and keys, with their permissions.
    pub hold: fn(&Path) -> io::Result<Held>,
    /// When it is read: certificates must be in force by then.
    pub today: Wall,
    /// Files of certificates and authorities that are in force already, and when they were taken: one that has ended since
    /// stays, as long as it is the same, and keeps nothing else from changing.
    pub taken: Arc<[(PathBuf, Held, Wall)]>,
    /// Lists that are in force already: a file that has not changed since is not read again.
    pub lists: Arc<[lists::Kept]>,
    /// Whether they stay as they are, whatever their files say by now.
    pub same_lists: bool,
}

impl Source {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Errors> {
        let name = path.display().to_string();
        let whole = |error: io::Error| {
            let cure = if error.kind() == io::ErrorKind::PermissionDenied {
                "let the user that runs ringfence read it, and its folders"
            } else {
                "name a policy file: ringfence run FILE"
            };
            Errors::whole(&name, Cause::new(format!("cannot be read: {error}")).cure(cure))
        };
        let metadata = std::fs::metadata(path).map_err(whole)?;
        if metadata.len() > tree::SOURCE_BYTES_MAX as u64 {
            return Err(Errors::whole(
                &name,
                Cause::new(format!("larger than {} MiB", tree::SOURCE_BYTES_MAX >> 20)),
            ));
        }
        let bytes = std::fs::read(path).map_err(whole)?;
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(&name, &error))?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let dated = Wall::from_micros(metadata.mtime().saturating_mul(1_000_000));
        let today = Clock::start().now().wall;
        Ok(Self {
            name,
            text,
            folder,
            dated,
            open: |path| std::fs::read_to_string(path),
            open_list: lists::open,
            open_secret: secrets::read_file,
            environment: secrets::read_environment,
            hold,
            today,
            taken: Arc::from([]),
            lists: Arc::from([]),
            same_lists: false,
        })
    }

    /// A text that stands for itself: it may name no other file and no variable.
    #[must_use]
    pub fn of_text(name: &str, text: &str) -> Self {
        let open = |_: &Path| Err(io::Error::new(io::ErrorKind::Unsupported, ALONE));
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            folder: PathBuf::new(),
            dated: Wall::default(),
            open,
            open_list: |_| Err(io::Error::new(io::ErrorKind::Unsupported, ALONE)),
            open_secret: open,
            environment: |_| None,
            hold: |_| Err(io::Error::new(io::ErrorKind::Unsupported, ALONE)),
            today: Wall::default(),
            taken: Arc::from([]),
            lists: Arc::from([]),
            same_lists: false,
        }
    }
}

/// A file with its permissions; one that is too large to be a certificate is not read.
fn hold(path: &Path) -> io::Result<Held> {
    let metadata = std::fs::metadata(path)?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is larger than any certificate"));
    }
    Ok(Held { bytes: std::fs::read(path)?, mode: metadata.mode() })
}

/// Reads and checks a policy. `names` keeps the numbers of names from one load to the next, and is only changed on
/// success; `generation` counts loads from 1.
pub fn load(source: &Source, names: &mut Names, generation: u64) -> Result<Config, Errors> {
    let desk = Desk::new(&source.name, &source.text);
    let mut trial = names.clone();
    let config = tree::read(&source.text, &desk).and_then(|mut node| {
        profiles::fill(&mut node);
        let place = Place { line: 1, column: 1, length: 1 };
        let root = Fields::open(&desk, &table::ROOT, &node, place, String::new())?;
        compose(&root, source, &mut trial, generation)
    });
    let Some(config) = config else { return Err(errors_of(desk)) };
    let warnings = desk.close()?;
    *names = trial;
    Ok(Config { warnings, ..config })
}

/// A time as policy files write it: `30m`, `2h`, `1d`.
///
/// # Errors
/// What is wrong with it, with the cure.
pub fn time_of(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    values::time(text, least, most).map_err(|cause| match cause.cure {
        Some(cure) => [&*cause.text, "; ", &cure].concat(),
        None => cause.text,
    })
}

/// The control socket that a policy file names, even if something else in the file is wrong: whoever has just broken the
/// file must still be able to ask the running edge.
#[must_use]
pub fn control_of(source: &Source) -> Option<PathBuf> {
    control_in(&source.text, source).or_else(|| {
        // What is no YAML as a whole has this line all the same.
        let line = source.text.lines().find(|line| line.starts_with("control:"))?;
        control_in(line, source)
    })
}

fn control_in(text: &str, source: &Source) -> Option<PathBuf> {
    let desk = Desk::new(&source.name, text);
    let node = tree::read(text, &desk)?;
    let place = Place { line: 1, column: 1, length: 1 };
    let root = Fields::open(&desk, &table::ROOT, &node, place, String::new())?;
    settings::admin(&root, &source.folder).socket
}

/// The file that call records go to, of a file that may be wrong elsewhere; `None` where they go to no file.
pub fn records_of(source: &Source) -> Result<Option<PathBuf>, Errors> {
    let desk = Desk::new(&source.name, &source.text);
    let place = Place { line: 1, column: 1, length: 1 };
    let node = tree::read(&source.text, &desk);
    let root = node.as_ref().and_then(|node| Fields::open(&desk, &table::ROOT, node, place, String::new()));
    let Some(root) = root else { return Err(errors_of(desk)) };
    Ok(match settings::sinks(&root, &source.folder).records {
        Sink::File { path, .. } => Some(path),
        Sink::Stdout | Sink::Discard => None,
    })
}

/// A file that is no text: where its first octet stands that is none.
fn not_utf8(name: &str, error: &FromUtf8Error) -> Errors {
    let octets = error.as_bytes();
    let (text, _) = octets.split_at(error.utf8_error().valid_up_to());
    let text = String::from_utf8_lossy(text);
    let desk = Desk::new(name, &text);
    let last = text.rsplit('\n').next().unwrap_or_default();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
    let place =
        Place { line: count(text.matches('\n').count()), column: count(last.chars().count()), length: 1 };
    let cause = Cause::new("this character is not UTF-8, so the file cannot be read");
    desk.error(place, "", cause.cure("save the file as UTF-8: iconv -f ISO-8859-1 -t UTF-8"));
    errors_of(desk)
}

/// The errors of a desk that has some; should there be none, which would be a bug, the file is said to be not understood.
fn errors_of(desk: Desk<'_>) -> Errors {
    let file = desk.file().to_owned();
    desk.close().err().unwrap_or_else(|| Errors::whole(&file, Cause::new("not understood")))
}

fn compose(root: &Fields<'_>, source: &Source, names: &mut Names, generation: u64) -> Option<Config> {
    let listeners = listeners::listeners(root, names);
    let by_name: BTreeMap<&str, _> =
        listeners.iter().map(|read| (&*read.value.name, listeners::Met::on(&read.value))).collect();
    let peers = peers::peers(root, names, &by_name, source);
    let by_name: BTreeMap<&str, _> = peers.iter().map(|read| (&*read.value.name, read.value.id)).collect();
    let media = media::site(root);
    let sites = peers::sites(root, names, &by_name);
    let routes = routes::routes(root, &by_name);
    let lists = lists::Lists::new(source);
    let rules = rules::rules(root, &lists, &by_name);
    let limits = caps::limits(root);
    let rates = rates::rates(root, &lists);
    let sources = rules::strangers(root);
    let floods = floods::floods(root, &by_name);
    let engine = settings::engine(root);
    let net = settings::net(root);
    let dns = settings::dns(root);
    let sinks = settings::sinks(root, &source.folder);
    let admin = settings::admin(root, &source.folder);
    let drain = root.time("drain");
    let meanings = [("keep", OnReload::Keep), ("rejudge", OnReload::Rejudge)];
    let on_reload = root.choice("on_reload", &meanings).unwrap_or_default();
    let tls = tls::read(source, &listeners, &peers);
    let mut cast = Cast::new(root, listeners, peers, sites, routes, media);
    let profile = |read: &peers::Read<'_, crate::policy::Peer>| {
        Some((read.value.id, profiles::applied(&read.fields, read.value.side)?))
    };
    let profiles = cast.peers.iter().filter_map(profile).collect();
    cast.check();
    cast.demands(source);
    callers::read(&mut cast.peers, &cast.sites);
    if root.desk().has_errors() {
        return None;
    }
    let media = cast.media.and_then(|media| media.value);
    let mut plan =
        Plan { generation, rules, sources, media, limits, rates, on_reload, floods, ..Plan::default() };
    plan.listeners.resize_with(names.listeners(), || None);
    plan.peers.resize_with(names.peers(), || None);
    for listener in cast.listeners {
        let slot = plan.listeners.get_mut(usize::from(listener.value.id.0))?;
        *slot = Some(listener.value);
    }
    for peer in cast.peers {
        let slot = plan.peers.get_mut(usize::from(peer.value.id.0))?;
        *slot = Some(Arc::new(peer.value));
    }
    plan.sites = cast.sites.into_iter().map(|site| site.value).collect();
    plan.routes = cast.routes.into_iter().map(|route| route.value).collect();
    // Identical sources are told by `cross.rs` with their places; this can only be one it overlooked.
    let told = |_| root.error("peers", Cause::new("two peers have the same source on one listener"));
    let policy = Arc::new(Policy::build(plan).map_err(told).ok()?);
    emergencies::warn(&policy, source, root.desk());
    Some(Config {
        policy,
        engine: engine?,
        net: net?,
        dns: dns?,
        sinks,
        admin,
        tls,
        drain,
        profiles,
        lists: lists.kept(),
        warnings: Vec::new(),
    })
}
