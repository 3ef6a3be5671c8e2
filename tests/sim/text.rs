//! SIP as the simulated endpoints read and write it: plain text, written apart from the product as a second opinion.
//!
//! Owns a small reader and writer for the well-formed messages that endpoints exchange. Refuses to know the product.
//! Read first: RFC 3261 §7, §20.

/// A message as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sip {
    pub start: Start,
    /// Name in its long form and value, in order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    Request { method: String, uri: String },
    Response { status: u16, reason: String },
}

const COMPACT: [(&str, &str); 9] = [
    ("v", "Via"),
    ("f", "From"),
    ("t", "To"),
    ("i", "Call-ID"),
    ("m", "Contact"),
    ("l", "Content-Length"),
    ("c", "Content-Type"),
    ("k", "Supported"),
    ("s", "Subject"),
];

impl Sip {
    /// A request without headers.
    pub fn request(method: &str, uri: &str) -> Self {
        let start = Start::Request { method: method.to_owned(), uri: uri.to_owned() };
        Self { start, headers: Vec::new(), body: Vec::new() }
    }

    /// A response to `request`: Via, From, To, Call-ID and CSeq copied; `tag` is added to a To without one.
    pub fn response(request: &Self, status: u16, reason: &str, tag: &str) -> Self {
        let start = Start::Response { status, reason: reason.to_owned() };
        let mut response = Self { start, headers: Vec::new(), body: Vec::new() };
        for (name, value) in &request.headers {
            if matches!(name.as_str(), "Via" | "From" | "Call-ID" | "CSeq") {
                response.add(name, value);
            }
            if name == "To" {
                let bare = status == 100 || tag_of(value).is_some();
                let value = if bare { value.clone() } else { format!("{value};tag={tag}") };
                response.add("To", &value);
            }
        }
        response
    }

    /// Reads one message; what an endpoint would complain about is an error that says so.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no end of headers")?;
        let head = bytes.get(..end).and_then(|head| std::str::from_utf8(head).ok()).ok_or("not UTF-8")?;
        let mut lines = head.split("\r\n");
        let start = read_start(lines.next().unwrap_or_default())?;
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                let last = headers.last_mut().ok_or("fold before any header")?;
                last.1.push(' ');
                last.1.push_str(line.trim());
                continue;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| format!("no colon in {line:?}"))?;
            headers.push((long_name(name.trim()), value.trim().to_owned()));
        }
        let body = bytes.get(end + 4..).unwrap_or_default().to_vec();
        let message = Self { start, headers, body };
        let length: usize = message
            .header("Content-Length")
            .ok_or("no Content-Length")?
            .parse()
            .map_err(|_| "Content-Length is no number")?;
        if length != message.body.len() {
            return Err(format!("Content-Length {length} for {} octets", message.body.len()));
        }
        Ok(message)
    }

    /// The bytes, with Content-Length.
    pub fn write(&self) -> Vec<u8> {
        let mut out = match &self.start {
            Start::Request { method, uri } => format!("{method} {uri} SIP/2.0\r\n"),
            Start::Response { status, reason } => format!("SIP/2.0 {status} {reason}\r\n"),
        };
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "Content-Length") {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let mut bytes = out.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Adds a header at the end.
    pub fn add(&mut self, name: &str, value: &str) -> &mut Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Replaces the first header of a name, or adds it.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.headers.iter_mut().find(|(known, _)| known == name) {
            Some(header) => header.1 = value.to_owned(),
            None => self.headers.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Sets the body as SDP.
    pub fn sdp(&mut self, body: &str) -> &mut Self {
        self.add("Content-Type", "application/sdp");
        self.body = body.as_bytes().to_vec();
        self
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every line of a header.
    pub fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        match &self.start {
            Start::Response { status, .. } => Some(*status),
            Start::Request { .. } => None,
        }
    }

    /// The method of a request, or of a response's CSeq.
    pub fn method(&self) -> &str {
        match &self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => self.cseq().1,
        }
    }

    /// The Request-URI; empty for a response.
    pub fn uri(&self) -> &str {
        match &self.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => "",
        }
    }

    /// CSeq's number and method.
    pub fn cseq(&self) -> (u32, &str) {
        let (number, method) =
            self.header("CSeq").and_then(|value| value.split_once(' ')).unwrap_or(("0", ""));
        (number.parse().unwrap_or(0), method.trim())
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or_default()
    }

    /// The top Via's branch.
    pub fn branch(&self) -> &str {
        self.header("Via").and_then(|via| param_of(via, "branch")).unwrap_or_default()
    }

    /// From's tag.
    pub fn calling_tag(&self) -> Option<&str> {
        self.header("From").and_then(tag_of)
    }

    /// To's tag.
    pub fn to_tag(&self) -> Option<&str> {
        self.header("To").and_then(tag_of)
    }

    /// The URI in the first Contact.
    pub fn contact(&self) -> Option<&str> {
        self.header("Contact").map(uri_of)
    }

    /// Whether the body is SDP.
    pub fn has_sdp(&self) -> bool {
        !self.body.is_empty()
            && self.header("Content-Type").is_some_and(|kind| kind.starts_with("application/sdp"))
    }
}

fn read_start(line: &str) -> Result<Start, String> {
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        let (status, reason) = rest.split_once(' ').ok_or("no space after the status")?;
        let status = status.parse().map_err(|_| format!("status {status:?}"))?;
        return Ok(Start::Response { status, reason: reason.to_owned() });
    }
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(method), Some(uri), Some("SIP/2.0"), None) => {
            Ok(Start::Request { method: method.to_owned(), uri: uri.to_owned() })
        }
        _ => Err(format!("start line {line:?}")),
    }
}

fn long_name(name: &str) -> String {
    let known = ["Via", "From", "To", "Call-ID", "CSeq", "Contact", "Content-Length", "Content-Type"];
    let long = known.iter().find(|known| known.eq_ignore_ascii_case(name)).copied();
    let compact =
        || COMPACT.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)).map(|(_, long)| *long);
    long.or_else(compact).unwrap_or(name).to_owned()
}

/// The URI of a name-addr or an addr-spec.
pub fn uri_of(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
        None => value.split(';').next().unwrap_or_default(),
    }
}

/// The user part of a URI.
pub fn user_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or("", |(user, _)| user.split([';', ':']).next().unwrap_or_default())
}

/// The host and port of a URI, as written; parameters left out.
pub fn host_port_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    rest.split([';', '?']).next().unwrap_or_default()
}

/// A parameter's value, searched behind the last `>`.
pub fn param_of<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let params = value.rsplit_once('>').map_or(value, |(_, params)| params);
    params.split(';').skip(1).find_map(|param| {
        let (key, text) = param.split_once('=').unwrap_or((param, ""));
        key.trim().eq_ignore_ascii_case(name).then_some(text.trim())
    })
}

/// The tag parameter of From or To.
pub fn tag_of(value: &str) -> Option<&str> {
    param_of(value, "tag")
}

/// The reason phrase of a status.
pub fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        302 => "Moved Temporarily",
        404 => "Not Found",
        423 => "Interval Too Brief",
        422 => "Session Interval Too Small",
        486 => "Busy Here",
        487 => "Request Terminated",
        491 => "Request Pending",
        503 => "Service Unavailable",
        603 => "Decline",
        _ => "Whatever",
    }
}

/// RFC 5626 §3.5.1: empty lines that only keep a way open; they are no message and not answered over UDP.
pub fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes == b"\r\n\r\n"
}
