//! What a decision costs: a call screened and admitted with a blocklist of 4,000 prefixes, a call refused by it, a call under every
//! rule about destinations with a list of a million entries, and frames of strangers. The paths that must not allocate are held to it before anything is timed.

mod meter;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ringfence::clock::{Now, Tick};
use ringfence::config::world;
use ringfence::policy::identity::Identity;
use ringfence::policy::media::PeerMedia;
use ringfence::policy::number::{
    Collect, DialPlan, Dialling, ENTRIES_MAX, Listing, Lists, Number, NumberList, Sheet, World, read,
};
use ringfence::policy::peer::{Advertised, CalledFrom, Extensions, Methods};
use ringfence::policy::route::{Pattern, Route, RouteTarget};
use ringfence::policy::rules::{
    Allowlist, Blocklist, ConcurrentCalls, Countries, Entry, HighRisk, Hours, MaxDuration, NumberTypes, Rule,
    Rules,
};
use ringfence::policy::{
    Aim, Charge, Counters, Facts, Listener, Located, Numbers, Outcome, Pace, Peer, PeerId, PeerSide, Plan,
    Policy, Presets, Reservation, Site, SiteId, Sources, admit, screen, sources,
};
use ringfence::sip::{ConnectionId, Flow, Host, ListenerId, Method, PartyId, Transport};

const PBX: PeerId = PeerId(0);
const TRUNK: PeerId = PeerId(1);
static NOWHERE: Located = Located::new();
const EDGE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fn peer(
    id: PeerId,
    name: &str,
    side: PeerSide,
    address: [u8; 4],
    dialling: Option<Arc<Dialling>>,
) -> Option<Arc<Peer>> {
    let address = SocketAddr::from((address, 5060));
    Some(Arc::new(Peer {
        id,
        name: name.into(),
        side,
        site: Some(SiteId(0)),
        listener: ListenerId(0),
        sources: vec![address.ip().into()],
        targets: vec![Aim::Address(address)],
        transports: [Transport::Udp].into_iter().collect(),
        party: PartyId(id.0 + 1),
        calls_from_targets: false,
        request_host: None,
        dialling,
        callers: None,
        numbers: Numbers::default(),
        identity: Identity::default(),
        plain_signalling: true,
        plain_media: true,
        media: Arc::new(PeerMedia::of(Arc::from([address.ip().into()]))),
        methods: Methods::default(),
        redirects: ringfence::policy::peer::Onward::Refuse,
        transfers: ringfence::policy::peer::Onward::Refuse,
        extensions: Extensions::ALL,
        called_from: CalledFrom::RequestUri,
        pass_headers: Vec::new(),
        refusal: Presets::GENERIC,
        probe: None,
        concurrent_calls_max: 1_000,
        requests_per_second_max: 1_000_000,
        requests_burst_max: 1_000_000,
        try_timeout: Duration::from_secs(4),
        ring_max: Duration::from_secs(180),
        session_timers: ringfence::policy::peer::SessionTimers::default(),
        post_dial_max: Duration::from_secs(30),
        pace: Pace::default(),
        keep_alive: None,
        proof: None,
        demand: None,
        roaming: false,
        login: None,
        register: None,
    }))
}

/// 4,000 prefixes of two to eight digits, spread over the world as a blocklist's are.
fn prefixes() -> Vec<String> {
    let mut seed = 5_u64;
    let mut list: Vec<String> = (0..4_000)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let digits = usize::try_from(4 + (seed >> 33) % 5).unwrap_or(4);
            format!("+{:.digits$}", ((seed >> 20) % 90_000_000 + 10_000_000).to_string())
        })
        .filter(|prefix| !"+12125550100".starts_with(prefix))
        .collect();
    list.push("+8819".to_owned());
    list
}

