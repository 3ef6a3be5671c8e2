//! Reading the policy file again: all of it is good and goes into force, or nothing changes.
//!
//! Owns the configuration in force, the names' numbers and the generation. Refuses to know who asked.
//! Read first: DESIGN.md §1, law 1.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::certificates::{self, Files};
use super::command::Command;
use crate::clock::{Clock, Wall};
use crate::config::lists::Kept;
use crate::config::problem::{Errors, Problem};
use crate::config::{self, Changes, Config, Source};
use crate::net::tls::{Book, Held};
use crate::policy::{Alert, Names, Policy, code};

/// Sentences of one alert; of more, the count is told.
const TOLD_MAX: usize = 20;

/// A certificate file in force, and since when.
type Taken = (PathBuf, Held, Wall);

/// Reads the policy file.
#[derive(Debug)]
pub struct Reader {
    file: PathBuf,
    /// The text last read, good or bad: the same text is not read twice for nothing.
    text: String,
    /// What the configuration in force was read from.
    source: Source,
    config: Config,
    names: Names,
    generation: u64,
    /// Since when the policy is in force.
    since: Wall,
    /// When the file was last refused, and why; `None` once it was taken.
    refused: Option<(Wall, Vec<String>)>,
    /// Since when the certificate files cannot be used as they are, and why; `None` while they can.
    broken: Option<(Wall, Vec<String>)>,
    book: Arc<Book>,
    files: Files,
    /// The files in force, and since when.
    taken: Arc<[Taken]>,
    /// Policies that were in force. The last who lets one go takes it apart, which for long lists takes its time: so that is done
    /// here, and never by the loop.
    retired: Vec<Arc<Policy>>,
}

/// What came of looking at certificate files again.
#[derive(Debug)]
pub enum Looked {
    /// They are as they were, or say the same.
    Same,
    /// Others are in force: the loop is to be told.
    Replaced(Command),
    /// They cannot be used; what is to be told, if they stay so.
    Broken(Box<Alert>),
}

/// What came of a reading.
#[derive(Debug)]
pub struct Read {
    /// For the loop.
    pub command: Command,
    /// For whoever asked.
    pub answer: Value,
}

impl Reader {
    /// A reader that starts from the configuration in force.
    #[must_use]
    pub fn new(file: &Path, source: &Source, config: Config, names: Names, book: Arc<Book>) -> Self {
        let files = Files::read(&config.tls.files);
        let taken = taken_over(&[], &config.tls.files, source.today);
        let (file, text, source) = (file.to_owned(), source.text.clone(), source.clone());
        let since = source.today;
        let (refused, broken, retired) = (None, None, Vec::new());
        Self {
            file,
            text,
            source,
            config,
            names,
            generation: 1,
            since,
            refused,
            broken,
            book,
            files,
            taken,
            retired,
        }
    }

    /// On what terms peers are met over TLS now.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// The files that hold certificates and keys.
    pub fn certificate_files(&self) -> impl Iterator<Item = &Path> {
        self.files.paths()
    }

    /// Looks at the certificate files again, for the policy in force. `again`: also where they have not changed since they were
    /// last looked at.
    pub fn look(&mut self, clock: &Clock, again: bool) -> Looked {
        if !self.files.look(self.source.hold) && !again {
            return Looked::Same;
        }
        let now = clock.now().wall;
        match self.renew(now) {
            Ok(looked) => {
                self.broken = None;
                looked
            }
            Err(why) => {
                let alert = certificates::broken(&why, now);
                let since = self.broken.take().map_or(now, |(since, _)| since);
                self.broken = Some((since, why));
                Looked::Broken(alert)
            }
        }
    }

    fn renew(&mut self, now: Wall) -> Result<Looked, Vec<String>> {
        let source = Source { same_lists: true, ..self.again(now) };
        let mut config = config::load(&source, &mut self.names.clone(), self.generation)
            .map_err(|errors| told(&errors))?;
        let book = config.tls.book(&self.book).map(Arc::new).map_err(|error| vec![error])?;
        self.taken = taken_over(&self.taken, &config.tls.files, now);
        if !book.differs(&self.book) {
            return Ok(Looked::Same);
        }
        self.book = Arc::clone(&book);
        Ok(Looked::Replaced(Command::Certificates { alert: certificates::replaced(&book, now), book }))
    }

