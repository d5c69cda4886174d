//! How Tailscale carries each path: the mode of this node's opaque leg, said once it held over enough
//! bytes and sweeps, and kept by the paths that it was said of. Pure; a sweep is the only clock.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use observer_ebpf::abi::point::{FlowDirection, Hook};

use super::peers::PeerModes;
use super::{Leg, RelayMode};

/// Bytes of messages that a round takes at least: enough that keepalives are none of it.
const ROUND: u64 = 4_096;
/// Rounds in a row that say a first mode.
const FIRST: u32 = 2;
/// Rounds in a row that say another one.
const CHANGE: u32 = 3;

/// The modes of both directions, and of every path.
#[derive(Debug, Default)]
pub struct RelayModes {
    sides: [Side; 2],
    paths: HashMap<(u16, FlowDirection), RelayMode>,
}

/// One direction of the tunnel.
#[derive(Debug)]
struct Side {
    said: RelayMode,
    /// What the mode was said of.
    proof: Leg,
    candidate: RelayMode,
    rounds: u32,
    /// What the last [`CHANGE`] of the rounds in a row moved, each.
    agreed: VecDeque<Leg>,
    /// The round that is not full.
    open: Leg,
    /// The last sweep.
    recent: Leg,
    /// What is said of peers alone.
    peers: PeerModes,
}

/// What a path moved through tailscaled's device in the last sweep.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// Hook of the device.
    pub hook: Hook,
    /// The peer, as in [`Leg::peers`].
    pub peer: Option<IpAddr>,
    /// Bytes of messages.
    pub bytes: u64,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            said: RelayMode::Unknown,
            proof: Leg::default(),
            candidate: RelayMode::Unknown,
            rounds: 0,
            agreed: VecDeque::new(),
            open: Leg::default(),
            recent: Leg::default(),
            peers: PeerModes::default(),
        }
    }
}

impl RelayModes {
    /// Takes the legs of a sweep, by [`Hook`] of tailscaled's device, and forgets the paths whose
    /// numbers are gone.
    pub fn advance(&mut self, legs: &[Leg; 2], is_used: impl Fn(u16) -> bool) {
        self.paths.retain(|&(path, _), _| is_used(path));
        for (side, leg) in self.sides.iter_mut().zip(legs) {
            side.advance(leg);
        }
    }

    /// The mode of a path that moved something in the last sweep. It takes over what the node's leg says
    /// if it moved more than that leaves unexplained, else what is said of its peer alone.
    pub fn of(&mut self, path: (u16, FlowDirection), moved: Moved) -> RelayMode {
        let Moved { hook, peer, bytes } = moved;
        let side = self.side(hook);
        let takes_all = match side.said {
            RelayMode::Unknown | RelayMode::None => false,
            mode @ (RelayMode::Direct
            | RelayMode::Overlay
            | RelayMode::Derp
            | RelayMode::PeerRelay) => bytes > side.recent.unexplained(mode),
        };
        let of_peer = peer.and_then(|peer| side.peers.of(peer));
        let mode = match of_peer {
            _ if takes_all => Some(side.said),
            Some(RelayMode::Unknown) => {
                (side.said == RelayMode::Unknown).then_some(RelayMode::Unknown)
            }
            Some(mode) => Some(mode),
            // Too early to say of a peer.
            None => {
                (side.said == RelayMode::Unknown && peer.is_none()).then_some(RelayMode::Unknown)
            }
        };
        if let Some(mode) = mode.filter(|_| bytes > 0) {
            self.paths.insert(path, mode);
        }
        self.paths.get(&path).copied().unwrap_or(RelayMode::Unknown)
    }

    /// The far ends of tailscaled's TCP whose other direction is to be counted: all that it has sent to,
    /// while a relay is in use or may be what brings the packets that nothing else accounts for. Which
    /// of them is a relay the bytes that come say: a node may send through its peer's home relay alone
    /// and hear from its own.
    #[must_use]
    pub fn awaited(&self) -> BTreeSet<SocketAddr> {
        let [came, went] = &self.sides;
        let may_come = matches!(came.said, RelayMode::Unknown | RelayMode::Derp);
        let is_used = went.said == RelayMode::Derp || went.peers.has(RelayMode::Derp);
        if may_come || is_used {
            went.recent.tcp.keys().copied().collect()
        } else {
            BTreeSet::new()
        }
    }

    /// What the mode of a direction was said of, and the mode.
    #[must_use]
    pub fn proof(&self, hook: Hook) -> (RelayMode, &Leg) {
        let side = self.side(hook);
        (side.said, &side.proof)
    }

    /// Whether the newest round gave the mode that is said: while it does not, packets may go either way.
    #[must_use]
    pub fn is_steady(&self, hook: Hook) -> bool {
        let side = self.side(hook);
        side.candidate == side.said
    }

    const fn side(&self, hook: Hook) -> &Side {
        let [ingress, egress] = &self.sides;
        match hook {
            Hook::Ingress => ingress,
            Hook::Egress => egress,
        }
    }
}

impl Side {
    fn advance(&mut self, leg: &Leg) {
        self.recent.clone_from(leg);
        if leg.tunnel == 0 {
            // What moves beside an idle tunnel is none of it.
            return;
        }
        self.peers.advance(leg, ROUND);
        self.open.add(leg);
        if self.open.tunnel < ROUND {
            return;
        }
        let round = std::mem::take(&mut self.open);
        let mode = round.mode();
        if mode != self.candidate {
            (self.candidate, self.rounds) = (mode, 0);
            self.agreed.clear();
        }
        self.rounds = self.rounds.saturating_add(1);
        self.agreed.push_back(round);
        if self.agreed.len() > CHANGE as usize {
            self.agreed.pop_front();
        }
        let needed = if self.said == RelayMode::Unknown {
            FIRST
        } else {
            CHANGE
        };
        if self.said == mode || self.rounds >= needed {
            self.said = mode;
            self.proof = Leg::default();
            self.agreed.iter().for_each(|round| self.proof.add(round));
        }
    }
}

#[cfg(test)]
mod tests;
