//! What reading and writing one message costs, beside the second opinions of the tests.

#[path = "meter/mod.rs"]
mod meter;

use std::hint::black_box;

use bytes::Bytes;
use ringfence::sip::framing::{Framed, Framer};
use ringfence::sip::parse::{Limits, parse};
use ringfence::sip::write::response_to;
use ringfence::sip::{HeaderName, Message, NameAddr, Text, Uri, Writer};

const SDP: &str = "v=0\r\no=- 3923 3923 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
    m=audio 16384 RTP/SAVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

/// An INVITE as a PBX sends it: 14 header lines and a body.
fn invite() -> Bytes {
    Bytes::from(format!(
        "INVITE sip:+12125550142@edge.example.com:5061;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/TLS 192.0.2.10:5061;branch=z9hG4bKPjd2f1c9a4e5b64c7f8a9b0c1d2e3f4a5b;rport\r\n\
         Max-Forwards: 70\r\n\
         From: \"Front Desk\" <sip:+12125550100@pbx.example.com>;tag=7f1c9a4e5b64c7f8\r\n\
         To: <sip:+12125550142@edge.example.com>\r\n\
         Contact: <sip:pbx@192.0.2.10:5061;transport=tls>\r\n\
         Call-ID: 3a0f6c1e-8b7d-4a52-9f3e-1d2c3b4a5968\r\n\
         CSeq: 4711 INVITE\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK, INFO, NOTIFY, REFER\r\n\
         Supported: 100rel, timer, replaces\r\n\
         Session-Expires: 1800;refresher=uac\r\n\
         P-Asserted-Identity: \"Front Desk\" <sip:+12125550100@pbx.example.com>\r\n\
         User-Agent: Example PBX 18.2\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    ))
}

fn ok() -> Bytes {
    Bytes::from(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK0123456789abcdef;rport=5061;received=192.0.2.1\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>;tag=2\r\nCall-ID: 0123456789abcdef\r\nCSeq: 1 BYE\r\n\
         Content-Length: 0\r\n\r\n",
    )
}

/// Every line but the routing ones copied, the routing ones written anew.
fn forward(message: &Message) -> Bytes {
    let mut writer = Writer::request(message.method(), Text::fixed("sip:+12125550142@trunk.example.com"));
    writer
        .header(HeaderName::Via, Text::fixed("SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bK0123456789abcdef"));
    for header in message.headers() {
        if header.name != HeaderName::Via && header.name != HeaderName::Route {
            writer.copy(&header);
        }
    }
    writer.finish(message.body())
}

fn main() {
    let (invite, ok, limits) = (invite(), ok(), Limits::default());
    let read = parse(invite.clone(), &limits).expect("it is a good message");
    let source = "192.0.2.10:5061".parse().expect("an address");
    meter::main(vec![
        meter::Bench::new("parse_invite", |rounds| {
            (0..rounds).for_each(|_| drop(black_box(parse(black_box(invite.clone()), &limits))));
        }),
        meter::Bench::new("parse_200", |rounds| {
            (0..rounds).for_each(|_| drop(black_box(parse(black_box(ok.clone()), &limits))));
        }),
        meter::Bench::new("refuse_not_sip", |rounds| {
            let noise = Bytes::from_static(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            (0..rounds).for_each(|_| drop(black_box(parse(black_box(noise.clone()), &limits))));
        }),
        meter::Bench::new("views_invite", |rounds| {
            (0..rounds).for_each(|_| {
                let caller = read.header(HeaderName::PAssertedIdentity).map(NameAddr::read);
                black_box((read.uri(), caller, read.contact(), read.lists(HeaderName::Supported, "timer")));
            });
        }),
        meter::Bench::new("respond_invite", |rounds| {
            (0..rounds).for_each(|_| {
                let tag = Text::fixed("0123456789abcdef");
                let writer = response_to(black_box(&read), source, 180, Text::fixed("Ringing"), Some(tag));
                drop(black_box(writer.finish(b"")));
            });
        }),
        meter::Bench::new("forward_invite", |rounds| {
            (0..rounds).for_each(|_| drop(black_box(forward(black_box(&read)))));
        }),
        meter::Bench::new("frame_invite", |rounds| {
            let mut framer = Framer::default();
            (0..rounds).for_each(|_| {
                framer.push(black_box(&invite));
                while let Ok(Some(Framed::Message(message))) = framer.next(&limits) {
                    black_box(message);
                }
            });
        }),
        meter::Bench::new("uri", |rounds| {
            let raw = b"sip:+12125550142@edge.example.com:5061;user=phone";
            (0..rounds).for_each(|_| {
                let _ = black_box(Uri::read(black_box(raw)));
            });
        }),
        meter::Bench::new("parse_invite_sipx", |rounds| {
            let limits = sipx_sip::parser::Limits::datagram();
            (0..rounds).for_each(|_| {
                drop(black_box(sipx_sip::parser::parse_datagram(black_box(invite.clone()), &limits)))
            });
        }),
        meter::Bench::new("parse_invite_rsip", |rounds| {
            (0..rounds).for_each(|_| drop(black_box(rsip::SipMessage::try_from(black_box(&invite[..])))));
        }),
    ]);
}
