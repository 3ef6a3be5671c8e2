//! Where requests of ours in a dialog go: the remote target and the route set (RFC 3261 §12).
//!
//! Owns both, and what their first URI names by a literal, which is read once: a target is told with each response and each
//! request, and seldom another one. Refuses to choose a hop (`leg.rs`). Read first: RFC 3261 §12.1, §12.2.1.1.

use std::net::IpAddr;

use super::leg::{ROUTES_MAX, bounded};
use crate::sip::error::Cause;
use crate::sip::{HeaderName, Host, Message, NameAddr, Transport, Uri};

/// An address that a URI names by a literal, its port, and its transport parameter; kept with each leg, so in few octets.
pub(super) type Literal = (IpAddr, u16, Option<Transport>);

/// The remote target and the route set, first hop first.
#[derive(Debug, Clone, Default)]
pub(super) struct Way {
    target: Box<[u8]>,
    routes: Box<[Box<[u8]>]>,
    /// What was read of them; `None` since they last changed.
    read: Option<Option<Literal>>,
}

impl Way {
    /// The remote target; empty while unknown.
    pub fn target(&self) -> &[u8] {
        &self.target
    }

    /// The route set.
    pub fn routes(&self) -> &[Box<[u8]>] {
        &self.routes
    }

    /// Bytes of the peer's that it holds.
    pub fn bytes(&self) -> usize {
        self.target.len() + self.routes.iter().map(|route| route.len()).sum::<usize>()
    }

    /// Takes a target of ours, which needs no cleaning.
    pub fn take(&mut self, target: Box<[u8]>) {
        (self.target, self.read) = (target, None);
    }

    /// Takes the target that a peer names; one that cannot be kept changes nothing.
    pub fn retarget(&mut self, raw: &[u8]) -> Result<(), Cause> {
        if *raw != *self.target {
            self.take(bounded(raw)?);
        }
        Ok(())
    }

    /// Takes the route set from Record-Route, in the order it stands or the other way round.
    pub fn reroute(&mut self, message: &Message, reverse: bool) -> Result<(), Cause> {
        if self.routes.is_empty() && !message.has(HeaderName::RecordRoute) {
            return Ok(());
        }
        let mut routes = route_set(message)?;
        if reverse {
            routes.reverse();
        }
        (self.routes, self.read) = (routes.into_boxed_slice(), None);
        Ok(())
    }

    /// Takes a route set as it stood, first hop first.
    pub fn take_routes(&mut self, routes: Vec<Box<[u8]>>) {
        (self.routes, self.read) = (routes.into_boxed_slice(), None);
    }

    /// The address that the first route, or else the target, names by a literal.
    pub fn literal(&mut self) -> Option<Literal> {
        if let Some(read) = self.read {
            return read;
        }
        let route = self.routes.first().and_then(|route| NameAddr::read(route).ok());
        let raw = route.map_or(&*self.target, |route| route.raw_uri);
        let named = Uri::read(raw).ok().and_then(|uri| literal(&uri));
        self.read = Some(named);
        named
    }
}

fn route_set(message: &Message) -> Result<Vec<Box<[u8]>>, Cause> {
    let mut routes = Vec::new();
    for value in message.values(HeaderName::RecordRoute) {
        if routes.len() >= ROUTES_MAX {
            return Err(Cause::Oversize);
        }
        // Read now so that a broken one refuses the message and not a later request.
        NameAddr::read(value)?.uri()?;
        routes.push(bounded(value)?);
    }
    Ok(routes)
}

/// The address that a sip URI names by a literal, and its transport parameter.
fn literal(uri: &Uri<'_>) -> Option<Literal> {
    let Uri::Sip(sip) = uri else { return None };
    let Host::Address(ip) = sip.host else { return None };
    let transport = uri.param("transport").and_then(|name| {
        [Transport::Udp, Transport::Tcp, Transport::Tls]
            .into_iter()
            .find(|transport| name.eq_ignore_ascii_case(transport.name().as_bytes()))
    });
    let default_port = if transport.is_some_and(Transport::is_encrypted) || sip.secure { 5061 } else { 5060 };
    Some((ip, sip.port.unwrap_or(default_port), transport))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn what_is_named_is_read_anew_when_it_changes_and_only_then() {
        let mut way = Way::default();
        let named = |way: &mut Way, raw: &str| {
            way.retarget(raw.as_bytes()).unwrap();
            way.literal().map(|(ip, port, transport)| (SocketAddr::new(ip, port).to_string(), transport))
        };
        let at = |address: &str, transport| Some((address.to_owned(), transport));
        assert_eq!(way.literal(), None, "nothing is known yet");
        assert_eq!(named(&mut way, "sip:a@192.0.2.1"), at("192.0.2.1:5060", None));
        assert_eq!(named(&mut way, "sip:a@192.0.2.1"), at("192.0.2.1:5060", None));
        assert_eq!(
            named(&mut way, "sip:a@192.0.2.2:5070;transport=TCP"),
            at("192.0.2.2:5070", Some(Transport::Tcp))
        );
        assert_eq!(named(&mut way, "sips:a@[2001:db8::1]"), at("[2001:db8::1]:5061", None));
        assert_eq!(named(&mut way, "sip:a@pbx.example.com"), None);
        way.take(Box::from(&b"sip:b@192.0.2.3"[..]));
        assert_eq!(way.literal().map(|(ip, _, _)| ip.to_string()).as_deref(), Some("192.0.2.3"));
        let long = format!("sip:{}@192.0.2.9", "x".repeat(2_000));
        assert!(way.retarget(long.as_bytes()).is_err());
        assert_eq!(way.target(), b"sip:b@192.0.2.3", "what cannot be kept changes nothing");
    }
}