    /// The policy file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.config.policy
    }

    /// How names are resolved.
    #[must_use]
    pub fn dns(&self) -> &crate::net::resolve::Settings {
        &self.config.dns
    }

    /// How long a stop waits for live calls.
    #[must_use]
    pub fn drain(&self) -> std::time::Duration {
        self.config.drain
    }

    /// Whether the file says something else than when it was last read.
    #[must_use]
    pub fn differs(&self) -> bool {
        Source::read(&self.file).is_ok_and(|source| source.text != self.text)
    }

    /// The policy in force and the file on disk, as the status tells them: what was refused, and what nobody has read yet.
    #[must_use]
    pub fn standing(&self) -> Value {
        json!({
            "file": self.file.display().to_string(),
            "since": self.since.rfc3339(),
            "refused": at_and_why(self.refused.as_ref()),
            "unread": self.differs(),
        })
    }

    /// The certificate files that cannot be used as they are, as the status tells them: those in force are served on.
    #[must_use]
    pub fn broken_certificates(&self) -> Value {
        at_and_why(self.broken.as_ref())
    }

    /// Reads and checks the file. A good one becomes the configuration in force.
    pub fn read(&mut self, clock: &Clock) -> Read {
        let wall = clock.now().wall;
        let read = Source::read(&self.file).map_err(|errors| told(&errors));
        if let Ok(source) = &read {
            self.text.clone_from(&source.text);
        }
        self.enter(wall, read)
    }

    /// The files that hold lists of numbers.
    pub fn list_files(&self) -> impl Iterator<Item = &Path> {
        self.config.lists.iter().map(|kept| kept.path.as_path())
    }

    /// Whether a file with a list of numbers is another one than when it was read.
    #[must_use]
    pub fn lists_differ(&self) -> bool {
        self.config.lists.iter().any(Kept::differs)
    }

    /// Reads lists whose files have changed, under the policy in force: what the policy file says by now is not meant yet.
    pub fn read_lists(&mut self, clock: &Clock) -> Read {
        let wall = clock.now().wall;
        self.enter(wall, Ok(self.again(wall)))
    }

    /// Takes apart what nobody uses any more.
    pub fn sweep(&mut self) {
        self.retired.retain(|policy| Arc::strong_count(policy) > 1);
    }

    /// What the policy in force was read from, to be read again.
    fn again(&self, now: Wall) -> Source {
        let (taken, lists) = (Arc::clone(&self.taken), Arc::clone(&self.config.lists));
        Source { today: now, taken, lists, ..self.source.clone() }
    }

    fn enter(&mut self, wall: Wall, source: Result<Source, Vec<String>>) -> Read {
        self.sweep();
        match source.and_then(|source| self.take(wall, source)) {
            Ok(read) => {
                (self.since, self.refused, self.broken) = (wall, None, None);
                read
            }
            Err(why) => {
                let read = refused(wall, &why);
                self.refused = Some((wall, why));
                read
            }
        }
    }

    fn take(&mut self, wall: Wall, source: Source) -> Result<Read, Vec<String>> {
        let kept = self.again(wall);
        let source = Source { taken: kept.taken, lists: kept.lists, ..source };
        let mut names = self.names.clone();
        let mut config =
            config::load(&source, &mut names, self.generation + 1).map_err(|errors| told(&errors))?;
        config::moved(&self.config.policy, &config.policy, &source).map_err(|errors| told(&errors))?;
        let book = config.tls.book(&self.book).map(Arc::new).map_err(|error| vec![error])?;
        let changes = config::changes(&self.config, &config);
        self.files = Files::read(&config.tls.files);
        self.taken = taken_over(&self.taken, &config.tls.files, wall);
        self.book = Arc::clone(&book);
        // Lists that are not named any more are kept by nobody.
        self.source = Source { lists: Arc::from([]), ..source };
        self.generation += 1;
        self.names = names;
        let taken = taken(wall, self.generation, &config, &changes, book);
        self.retired.push(std::mem::replace(&mut self.config, config).policy);
        Ok(taken)
    }
}

/// The certificate files of a configuration, each with when it was first taken as it is.
fn taken_over(before: &[Taken], files: &[(PathBuf, Held)], now: Wall) -> Arc<[Taken]> {
    let since = |path: &Path, held: &Held| {
        let same = before.iter().find(|(known, taken, _)| known == path && taken.bytes == held.bytes);
        same.map_or(now, |(_, _, at)| *at)
    };
    files.iter().map(|(path, held)| (path.clone(), held.clone(), since(path, held))).collect()
}

