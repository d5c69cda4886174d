//! S4a from the sender's side: the node of the far pods announces an MTU that is smaller than all devices
//! of this node on the way. What it dropped, its own kernel alone counts.
//!
//! Never: which device it was. The error names its sender and a number, and nothing else.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::told::Told;
use super::{ENOUGH, slowest};
use crate::diagnosis::{Cause, Evidence, Finding, Fix, Subject};
use crate::path::{Announced, Device, PathReport};

/// What the rule looks at for one other node.
#[derive(Clone, Copy, Debug)]
pub struct AnnouncedFacts<'a> {
    /// This node.
    pub node: &'a str,
    /// The other one: its VTEP, else the next hop to it.
    pub peer: IpAddr,
    /// The addresses that announced and lie behind the same next hop as the pods of `paths`.
    pub routers: &'a BTreeSet<IpAddr>,
    /// Paths from pods of this node to pods of the other one.
    pub paths: &'a [&'a PathReport],
    /// The pod bridge of this node: the other one's bears the same name.
    pub bridge: Option<&'a Device>,
}

/// Finds that the far pods' own node takes less than the way to it does, as it has told the senders.
#[must_use]
pub fn stale_mtu_elsewhere(facts: &AnnouncedFacts<'_>) -> Option<Finding> {
    let bridge = &facts.bridge?.name;
    let mut told = Told::default();
    let mut cost = 0;
    // What every device here takes on the way, and the one that takes least.
    let mut ladder: Option<&(u32, String)> = None;
    for path in facts.paths {
        let (Some(found), Some(own)) = (&path.oversize, &path.mtu) else {
            continue;
        };
        let is_theirs = |(announced, mtu): &(&Announced, u32)| {
            facts.routers.contains(&announced.from) && *mtu < own.0
        };
        let mut theirs = found.told().filter(is_theirs).peekable();
        if theirs.peek().is_some() {
            told.add(path, theirs);
            cost = cost.max(slowest(path));
            ladder = [ladder, Some(own)].into_iter().flatten().min();
        }
    }
    let (whole, narrowest) = ladder?;
    if told.packets < ENOUGH {
        return None;
    }
    let (announced, peer) = (told.mtus.first()?, facts.peer);
    Some(Finding {
        cause: Cause::StaleMtu,
        subject: Subject {
            nodes: vec![facts.node.to_owned(), peer.to_string()],
        },
        confidence: 0.8,
        cost,
        evidence: told
            .evidence()
            .into_iter()
            .chain([
                Evidence {
                    id: "same_next_hop",
                    text: format!(
                        "who announced it is reached by the same next hop as the pods: it is their own \
                         node, {peer}, which drops what is longer"
                    ),
                },
                Evidence {
                    id: "mtu_ladder",
                    text: format!(
                        "the devices of {} on the way take {whole} ({narrowest})",
                        facts.node
                    ),
                },
            ])
            .collect(),
        fix: Fix {
            id: "cni0-mtu",
            text: format!(
                "on the node {peer}, if `ip link show {bridge}` says MTU {announced} there, run `ip \
                 link set {bridge} mtu {whole}`"
            ),
            side_effects: vec![
                format!("{bridge} there no longer follows the MTUs of its ports"),
                format!(
                    "pods from before keep their MTU, and their ports may be too narrow then: \
                     recreate those there that have less than {whole}"
                ),
            ],
        },
        refuted_by: format!(
            "another device than {bridge} that has MTU {announced} there, or an overlay there that is \
             meant to be narrower than here"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::double_encapsulation::fixture;
    use crate::path::{Class, Oversize, UnderlayKind};

    const POD: [u8; 4] = [10, 42, 1, 5];
    const FAR: [u8; 4] = [10, 42, 2, 7];
    const ROUTER: [u8; 4] = [10, 42, 2, 0];
    const VTEP: [u8; 4] = [192, 168, 64, 3];

    /// A path to a far pod through devices that take 1,450, whose sender was told this.
    fn path(told: &[([u8; 4], u32, u64, u16)]) -> PathReport {
        let mut path = fixture::path(Class::Vxlan(UnderlayKind::Lan), 12);
        path.source.address = Some(POD.into());
        path.destination.address = Some(FAR.into());
        path.mtu = Some((1_450, "lima0".to_owned()));
        let announced = told
            .iter()
            .map(|&(from, number, packets, quiet)| Announced {
                from: from.into(),
                number,
                packets,
                recent: 1,
                quiet,
            });
        path.oversize = Some(Oversize {
            dropped: Vec::new(),
            announced: announced.collect(),
        });
        path
    }

    fn find(paths: &[PathReport]) -> Option<Finding> {
        let bridge = Device::new("cni0", 1_450, std::iter::empty());
        let paths: Vec<_> = paths.iter().collect();
        stale_mtu_elsewhere(&AnnouncedFacts {
            node: "n1",
            peer: VTEP.into(),
            routers: &BTreeSet::from([ROUTER.into()]),
            paths: &paths,
            bridge: Some(&bridge),
        })
    }

    #[test]
    fn the_far_node_that_announces_less_than_the_way_takes_is_named_with_its_number() {
        let found = find(&[
            path(&[(ROUTER, 1_230, 2, 0)]),
            path(&[(ROUTER, 1_230, 9, 1)]),
        ]);
        let found = found.expect("a finding");
        assert_eq!(found.subject.nodes, ["n1", "192.168.64.3"]);
        assert_eq!((found.cause, found.fix.id), (Cause::StaleMtu, "cni0-mtu"));
        assert_eq!(
            found.evidence[0].text,
            "MTU 1230 was announced by 10.42.2.0 to the sender of 10.42.1.5 > 10.42.2.7 (11 ICMP errors)"
        );
        assert!(
            found.evidence[2].text.contains("1450 (lima0)"),
            "{found:#?}"
        );
        for part in ["node 192.168.64.3", "MTU 1230", "cni0 mtu 1450"] {
            assert!(found.fix.text.contains(part), "{part} in {found:#?}");
        }
    }

    #[test]
    fn nothing_is_found_where_less_than_all_of_it_is_known() {
        let told = |number, packets, quiet| path(&[(ROUTER, number, packets, quiet)]);
        let mut unknown = told(1_230, 9, 0);
        unknown.mtu = None;
        for (why, path) in [
            ("one error", told(1_230, 1, 0)),
            ("as much as this node's devices take", told(1_450, 9, 0)),
            ("no number", told(0, 9, 0)),
            ("long ago", told(1_230, 9, 7)),
            ("another router", path(&[(VTEP, 1_230, 9, 0)])),
            ("a way that is not known", unknown),
        ] {
            assert_eq!(find(&[path]), None, "{why}");
        }
    }
}
