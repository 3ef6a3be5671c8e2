//! sipp as a process: one scenario, its statistics, and the messages it saw.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Which way sipp speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// One UDP socket.
    Udp,
    /// One TCP connection.
    Tcp,
    /// One TLS connection; phones speak it, Debian's sipp does not.
    Tls,
}

impl Over {
    /// Its name in policies and URIs.
    pub fn name(self) -> &'static str {
        match self {
            Over::Udp => "udp",
            Over::Tcp => "tcp",
            Over::Tls => "tls",
        }
    }
}

/// One run of sipp to be started.
#[derive(Debug, Clone)]
pub struct Run {
    scenario: String,
    remote: Option<String>,
    arguments: Vec<String>,
    replaced: Vec<(String, String)>,
    traced: bool,
}

impl Run {
    /// A callee at `address:port` with a scenario of `tests/sipp` (or one built into sipp: `builtin:uas`).
    pub fn callee(scenario: &str, address: &str, port: u16) -> Self {
        let arguments = ["-i", address, "-p", &port.to_string()].map(str::to_owned).to_vec();
        Self { scenario: scenario.to_owned(), remote: None, arguments, replaced: Vec::new(), traced: true }
    }

    /// A caller at `address:port` that aims at `remote` and dials `number`.
    pub fn caller(scenario: &str, address: &str, port: u16, remote: &str, number: &str) -> Self {
        let mut run = Self::callee(scenario, address, port);
        run.remote = Some(remote.to_owned());
        run.with(&["-s", number])
    }

    /// A caller whose whole command line is given, but for whom it calls.
    pub fn calls_with(scenario: &str, remote: &str, arguments: &[&str]) -> Self {
        let remote = Some(remote.to_owned());
        let run = Self {
            scenario: scenario.to_owned(),
            remote,
            arguments: Vec::new(),
            replaced: Vec::new(),
            traced: true,
        };
        run.with(arguments)
    }

    /// More arguments of sipp's own.
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Over UDP or TCP.
    pub fn over(self, over: Over) -> Self {
        let mode = match over {
            Over::Udp => "u1",
            Over::Tcp => "t1",
            Over::Tls => "l1",
        };
        self.with(&["-t", mode])
    }

    /// Ends after so many calls.
    pub fn calls(self, count: usize) -> Self {
        self.with(&["-m", &count.to_string()])
    }

    /// Replaces `@STATUS@` in the scenario.
    pub fn status(mut self, status: u16) -> Self {
        self.replaced.push(("@STATUS@".to_owned(), status.to_string()));
        self
    }

    /// Replaces `@URI@` in the scenario: what is dialled, in any form.
    pub fn dials(mut self, uri: &str) -> Self {
        // It stands in XML, and a bracket would be a word of sipp's own.
        assert!(!uri.contains(['<', '>', '&', '[', ']']), "{uri} cannot stand in a scenario");
        self.replaced.push(("@URI@".to_owned(), uri.to_owned()));
        self
    }

    /// Keeps no copy of the messages (for many calls).
    pub fn untraced(mut self) -> Self {
        self.traced = false;
        self
    }

    /// Starts it; its files lie in `folder` under `name`.
    pub fn start(self, folder: &Path, name: &str) -> Sipp {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).expect("the folder is writable");
        let mut command = Command::new("sipp");
        if let Some(remote) = &self.remote {
            command.arg(remote);
        }
        match self.scenario.strip_prefix("builtin:") {
            Some(builtin) => command.args(["-sn", builtin]),
            None => command.arg("-sf").arg(self.scenario_file(&folder)),
        };
        command.args(&self.arguments).args(["-nostdin", "-trace_stat", "-fd", "1", "-stf", "stat.csv"]);
        command.args(["-trace_err", "-error_file", "errors"]);
        if self.traced {
            command.args(["-trace_msg", "-message_file", "messages"]);
        }
        let out = File::create(folder.join("stdout")).expect("the folder is writable");
        let err = File::create(folder.join("stderr")).expect("the folder is writable");
        let child = command
            .current_dir(&folder)
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("sipp starts");
        if self.remote.is_none() {
            // sipp has no sign of its own that it listens; it writes its first statistics once it does.
            super::wait_for("sipp to listen", Duration::from_secs(5), || folder.join("stat.csv").exists());
            std::thread::sleep(Duration::from_millis(200));
        }
        Sipp { child, folder }
    }

    fn scenario_file(&self, folder: &Path) -> PathBuf {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp").join(format!("{}.xml", self.scenario));
        let mut text =
            fs::read_to_string(&source).unwrap_or_else(|why| panic!("{}: {why}", source.display()));
        for (word, by) in &self.replaced {
            text = text.replace(word, by);
        }
        let file = folder.join("scenario.xml");
        fs::write(&file, text).expect("the folder is writable");
        file
    }
}

/// A running sipp; killed when dropped.
pub struct Sipp {
    child: Child,
    folder: PathBuf,
}

/// What sipp counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Calls that went as the scenario says.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Of those, calls that met a message the scenario does not have.
    pub unexpected: u64,
    /// Messages that belong to no call of its own.
    pub out_of_call: u64,
    /// Messages sent again.
    pub retransmissions: u64,
}

impl Sipp {
    /// Waits until it has ended by itself; its exit code (0: all calls went well).
    pub fn ended(&mut self, patience: Duration) -> i32 {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours can be waited for") {
                return status.code().unwrap_or(-1);
            }
            assert!(began.elapsed() < patience, "sipp still runs after {patience:?}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for it and asserts that every call went as its scenario says.
    pub fn succeeds(&mut self, patience: Duration) {
        let code = self.ended(patience);
        assert_eq!(code, 0, "{:?}\n{}", self.statistics(), self.said());
    }

    /// Everything it complained of, and the messages it saw.
    pub fn said(&self) -> String {
        ["stderr", "errors", "messages"]
            .map(|name| fs::read(self.folder.join(name)).unwrap_or_default())
            .map(|bytes| String::from_utf8_lossy(&bytes).chars().take(12_000).collect::<String>())
            .join("\n")
    }

    /// The messages it received, whole.
    pub fn received(&self) -> Vec<String> {
        let bytes = fs::read(self.folder.join("messages")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.split("-----------------------------------------------")
            .filter(|part| part.lines().take(3).any(|line| line.contains("message received")))
            .filter_map(|part| part.split_once("bytes :\n\n").map(|(_, message)| message.to_owned()))
            .collect()
    }

    /// The last line of its statistics.
    pub fn statistics(&self) -> Statistics {
        let text = fs::read_to_string(self.folder.join("stat.csv")).unwrap_or_default();
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or_default().split(';').collect();
        let last: Vec<&str> = lines.last().unwrap_or_default().split(';').collect();
        let count = |name: &str| {
            let column = names.iter().position(|column| *column == name);
            column.and_then(|at| last.get(at)).and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        Statistics {
            successful: count("SuccessfulCall(C)"),
            failed: count("FailedCall(C)"),
            unexpected: count("FailedUnexpectedMessage(C)"),
            out_of_call: count("OutOfCallMsgs(C)"),
            retransmissions: count("Retransmissions(C)"),
        }
    }

    /// Ends it now.
    pub fn end(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        // It may have ended already: then there is nothing to kill, and waiting gives its status at once.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        self.stop();
    }
}
