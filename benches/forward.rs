//! What a call costs in the engine: bytes in, bytes out, no sockets; and what a packet costs that is dropped.

#[path = "meter/mod.rs"]
mod meter;
#[path = "site/mod.rs"]
mod site;

fn main() {
    let (mut calls, mut refusals, mut strangers, mut late) =
        (site::Site::new(), site::Site::new(), site::Site::new(), site::Site::new());
    let stranger = site::flow(true, "198.18.0.9:5060");
    let knock = strangers.invite("+12125550142");
    let stray = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK0123456789abcdef\r\nFrom: <sip:a@b>;tag=1\r\n\
                 To: <sip:c@d>;tag=2\r\nCall-ID: none\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
    meter::main(vec![
        meter::Bench::new("call", |rounds| (0..rounds).for_each(|_| calls.call())),
        meter::Bench::new("blocked", |rounds| (0..rounds).for_each(|_| refusals.blocked())),
        meter::Bench::new("stranger", |rounds| {
            (0..rounds).for_each(|_| strangers.frame(stranger, knock.as_bytes()));
        }),
        meter::Bench::new("stray_response", |rounds| {
            (0..rounds).for_each(|_| late.frame(site::flow(false, "203.0.113.10:5060"), stray.as_bytes()));
        }),
    ]);
}
