//! What tailscaled sends over the pods' network, to a pod that runs it too, is nobody's path: also of a
//! node whose route came after its first message.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use xtask::lab::{Node, Pod, Scenario, netns};

use super::bench::{agents_on, lab, options, run, silence, turn};
use super::output::Sweep;

const MESSAGES: usize = 20;
const PORT: u16 = 40_077;

#[test]
fn discovery_from_a_node_that_joins_late_is_no_path_once_its_route_is_there() {
    let test =
        "node_addresses::discovery_from_a_node_that_joins_late_is_no_path_once_its_route_is_there";
    let Some(_turn) = turn(test) else { return };
    let lab = lab(options(Scenario::H2, "late"));
    silence(&lab);
    let [own, late] = [0, 1].map(|node: usize| &lab.nodes()[node]);
    let pod = &own.pods[0];
    let (cidr, gateway) = (late.pod_cidr(), late.pod_network.to_string());
    run(&own.netns, &["ip", "route", "del", &cidr]);
    let agents = agents_on([own].into_iter(), &[]);
    let [agent] = &agents[..] else {
        panic!("one agent");
    };
    ask(late, pod);
    agent.await_sweep(
        "a pair, while nothing says that an end is a node's",
        |sweep| packets(sweep, late, pod).is_some_and(|packets| packets > 0),
    );

    let road = ["via", &gateway, "dev", "flannel.1", "onlink"];
    run(
        &own.netns,
        &[&["ip", "route", "add", cidr.as_str()][..], &road].concat(),
    );
    agent.next_sweep();
    let before = agent.next_sweep();
    ask(late, pod);
    let after = agent.next_sweep();
    let more = at_the_port(&after) - at_the_port(&before);
    assert_eq!(more, MESSAGES as u64, "of the node's own");
    let counted = packets(&after, late, pod).unwrap_or(0);
    let base = packets(&before, late, pod).unwrap_or(0);
    assert!(counted <= base, "{counted} packets, {base} before");
    for agent in agents {
        agent.end();
    }
}

/// Discovery messages, from the node's address in the pods' network.
fn ask(from: &Node, to: &Pod) {
    let mut message = [0x5a; 62];
    message[..6].copy_from_slice(&[0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac]);
    // Who listens there sends no ICMP errors, which would be the node's own too.
    let listener = netns::within(&to.netns, || UdpSocket::bind((to.address, PORT)));
    let _listener = listener.expect("namespace").expect("socket");
    let sent = netns::within(&from.netns, || {
        let socket = UdpSocket::bind((from.pod_network, PORT))?;
        for _ in 0..MESSAGES {
            socket.send_to(&message, (to.address, PORT))?;
            thread::sleep(Duration::from_millis(5));
        }
        Ok::<_, std::io::Error>(())
    });
    sent.expect("namespace").expect("messages");
}

/// The node's own packets on their way into the pod.
fn at_the_port(sweep: &Sweep) -> u64 {
    let host = sweep.paths.iter();
    let host = host.filter(|path| path.class.as_deref() == Some("host"));
    let counted = host.filter_map(|path| path.points.get("pod"));
    counted.map(|counted| counted.packets).sum()
}

fn packets(sweep: &Sweep, from: &Node, to: &Pod) -> Option<u64> {
    let path = sweep.path(from.pod_network, to.address)?;
    Some(path.packets)
}
