//! One seed, one play: which flows, in which weather, and whether they ended as they must.
//!
//! Owns the casting and the judgement at the end. Refuses to know how the engine decides.

use std::collections::BTreeSet;

use ringfence::admin::ladder::Ladder;
use ringfence::call::CallRecord;
use ringfence::call::record::{Disposition, EndedBy};
use ringfence::call::visits::Visits;
use ringfence::engine::Input;
use ringfence::sip::Transport;

use super::agent::plan::{Act, On, when};
use super::agent::{Agent, Dialog};
use super::attacker::Attacker;
use super::dice::Dice;
use super::edge::{Edge, now};
use super::flow::{Deed, Flow, Way};
use super::flows;
use super::policy::{PEERS, Shape, address, loads, resolved, yaml};
use super::wire::{Micros, Weather};
use super::world::{Placement, World};

/// How a play ended.
pub struct Outcome {
    /// The flows played.
    pub names: Vec<&'static str>,
    /// What was wrong; empty is well.
    pub faults: Vec<String>,
    pub ladder: Ladder,
    pub steps: u64,
    /// Which events met which phases of the edge's calls.
    pub visits: Visits,
}

/// The seed's own flows in a storm.
pub fn storm(seed: u64) -> Outcome {
    let mut dice = Dice::new(seed, 1);
    let all = flows::all();
    let Some(first) = dice.pick(&all).cloned() else { panic!("no flows") };
    let mut cast = vec![first];
    if !cast.iter().any(|flow| flow.alone) {
        for _ in 0..dice.below(4) {
            cast.extend(dice.pick(&all).filter(|flow| !flow.alone).cloned());
        }
    }
    // Whoever plays the first flow has the policy.
    if let Some(first) = cast.first_mut() {
        first.shape.anchored = Dice::new(seed, 6).percent(50);
    }
    play(&cast, Weather::STORM, seed, is_attacked(seed))
}

/// Flows by their names under a seed: what once failed fails again, whatever flows are added to the table.
pub fn again(seed: u64, names: &[&str]) -> Outcome {
    let all = flows::all();
    let find = |name: &&str| all.iter().find(|flow| flow.name == *name).cloned();
    let mut cast: Vec<Flow> = names.iter().filter_map(find).collect();
    assert_eq!(cast.len(), names.len(), "a flow of {names:?} is not in the table");
    let outcome = play(&cast, Weather::STORM, seed, is_attacked(seed));
    if !outcome.faults.is_empty() {
        return outcome;
    }
    if let Some(first) = cast.first_mut() {
        first.shape.anchored = true;
    }
    play(&cast, Weather::STORM, seed, is_attacked(seed))
}

fn is_attacked(seed: u64) -> bool {
    Dice::new(seed, 5).percent(60)
}

/// One flow on a calm wire.
pub fn calm(flow: &Flow) -> Outcome {
    play(std::slice::from_ref(flow), Weather::CALM, 1, false)
}

/// Plays flows together.
pub fn play(cast: &[Flow], weather: Weather, seed: u64, attacked: bool) -> Outcome {
    let mut dice = Dice::new(seed, 2);
    let shape = cast.first().map(|flow| flow.shape).unwrap_or_default();
    let text = yaml(&shape);
    let lesser = yaml(&Shape { second: false, ..shape });
    let unregistered = yaml(&Shape { register: "", ..shape });
    let mut loaded = loads(&[&text, &text, &lesser, &unregistered]);
    let (settings, policy) = loaded.remove(0);
    let transport = if shape.transport == "tcp" { Transport::Tcp } else { Transport::Udp };
    let led = resolved(&policy);
    let mut edge = Edge::new(settings, policy, dice.bytes32());
    if let Some((party, resolution)) = led {
        edge.input(0, Input::Resolved { party, resolution });
    }
    let mut world = World::new(edge, transport, weather, seed);
    for (name, (_, policy)) in ["again", "without second", "unregistered"].into_iter().zip(loaded) {
        world.policies.insert(name, policy);
    }
    if attacked {
        world.attack(Attacker::new(seed, shape.named));
    }
    world.ledger.roams = shape.roams;
    let calm = weather.loss_percent == 0;
    let mut begins: Micros = 0;
    for (index, flow) in cast.iter().enumerate() {
        cast_flow(&mut world, &mut dice, index, flow, begins, calm);
        begins += dice.below(2_000_000);
    }
    world.play();
    let mut faults = std::mem::take(&mut world.ledger.violations);
    for (index, flow) in cast.iter().enumerate() {
        judge(&world, index, flow, calm, &mut faults);
        if flow.registrars.iter().any(Option::is_some) {
            judge_bindings(&world, flow, calm, &mut faults);
        }
    }
    judge_agents(&world, cast, &mut faults);
    for line in verdict(&world) {
        world.ladder.verdict(line);
    }
    let names = cast.iter().map(|flow| flow.name).collect();
    let visits = world.edge.visits().clone();
    Outcome { names, faults, ladder: world.ladder, steps: world.steps, visits }
}