/// What was refused, since when and why, for the status.
fn at_and_why(refused: Option<&(Wall, Vec<String>)>) -> Value {
    refused.map_or(Value::Null, |(at, why)| {
        let errors = why.iter().take(TOLD_MAX).collect::<Vec<_>>();
        json!({ "at": at.rfc3339(), "errors": errors, "count": why.len() })
    })
}

fn told(errors: &Errors) -> Vec<String> {
    errors.problems.iter().map(Problem::line).collect()
}

fn refused(wall: Wall, why: &[String]) -> Read {
    let first = why.first().cloned().unwrap_or_default();
    tracing::error!(errors = why.len(), first, "the policy file was not taken; the policy in force stays");
    let text = format!(
        "The policy file was not taken and the policy in force stays: {first}{}",
        if why.len() > 1 { "; `ringfence reload` tells the rest" } else { "" }
    );
    let mut alert = Alert::new(code::POLICY_REJECTED, wall, text);
    alert.about = Some("policy".into());
    alert.evidence.push(("errors", why.len().to_string()));
    alert.evidence.push(("error", listed(why)));
    Read {
        command: Command::Alert(Box::new(alert)),
        answer: json!({ "taken": false, "errors": why.iter().take(TOLD_MAX).collect::<Vec<_>>(), "count": why.len() }),
    }
}

fn taken(wall: Wall, generation: u64, config: &Config, changes: &Changes, book: Arc<Book>) -> Read {
    let weaker = &changes.weaker;
    tracing::info!(generation, weaker = weaker.len(), "a new policy is in force");
    weaker.iter().for_each(|what| tracing::warn!(generation, "weaker than before: {what}"));
    changes.needs_restart.iter().for_each(|what| tracing::warn!(generation, "{what}"));
    let text = match (weaker.len(), weaker.first()) {
        (0, _) | (_, None) => {
            format!("Policy {generation} is in force; nothing in it is weaker than before.")
        }
        (1, Some(what)) => format!("Policy {generation} is in force and weaker than before: {what}"),
        (more, Some(what)) => {
            format!(
                "Policy {generation} is in force and weaker than before in {more} ways, among them: {what}"
            )
        }
    };
    let mut alert = Alert::new(code::POLICY_RELOADED, wall, text);
    alert.about = Some(generation.to_string().into());
    alert.evidence.push(("generation", generation.to_string()));
    if !weaker.is_empty() {
        alert.evidence.push(("weaker", listed(weaker)));
    }
    if !config.lists.is_empty() {
        alert.evidence.push(("lists", listed(&config.lists.iter().map(Kept::told).collect::<Vec<_>>())));
    }
    if !changes.needs_restart.is_empty() {
        alert.evidence.push(("needs_restart", listed(&changes.needs_restart)));
    }
    Read {
        command: Command::Reload { policy: Arc::clone(&config.policy), book, alert: Box::new(alert) },
        answer: json!({
            "taken": true,
            "generation": generation,
            "weaker": weaker,
            "needs_restart": changes.needs_restart,
            "warnings": config.warnings.iter().map(Problem::line).collect::<Vec<_>>(),
        }),
    }
}

