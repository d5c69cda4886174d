//! The devices of an H2 node and the programs that belong on them. Pure.

use crate::lab::topology::{BRIDGE, TUNNEL, VXLAN};

/// The underlay that carries VXLAN in H2.
pub(super) const UNDERLAY: &str = "lima0";

/// All devices that an observer may use.
pub(super) const DEVICES: [&str; 5] = [UNDERLAY, BRIDGE, VXLAN, TUNNEL, "eth0"];

/// Programs that the agent must have on the way of the measured packets, less the device's number.
const AGENT: [(&str, &str); 3] = [
    (UNDERLAY, "underlay"),
    (BRIDGE, "bridge"),
    (VXLAN, "overlay"),
];

/// What hangs on one device with `program` on both hooks; `{}` stands for the direction.
pub(super) fn both(device: &str, program: &str) -> Vec<String> {
    ["in", "out"]
        .map(|hook| format!("{device} {hook} {}", program.replace("{}", hook)))
        .to_vec()
}

/// True if exactly the agent's own programs hang on the way of the measured packets, one per hook,
/// and nowhere a second one.
pub(super) fn is_agents(hooks: &[String]) -> bool {
    let on = |device: &str, hook: &str| {
        let start = format!("{device} {hook} ");
        let own = hooks
            .iter()
            .filter_map(|line| line.strip_prefix(start.as_str()));
        own.collect::<Vec<_>>()
    };
    let right = AGENT.iter().all(|(device, role)| {
        ["in", "out"].iter().all(|hook| match on(device, hook)[..] {
            [program] => program.starts_with(role) && program.ends_with(hook),
            _ => false,
        })
    });
    let mut others = DEVICES
        .iter()
        .flat_map(|device| [on(device, "in"), on(device, "out")]);
    right && others.all(|programs| programs.len() <= 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_there_when_all_six_hooks_hold_one_program_of_their_role() {
        let mut hooks: Vec<String> = [
            ("lima0", "underlay0"),
            ("cni0", "bridge"),
            ("flannel.1", "overlay"),
        ]
        .iter()
        .flat_map(|(device, role)| both(device, &format!("{role}_{{}}")))
        .collect();
        assert!(is_agents(&hooks));
        hooks.push("eth0 in underlay1_in".to_owned());
        assert!(is_agents(&hooks));
        hooks.push("lima0 in empty".to_owned());
        assert!(!is_agents(&hooks), "a second program");
        assert!(!is_agents(&hooks[1..7]), "a missing one");
        assert!(!is_agents(&[]));
    }
}
