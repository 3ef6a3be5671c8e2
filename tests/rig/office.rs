//! The office of most cases: one PBX inside, one trunk outside, all in the clear on loopback.
//!
//! Owns its policy. A case changes what it is about and nothing else.

/// What a case may put in: `#pbx` and `#trunk` stand within the peers, `#peers`, `#policy` and `#more` between the keys of
/// the top.
const POLICY: &str = r#"
listeners:
  inside: { bind: "EDGE:5060", transports: [udp, tcp] }
  outside: { bind: "EDGE:5070", transports: [udp, tcp] }
peers:
  office-pbx:
    side: inside
    listener: inside
    sources: ["PBX"]
    targets: ["PBX:5080"]
    transports: [TRANSPORT]
    plain_signalling: allow
    plain_media: allow
    allow: [info]
    #pbx
  trunk:
    side: outside
    listener: outside
    sources: ["TRUNK"]
    targets: ["TRUNK:5090"]
    transports: [TRANSPORT]
    plain_signalling: allow
    plain_media: allow
    allow: [info]
    #trunk
#peers
sites:
  office: { peers: [office-pbx, trunk], dids: ["+12125550100"], channels: 100 }
caps: none
routes:
  - { name: out, direction: outbound, from: [office-pbx], called: ["+*"], to: [trunk] }
  - { name: in, direction: inbound, from: [trunk], called: [did], to: [office-pbx] }
#policy
#more
alerts: { file: "FOLDER/alerts.jsonl" }
records: { file: "FOLDER/records.jsonl" }
control: "FOLDER/control.sock"
drain: 2s
"#;

/// Timers as short as loopback is, so that a case does not wait for a slow network.
pub const SHORT_TIMERS: &str = "timers: { t1: 100ms, t2: 400ms, t4: 500ms }";

/// The policy with both peers over one transport, and with each `changes` made wherever its first text stands.
pub fn policy(transport: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(POLICY.replace("TRANSPORT", transport), |policy, (old, new)| {
        assert!(policy.contains(old), "{old:?} does not stand in the office's policy");
        policy.replace(old, new)
    })
}
