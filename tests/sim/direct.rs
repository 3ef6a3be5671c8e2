//! Two endpoints on one wire with no edge between them: the endpoints themselves must be sound before they may
//! complain about anybody.
//!
//! Owns a small loop. Refuses to know the engine.

use ringfence::sip::Transport;

use super::agent::{Agent, Alarm};
use super::dice::Dice;
use super::flow::Flow;
use super::policy::{PEERS, address};
use super::wire::{Agenda, Micros, Packet, Weather};

enum Event {
    Packet(Packet),
    Alarm(usize, Alarm),
}

/// Plays one flow between two endpoints; returns what was wrong.
pub fn play(flow: &Flow, weather: Weather, seed: u64) -> Vec<String> {
    let (_, caller, _) = PEERS[0];
    let (_, callee, _) = PEERS[2];
    let mut agents = [
        Agent::new("pbx", address(caller), address(callee), Transport::Udp, seed),
        Agent::new("trunk", address(callee), address(caller), Transport::Udp, seed),
    ];
    let mut dice = Dice::new(seed, 3);
    let mut agenda: Agenda<Event> = Agenda::default();
    {
        let [caller, callee] = &mut agents;
        callee.expected.push(("+12125550000".to_owned(), 0, flow.callee.clone()));
        caller.call(0, 0, "+49305550000", "+12125550000", flow.caller.clone());
    }
    let mut at: Micros = 0;
    loop {
        for (index, agent) in agents.iter_mut().enumerate() {
            for (due, alarm) in std::mem::take(&mut agent.alarms) {
                agenda.note(due, Event::Alarm(index, alarm));
            }
            for packet in std::mem::take(&mut agent.out) {
                for delay in weather.arrivals(&mut dice) {
                    agenda.note(at + delay, Event::Packet(packet.clone()));
                }
            }
        }
        let Some((due, event)) = agenda.take() else { break };
        at = due;
        match event {
            Event::Packet(packet) => {
                for agent in agents.iter_mut().filter(|agent| agent.address == packet.to) {
                    agent.receive(at, &packet);
                }
            }
            Event::Alarm(index, alarm) => {
                if let Some(agent) = agents.get_mut(index) {
                    agent.alarm(at, alarm);
                }
            }
        }
    }
    let mut faults = Vec::new();
    for agent in &agents {
        faults.extend(
            agent
                .complaints
                .iter()
                .filter(|text| !flow.tolerated.iter().any(|known| text.contains(known)))
                .cloned(),
        );
        if !agent.is_quiet() {
            faults.push(format!("{} is not quiet: {:?}", agent.name, agent.dialogs));
        }
        for dialog in agent.dialogs.iter().filter(|dialog| dialog.caller && !dialog.vanished && !dialog.fork)
        {
            let fits = dialog.finals.iter().all(|(status, _)| flow.finals.contains(status));
            if !fits || dialog.finals.is_empty() {
                faults.push(format!("heard {:?}", dialog.finals));
            }
        }
    }
    faults
}
