//! Messages of these tests, written as peers write them.

use ringfence::sip::Message;

/// A session description.
pub const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// The same, and the media elsewhere: an offer that changes nothing would not cross.
pub fn moved(times: u32) -> String {
    SDP.replacen("m=audio ", &format!("m=audio {}", 1 + times % 5), 1)
}

/// A request, its parts open to change.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its Request-URI.
    pub uri: String,
    /// The branch of its Via.
    pub branch: String,
    /// Who sends it: address and port.
    pub sender: String,
    /// From's tag.
    pub from_tag: String,
    /// To's tag, or empty.
    pub to_tag: String,
    /// Call-ID.
    pub call_id: String,
    /// CSeq's number.
    pub cseq: u32,
    /// More header lines, each with its end.
    pub more: String,
    /// Contact, or empty for none.
    pub contact: String,
    /// The body.
    pub body: String,
}

impl Request {
    /// A request of a peer at an address; INVITE and MESSAGE carry a body.
    pub fn new(method: &str, sender: &str) -> Self {
        let (edge, number) = if sender.starts_with("198") {
            ("192.0.2.1", "+12125550100")
        } else {
            ("10.0.0.1", "+13125550199")
        };
        let (kind, body) = match method {
            "INVITE" => ("Content-Type: application/sdp\r\n", SDP),
            "MESSAGE" => ("Content-Type: text/plain\r\n", "hello"),
            _ => ("", ""),
        };
        Self {
            method: method.into(),
            uri: format!("sip:{number}@{edge}"),
            branch: "z9hG4bK-test-1".into(),
            sender: sender.into(),
            from_tag: "from-1".into(),
            to_tag: String::new(),
            call_id: "call-1@example.com".into(),
            cseq: 1,
            more: kind.into(),
            contact: format!("<sip:+12125550100@{sender}>"),
            body: body.into(),
        }
    }

    /// Changes one part.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// As it goes over the wire.
    pub fn text(&self) -> String {
        let tag = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        let contact =
            if self.contact.is_empty() { String::new() } else { format!("Contact: {}\r\n", self.contact) };
        format!(
            "{m} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {sender};branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:+12125550100@{sender}>;tag={from}\r\nTo: <{uri}>{tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {m}\r\n{contact}{more}Content-Length: {length}\r\n\r\n{body}",
            m = self.method,
            uri = self.uri,
            sender = self.sender,
            branch = self.branch,
            from = self.from_tag,
            call_id = self.call_id,
            cseq = self.cseq,
            more = self.more,
            length = self.body.len(),
            body = self.body,
        )
    }
}

/// A response to a request of the edge, from the peer at `sender`.
pub fn answer(request: &Message, status: u16, tag: &str, sender: &str) -> String {
    let mut text = format!("SIP/2.0 {status} Whatever\r\n");
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let tagged = name == "To" && request.to_tag().is_none() && status > 100;
        let tag = if tagged { format!(";tag={tag}") } else { String::new() };
        text += &format!("{name}: {}{tag}\r\n", header(request, name));
    }
    let invited = request.method().as_bytes() == b"INVITE" && (180..300).contains(&status);
    let (contact, kind, body) = if invited {
        (format!("Contact: <sip:edge-of-callee@{sender}>\r\n"), "Content-Type: application/sdp\r\n", SDP)
    } else {
        (String::new(), "", "")
    };
    format!("{text}{contact}{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A header of a message as text; empty when it is not there.
pub fn header(message: &Message, name: &str) -> String {
    let name = ringfence::sip::HeaderName::read(name.as_bytes());
    message.header(name).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

/// A tag as text.
pub fn tag(tag: Option<&[u8]>) -> String {
    tag.map(|tag| String::from_utf8_lossy(tag).into_owned()).unwrap_or_default()
}
