//! Where the kernel has no TCX: a classifier of the clsact qdisc, first in order. The kernel keeps it
//! when the agent dies, so each filter has a handle of our own, by which the next agent finds it.
//!
//! Never: a change to another's filter, the removal of a qdisc that holds one or that another made.

mod leftovers;
mod questions;

use std::io;

use aya::programs::tc::{
    NlOptions, SchedClassifierLink, TcAttachOptions, TcAttachType, TcError, TcHandle,
    qdisc_add_clsact,
};
use aya::programs::{ProgramError, SchedClassifier};

use questions::Questions;

pub use leftovers::{Leftovers, clear_leftovers};

/// Of all filters of a device the one with the lowest priority comes first.
const PRIORITY: u16 = 1;
/// Handle of our filters in a qdisc that was there before: "netp".
const HANDLE: u32 = 0x6e65_7470;
/// The same in a qdisc that we made: whoever takes the last filter away removes the qdisc too.
const HANDLE_IN_OURS: u32 = HANDLE + 1;

/// A filter in place; gone when dropped.
#[derive(Debug)]
pub(super) struct Filter {
    /// Taken on drop, before the qdisc is looked at.
    link: Option<SchedClassifierLink>,
    /// The device, if its qdisc is ours.
    qdisc_of: Option<u32>,
}

impl Filter {
    /// Puts `program` at one hook of a device, and the qdisc before it if there is none.
    pub(super) fn new(
        program: &mut SchedClassifier,
        (device, ifindex): (&str, u32),
        kind: TcAttachType,
    ) -> Result<Self, ProgramError> {
        let is_ours = make_qdisc(device, ifindex)?;
        // From here on whatever fails takes the qdisc away again.
        let mut filter = Self {
            link: None,
            qdisc_of: is_ours.then_some(ifindex),
        };
        let handle = if is_ours { HANDLE_IN_OURS } else { HANDLE };
        let options = TcAttachOptions::Netlink(NlOptions {
            priority: PRIORITY,
            handle: TcHandle::from(handle),
            classid: None,
        });
        let id = program.attach_with_options(device, kind, options)?;
        filter.link = Some(program.take_link(id)?);
        Ok(filter)
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        drop(self.link.take());
        let Some(ifindex) = self.qdisc_of else { return };
        let removed = Questions::open().and_then(|mut ask| ask.remove_empty_qdisc(ifindex));
        if let Err(error) = removed {
            tracing::warn!(ifindex, "remove the clsact qdisc that we made: {error}");
        }
    }
}

/// Makes the qdisc if there is none. Answers whether it is ours: made now, or for our other hook.
fn make_qdisc(device: &str, ifindex: u32) -> Result<bool, TcError> {
    let Err(error) = qdisc_add_clsact(device) else {
        return Ok(true);
    };
    let TcError::NetlinkError(refusal) = &error else {
        return Err(error);
    };
    if refusal.raw_os_error() != Some(libc::EEXIST) {
        return Err(error);
    }
    let asked = Questions::open().and_then(|mut ask| ask.filters(ifindex));
    let found = asked.map_err(|cause| TcError::IoError(io::Error::other(cause)))?;
    Ok(found.iter().any(|filter| filter.is_in_our_qdisc()))
}
