//! A pair whose packets take another road counts anew under the new class, and what the former road
//! carried stays as it was.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::Duration;

use xtask::lab::topology::VXLAN;
use xtask::lab::{Node, Scenario};
use xtask::traffic::{Calls, Place, Servers};

use super::agent::Agent;
use super::bench::{agents_on, lab, options, run, silence, turn};
use super::output::Sweep;

const PORT: u16 = 8_080;
const ROUNDS: u64 = 50;
/// Delayed acknowledgements are out by then (Linux: `TCP_DELACK_MAX`, 200 ms).
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn counts_begin_anew_with_a_new_class_and_go_on_when_it_comes_back() {
    let test = "class_changes::counts_begin_anew_with_a_new_class_and_go_on_when_it_comes_back";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "class"));
    silence(&lab);
    let [one, other] = [&lab.nodes()[0], &lab.nodes()[1]];
    let ends = [one.pods[0].address, other.pods[0].address];
    let _servers = Servers::serve(&[(Place::from(&other.pods[0]), PORT)]).expect("servers");
    let target = SocketAddrV4::new(ends[1], PORT);
    let mut calls = Calls::new(Place::from(&one.pods[0]), target);
    let agents = agents_on([one].into_iter(), &[]);
    calls.open(1).expect("a connection");
    let mut talk = || {
        calls.exchange(ROUNDS).expect("exchanges");
        thread::sleep(QUIET);
        counted(&agents[0], ends)
    };
    let first = talk();
    assert_eq!(first.classes(), ["vxlan-vmnet"]);
    route(one, other, Road::Wire);
    route(other, one, Road::Wire);
    let second = talk();
    assert_eq!(second.classes(), ["lan-direct", "vxlan-vmnet"]);
    assert_eq!(second.of("vxlan-vmnet"), first.of("vxlan-vmnet"));
    assert!(
        (ROUNDS..3 * ROUNDS).contains(&second.of("lan-direct")),
        "{second:?}"
    );
    let third = talk();
    assert!(
        third.of("lan-direct") >= second.of("lan-direct") + ROUNDS,
        "{third:?}"
    );
    route(one, other, Road::Vxlan);
    route(other, one, Road::Vxlan);
    let last = talk();
    assert_eq!(last.classes(), ["vxlan-vmnet", "lan-direct"]);
    assert_eq!(last.of("lan-direct"), third.of("lan-direct"));
    assert!(
        last.of("vxlan-vmnet") >= first.of("vxlan-vmnet") + ROUNDS,
        "{last:?}"
    );
}

/// (class, packets) of one direction, the present class first.
#[derive(Debug)]
struct Counted(Vec<(String, u64)>);

impl Counted {
    fn classes(&self) -> Vec<&str> {
        self.0.iter().map(|(class, _)| class.as_str()).collect()
    }

    fn of(&self, class: &str) -> u64 {
        let found = self.0.iter().find(|(known, _)| known == class);
        found.map_or(0, |(_, packets)| *packets)
    }
}

fn counted(agent: &Agent, [from, to]: [Ipv4Addr; 2]) -> Counted {
    let sweep: Sweep = agent.next_sweep();
    let ends = [Some(from.into()), Some(to.into())];
    let lines = sweep
        .paths
        .iter()
        .filter(|path| [path.source.address, path.destination.address] == ends);
    let lines: Vec<_> = lines.collect();
    for (position, path) in lines.iter().enumerate() {
        assert_eq!(path.present, position == 0, "{lines:#?}");
    }
    let counts = lines
        .iter()
        .map(|path| (path.class.clone().unwrap_or_default(), path.packets));
    Counted(counts.collect())
}

/// What carries packets between two nodes.
#[derive(Clone, Copy)]
enum Road {
    Wire,
    Vxlan,
}

/// Leads the pods of `to` over a road.
fn route(from: &Node, to: &Node, road: Road) {
    let (cidr, vtep) = (to.pod_cidr(), to.vtep.to_string());
    let (network, line) = (
        to.pod_network.to_string(),
        ["ip", "route", "replace", &cidr],
    );
    match road {
        Road::Wire => run(
            &from.netns,
            &[&line[..], &["via", &vtep, "dev", "lima0"]].concat(),
        ),
        Road::Vxlan => {
            let way = ["via", &network, "dev", VXLAN, "onlink"];
            run(&from.netns, &[&line[..], &way].concat());
        }
    }
}