/// The world's numbers, and a list of a million of them.
fn million(world: &World) -> NumberList {
    let mut collect = Collect::new(ringfence::clock::Wall::default());
    for number in 0..ENTRIES_MAX {
        // Scattered, as reports of fraud are.
        let number = number * 7_919 % 10_000_000;
        let entry = Listing::read(&format!("+3712{number:07}"), world).expect("a number of Latvia");
        assert!(collect.add(&entry, "reported", None).is_ok(), "a million fit");
    }
    collect.list()
}

/// Every rule about destinations: a million entries are blocked, a thousand let through, 200 countries allowed.
fn every_rule(world: &Arc<World>) -> Policy {
    let sheet = |list| Lists { sheets: vec![Sheet { name: "list".into(), list: Arc::new(list) }] };
    let prefixes = prefixes();
    let mut blocked =
        Blocklist::new(prefixes.iter().map(String::as_str), []).expect("every prefix is a number");
    blocked.lists = sheet(million(world));
    let mut open = Collect::new(ringfence::clock::Wall::default());
    for number in 0..1_000 {
        let entry = Listing::read(&format!("+4930{number:06}"), world).expect("a number of Berlin");
        assert!(open.add(&entry, "", None).is_ok(), "a thousand fit");
    }
    let letters =
        (b'A'..=b'Z').flat_map(|a| (b'A'..=b'Z').map(move |b| format!("{}{}", char::from(a), char::from(b))));
    let regions = letters.filter(|region| region != "DE").take(200).map(String::into_boxed_str).collect();
    let hours = Hours {
        zone_name: "America/New_York".into(),
        zone: jiff::tz::TimeZoneDatabase::bundled().get("America/New_York").expect("it is in the table"),
        open: Hours::week((0..7).map(|day| (day * 1440, day * 1440 + 1380))),
        written: vec!["mon-sun 00:00-23:00".into()],
        holidays: (1..29).map(|day| jiff::civil::date(2030, 2, day)).collect(),
        home: true,
    };
    let rules = vec![
        Rule::Blocklist(blocked),
        Rule::Allowlist(Allowlist { lists: sheet(open.list()) }),
        Rule::Countries(Countries { regions, prefixes: vec!["3712".into()] }),
        Rule::NumberTypes(NumberTypes::default()),
        Rule::HighRisk(HighRisk::default()),
        Rule::Hours(Box::new(hours)),
        Rule::ConcurrentCalls(ConcurrentCalls { calls_max: 900 }),
        Rule::MaxDuration(MaxDuration { duration_max: Duration::from_secs(3_600) }),
    ];
    let outbound = rules.into_iter().map(|rule| Entry::enforced("policy.outbound", rule)).collect();
    let plan = DialPlan { country_code: "1".into(), region: "US".into(), ..DialPlan::default() };
    let (name, path, world) = ("us".into(), "peers.pbx.dial_plan".into(), Arc::clone(world));
    built(outbound, Some(Arc::new(Dialling { name, path, plan: Arc::new(plan), world })))
}

fn policy() -> Policy {
    let prefixes = prefixes();
    let list = Blocklist::new(prefixes.iter().map(String::as_str), []).expect("every prefix is a number");
    let duration_max = Duration::from_secs(3_600);
    let outbound = vec![
        Entry::enforced("policy.outbound[0].blocklist", Rule::Blocklist(list)),
        Entry::enforced("policy.outbound[1]", Rule::ConcurrentCalls(ConcurrentCalls { calls_max: 900 })),
        Entry::enforced("policy.outbound[2]", Rule::MaxDuration(MaxDuration { duration_max })),
    ];
    built(outbound, None)
}

