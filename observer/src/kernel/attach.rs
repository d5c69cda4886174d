//! Attaches a program to one hook of one device, first in order, through a link that the kernel
//! removes when the agent dies.

use aya::programs::tc::{SchedClassifierLink, TcAttachOptions, TcAttachType};
use aya::programs::{LinkOrder, ProgramError};
use observer_ebpf::abi::point::{Hook, Point};

use super::chain;
use super::object::{LoadError, Object, program_name};

/// A program could not be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The program itself is not to be had.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The kernel refused.
    #[error(
        "attach program `{program}` to {device} {hook}: {}; needs CAP_BPF and CAP_NET_ADMIN and \
         Linux 6.6 or newer",
        chain(source)
    )]
    Refused {
        /// Program.
        program: &'static str,
        /// Device name.
        device: String,
        /// "ingress" or "egress".
        hook: &'static str,
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
}

/// A program at a hook; detaches when dropped.
#[derive(Debug)]
pub struct Attachment {
    _link: SchedClassifierLink,
}

impl Attachment {
    /// Attaches the program of `point` and `hook` to a device.
    pub fn new(
        object: &mut Object,
        device: &str,
        point: Point,
        hook: Hook,
    ) -> Result<Self, AttachError> {
        let (kind, hook_name) = match hook {
            Hook::Ingress => (TcAttachType::Ingress, "ingress"),
            Hook::Egress => (TcAttachType::Egress, "egress"),
        };
        let program = object.program(point, hook)?;
        let refused = |source| AttachError::Refused {
            program: program_name(point, hook),
            device: device.to_owned(),
            hook: hook_name,
            source: Box::new(source),
        };
        let order = TcAttachOptions::TcxOrder(LinkOrder::first());
        let id = program
            .attach_with_options(device, kind, order)
            .map_err(refused)?;
        Ok(Self {
            _link: program.take_link(id).map_err(refused)?,
        })
    }
}
