//! The tracepoint of packets that the kernel drops: finds out where and for which reasons this kernel
//! drops what is too long, tells the program, and attaches it.
//!
//! Never: a number of one kernel version. Reasons and fields come from the kernel's types, addresses of
//! functions from its symbols.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::{fs, io};

use aya::programs::raw_trace_point::RawTracePointLink;
use aya::programs::{ProgramError, RawTracePoint};
use observer_ebpf::abi::drop::{DropRules, Offsets, Place, STRETCHES, Stretch};

use super::btf::{Btf, BtfError};
use super::symbols::{self, Code, SymbolsError};
use super::{LoadError, Object, TableError, chain};

/// Program and tracepoint.
const PROGRAM: &str = "drops";
const TRACEPOINT: &str = "kfree_skb";
/// This thread's network namespace.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// Functions that drop packets for their size (kernel: `net/ipv4/ip_forward.c`, `net/ipv6/ip6_output.c`,
/// `net/bridge/br_forward.c`, `net/bridge/br_netfilter_hooks.c`, `net/core/dev.c`).
const FUNCTIONS: [(&str, Place); 7] = [
    ("ip_forward", Place::IpForward),
    ("ip6_forward", Place::Ip6Forward),
    ("br_dev_queue_push_xmit", Place::BridgePort),
    ("br_nf_dev_queue_xmit", Place::BridgeNetfilter),
    ("br_nf_ip_fragment", Place::BridgeNetfilter),
    ("__dev_forward_skb", Place::VethToNode),
    ("__dev_forward_skb2", Place::VethToNode),
];
/// The enumeration of reasons and what its names begin with.
const REASONS: &str = "skb_drop_reason";
const PREFIX: &str = "SKB_DROP_REASON_";
const TOO_BIG: &str = "PKT_TOO_BIG";
const UNSPECIFIED: &str = "NOT_SPECIFIED";

/// Drops cannot be watched, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum DropsError {
    /// The kernel does not tell its types.
    #[error(transparent)]
    Types(#[from] BtfError),
    /// Nor where its functions are.
    #[error(transparent)]
    Symbols(#[from] SymbolsError),
    /// A function is not there by its name.
    #[error("find `{0}` among the kernel's symbols: it is not there; drops in it have no place")]
    Place(&'static str),
    /// The namespace has no number.
    #[error("read the network namespace's number from {NAMESPACE}: {0}; mount procfs at /proc")]
    Namespace(#[source] io::Error),
    /// The kernel refused the program.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The kernel refused to attach it.
    #[error(
        "attach program `{PROGRAM}` to tracepoint `{TRACEPOINT}`: {}; needs CAP_BPF and CAP_PERFMON",
        chain(.0)
    )]
    Attach(#[source] Box<ProgramError>),
    /// The program could not be told.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl DropsError {
    /// Its name as a blind spot.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Types(_) => "drops_no_types",
            Self::Symbols(_) => "drops_no_symbols",
            Self::Place(_) => "drops_no_place",
            Self::Namespace(_) => "drops_no_namespace",
            Self::Load(_) | Self::Attach(_) | Self::Table(_) => "drops_refused",
        }
    }
}

/// The attached program; detaches when dropped.
#[derive(Debug)]
pub struct DropWatch {
    _link: RawTracePointLink,
    rules: DropRules,
    reasons: BTreeMap<u32, String>,
}

impl DropWatch {
    /// Begins to count; drops whose place is not known yet are found once [`Self::find_places`] was
    /// called.
    pub fn begin(object: &mut Object) -> Result<Self, DropsError> {
        let btf = Btf::of_kernel(STRUCTURES)?;
        let reasons = reasons(&btf)?;
        let number = |name: &str| {
            let mut held = reasons.iter();
            let found = held.find_map(|(&number, held)| (held == name).then_some(number));
            found.ok_or_else(|| BtfError::Missing(format!("{PREFIX}{name}")))
        };
        let rules = DropRules {
            stretches: [Stretch::default(); STRETCHES],
            too_big: number(TOO_BIG)?,
            unspecified: number(UNSPECIFIED)?,
            netns: namespace()?,
            offsets: offsets(&btf)?,
            reserved: 0,
        };
        object.drop_rules.put(&0, &rules)?;
        Ok(Self {
            _link: attach(object)?,
            rules,
            reasons,
        })
    }

    /// Tells the program where the functions are. Those of modules come with their modules, so this may
    /// be asked again. Reads all symbols of the kernel: some 50 ms.
    pub fn find_places(&mut self, object: &mut Object) -> Result<(), DropsError> {
        let code = symbols::of_kernel(&FUNCTIONS.map(|(name, _)| name))?;
        let stretches = stretches(&code);
        if stretches != self.rules.stretches {
            self.rules.stretches = stretches;
            object.drop_rules.put(&0, &self.rules)?;
        }
        let always = [Place::IpForward, Place::VethToNode];
        let lacks = always.into_iter().find(|place| !self.knows(*place));
        let named = FUNCTIONS.iter().find(|(_, place)| Some(*place) == lacks);
        named.map_or(Ok(()), |(name, _)| Err(DropsError::Place(name)))
    }

    /// True if all places are known.
    #[must_use]
    pub fn knows_all(&self) -> bool {
        FUNCTIONS.iter().all(|(_, place)| self.knows(*place))
    }

    /// Names of the kernel's reasons, without what all begin with.
    #[must_use]
    pub const fn reasons(&self) -> &BTreeMap<u32, String> {
        &self.reasons
    }

    fn knows(&self, place: Place) -> bool {
        let number = u32::from(place as u8);
        let mut held = self.rules.stretches.iter();
        held.any(|stretch| stretch.length > 0 && stretch.place == number)
    }
}

