//! One question to the name servers, and its answer in the policy's words.
//!
//! Owns the library that speaks DNS and which of its errors are answers. Refuses to know why it is asked.
//! Read first: RFC 1035 §4; RFC 2308 §2; RFC 3403 §4.1; RFC 2782.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::Settings;
use crate::policy::locate::{Answer, Kind, Naptr, Question, Srv};

/// Asks the name servers.
pub(super) struct Asker(Mutex<Result<TokioResolver, String>>);

/// An answer, and for how long it holds if it is one of records.
pub(super) type Answered = (Answer, Option<Duration>);

impl Asker {
    /// An asker of the servers of the policy, or else of the system.
    pub fn new(settings: &Settings) -> Self {
        Self(Mutex::new(built(settings)))
    }

    /// Reads the system's servers anew: they may have changed with the network.
    pub fn renew(&self, settings: &Settings) {
        if settings.servers.is_empty() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = built(settings);
        }
    }

    /// One question. The error says in words why there is no answer.
    pub async fn ask(&self, question: &Question, timeout: Duration) -> Result<Answered, String> {
        let resolver = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let mut name =
            Name::from_ascii(&question.name).map_err(|error| format!("no name of DNS: {error}"))?;
        // A name without a dot is one of this network, and the search list of the system completes it.
        name.set_fqdn(question.name.contains('.'));
        let kind = match question.kind {
            Kind::Naptr => RecordType::NAPTR,
            Kind::Srv => RecordType::SRV,
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
        };
        match tokio::time::timeout(timeout, resolver.lookup(name, kind)).await {
            Ok(Ok(lookup)) => Ok(read(question.kind, lookup.answers())),
            Ok(Err(error)) if denies(question.kind, &error) => Ok((Answer::Nothing, None)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no name server answered in time".to_owned()),
        }
    }
}

fn built(settings: &Settings) -> Result<TokioResolver, String> {
    let mut builder = if settings.servers.is_empty() {
        TokioResolver::builder_tokio().map_err(|error| {
            format!("the system names no name servers ({error}); write `servers` of `dns`")
        })?
    } else {
        let server = |address: &std::net::SocketAddr| {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            server.connections.iter_mut().for_each(|connection| connection.port = address.port());
            server
        };
        let servers = settings.servers.iter().map(server).collect();
        let config = ResolverConfig::from_name_servers(servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    // What holds for how long is decided here, not there.
    options.cache_size = 0;
    options.timeout = settings.timeout / 2;
    options.attempts = 1;
    builder.build().map_err(|error| error.to_string())
}

/// Whether an error is an answer: there is no such name or record. Some servers of small routers know no NAPTR and say
/// so; then there is none.
fn denies(kind: Kind, error: &NetError) -> bool {
    let NetError::Dns(error) = error else { return false };
    let code = if let DnsError::NoRecordsFound(none) = error {
        none.response_code
    } else if let DnsError::ResponseCode(code) = error {
        *code
    } else {
        return false;
    };
    let unknown = [ResponseCode::NotImp, ResponseCode::FormErr, ResponseCode::Refused].contains(&code);
    [ResponseCode::NoError, ResponseCode::NXDomain].contains(&code) || kind == Kind::Naptr && unknown
}

fn read(kind: Kind, records: &[Record]) -> Answered {
    let (mut naptr, mut srv, mut addresses, mut ttl) = (Vec::new(), Vec::new(), Vec::new(), u32::MAX);
    for record in records {
        ttl = ttl.min(record.ttl);
        if let RData::NAPTR(read) = &record.data {
            naptr.push(Naptr {
                order: read.order,
                preference: read.preference,
                flags: text(&read.flags),
                service: text(&read.services),
                has_regexp: !read.regexp.is_empty(),
                replacement: bare(&read.replacement),
            });
        } else if let RData::SRV(read) = &record.data {
            srv.push(Srv {
                priority: read.priority,
                weight: read.weight,
                port: read.port,
                target: bare(&read.target),
            });
        } else if let RData::A(read) = &record.data {
            addresses.push(IpAddr::V4(read.0));
        } else if let RData::AAAA(read) = &record.data {
            addresses.push(IpAddr::V6(read.0));
        }
    }
    let answer = match kind {
        Kind::Naptr if !naptr.is_empty() => Answer::Naptr(naptr),
        Kind::Srv if !srv.is_empty() => Answer::Srv(srv),
        Kind::A | Kind::Aaaa if !addresses.is_empty() => Answer::Addresses(addresses),
        Kind::Naptr | Kind::Srv | Kind::A | Kind::Aaaa => return (Answer::Nothing, None),
    };
    (answer, Some(Duration::from_secs(ttl.into())))
}

fn text(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).into()
}

/// A name in lower case without its last dot; the root is empty.
fn bare(name: &Name) -> Box<str> {
    let name = name.to_ascii().to_ascii_lowercase();
    name.strip_suffix('.').unwrap_or(&name).into()
}
