//! Attaches a program to one hook of one device, first in order: through a TCX link, which the kernel
//! removes when the agent dies, or where it has none as a classifier of the clsact qdisc.

use aya::programs::tc::{SchedClassifierLink, TcAttachOptions, TcAttachType};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier};
use aya::sys::SyscallError;
use observer_ebpf::abi::point::{Hook, Point};

use super::chain;
use super::clsact::Filter;
use super::object::{LoadError, Object, program_name};

/// A program could not be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The program itself is not to be had.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The kernel refused.
    #[error(
        "attach program `{program}` to {device} {hook} by {way}: {}; needs CAP_BPF, CAP_NET_ADMIN \
         and {}",
        chain(source),
        way.needs()
    )]
    Refused {
        /// Program.
        program: &'static str,
        /// Device name.
        device: String,
        /// "ingress" or "egress".
        hook: &'static str,
        /// How.
        way: Way,
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
}

/// How programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By TCX links.
    Tcx,
    /// By classifiers of the clsact qdisc.
    Clsact,
}

impl Way {
    /// The better one that this kernel has. If that cannot be asked it is TCX: attaching will say why.
    #[must_use]
    pub fn best() -> Self {
        let asked = SchedClassifier::query_tcx("lo", TcAttachType::Ingress);
        match asked {
            Err(ProgramError::SyscallError(SyscallError { io_error, .. }))
                if io_error.raw_os_error() == Some(libc::EINVAL) =>
            {
                Self::Clsact
            }
            _ => Self::Tcx,
        }
    }

    const fn needs(self) -> &'static str {
        match self {
            Self::Tcx => "Linux 6.6 or newer; older ones take `attach = \"clsact\"`",
            Self::Clsact => {
                "the kernel's sch_ingress and cls_bpf, and of priority 1 no filter of another kind \
                 or protocol and no `ingress` qdisc on the device"
            }
        }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        })
    }
}

/// A program at a hook; detaches when dropped.
#[derive(Debug)]
pub struct Attachment {
    _held: Held,
}

#[derive(Debug)]
enum Held {
    Link(#[expect(dead_code, reason = "detaches when dropped")] SchedClassifierLink),
    Filter(#[expect(dead_code, reason = "detaches when dropped")] Filter),
}

impl Attachment {
    /// Attaches the program of `point` and `hook` to a device by a TCX link.
    pub fn new(
        object: &mut Object,
        device: &str,
        point: Point,
        hook: Hook,
    ) -> Result<Self, AttachError> {
        let program = object.program(point, hook)?;
        let attached = by_link(program, device, kind(hook)).map(Held::Link);
        Self::of(attached, Way::Tcx, (device, point, hook))
    }

    /// Attaches it to a device, by name and number, as a classifier of its clsact qdisc.
    pub fn by_clsact(
        object: &mut Object,
        device: (&str, u32),
        point: Point,
        hook: Hook,
    ) -> Result<Self, AttachError> {
        let program = object.program(point, hook)?;
        let attached = Filter::new(program, device, kind(hook)).map(Held::Filter);
        Self::of(attached, Way::Clsact, (device.0, point, hook))
    }

    fn of(
        attached: Result<Held, ProgramError>,
        way: Way,
        (device, point, hook): (&str, Point, Hook),
    ) -> Result<Self, AttachError> {
        match attached {
            Ok(held) => Ok(Self { _held: held }),
            Err(source) => Err(AttachError::Refused {
                program: program_name(point, hook),
                device: device.to_owned(),
                hook: match hook {
                    Hook::Ingress => "ingress",
                    Hook::Egress => "egress",
                },
                way,
                source: Box::new(source),
            }),
        }
    }
}

fn by_link(
    program: &mut SchedClassifier,
    device: &str,
    kind: TcAttachType,
) -> Result<SchedClassifierLink, ProgramError> {
    let order = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = program.attach_with_options(device, kind, order)?;
    program.take_link(id)
}

const fn kind(hook: Hook) -> TcAttachType {
    match hook {
        Hook::Ingress => TcAttachType::Ingress,
        Hook::Egress => TcAttachType::Egress,
    }
}