/// What offsets and numbers are asked of.
const STRUCTURES: &[&str] = &[
    "sk_buff",
    "skb_shared_info",
    "dst_entry",
    "net_device",
    "rtnl_link_ops",
    "net",
    REASONS,
];

fn reasons(btf: &Btf) -> Result<BTreeMap<u32, String>, BtfError> {
    let named = btf.enumeration(REASONS)?.into_iter();
    let stripped =
        named.filter_map(|(name, number)| Some((number, name.strip_prefix(PREFIX)?.to_owned())));
    Ok(stripped.collect())
}

fn offsets(btf: &Btf) -> Result<Offsets, BtfError> {
    const POINTER: u32 = 8;
    Ok(Offsets {
        skb_len: btf.offset("sk_buff.len", 4)?,
        skb_data_len: btf.offset("sk_buff.data_len", 4)?,
        skb_data: btf.offset("sk_buff.data", POINTER)?,
        skb_head: btf.offset("sk_buff.head", POINTER)?,
        skb_network: btf.offset("sk_buff.network_header", 2)?,
        skb_end: btf.offset("sk_buff.end", 4)?,
        skb_dev: btf.offset("sk_buff.dev", POINTER)?,
        skb_dst: btf.offset("sk_buff._skb_refdst", POINTER)?,
        gso_size: btf.offset("skb_shared_info.gso_size", 2)?,
        dst_dev: btf.offset("dst_entry.dev", POINTER)?,
        dev_ifindex: btf.offset("net_device.ifindex", 4)?,
        dev_mtu: btf.offset("net_device.mtu", 4)?,
        dev_header: btf.offset("net_device.hard_header_len", 2)?,
        dev_net: btf.offset("net_device.nd_net.net", POINTER)?,
        dev_ops: btf.offset("net_device.rtnl_link_ops", POINTER)?,
        dev_private: private(btf)?,
        ops_kind: btf.offset("rtnl_link_ops.kind", POINTER)?,
        net_inode: btf.offset("net.ns.inum", 4)?,
    })
}

/// Where the driver's own part of a device begins (kernel: include/linux/netdevice.h, `netdev_priv`): a
/// member since 6.11, before that behind the structure, rounded up.
fn private(btf: &Btf) -> Result<u32, BtfError> {
    /// `NETDEV_ALIGN`.
    const ALIGNMENT: u32 = 32;
    let member = btf.find_offset("net_device", "priv")?;
    let behind = || Ok(btf.size_of("net_device")?.next_multiple_of(ALIGNMENT));
    member.map_or_else(behind, Ok)
}

fn stretches(code: &[Code]) -> [Stretch; STRETCHES] {
    let mut stretches = [Stretch::default(); STRETCHES];
    for (slot, code) in stretches.iter_mut().zip(code) {
        let place = FUNCTIONS.get(code.asked).map(|(_, place)| *place as u8);
        *slot = Stretch {
            start: code.start,
            length: u32::try_from(code.length).unwrap_or(u32::MAX),
            place: u32::from(place.unwrap_or(u8::MAX)),
        };
    }
    stretches
}

/// The number of the network namespace that the agent runs in.
fn namespace() -> Result<u32, DropsError> {
    let inode = fs::metadata(NAMESPACE)
        .map_err(DropsError::Namespace)?
        .ino();
    u32::try_from(inode).map_err(|error| DropsError::Namespace(io::Error::other(error)))
}

fn attach(object: &mut Object) -> Result<RawTracePointLink, DropsError> {
    let program = object.drops_program()?;
    let attached = program.attach(TRACEPOINT);
    let link = attached.and_then(|id| program.take_link(id));
    link.map_err(|source| DropsError::Attach(Box::new(source)))
}

impl Object {
    /// The program of the tracepoint, loaded if it was not.
    fn drops_program(&mut self) -> Result<&mut RawTracePoint, LoadError> {
        let program = self.raw_tracepoint(PROGRAM)?;
        if program.fd().is_err() {
            program.load().map_err(|source| LoadError::Program {
                program: PROGRAM,
                source: Box::new(source),
            })?;
        }
        Ok(program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skip::skip;

    #[test]
    fn this_kernel_tells_all_that_the_program_needs() {
        let btf = match Btf::of_kernel(STRUCTURES) {
            Ok(btf) => btf,
            // A kernel without types is a blind spot of its own, shown elsewhere.
            Err(BtfError::Read(_)) => {
                let test = "this_kernel_tells_all_that_the_program_needs";
                return skip(test, "this kernel shows no types of its own (BTF)");
            }
            Err(error) => panic!("{error}"),
        };
        let offsets = offsets(&btf).expect("every field");
        assert!(offsets.dev_private >= btf.size_of("net_device").expect("a size"));
        let reasons = reasons(&btf).expect("reasons");
        for name in [TOO_BIG, UNSPECIFIED] {
            assert!(reasons.values().any(|held| held == name), "{name}");
        }
    }

    #[test]
    fn each_part_of_a_function_is_its_place() {
        let code = [(4, 0x10), (0, 0x20), (6, 0x30)].map(|(asked, start)| Code {
            asked,
            start,
            length: 8,
        });
        let found = stretches(&code);
        let found = found.map(|stretch| Place::from_number(u8::try_from(stretch.place).ok()?));
        let places = [Place::BridgeNetfilter, Place::IpForward, Place::VethToNode];
        assert_eq!(found[..3], places.map(Some));
        assert_eq!(stretches(&[]), [Stretch::default(); STRETCHES]);
    }
}