/// Gives a flow its endpoints, numbers and times.
fn cast_flow(world: &mut World, dice: &mut Dice, index: usize, flow: &Flow, begins: Micros, calm: bool) {
    let outbound = match flow.way {
        Way::Outbound => true,
        Way::Inbound => false,
        Way::Either => calm || dice.percent(60),
    };
    let (caller, first, second) = if outbound { (0, 2, 3) } else { (2, 0, 1) };
    let prefix = match (flow.number, outbound) {
        ("", true) => "+1212555",
        ("", false) => "+4930555",
        (number, _) => number,
    };
    for copy in 0..flow.calls {
        let number = format!("{prefix}{:04}", index * 10 + copy);
        let refers = flow.third.as_ref().map(|third| {
            let number = format!("+1212777{:04}", index * 10 + copy);
            for trunk in world.agents.iter_mut().skip(2) {
                trunk.expected.push((number.clone(), index, third.clone()));
            }
            number
        });
        for (agent, plan) in [(first, &flow.callee), (second, &flow.second)] {
            let mut plan = plan.clone();
            // A phone does not ring for ever, should the wire have lost whatever would end it.
            plan.rules.push(when(On::Start, 400_000, Act::StopRinging));
            plan.refers.clone_from(&refers);
            if let Some(agent) = world.agents.get_mut(agent) {
                agent.expected.push((number.clone(), index, plan));
            }
        }
        let caller_number = format!("+4930555{:04}", 9_000 + index);
        let mut plan = flow.caller.clone();
        plan.refers = refers;
        let placement = Placement { agent: caller, flow: index, caller: caller_number, number, plan };
        world.place(begins + copy as u64 * flow.apart, placement);
    }
    for (after, deed) in &flow.deeds {
        world.deed(begins + after, *deed);
    }
    for (agent, registrar) in world.agents.iter_mut().skip(2).zip(flow.registrars) {
        agent.registrar = agent.registrar.or(registrar);
    }
    if flow.unreachable.is_some() {
        let refusing = PEERS.get(first).map(|(_, at, _)| address(at));
        world.unreachable.extend(refusing);
    }
}

/// So many copies of an answer must have been lost before nobody is to blame.
const COPIES_LOST_MIN: usize = 3;

/// Whether a flow ended as it must.
fn judge(world: &World, index: usize, flow: &Flow, calm: bool, faults: &mut Vec<String>) {
    let dialogs =
        || world.agents.iter().flat_map(|agent| &agent.dialogs).filter(|dialog| dialog.flow == index);
    for dialog in dialogs().filter(|dialog| dialog.caller && !dialog.vanished && !dialog.fork) {
        let heard: Vec<u16> = dialog.finals.iter().map(|(status, _)| *status).collect();
        let fits = match heard.as_slice() {
            [] => flow.finals.is_empty() || !calm && ended_by_stop_unheard(world, flow, dialog),
            [status] if calm && flow.calls == 1 => flow.finals.first() == Some(status),
            // Four INVITEs lost one after another: the target counts as silent, and there may be no other one.
            [480] if !calm && world.alerts.iter().any(|alert| alert.code.number == 32011) => true,
            [480] if !calm && began_without_second(world, flow, dialog) => true,
            [status] => flow.finals.contains(status),
            _ => false,
        };
        if !fits {
            faults.push(format!("{}: the caller heard {heard:?}, expected of {:?}", flow.name, flow.finals));
        }
        if let (Some(record), [status]) = (record_of(world, dialog), heard.as_slice()) {
            let answered = record.disposition == Disposition::Answered;
            if record.status != *status || answered != (*status == 200) {
                let (disposition, written) = (record.disposition, record.status);
                faults.push(format!(
                    "{}: heard {status}, the record says {written} {disposition:?}",
                    flow.name
                ));
            }
        }
    }
    if !calm {
        return;
    }
    let wanted: BTreeSet<u32> = flow.alerts.iter().copied().collect();
    let raised: BTreeSet<u32> = world.alerts.iter().map(|alert| alert.code.number).collect();
    if wanted != raised {
        faults.push(format!("{}: alerts {raised:?} were raised, expected {wanted:?}", flow.name));
    }
    for line in &flow.diary {
        if !dialogs().any(|dialog| dialog.diary.iter().any(|entry| entry == line)) {
            let diaries: Vec<_> = dialogs().map(|dialog| dialog.diary.clone()).collect();
            faults.push(format!("{}: nobody's diary says {line:?}: {diaries:?}", flow.name));
        }
    }
}

