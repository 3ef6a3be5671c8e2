//! Kamailio as a trunk: a process with a configuration of the test's own, ended by signal.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::wait_for;
use super::wire::Lab;

/// What every configuration begins with.
const HEAD: &str = r#"#!KAMAILIO
debug=1
log_stderror=yes
children=2
auto_aliases=no
server_header="Server: carrier"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "append_branches", 1)
"#;

/// A running Kamailio.
pub struct Kamailio {
    child: Child,
    folder: PathBuf,
}

/// Whether it can run here. `tests/run` installs it, so that there its absence is a failure.
pub fn ready() -> bool {
    let there = Command::new("kamailio").arg("-v").output().is_ok();
    assert!(
        there || std::env::var_os("RINGFENCE_BIN").is_none(),
        "Kamailio is not installed (Debian: kamailio)"
    );
    if !there {
        eprintln!("skipped: Kamailio is not installed (Debian: kamailio)");
    }
    there
}

/// Whether it can speak TLS here, besides.
pub fn speaks_tls() -> bool {
    let modules = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let there = modules.map(|path| path.join("kamailio/modules/tls.so")).any(|file| file.exists());
    assert!(
        there || std::env::var_os("RINGFENCE_BIN").is_none(),
        "Kamailio's TLS is not installed (Debian: kamailio-tls-modules)"
    );
    if !there {
        eprintln!("skipped: Kamailio's TLS is not installed (Debian: kamailio-tls-modules)");
    }
    there
}

impl Kamailio {
    /// Starts it on UDP addresses with these routes.
    pub fn start(folder: &Path, addresses: &[String], routes: &str) -> Self {
        Self::listening(folder, addresses, "disable_tcp=yes\n", routes)
    }

    /// Starts it on a UDP port and a TLS port of one host. It shows what the lab has for servers, and takes nobody over TLS who
    /// does not show a certificate of the lab's authority.
    pub fn start_tls(folder: &Path, host: &str, (udp, tls): (u16, u16), lab: &Lab, routes: &str) -> Self {
        let place = folder.join("kamailio");
        fs::create_dir_all(&place).expect("the folder is writable");
        let file = place.join("tls.cfg");
        let lab = lab.0.display();
        let terms = format!(
            "method = TLSv1.2+\nverify_certificate = yes\nrequire_certificate = yes\nprivate_key = {lab}/server.key\n\
             certificate = {lab}/server.pem\nca_list = {lab}/ca.pem\n"
        );
        fs::write(&file, format!("[server:default]\n{terms}[client:default]\n{terms}")).expect("it is ours");
        let head = format!(
            "enable_tls=yes\ntcp_children=2\ntcp_source_ipv4={host}\nlisten=tls:{host}:{tls}\nloadmodule \"tls.so\"\n\
             modparam(\"tls\", \"config\", \"{}\")\n",
            file.display()
        );
        Self::listening(folder, &[format!("{host}:{udp}")], &head, routes)
    }

    fn listening(folder: &Path, addresses: &[String], head: &str, routes: &str) -> Self {
        let folder = folder.join("kamailio");
        fs::create_dir_all(&folder).expect("the folder is writable");
        let listen: String = addresses.iter().map(|address| format!("listen=udp:{address}\n")).collect();
        let file = folder.join("kamailio.cfg");
        fs::write(&file, format!("{HEAD}{head}{listen}{routes}")).expect("the folder is writable");
        let err = File::create(folder.join("stderr")).expect("the folder is writable");
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "32", "-M", "4"])
            .arg("-f")
            .arg(&file)
            .arg("-Y")
            .arg(&folder)
            .arg("-P")
            .arg(folder.join("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(err)
            .spawn()
            .expect("kamailio starts");
        let mut kamailio = Self { child, folder };
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out can be set");
        let port = socket.local_addr().expect("it is bound").port();
        let ping = format!(
            "OPTIONS sip:ping SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKping;rport\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:ping>\r\nCall-ID: ping\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        wait_for("kamailio to answer", Duration::from_secs(10), || {
            let gone = kamailio.child.try_wait().expect("a child of ours can be waited for");
            assert!(gone.is_none(), "kamailio ended at once ({gone:?}):\n{}", kamailio.said());
            let asked = addresses.first().is_some_and(|to| socket.send_to(ping.as_bytes(), to).is_ok());
            asked && socket.recv(&mut [0; 2048]).is_ok()
        });
        kamailio
    }

    /// What it complained of.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Its first process ends the others, so it must not be killed outright.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ended = kill_process(pid, Signal::TERM);
        }
        let _status = self.child.wait();
        if std::thread::panicking() {
            eprintln!("kamailio said:\n{}", self.said());
        }
    }
}
