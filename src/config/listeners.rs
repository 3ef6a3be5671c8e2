//! Listeners as they are written, and what their peers see of them.
//!
//! Owns the step from `listeners:` to the policy's words, and the words for transports. Refuses to know peers and what a
//! certificate says (`tls`). Read first: RFC 3261 §18.1.1, §19.1.2.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::fields::{Fields, NamedFields, choose};
use super::peers::Read;
use super::problem::{Cause, quoted};
use super::values;
use crate::policy::Listener;
use crate::policy::names::Names;
use crate::policy::peer::Advertised;
use crate::sip::{ListenerId, Transport};

/// The words of `transports:`.
const TRANSPORTS: [(&str, Transport); 3] =
    [("udp", Transport::Udp), ("tcp", Transport::Tcp), ("tls", Transport::Tls)];

/// What is spoken where nothing is written.
const fn usual(tls: bool) -> &'static [Transport] {
    if tls { &[Transport::Tls] } else { &[Transport::Udp, Transport::Tcp] }
}

/// A listener, as its peers see it.
#[derive(Debug, Clone, Copy)]
pub struct Met {
    /// Which.
    pub id: ListenerId,
    /// It serves TLS.
    pub tls: bool,
}

impl Met {
    /// Where the listener could not be read, which is told.
    pub const NOWHERE: Self = Self { id: ListenerId(0), tls: false };

    /// What peers see of a listener.
    pub fn on(listener: &Listener) -> Self {
        Self { id: listener.id, tls: listener.transports.contains(&Transport::Tls) }
    }
}

/// What is said when no name is left to give out.
pub fn too_many() -> Cause {
    Cause::new("65,535 names of one kind were used since the start").cure("restart")
}

/// Reads `transports:`, each once.
pub fn transports(fields: &Fields<'_>, tls: bool) -> Vec<Transport> {
    let mut found = Vec::new();
    for (transport, item) in fields.words("transports", |text| choose(text, &TRANSPORTS)) {
        if found.contains(&transport) {
            fields.desk().error(
                item.node.place,
                &item.path,
                Cause::new(format!("{transport} stands here twice")),
            );
        } else {
            found.push(transport);
        }
    }
    if !fields.is_set("transports") {
        found.extend_from_slice(usual(tls));
    }
    found
}

/// Reads `listeners:`.
pub fn listeners<'a>(root: &Fields<'a>, names: &mut Names) -> Vec<Read<'a, Listener>> {
    let read = |NamedFields { name, fields }| {
        let id = names.listener(name).map_err(|_| fields.error("bind", too_many())).ok()?;
        let bind = fields.checked("bind", |text| {
            let bind = values::address(text, None)?;
            if bind.ip().is_unspecified() {
                let cause = Cause::new(format!(
                    "{} is every address at once, and answers would leave from any",
                    quoted(text)
                ));
                return Err(cause.cure("name each address: one listener for each"));
            }
            Ok(bind)
        });
        let transports = served(&fields);
        let advertise = fields.checked("advertise", advertised);
        // Placeholder for what is already told; nothing is built from a file with errors.
        let bind = bind.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let (host, port) = advertise.unwrap_or_else(|| (bind.ip().to_string(), None));
        let listener = Listener {
            id,
            name: Arc::from(name),
            bind,
            advertised: Advertised::new(&host, port.unwrap_or(bind.port())),
            transports,
        };
        Some(Read { value: listener, fields })
    };
    root.named("listeners").into_iter().filter_map(read).collect()
}

/// The transports of a listener: TLS needs a certificate, and a port of its own among those over TCP.
fn served(fields: &Fields<'_>) -> Vec<Transport> {
    let certified = fields.is_set("certificate");
    let transports = transports(fields, certified);
    let tls = transports.contains(&Transport::Tls);
    if tls && !certified {
        let cause = Cause::new("TLS needs a certificate to show");
        let cure = "write certificate: { chain: FILE, key: FILE }; `ringfence certs` makes one for a lab";
        fields.error("transports", cause.cure(cure));
    }
    if certified && !tls {
        let cause = Cause::new("a certificate stands here, and tls is not among the transports");
        fields.error("transports", cause.cure("write [tls], or remove the certificate"));
    }
    if tls && transports.contains(&Transport::Tcp) {
        let cause = Cause::new("tcp and tls cannot share a port");
        fields.error("transports", cause.cure("give tls a listener of its own, usually with port 5061"));
    }
    transports
}

/// A host that peers can send to, and a port.
fn advertised(text: &str) -> Result<(String, Option<u16>), Cause> {
    let (host, port) = values::host_and_port(text)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() || ip.is_multicast() => {
            let cause = Cause::new(format!("{} is an address that nobody can answer to", quoted(text)));
            Err(cause.cure("write the address or name by which peers reach this listener"))
        }
        Ok(_) | Err(_) => Ok((host, port)),
    }
}
