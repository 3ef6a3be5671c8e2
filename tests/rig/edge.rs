//! The edge as a process: started with a policy of the test's own, asked over its control socket, ended by signal.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Net, folder, wait_for};

/// How long the edge may take to start, to answer, to settle.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running edge; killed when dropped.
pub struct Edge {
    child: Child,
    folder: PathBuf,
    net: Net,
}

/// The binary under test: the one `tests/run` built with its release profile, or cargo's own.
pub fn binary() -> PathBuf {
    std::env::var_os("RINGFENCE_BIN")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_ringfence")), PathBuf::from)
}

impl Edge {
    /// Starts the edge with a policy in which `EDGE`, `PBX`, `TRUNK`, `SPARE`, `NAMES` and `FOLDER` are replaced.
    pub fn start(name: &str, net: Net, policy: &str) -> Self {
        let folder = folder(name);
        let file = folder.join("ringfence.yaml");
        fs::write(&file, filled(policy, net, &folder)).expect("the folder is writable");
        let out = File::create(folder.join("stdout")).expect("the folder is writable");
        let err = File::create(folder.join("stderr")).expect("the folder is writable");
        let child = Command::new(binary())
            .arg("run")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("the binary under test starts");
        let mut edge = Self { child, folder, net };
        let began = Instant::now();
        while edge.ask().is_none() {
            let gone = edge.child.try_wait().expect("a child of ours can be waited for");
            assert!(gone.is_none(), "the edge ended at once ({gone:?}):\n{}", edge.said());
            assert!(began.elapsed() < PATIENCE, "the edge does not answer:\n{}", edge.said());
            std::thread::sleep(Duration::from_millis(30));
        }
        edge
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its folder: policy, outputs, records, alerts.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything it printed.
    pub fn said(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        format!("{}{}", read("stdout"), read("stderr"))
    }

    fn ask(&self) -> Option<Value> {
        let output = Command::new(binary())
            .args(["status", "--json", "--socket"])
            .arg(self.folder.join("control.sock"))
            .stdin(Stdio::null())
            .output()
            .ok()?;
        output.status.success().then(|| serde_json::from_slice(&output.stdout).ok())?
    }

    /// What `ringfence status --json` prints.
    pub fn status(&self) -> Value {
        self.ask().unwrap_or_else(|| panic!("the edge does not answer:\n{}", self.said()))
    }

    /// A number of the status by its path, e.g. `/gauges/calls`.
    pub fn number(&self, path: &str) -> u64 {
        let status = self.status();
        status.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no number {path} in {status}"))
    }

    /// Whether nothing is left of any call: every gauge zero.
    pub fn idle(&self) -> bool {
        let status = self.status();
        let gauges = status.pointer("/gauges").and_then(Value::as_object).expect("the status has gauges");
        gauges.values().all(|gauge| match gauge {
            Value::Number(number) => number.as_u64() == Some(0),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Null | Value::Bool(_) | Value::String(_) => false,
        })
    }

    /// Waits until it is idle.
    pub fn settle(&self, patience: Duration) {
        let began = Instant::now();
        while !self.idle() {
            assert!(began.elapsed() < patience, "not idle after {patience:?}: {}", self.status());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn lines(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        // A line that is being written has no end yet: it is read the next time.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{file}: {why}: {line}")))
            .collect()
    }

    /// Waits for exactly so many call records, and gives them.
    pub fn records(&self, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} records"), PATIENCE, || self.lines("records.jsonl").len() >= count);
        let records = self.lines("records.jsonl");
        assert_eq!(records.len(), count, "{records:#?}");
        records
    }

    /// How many records were written, those in the last rotated file included.
    pub fn records_written(&self) -> usize {
        ["records.jsonl", "records.jsonl.1"]
            .into_iter()
            .map(|file| fs::read_to_string(self.folder.join(file)).unwrap_or_default().lines().count())
            .sum()
    }

    /// Waits for an alert of this code.
    pub fn alert(&self, code: u64) -> Value {
        let find = || self.lines("alerts.jsonl").into_iter().find(|alert| alert["error_code"] == code);
        wait_for(&format!("alert {code}"), PATIENCE, || find().is_some());
        find().expect("it was there a moment ago")
    }

    /// The alerts of this code so far.
    pub fn alerts(&self, code: u64) -> Vec<Value> {
        self.lines("alerts.jsonl").into_iter().filter(|alert| alert["error_code"] == code).collect()
    }

    /// Puts another policy in place by an atomic rename.
    pub fn replace_policy(&self, policy: &str) {
        let fresh = self.folder.join("ringfence.yaml.new");
        fs::write(&fresh, filled(policy, self.net, &self.folder)).expect("the folder is writable");
        fs::rename(&fresh, self.folder.join("ringfence.yaml")).expect("a rename within one folder");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id is positive");
        kill_process(pid, signal).expect("a child of ours can be signalled");
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self, patience: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours can be waited for") {
                return status;
            }
            assert!(began.elapsed() < patience, "still running after {patience:?}:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Resident memory in bytes (VmRSS).
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the edge is running");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
        let kib: u64 =
            line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("VmRSS: N kB");
        kib * 1024
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // It may have ended already: then there is nothing to kill, and waiting gives its status at once.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the edge said:\n{}", self.said());
        }
    }
}

fn filled(policy: &str, net: Net, folder: &Path) -> String {
    policy
        .replace("EDGE", &net.edge())
        .replace("PBX", &net.pbx())
        .replace("TRUNK", &net.trunk())
        .replace("SPARE", &net.spare())
        .replace("NAMES", &net.names())
        .replace("FOLDER", &folder.to_string_lossy())
}