fn built(outbound: Vec<Entry>, dialling: Option<Arc<Dialling>>) -> Policy {
    let listener = Listener {
        id: ListenerId(0),
        name: "edge".into(),
        bind: SocketAddr::new(EDGE, 5060),
        advertised: Advertised::new("edge.example.net", 5060),
        transports: vec![Transport::Udp],
    };
    let route = Route {
        path: "routes[0] (out)".into(),
        direction: None,
        from: vec![PBX],
        called: vec![Pattern::Prefix("+".into())],
        caller: Vec::new(),
        to: vec![RouteTarget { peer: TRUNK, priority: 0, weight: 1 }],
    };
    let site = Site {
        id: SiteId(0),
        name: "office".into(),
        peers: vec![PBX, TRUNK],
        dids: vec!["+12125550199".into()],
        domains: Vec::new(),
        channels: 1_000,
    };
    let plan = Plan {
        generation: 1,
        listeners: vec![Some(listener)],
        peers: vec![
            peer(PBX, "pbx", PeerSide::Inside, [10, 0, 0, 5], dialling),
            peer(TRUNK, "trunk", PeerSide::Outside, [203, 0, 113, 1], None),
        ],
        sites: vec![site],
        routes: vec![route],
        rules: Rules { outbound, ..Rules::default() },
        sources: sources::Settings::default(),
        media: None,
        ..Plan::default()
    };
    Policy::build(plan).expect("the two peers have an address each")
}

fn facts(called: &str) -> Facts<'_> {
    Facts {
        now: at(100),
        peer: PBX,
        source: SocketAddr::from(([10, 0, 0, 5], 5060)),
        transport: Transport::Udp,
        method: &Method::Invite,
        holds_place: false,
        call_id: b"1-7@10.0.0.5",
        in_dialog: false,
        request_host: Some(Host::Address(EDGE)),
        replaces: false,
        caller: "201",
        caller_sent: "201",
        credential: None,
        owned: None,
        shows: false,
        forwarded: None,
        sent_on: None,
        again: 0,
        called,
        dialled: called,
        max_forwards: Some(70),
        via_count: 1,
        number: None,
        emergency: false,
        hidden: false,
        secure: false,
        keys: false,
        passed_before: false,
        draw: 0x9e37_79b9_7f4a_7c15,
        located: &NOWHERE,
        direction: None,
        target: None,
    }
}

fn at(seconds: u64) -> Now {
    Now { tick: Tick::from_micros(seconds * 1_000_000), ..Now::default() }
}

fn flow(remote: u32) -> Flow {
    let remote = SocketAddr::from((Ipv4Addr::from(remote), 5060));
    Flow { listener: ListenerId(0), transport: Transport::Udp, remote, connection: ConnectionId::NONE }
}

/// Octets that `work` allocated on this thread.
fn allocated(mut work: impl FnMut()) -> u64 {
    let counter = tikv_jemalloc_ctl::thread::allocatedp::read().expect("the allocator counts");
    let before = counter.get();
    work();
    counter.get() - before
}

fn judged(policy: &Policy, counters: &Counters, called: &str) -> bool {
    judged_as(policy, counters, called, None)
}

fn judged_as(policy: &Policy, counters: &Counters, called: &str, number: Option<&Number>) -> bool {
    let facts = Facts { number, ..facts(black_box(called)) };
    let screened = screen(policy, &facts);
    let verdict = admit(policy, counters, &facts);
    matches!((&screened.outcome, &verdict.outcome), (Outcome::Admit(_), Outcome::Admit(_)))
}

/// One call from its verdict to its end.
fn charged(policy: &Policy, counters: &mut Counters) -> bool {
    let verdict = admit(policy, counters, &facts("+12125550100"));
    let Outcome::Admit(candidates) = &verdict.outcome else { return false };
    let charges = (&verdict.charges[..], &verdict.tab);
    let held = policy.charge(counters, &facts("+12125550100"), charges);
    let gate =
        candidates.first().map(|candidate| policy.gate(counters, PBX, candidate, &Reservation::empty()));
    held.is_ok() && gate.is_some_and(|gate| gate.is_ok())
}

/// A bench refuses to time what breaks its promise.
fn hold_promises(policy: &Policy, counters: &mut Counters, sources: &mut Sources) {
    let free = |what: &str, bytes: u64| assert_eq!(bytes, 0, "{what} allocates");
    free("an admitted call", allocated(|| assert!(judged(policy, counters, "+12125550100"))));
    assert!(!judged(policy, counters, "+88191234567"), "the list blocks");
    free("charging and releasing", allocated(|| assert!(charged(policy, counters))));
    assert_eq!(counters.held(Charge::Call(PBX)), 0);
    let flood = allocated(|| {
        for remote in 0..1_000_000 {
            black_box(sources.screen(policy, at(1), &flow(0x2000_0000 + remote / 2)));
        }
    });
    free("a flood of 500,000 strangers", flood);
}

