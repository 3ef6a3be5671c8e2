//! A machine that speaks SIP over TLS by hand: connects or is called, sends what the test writes, reads whole messages.
//!
//! Owns the certificates of a lab, made by the binary under test, and one connection. Knows no dialogs.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use socket2::{Domain, Socket, Type};

use super::edge::binary;

/// How long one message may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder of `ringfence certs`: an authority, and what it signed.
#[derive(Debug, Clone)]
pub struct Lab(pub PathBuf);

impl Lab {
    /// Makes one for these names.
    pub fn make(folder: &Path, names: &[&str]) -> Self {
        Self::ask(folder, names, &[]);
        Self(folder.to_owned())
    }

    /// Makes server and client anew, under the same authority.
    pub fn replace(&self, names: &[&str]) {
        Self::ask(&self.0, names, &["--replace"]);
    }

    fn ask(folder: &Path, names: &[&str], more: &[&str]) {
        let output = Command::new(binary())
            .arg("certs")
            .arg("--folder")
            .arg(folder)
            .args(more)
            .args(names)
            .output()
            .expect("the binary under test starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.chain("ca"));
        Arc::new(roots)
    }

    /// The certificates of `ca`, `server` or `client`.
    pub fn chain(&self, name: &str) -> Vec<CertificateDer<'static>> {
        let text = fs::read(self.0.join(format!("{name}.pem"))).expect("the lab's files are readable");
        CertificateDer::pem_slice_iter(&text).map(|one| one.expect("the lab's files are PEM")).collect()
    }

    fn key(&self, name: &str) -> PrivateKeyDer<'static> {
        let text = fs::read(self.0.join(format!("{name}.key"))).expect("the lab's files are readable");
        PrivateKeyDer::from_pem_slice(&text).expect("the lab's files are PEM")
    }

    /// A client that trusts this lab and shows the client certificate of `own`, if there is one.
    pub fn client(
        &self,
        own: Option<&Self>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        self.client_that_shows(own.map(|own| (own.chain("client"), own.key("client"))), versions)
    }

    /// A client that trusts this lab and shows whatever the test has made.
    pub fn client_that_shows(
        &self,
        own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("these versions are known")
            .with_root_certificates(self.roots());
        Arc::new(match own {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).expect("they fit"),
            None => config.with_no_client_auth(),
        })
    }

    /// A server that shows this lab's server certificate and asks for none.
    pub fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("these versions are known")
            .with_no_client_auth()
            .with_single_cert(self.chain("server"), self.key("server"))
            .expect("they fit");
        Arc::new(config)
    }
}

/// One TLS connection.
pub struct Wire {
    session: Connection,
    socket: TcpStream,
    unread: Vec<u8>,
}

/// A TCP connection from an address of the test's own.
pub fn call(from: &str, to: &str) -> TcpStream {
    let to: SocketAddr = to.parse().expect("an address");
    let from: SocketAddr = format!("{from}:0").parse().expect("an address");
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a socket");
    socket.bind(&from.into()).expect("an address of the loopback net");
    socket.connect(&to.into()).expect("the edge listens");
    let socket: TcpStream = socket.into();
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    socket.set_nodelay(true).expect("a socket option");
    socket
}

/// Waits for a call of the edge, as long as one message may take.
pub fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let began = Instant::now();
    let socket = loop {
        match listener.accept() {
            Ok((socket, _)) => break socket,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    };
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

impl Wire {
    /// Calls the edge and shakes hands.
    pub fn connect(from: &str, to: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let host: SocketAddr = to.parse().expect("an address");
        let session =
            ClientConnection::new(Arc::clone(config), ServerName::from(host.ip())).expect("a session");
        Self::shake(Connection::Client(session), call(from, to))
    }

    /// Waits for a call of the edge and shakes hands.
    pub fn accept(listener: &TcpListener, config: &Arc<ServerConfig>) -> io::Result<Self> {
        let socket = accept(listener)?;
        let session = ServerConnection::new(Arc::clone(config)).expect("a session");
        Self::shake(Connection::Server(session), socket)
    }

    fn shake(mut session: Connection, mut socket: TcpStream) -> io::Result<Self> {
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        let mut wire = Self { session, socket, unread: Vec::new() };
        while wire.session.wants_write() {
            wire.session.write_tls(&mut wire.socket)?;
        }
        Ok(wire)
    }

    /// What the far side showed.
    pub fn shown(&self) -> Option<CertificateDer<'static>> {
        self.session.peer_certificates()?.first().map(|one| one.clone().into_owned())
    }

    /// The version that was agreed on.
    pub fn version(&self) -> Option<rustls::ProtocolVersion> {
        self.session.protocol_version()
    }

    /// Our own end.
    pub fn local(&self) -> SocketAddr {
        self.socket.local_addr().expect("a connected socket")
    }

    /// The far side's end.
    pub fn remote(&self) -> SocketAddr {
        self.socket.peer_addr().expect("a connected socket")
    }

    /// Sends text.
    pub fn say(&mut self, text: &str) {
        self.session.writer().write_all(text.as_bytes()).expect("a session takes text");
        while self.session.wants_write() {
            self.session.write_tls(&mut self.socket).expect("the edge takes it");
        }
    }

    /// Sends a record that no key of the session has sealed.
    pub fn garble(&mut self) {
        // RFC 8446 §5.1: application data, TLS 1.2, 32 octets.
        let record = [&[23, 3, 3, 0, 32][..], &[0x5a; 32]].concat();
        self.socket.write_all(&record).expect("the edge takes it");
    }

    /// The next whole message, `None` at the end of the connection.
    pub fn message(&mut self) -> Option<String> {
        loop {
            if let Some(message) = whole(&mut self.unread) {
                return Some(message);
            }
            let mut piece = [0; 16_384];
            match self.session.reader().read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => self.unread.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.session.read_tls(&mut self.socket) {
                        Ok(0) => return None,
                        Ok(_) => {}
                        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                        Err(error) => panic!("no message came: {error}"),
                    }
                    self.session.process_new_packets().ok()?;
                }
                Err(_) => return None,
            }
        }
    }

    /// The next message that begins so; others before it are skipped.
    pub fn expect(&mut self, start: &str) -> String {
        let mut skipped = Vec::new();
        loop {
            let Some(message) = self.message() else { panic!("no {start:?} came, but {skipped:#?}") };
            if message.starts_with(start) {
                return message;
            }
            skipped.push(message);
        }
    }
}

/// Takes a whole message off the front.
pub fn whole(unread: &mut Vec<u8>) -> Option<String> {
    let head = unread.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&unread[..head]).into_owned();
    let length = header(&text, "Content-Length").map_or(0, |value| value.parse().expect("a number"));
    if unread.len() < head + length {
        return None;
    }
    let message: Vec<u8> = unread.drain(..head + length).collect();
    Some(String::from_utf8_lossy(&message).into_owned())
}

/// The first value of a header.
pub fn header<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    message.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The answer to a request: its Via, From, To (with a tag), Call-ID and CSeq, and these headers and body.
pub fn answer(request: &str, status: &str, tag: &str, more: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if name == "to" && !line.contains(";tag=") && !tag.is_empty() {
            text.push_str(&format!("{line};tag={tag}\r\n"));
        } else if ["via", "from", "to", "call-id", "cseq", "record-route"].contains(&name.as_str()) {
            text.push_str(&format!("{line}\r\n"));
        }
    }
    text.push_str(&format!("{more}Content-Length: {}\r\n\r\n{body}", body.len()));
    text
}