fn listed(sentences: &[String]) -> String {
    let mut text = sentences.iter().take(TOLD_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
    if sentences.len() > TOLD_MAX {
        text.push_str(&format!("; and {} more", sentences.len() - TOLD_MAX));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything else that is wrong with a file is told by its place; so is what only the running edge knows to be wrong.
    #[test]
    fn a_listener_that_a_reload_moves_is_told_by_its_place() {
        let text = include_str!("../../config/ringfence.yaml")
            .replace("    plain_signalling: allow", "    transports: [udp]\n    plain_signalling: allow");
        let folder = std::env::temp_dir().join(format!("ringfence-moved-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("ringfence.yaml");
        std::fs::write(&file, &text).unwrap();
        let source = Source::read(&file).unwrap();
        let mut names = Names::default();
        let mut config = config::load(&source, &mut names, 1).unwrap();
        let book = Arc::new(config.tls.book(&Book::default()).unwrap());
        let mut reader = Reader::new(&file, &source, config, names, book);
        let clock = Clock::start();
        let mut read = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
            let answer = reader.read(&clock).answer;
            assert_eq!(answer["taken"], json!(false), "{answer:#}");
            let errors = answer["errors"].as_array().unwrap();
            let told = |error: &Value| error.as_str().unwrap().replace(&*folder.to_string_lossy(), "DIR");
            errors.iter().map(told).collect::<Vec<_>>()
        };
        let line = 1 + text.lines().position(|line| line == "listeners:").unwrap();
        let bind = "inside: { bind: \"127.0.0.1:5060\" }";
        let cure = "(restart the edge for this, or leave it as it was)";
        let at = |line: usize, rest: &str| format!("DIR/ringfence.yaml:{line}:{rest} {cure}");
        assert_eq!(
            read(bind, "inside: { bind: \"127.0.0.1:5062\" }"),
            [at(line + 1, "19: listeners.inside.bind: is another than when the edge started")]
        );
        assert_eq!(
            read(bind, "inside: { bind: \"127.0.0.1:5060\", transports: [udp] }"),
            [at(line + 1, "49: listeners.inside.transports: are others than when the edge started")]
        );
        let new = "listeners:\n  another: { bind: \"127.0.0.1:5064\" }\n";
        assert_eq!(
            read("listeners:\n", new),
            [at(line + 1, "3: listeners.another: is new, and the edge does not listen there")]
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// The status tells what an alert told once: what is on disk is not what is served.
    #[test]
    fn certificate_files_that_cannot_be_used_are_told_until_they_can() {
        let folder = tempfile::tempdir().unwrap();
        let certs = folder.path().to_owned();
        let names = vec!["sip.example.com".to_owned()];
        let kind = crate::admin::certs::KeyKind::Ecdsa;
        let order = crate::admin::certs::Order {
            folder: certs,
            authority: None,
            names,
            kind,
            days: 30,
            replace: true,
        };
        let clock = Clock::start();
        let make = || crate::admin::certs::make(&order, clock.now().wall).unwrap();
        make();
        let file = folder.path().join("edge.yaml");
        let text = "listeners: { lan: { bind: \"10.0.0.1:5061\", certificate: { chain: server.pem, key: server.key } } }\n\
            peers: { pbx: { side: inside, listener: lan, sources: [10.0.0.2], targets: [10.0.0.2], plain_media: allow, tls: { ca: ca.pem } } }\n\
            sites: { office: { peers: [pbx], channels: 10 } }\nroutes: [{ name: none, direction: internal, to: [pbx] }]\n";
        std::fs::write(&file, text).unwrap();
        let source = Source::read(&file).unwrap();
        let mut names = Names::default();
        let mut config = config::load(&source, &mut names, 1).unwrap();
        let book = Arc::new(config.tls.book(&Book::default()).unwrap());
        let mut reader = Reader::new(&file, &source, config, names, book);
        assert!(matches!(reader.look(&clock, false), Looked::Same));
        assert_eq!(reader.broken_certificates(), Value::Null);
        let chain = folder.path().join("server.pem");
        let good = std::fs::read(&chain).unwrap();
        std::fs::write(&chain, "rubbish").unwrap();
        for again in [false, true] {
            assert!(matches!(reader.look(&clock, again), Looked::Broken(_)));
            let told = reader.broken_certificates();
            assert!(
                told["errors"][0].as_str().unwrap().contains("listeners.lan.certificate.chain"),
                "{told}"
            );
        }
        assert!(matches!(reader.look(&clock, false), Looked::Same), "nothing has changed since");
        assert!(reader.broken_certificates().is_object());
        std::fs::write(&chain, good).unwrap();
        assert!(matches!(reader.look(&clock, false), Looked::Same), "they are those that are served");
        assert_eq!(reader.broken_certificates(), Value::Null);
        make();
        assert!(matches!(reader.look(&clock, false), Looked::Replaced(_)));
    }

    #[test]
    fn a_file_is_in_force_since_it_was_first_taken_as_it_is() {
        let at = |hours: i64| Wall::from_micros(hours * 3_600_000_000);
        let file = |name: &str, text: &str| {
            (PathBuf::from(name), Held { bytes: text.as_bytes().to_vec(), mode: 0o100_600 })
        };
        let since = |taken: &[Taken]| taken.iter().map(|(_, _, since)| *since).collect::<Vec<_>>();
        let first = taken_over(&[], &[file("a", "1"), file("b", "1")], at(1));
        assert_eq!(since(&first), [at(1), at(1)]);
        let second = taken_over(&first, &[file("a", "1"), file("b", "2"), file("c", "1")], at(2));
        assert_eq!(since(&second), [at(1), at(2), at(2)]);
        // What was away is new when it is back.
        assert_eq!(since(&taken_over(&second, &[file("d", "1")], at(3))), [at(3)]);
    }
}
