//! The command line: run the edge, check a policy, ask a running edge.
//!
//! Owns arguments, exit codes and what is printed. Refuses to do anything itself.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the command line speaks to people")]

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::Value;

use ringfence::admin::ask::{Unanswered, ask};
use ringfence::admin::certs::{self, KeyKind};
use ringfence::admin::{Request, ordered, record, reloaded, table, unlocked, wrap};
use ringfence::app::explain::{Order, Verdict};
use ringfence::app::number;
use ringfence::app::orders::{Edge, Orders, socket_of};
use ringfence::app::terminal::{Bar, terminal_width, width_of};
use ringfence::clock::Clock;
use ringfence::config::{self, Source};
use ringfence::sinks::GATHER;
use ringfence::{app, config::check};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The policy file when none is named.
const FILE: &str = "config/ringfence.yaml";

/// Characters of a ladder's line where no terminal says it.
const WIDTH: usize = 80;

/// Columns of an explanation where the terminal has more: longer lines are hard to read.
const EXPLAINED_WIDTH_MAX: usize = 100;

/// Not started, not checked, refused.
const FAILED: u8 = 1;
/// What was asked about cannot be found, or the policy has errors.
const UNASKED: u8 = 2;
/// Live calls had to be cut.
const CUT: u8 = 3;
/// Nobody answers at the control socket.
const NOBODY: u8 = 4;
/// A mistake of ours.
const BUG: u8 = 70;

#[derive(Parser)]
#[command(
    name = "ringfence",
    version,
    about = "A SIP edge proxy that keeps fraudsters from spending the owner's money",
    after_help = "\
Examples:
  ringfence                                   run under config/ringfence.yaml, a lab on loopback
  ringfence run /etc/ringfence.yaml           run under a policy of your own
  ringfence check /etc/ringfence.yaml         is it in order, and what does it allow?
  ringfence status                            calls, peers, counts and memory of the running edge
  ringfence reload                            take the changed policy file; live calls go on
  ringfence stop                              no new calls; end when the live ones have ended
  ringfence unlock office                     let a user that wrong passwords locked out try again
  ringfence suspend --peer office-pbx --strength all --for 2h
                                              take no calls of it and end those that are up; `resume` takes it back
  ringfence calls                             who calls whom; `ringfence cut ID` ends a call
  ringfence secret new                        a strong password for a peer
  ringfence ladder                            the last call as a ladder: who sent what, and the verdict
  ringfence number --plans plans.yaml --plan office sip:0012125550100@pbx
                                              how a number is read: who is dialled, where that is, how risky
  ringfence explain --from-peer office-pbx --caller 201 --to 0037127913000
                                              would this call go out? what answers it, and which line says so
  ringfence replay /etc/ringfence.yaml calls.csv
                                              what would this policy have refused of those calls? what would that save?
  ringfence certs sip.example.com 192.0.2.1   a lab's own authority, and certificates for these names

