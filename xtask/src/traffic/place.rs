//! One end of a load: a namespace, an address in it and a processor.

use std::net::Ipv4Addr;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::lab::{LabError, Pod, netns};

/// One end of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The namespace its socket lives in.
    pub netns: String,
    /// The address it has there.
    pub address: Ipv4Addr,
    /// The processor its thread stays on, if any.
    pub cpu: Option<usize>,
}

impl From<&Pod> for Place {
    fn from(pod: &Pod) -> Self {
        Self::new(&pod.netns, pod.address)
    }
}

impl Place {
    /// A place on any processor.
    #[must_use]
    pub fn new(netns: &str, address: Ipv4Addr) -> Self {
        Self {
            netns: netns.to_owned(),
            address,
            cpu: None,
        }
    }

    /// The same place on one processor.
    #[must_use]
    pub fn on_cpu(self, cpu: usize) -> Self {
        Self {
            cpu: Some(cpu),
            ..self
        }
    }

    /// Runs `work` on a thread of its own at this place.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        netns::within(&self.netns, || {
            self.cpu.map_or(Ok(()), pin).map_err(|errno| {
                LabError::io(
                    format!("pin a thread to processor {:?}", self.cpu),
                    errno.into(),
                )
            })?;
            Ok(work())
        })?
    }
}

/// Keeps the calling thread on one processor.
fn pin(cpu: usize) -> nix::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}