/// Whether the trunks hold of the edge what they must.
fn judge_bindings(world: &World, flow: &Flow, calm: bool, faults: &mut Vec<String>) {
    let alerted = world.alerts.iter().any(|alert| alert.code.number == 39209);
    for (agent, wanted) in world.agents.iter().skip(2).zip(flow.bound) {
        let fault = agent.binding_fault(world.at, wanted, calm, alerted);
        faults.extend(fault.map(|fault| format!("{}: {fault}", flow.name)));
    }
}

/// The record of the call that a dialog is the caller's leg of.
fn record_of<'a>(world: &'a World, dialog: &Dialog) -> Option<&'a CallRecord> {
    let named = |record: &&CallRecord| {
        record.follows.is_none() && record.legs.first().is_some_and(|leg| leg.call_id == dialog.call_id)
    };
    world.records.iter().rfind(named)
}

/// The wire kept the INVITE back until a reload had taken the second target away: then there is only the first.
fn began_without_second(world: &World, flow: &Flow, dialog: &Dialog) -> bool {
    let reloaded = flow.deeds.iter().filter(|(_, deed)| *deed == Deed::ReloadWithoutSecond);
    let began = record_of(world, dialog).map(|record| record.began);
    reloaded.into_iter().any(|(at, _)| began.is_some_and(|began| began >= now(*at).wall))
}

/// Every copy of the 200 was lost before a stop, after which nothing is repeated; BYE told the caller.
fn ended_by_stop_unheard(world: &World, flow: &Flow, dialog: &Dialog) -> bool {
    let stopped = flow.deeds.iter().any(|(_, deed)| *deed == Deed::Stop);
    let told = dialog.caller && dialog.diary.iter().any(|entry| entry == "BYE");
    let by_edge = |record: &CallRecord| record.status == 200 && record.ended_by == EndedBy::Edge;
    stopped && told && record_of(world, dialog).is_some_and(by_edge)
}

fn judge_agents(world: &World, cast: &[Flow], faults: &mut Vec<String>) {
    // It was answered and answered again, and the wire lost all of it.
    let lost = |text: &str| {
        world.unheard.iter().any(|((call_id, request), copies)| {
            *copies >= COPIES_LOST_MIN
                && text.ends_with(&format!("no final response to {request} of {call_id}"))
        })
    };
    for agent in &world.agents {
        let tolerated =
            |text: &str| cast.iter().any(|flow| flow.tolerated.iter().any(|known| text.contains(known)));
        faults.extend(
            agent
                .complaints
                .iter()
                .filter(|text| !tolerated(text) && !lost(text))
                .map(|text| format!("complaint of {text}")),
        );
        for (dialog, request) in agent.unanswered() {
            if cast.get(dialog.flow).is_some_and(|flow| ended_by_stop_unheard(world, flow, dialog)) {
                continue;
            }
            faults.push(format!("{} never had a final response to {request}", agent.name));
        }
        if !agent.is_quiet() {
            faults.push(format!("{} still believes in a call: {}", agent.name, beliefs(agent)));
        }
    }
}

fn beliefs(agent: &Agent) -> String {
    let lines = agent
        .dialogs
        .iter()
        .map(|dialog| format!("{:?} caller={} {:?}", dialog.stage, dialog.caller, dialog.diary));
    lines.collect::<Vec<_>>().join("; ")
}

/// What the edge wrote down, below the ladder.
fn verdict(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for record in &world.records {
        let legs: Vec<String> = record
            .legs
            .iter()
            .map(|leg| match leg.status {
                Some(status) => format!("{} {status}", leg.peer),
                None => format!("{} -", leg.peer),
            })
            .collect();
        lines.push(format!(
            "record: {:?}, {} by {:?}: {}; legs {}",
            record.disposition,
            record.status,
            record.ended_by,
            record.why,
            legs.join(" > ")
        ));
    }
    for alert in &world.alerts {
        lines.push(format!("alert: {} {} {}", alert.code.number, alert.code.name, alert.text));
    }
    if let Some(cut) = world.drained {
        lines.push(format!("drained: {cut} cut"));
    }
    lines
}