Exit codes:
  0  done (run: ended, and no call was cut)
  1  failed: could not start, a policy with errors, a reload that was not taken, an unlock that lifted nothing while
     something is locked, an order that nothing came of; explain: the request would be refused; replay: a good call would be
  2  the command line is wrong; explain, replay: the policy has errors, no such peer, or a bad file
  3  run: ended, and live calls had to be cut
  4  status, reload, stop, unlock, and every order: no edge answers at the control socket
  70 a bug in ringfence; please report what it printed"
)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
    /// The policy file
    #[arg(long, global = true, value_name = "FILE", default_value = FILE)]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Run the edge until it is stopped (the default)
    ///
    /// SIGTERM takes no new calls and waits for live ones as long as `drain` says; a second one stops at once. SIGHUP
    /// reads the policy file again and opens alert and record files anew.
    Run {
        /// The policy file (instead of --config)
        file: Option<PathBuf>,
    },
    /// Check a policy file: every error with its cure, or what the policy means in plain words
    Check {
        /// The policy file (instead of --config)
        file: Option<PathBuf>,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Print a JSON schema of the policy file, for editors
    Schema,
    /// Ask the running edge how it is
    Status {
        #[command(flatten)]
        edge: Edge,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Make the running edge read its policy file again
    Reload {
        #[command(flatten)]
        edge: Edge,
    },
    /// Stop the running edge: no new calls, and the end when live ones have ended; asked again, it changes nothing
    Stop {
        #[command(flatten)]
        edge: Edge,
    },
    /// Lift what wrong passwords brought about: locks of a user, or of a source and its ban (39201, 39202)
    ///
    /// `ringfence status` shows who is locked out, where, for how long, and the command that lifts it. A user's own locks end
    /// at every peer and from everywhere, unless a source is named. A source that is locked as anybody (one that no peer
    /// lists, or that guesses at many users) is freed by --source alone. Where nothing is locked as asked, the answer names
    /// what is, and the exit code is 1.
    Unlock {
        /// The user that is locked out
        #[arg(required_unless_present = "source")]
        user: Option<String>,
        /// The address it came from (an IPv6 address stands for its /64)
        #[arg(long, value_name = "ADDRESS")]
        source: Option<std::net::IpAddr>,
        #[command(flatten)]
        edge: Edge,
    },
    #[command(flatten)]
    Orders(Orders),
    /// Draw a call from its record: a ladder of both legs, how it ended, and every rule that was asked
    ///
    /// Records are searched in the file that `records` of the policy names and in those put aside from it. Where records
    /// go to standard output, pipe them in: `journalctl -u ringfence -o cat | ringfence ladder --file -`.
    Ladder {
        /// The record's id (its first 6 digits or more) or the Call-ID of one of its legs; else the last record
        record: Option<String>,
        /// The file that holds call records; - is standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Characters of a line; else the terminal's, or 80
        #[arg(long, value_name = "N")]
        width: Option<usize>,
        /// For machines: the record itself
        #[arg(long)]
        json: bool,
    },
    /// Read numbers as a dial plan reads them: who is dialled, where that is, and how risky it is; or why nothing is read
    ///
    /// Plans stand in a file of their own, `plans:` with a name for each. With --cases, a table of numbers with what is
    /// expected of each is run: every row that differs is printed, then how many were as expected, and the exit code is 1
    /// if one differs.
    Number {
        /// The file of plans
        #[arg(long, value_name = "FILE")]
        plans: PathBuf,
        /// The plan of the peer that dials
        #[arg(long, value_name = "NAME", required_unless_present = "cases")]
        plan: Option<String>,
        /// URIs as they are dialled: sip:0012125550100@pbx, tel:+12125550100, urn:service:sos
        #[arg(value_name = "URI", required_unless_present = "cases")]
        uris: Vec<String>,
        /// A table with the columns plan, uri, kind, value and risk_tier, tabs between them
        #[arg(long, value_name = "FILE", conflicts_with_all = ["plan", "uris"])]
        cases: Option<PathBuf>,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Say what the policy does with one request, and why: the number as read, every rule asked, the answer, and the line that decided
    ///
    /// The policy file is loaded as `run` loads it, and the request is judged as the running edge judges it. No call is up here:
    /// caps are shown with 0 of their limit in force.
    Explain(Box<Order>),
    /// Play calls that have happened through a policy file, offline and in virtual time: what it would have refused, by rule, and what that saves
    ///
    /// Every call is judged as the running edge judges it, at its own time, with every counter live; the same files give the same
    /// words. The exit code is 1 where a call that is marked good is refused.
    Replay(Box<app::replay::Order>),
    /// Make a strong password, or the hashes that stand for one in a policy file
    Secret {
        #[command(subcommand)]
        what: Secret,
    },
    /// Make a lab's own authority, and certificates for the edge and for machines that meet it
    ///
    /// Writes ca, server and client (.pem and .key, for this user alone) and says what to put into the policy file. The authority
    /// is made once and kept: whoever trusts it needs nothing new when the others are made again.
    Certs {
        /// Host names and addresses that the certificates stand for
        #[arg(value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
        names: Vec<String>,
        /// The folder they go to
        #[arg(long, value_name = "FOLDER", default_value = "certs")]
        folder: PathBuf,
        /// Of the authority in this folder, made before: for another machine that must trust, and be trusted by, the same
        #[arg(long, value_name = "FOLDER")]
        ca: Option<PathBuf>,
        /// The kind of key; rsa (2048 bits) for machines that know no other
        #[arg(long, value_name = "KIND", default_value = "ecdsa")]
        key: KeyName,
        /// Days that server and client last; the authority lasts ten years
        #[arg(long, value_name = "DAYS", default_value_t = 397, value_parser = clap::value_parser!(u16).range(1..=3650))]
        days: u16,
        /// Make server and client anew where they are there
        #[arg(long)]
        replace: bool,
    },
    /// Print the version
    Version,
}

#[derive(Subcommand)]
enum Secret {
    /// Print a strong password of 26 letters and digits (130 random bits)
    New,
    /// Read a password and print its hashes, to paste as `ha1` into a credential instead of the password
    ///
    /// The password is asked for without echo; where standard input is no terminal, its first line is taken. Hashes are
    /// good for this user and realm alone, and whoever has them can call as this user: keep the file to its owner.
    Hash {
        /// The user of the credential
        #[arg(long)]
        user: String,
        /// The realm that the peer is told: its `realm`, or the first domain of its site (`check` prints it)
        #[arg(long)]
        realm: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum KeyName {
    Ecdsa,
    Rsa,
}

fn main() -> ExitCode {
    let line = Line::parse();
    let config = line.config;
    match line.command.unwrap_or(Command::Run { file: None }) {
        Command::Run { file } => run(&file.unwrap_or(config)),
        Command::Check { file, json } => check_file(&file.unwrap_or(config), json),
        Command::Schema => print(&format!("{:#}", config::schema())),
        Command::Status { edge, json } => {
            let draw = |answer: &Value| if json { format!("{answer:#}") } else { table::draw(answer) };
            ask_edge(edge, &config, Request::Status, draw)
        }
        Command::Reload { edge } => ask_edge(edge, &config, Request::Reload, reloaded::tell),
        Command::Stop { edge } => ask_edge(edge, &config, Request::Stop, |answer| {
            let patience = answer.pointer("/patience_s").and_then(Value::as_u64).unwrap_or(0);
            if answer.pointer("/already").and_then(Value::as_bool) == Some(true) {
                format!("stopping already: live calls may go on until {patience} s after the first stop")
            } else {
                format!("stopping: no new calls; live ones may go on for {patience} s")
            }
        }),
        Command::Unlock { user, source, edge } => {
            ask_edge(edge, &config, Request::Unlock { user, source }, unlocked::tell)
        }
        Command::Orders(orders) => {
            let (request, edge, json) = orders.request();
            let tell = |answer: &Value| if json { format!("{answer:#}") } else { ordered::tell(answer) };
            ask_edge(edge, &config, request, tell)
        }
        Command::Ladder { record: name, file, width, json } => {
            let wanted = name.map_or(record::Wanted::Last, record::Wanted::Named);
            ladder(file, &config, &wanted, width, json)
        }
        Command::Number { plans, cases: Some(table), json, .. } => run_cases(&plans, &table, json),
        Command::Number { plans, plan, uris, cases: None, json } => {
            read_numbers(&plans, &plan.unwrap_or_default(), &uris, json)
        }
        Command::Explain(order) => explain(&config, &order),
        Command::Replay(order) => replay(&order),
        Command::Secret { what } => {
            // Hashes are pasted into a policy file, which the service reads; a password has a file to itself.
            let (made, tell): (_, fn(&str) -> ExitCode) = match what {
                Secret::New => (app::secret::new(), print_secret),
                Secret::Hash { user, realm } => (app::secret::hash(&user, &realm), print),
            };
            match made {
                Ok(text) => tell(&text),
                Err(text) => fail(&text),
            }
        }
        Command::Certs { names, folder, ca, key, days, replace } => {
            let kind = match key {
                KeyName::Ecdsa => KeyKind::Ecdsa,
                KeyName::Rsa => KeyKind::Rsa,
            };
            let order = certs::Order { folder, authority: ca, names, kind, days, replace };
            match certs::make(&order, Clock::start().now().wall) {
                Ok(said) => print(said.trim_end()),
                Err(failed) => fail(&failed),
            }
        }
        Command::Version => print(&format!("ringfence {}", env!("CARGO_PKG_VERSION"))),
    }
}

fn run(file: &Path) -> ExitCode {
    panic::set_hook(Box::new(tell_bug));
    // The engine catches what happens inside one call. Whatever comes up to here broke the loop itself.
    match panic::catch_unwind(AssertUnwindSafe(|| app::run(file))) {
        Ok(Ok(app::Ended { cut: 0, whole: true })) => ExitCode::SUCCESS,
        Ok(Ok(_)) => ExitCode::from(CUT),
        Ok(Err(failed)) => fail(&failed),
        Err(_) => {
            eprintln!("ringfence: the bug above was outside of any call; the edge has ended");
            ExitCode::from(BUG)
        }
    }
}

/// One line, whoever catches the panic afterwards.
fn tell_bug(bug: &panic::PanicHookInfo<'_>) {
    let place = bug.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let what = bug.payload_as_str().unwrap_or("no message");
    tracing::error!(
        place,
        thread = thread.name().unwrap_or("?"),
        what,
        "a bug in ringfence; please report it"
    );
    let _ = writeln!(io::stderr().lock(), "ringfence: bug at {place}: {}", what.escape_debug());
}

fn check_file(file: &Path, json: bool) -> ExitCode {
    match check::check(file) {
        Ok(report) if json => print(&format!("{:#}", report.json())),
        Ok(report) => print(&wrap::wrap(&report.to_string(), width_of(&io::stdout()))),
        Err(errors) if json => {
            let _printed = print(&format!("{:#}", errors.json()));
            ExitCode::from(FAILED)
        }
        Err(errors) => fail(&errors),
    }
}

fn ask_edge(edge: Edge, config: &Path, request: Request, tell: impl Fn(&Value) -> String) -> ExitCode {
    let socket = match edge.socket.map_or_else(|| socket_of(config), Ok) {
        Ok(socket) => socket,
        Err(text) => return fail(&text),
    };
    match ask(&socket, &request) {
        Ok(answer) => {
            if let Some(error) = answer.get("error").and_then(Value::as_str) {
                return fail(&error);
            }
            let printed = print(&wrap::wrap(tell(&answer).trim_end(), width_of(&io::stdout())));
            let vain = answer.get("taken") == Some(&Value::Bool(false)) || unlocked::missed(&answer);
            let vain = vain || ordered::in_vain(&answer);
            if vain { ExitCode::from(FAILED) } else { printed }
        }
        Err(unanswered) => {
            let _failed = fail(&unanswered);
            ExitCode::from(match unanswered {
                Unanswered::Nobody(..) => NOBODY,
                Unanswered::Broken(_) | Unanswered::Unreadable(_) => FAILED,
            })
        }
    }
}

fn ladder(
    file: Option<PathBuf>,
    config: &Path,
    wanted: &record::Wanted,
    width: Option<usize>,
    json: bool,
) -> ExitCode {
    let file = match file.map_or_else(|| records_of(config), Ok) {
        Ok(file) => file,
        Err(text) => return fail(&text),
    };
    // A call that has just ended is written with others that end.
    if file != Path::new("-") {
        std::thread::sleep(2 * GATHER);
    }
    match record::find(&file, wanted) {
        Ok(record) if json => print(&format!("{record:#}")),
        Ok(record) => {
            let width = width.or_else(|| terminal_width(&io::stdout())).unwrap_or(WIDTH);
            let drawn = record::draw(&record, width);
            print(&wrap::wrap(drawn.trim_end(), width_of(&io::stdout())))
        }
        Err(missing) => fail(&missing),
    }
}

/// The file that a policy file sends call records to.
fn records_of(file: &Path) -> Result<PathBuf, String> {
    let instead = "name the file that holds call records with --file (- is standard input)";
    let source = Source::read(file).map_err(|errors| format!("{errors}; {instead}"))?;
    config::records_of(&source)
        .map_err(|errors| format!("{errors}; {instead}"))?
        .ok_or_else(|| format!("{} sends call records to no file; {instead}", file.display()))
}

fn read_numbers(plans: &Path, plan: &str, uris: &[String], json: bool) -> ExitCode {
    match number::uris(plans, plan, uris, json) {
        Ok(page) if json => print(&page),
        Ok(page) => print(&wrap::wrap(&page, width_of(&io::stdout()))),
        Err(failed) => fail(&failed),
    }
}

fn run_cases(plans: &Path, table: &Path, json: bool) -> ExitCode {
    match number::table(plans, table, json) {
        Ok((page, as_expected)) => {
            let printed = print(&page);
            if as_expected { printed } else { ExitCode::from(FAILED) }
        }
        Err(failed) => fail(&failed),
    }
}

fn explain(config: &Path, order: &Order) -> ExitCode {
    let file = order.file.as_deref().unwrap_or(config);
    let source = Source::read(file).map_err(|errors| errors.to_string());
    let explained = match source.and_then(|source| app::explain::explain(&source, order)) {
        Ok(explained) => explained,
        Err(failed) => {
            let _failed = fail(&failed);
            return ExitCode::from(UNASKED);
        }
    };
    let width = width_of(&io::stdout());
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let width = if width == usize::MAX { width } else { width.min(EXPLAINED_WIDTH_MAX) };
    let printed = print(&if order.json { explained.json() } else { explained.text(width, colours) });
    if explained.verdict() == Verdict::Admitted { printed } else { ExitCode::from(FAILED) }
}

fn replay(order: &app::replay::Order) -> ExitCode {
    let mut bar = Bar::new();
    let replayed = app::replay::replay(order, |done, all| bar.show(done, all));
    bar.clear();
    match replayed {
        Ok(replayed) => {
            let printed = print(&if order.json { replayed.json() } else { replayed.text() });
            if replayed.refuses_good() { ExitCode::from(FAILED) } else { printed }
        }
        Err(failed) => {
            let _failed = fail(&failed);
            ExitCode::from(UNASKED)
        }
    }
}

/// Prints what nobody else may read: a file that the shell has made for everybody (`> FILE`) is closed to others first.
fn print_secret(text: &str) -> ExitCode {
    match app::secret::keep_private(&io::stdout()) {
        Ok(false) => {}
        Ok(true) => eprintln!("ringfence: the file is readable by its owner alone now (0600)"),
        Err(error) => {
            return fail(&format!("the file cannot be closed to others: {error}; nothing was written"));
        }
    }
    print(text)
}

/// Prints; a reader that has gone away (`| head`) is no failure.
fn print(text: &str) -> ExitCode {
    match writeln!(io::stdout().lock(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(cause: &dyn Display) -> ExitCode {
    eprintln!("{}", wrap::wrap(&format!("ringfence: {cause}"), width_of(&io::stderr())));
    ExitCode::from(FAILED)
}
