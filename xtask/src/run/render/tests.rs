//! The outcome as text, letter by letter.

use super::*;
use crate::reports::{Evidence, Finding, Fix, Fragments, Mtu, RoundTrips, Subject};
use crate::run::outcome::{
    BackendOutcome, Comparison, PairOutcome, PodEnd, ServicesOutcome, Timing,
};

#[test]
fn two_labs_stand_side_by_side_with_finding_fix_and_difference_below() {
    let comparison = Comparison {
        conclusion: "S1 costs 4.1 times the round trip of H2.".to_owned(),
        ..Comparison::default()
    };
    let outcome = Outcome {
        labs: vec![sick(), healthy(), with_services()],
        comparison: Some(comparison),
        seconds: Timing {
            first_class: Some(3.25),
            total: 21.4,
            ..Timing::default()
        },
        ..Outcome::default()
    };
    let expected = "
S1  pods over the Tailscale tunnel, though the nodes share a LAN
H2  pods over the virtual machines' own network: healthy

                                S1                      H2
from pod                        n1-a 10.42.1.5          n1-a 10.42.3.5
to pod                          n2-a 10.42.2.7          n2-a 10.42.4.7
class                           vxlan-tailscale         vxlan-vmnet
stack, outer first              wireguard>vxlan         vxlan
MTU, narrowest device           1230 bytes, tailscale0  1450 bytes, lima0

round trip in ms, median / p99
  at the pod                    0.412 / 0.980           0.100 / 0.200
  at the bridge, cni0           -                       -
  at the overlay, flannel.1     -                       -
  at the tunnel, tailscale0     0.400 / 0.970           -
  at the wire                   -                       0.090 / 0.190
  as TCP itself says            0.420 / 1.00            0.110 / 0.210
  ping                          -                       -
  UDP echo                      -                       -

TCP requests per second         2345                    9876
TCP transfer                    800 Mbit/s              9.60 Gbit/s
packets there                   12,345                  98,765
pings and datagrams lost        1 of 180                0 of 180
fragments                       4 VXLAN                 none
finding                         double_encapsulation    none: healthy
(-: the packet does not pass there, or is encrypted there)

F1 in S1: double_encapsulation between s1-n1 and 100.64.0.2, confidence 0.90
    seen  12 packets entered the tunnel as VXLAN
    fix   flannel-iface-lan: on every node set `flannel-iface: eth0` in /etc/rancher/k3s/config.yaml
          and restart k3s, then recreate the pods
    but   pod traffic is no longer encrypted on the LAN

S1 costs 4.1 times the round trip of H2.

H2C  one pod asks Services, whose addresses its node turns into those of other pods

from            Service         to              class        requests  packets  by TCP
n1-a 10.42.5.5  10.43.7.9:80    n2-a 10.42.6.7  vxlan-vmnet     1,000    1,003   1,003
n1-a 10.42.5.5  10.43.88.99:80  n2-b 10.42.6.9  not known          40        0      41
(requests: as the pod's server counts them; packets: sent to that pod, as the observer counts them
at the sender; by TCP: as the sender's own sockets do)

One of them is not known.

A lab of network namespaces on this machine, with WireGuard in user space: stacks, causes and fixes
are those of real nodes, milliseconds and rates are not. Everything is removed again (first class
known after 3.2 s, 21 s in all).
";
    assert_eq!(render(&outcome), expected);
}

#[test]
fn one_lab_is_a_row_per_pair_that_names_its_finding() {
    let mut lab = sick();
    let mut back = lab.pairs[0].clone();
    (back.from, back.to) = (back.to, back.from);
    (back.from.role, back.to.role) = ("far", "mixed");
    (back.mtu, back.findings) = (None, Vec::new());
    lab.pairs.push(back.clone());
    for end in [&mut back.from, &mut back.to] {
        end.address = "2001:cafe:42:1::7".to_owned();
    }
    lab.pairs.push(back);
    lab.findings.clear();
    let expected = "\
S1  pods over the Tailscale tunnel, though the nodes share a LAN

from           to               class            stack             MTU  packets  pod ms  wire  ping    transfer
n1-a           n2-a             vxlan-tailscale  wireguard>vxlan  1230   12,345   0.412     -     -  800 Mbit/s  F1
n2-a far       n1-a mixed       vxlan-tailscale  wireguard>vxlan     -   12,345   0.412     -     -  800 Mbit/s
n2-a far ipv6  n1-a mixed ipv6  vxlan-tailscale  wireguard>vxlan     -   12,345   0.412     -     -  800 Mbit/s
(pod, wire, ping: median round trip in ms; -: does not pass or is encrypted)
";
    assert_eq!(pairs::render(&lab), expected);
}

fn sick() -> LabOutcome {
    let finding = Finding {
        cause: "double_encapsulation".to_owned(),
        subject: Subject {
            nodes: vec!["s1-n1".to_owned(), "100.64.0.2".to_owned()],
        },
        confidence: 0.9,
        evidence: vec![Evidence {
            id: "stack_observed".to_owned(),
            text: "12 packets entered the tunnel as VXLAN".to_owned(),
        }],
        fix: Fix {
            id: "flannel-iface-lan".to_owned(),
            text: "on every node set `flannel-iface: eth0` in /etc/rancher/k3s/config.yaml and \
                   restart k3s, then recreate the pods"
                .to_owned(),
            side_effects: vec!["pod traffic is no longer encrypted on the LAN".to_owned()],
        },
    };
    let pair = PairOutcome {
        mtu: Some(mtu(1230, "tailscale0")),
        rtt_ms: RoundTrips {
            pod: Some(rtt(0.412, 0.98)),
            tunnel: Some(rtt(0.4, 0.97)),
            ..RoundTrips::default()
        },
        tcp_info_rtt_ms: rtt(0.42, 1.0),
        requests_per_second: 2345.4,
        bits_per_second: 0.8e9,
        packets: 12_345,
        ping_lost: 1,
        fragments: Fragments {
            vxlan: 4,
            ..Fragments::default()
        },
        findings: vec![0],
        ..pair(
            ["10.42.1.5", "10.42.2.7"],
            "vxlan-tailscale",
            "wireguard>vxlan",
        )
    };
    LabOutcome {
        scenario: "s1",
        pairs: vec![pair],
        findings: vec![finding],
        ..LabOutcome::default()
    }
}

fn healthy() -> LabOutcome {
    let pair = PairOutcome {
        mtu: Some(mtu(1450, "lima0")),
        rtt_ms: RoundTrips {
            pod: Some(rtt(0.1, 0.2)),
            underlay: Some(rtt(0.09, 0.19)),
            ..RoundTrips::default()
        },
        tcp_info_rtt_ms: rtt(0.11, 0.21),
        requests_per_second: 9876.0,
        bits_per_second: 9.6e9,
        packets: 98_765,
        ..pair(["10.42.3.5", "10.42.4.7"], "vxlan-vmnet", "vxlan")
    };
    LabOutcome {
        scenario: "h2",
        pairs: vec![pair],
        ..LabOutcome::default()
    }
}

/// Two pods behind two Services, one of them without a path.
fn with_services() -> LabOutcome {
    let end = |pod: &str, address: &str| PodEnd {
        pod: pod.to_owned(),
        address: address.to_owned(),
        ..PodEnd::default()
    };
    let known = BackendOutcome {
        from: end("n1-a", "10.42.5.5"),
        service: "10.43.7.9:80".to_owned(),
        to: end("n2-a", "10.42.6.7"),
        class: Some("vxlan-vmnet".to_owned()),
        requests_at_server: 1_000,
        packets: 1_003,
        tcp_segments: 1_003,
        ..BackendOutcome::default()
    };
    let unknown = BackendOutcome {
        service: "10.43.88.99:80".to_owned(),
        to: end("n2-b", "10.42.6.9"),
        class: None,
        requests_at_server: 40,
        packets: 0,
        tcp_segments: 41,
        ..known.clone()
    };
    LabOutcome {
        scenario: "h2c",
        services: Some(ServicesOutcome {
            backends: vec![known, unknown],
            conclusion: "One of them is not known.".to_owned(),
            ..ServicesOutcome::default()
        }),
        ..LabOutcome::default()
    }
}

/// A pair that lost nothing and measured nothing.
fn pair(addresses: [&str; 2], class: &str, stack: &str) -> PairOutcome {
    let [from, to] = [("n1", addresses[0]), ("n2", addresses[1])].map(|(node, address)| PodEnd {
        pod: format!("{node}-a"),
        node: node.to_owned(),
        role: "member",
        address: address.to_owned(),
    });
    PairOutcome {
        from,
        to,
        class: Some(class.to_owned()),
        encap: Some(stack.to_owned()),
        ping_sent: 90,
        udp_sent: 90,
        ..PairOutcome::default()
    }
}

fn mtu(effective: u32, bottleneck: &str) -> Mtu {
    Mtu {
        effective,
        bottleneck: bottleneck.to_owned(),
    }
}

fn rtt(p50: f64, p99: f64) -> Quantiles {
    Quantiles { count: 9, p50, p99 }
}
