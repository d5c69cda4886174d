//! One end of a load: a namespace, an address in it and a processor.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::lab::topology::Family;
use crate::lab::{LabError, Pod, netns};

/// One end of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The namespace its socket lives in.
    pub netns: String,
    /// The address it has there.
    pub address: IpAddr,
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
    pub fn new(netns: &str, address: impl Into<IpAddr>) -> Self {
        Self {
            netns: netns.to_owned(),
            address: address.into(),
            cpu: None,
        }
    }

    /// The place of a pod by its address of a family, if it has one.
    #[must_use]
    pub fn of(pod: &Pod, family: Family) -> Option<Self> {
        let address = pod.address_of(family)?;
        Some(Self::new(&pod.netns, address))
    }

    /// The same place on one processor.
    #[must_use]
    pub fn on_cpu(self, cpu: usize) -> Self {
        Self {
            cpu: Some(cpu),
            ..self
        }
    }

    /// Its address, for a load that knows IPv4 alone.
    pub fn ipv4(&self) -> io::Result<Ipv4Addr> {
        match self.address {
            IpAddr::V4(address) => Ok(address),
            IpAddr::V6(address) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{address} is IPv6, and this load has IPv4 alone"),
            )),
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