fn main() {
    let policy = policy();
    let mut counters = Counters::default();
    counters.follow(&policy);
    let fresh = || {
        let mut sources = Sources::new(&policy.sources, [9; 32]);
        sources.follow(&policy);
        sources
    };
    let world = world::built_in().expect("what is built in is whole");
    let every = every_rule(&world);
    let number = |called: &str| {
        let uri = format!("tel:{called}");
        read(uri.as_bytes(), &DialPlan::default(), &world).expect("a whole number").number
    };
    let (home, berlin, riga) = (number("+12125550100"), number("+4930000500"), number("+37127919000"));
    let mut every_counters = Counters::default();
    every_counters.follow(&every);
    let under_every =
        |called: &str, number: &Number| judged_as(&every, &every_counters, called, Some(number));
    for (called, number) in [("+12125550100", &home), ("+4930000500", &berlin)] {
        assert_eq!(allocated(|| assert!(under_every(called, number))), 0, "{called} allocates");
    }
    assert!(!under_every("+37127919000", &riga), "a million entries block");
    let (mut listed, mut flooded, mut one, mut banned) = (fresh(), fresh(), fresh(), fresh());
    let mut charging = Counters::default();
    charging.follow(&policy);
    hold_promises(&policy, &mut charging, &mut fresh());
    for _ in 0..100 {
        banned.screen(&policy, at(1), &flow(0x2000_0001));
    }
    let mut remote = 0_u32;
    let mut micros = 0_u64;
    meter::main(vec![
        meter::Bench::new("admit/screen and admit, 4,000 prefixes", |rounds| {
            (0..rounds).for_each(|_| assert!(judged(&policy, &counters, "+12125550100")));
        }),
        meter::Bench::new("admit/refused by blocklist", |rounds| {
            (0..rounds).for_each(|_| assert!(!judged(&policy, &counters, "+88191234567")));
        }),
        meter::Bench::new("admit/every rule, a million entries", |rounds| {
            (0..rounds).for_each(|_| assert!(under_every("+12125550100", &home)));
        }),
        meter::Bench::new("admit/every rule, let through by a list", |rounds| {
            (0..rounds).for_each(|_| assert!(under_every("+4930000500", &berlin)));
        }),
        meter::Bench::new("admit/every rule, refused by a million", |rounds| {
            (0..rounds).for_each(|_| assert!(!under_every("+37127919000", &riga)));
        }),
        meter::Bench::new("admit/admit, charge and release", |rounds| {
            (0..rounds).for_each(|_| assert!(charged(&policy, &mut charging)));
        }),
        meter::Bench::new("sources/listed peer", |rounds| {
            (0..rounds).for_each(|_| {
                black_box(listed.screen(&policy, at(1), &flow(0x0a00_0005)));
            });
        }),
        meter::Bench::new("sources/banned stranger", |rounds| {
            (0..rounds).for_each(|_| {
                black_box(banned.screen(&policy, at(2), &flow(0x2000_0001)));
            });
        }),
        meter::Bench::new("sources/one stranger, slowly", |rounds| {
            for _ in 0..rounds {
                micros += 4_000_000;
                let now = Now { tick: Tick::from_micros(micros), ..Now::default() };
                black_box(one.screen(&policy, now, &flow(0x2000_0002)));
            }
        }),
        meter::Bench::new("sources/flood, each source new", |rounds| {
            for _ in 0..rounds {
                remote = remote.wrapping_add(1);
                black_box(flooded.screen(&policy, at(1), &flow(0x2000_0000 | remote & 0x0fff_ffff)));
            }
        }),
    ]);
}
