//! The tracepoint of packets that the kernel drops: finds out where and for which reasons this kernel
//! drops what is too long, tells the program, and attaches it.
//!
//! Never: a number of one kernel version. Reasons and fields come from the kernel's types, addresses of
//! functions from its symbols.

mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::{fs, io};

use aya::programs::raw_trace_point::RawTracePointLink;
use aya::programs::{ProgramError, RawTracePoint};
use observer_ebpf::abi::drop::{DropRules, Offsets, Place, STRETCHES, Stretch};

use super::btf::{Btf, BtfError};
use super::symbols::{self, SymbolsError};
use super::{LoadError, Object, TableError, chain};
use places::Known;

/// Program and tracepoint.
const PROGRAM: &str = "drops";
const TRACEPOINT: &str = "kfree_skb";
/// This thread's network namespace.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

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
    /// Functions are not there by their names.
    #[error(
        "find {} among the kernel's symbols: not there; silent drops in them are not seen, others have \
         no place",
        .0.join(", ")
    )]
    Places(Vec<&'static str>),
    /// More parts of functions than the program has room for.
    #[error(
        "tell program `{PROGRAM}` where the kernel's functions are: {0} parts beyond the {STRETCHES} that \
         it has room for; drops in those are not seen, or have no place"
    )]
    Room(u64),
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
            Self::Places(_) => "drops_no_place",
            Self::Room(_) => "drops_no_room",
            Self::Namespace(_) => "drops_no_namespace",
            Self::Load(_) | Self::Attach(_) | Self::Table(_) => "drops_refused",
        }
    }

    /// How many things it is about.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Places(functions) => functions.len() as u64,
            Self::Room(parts) => *parts,
            Self::Types(_)
            | Self::Symbols(_)
            | Self::Namespace(_)
            | Self::Load(_)
            | Self::Attach(_)
            | Self::Table(_) => 1,
        }
    }
}

/// The attached program; detaches when dropped.
#[derive(Debug)]
pub struct DropWatch {
    _link: RawTracePointLink,
    rules: DropRules,
    reasons: BTreeMap<u32, String>,
    known: Known,
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
            known: Known::default(),
        })
    }

    /// Tells the program where the functions are. Those of modules come with their modules, so this may
    /// be asked again. Reads all symbols of the kernel: some 50 ms.
    pub fn find_places(&mut self, object: &mut Object) -> Result<(), DropsError> {
        let code = symbols::of_kernel(&places::names())?;
        let stretches = places::stretches(&code);
        if stretches != self.rules.stretches {
            self.rules.stretches = stretches;
            object.drop_rules.put(&0, &self.rules)?;
        }
        self.known = Known::of(&code);
        Ok(())
    }

    /// What keeps drops at these places from being seen, as far as their functions go.
    #[must_use]
    pub fn gaps(&self, wanted: &BTreeSet<Place>) -> Vec<DropsError> {
        self.known.gaps(wanted)
    }

    /// True if all places are known.
    #[must_use]
    pub fn knows_all(&self) -> bool {
        self.known.has_all()
    }

    /// Names of the kernel's reasons, without what all begin with.
    #[must_use]
    pub const fn reasons(&self) -> &BTreeMap<u32, String> {
        &self.reasons
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
}
