//! Settings that are one word of a few.

use serde::Deserialize;

/// What is worth a line on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What changes: devices, blind spots, the receiver's state.
    #[default]
    Info,
    /// Also what the kernel programs refuse, at most some a second.
    Debug,
}

/// How programs are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attach {
    /// By the better way that the kernel has.
    #[default]
    Auto,
    /// By TCX links, which end with the agent.
    Tcx,
    /// By classifiers of the clsact qdisc, which kernels before 6.6 have too.
    Clsact,
}

/// Whether underlays are also observed before the stack: arrival times and counts on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Xdp {
    /// No.
    #[default]
    Off,
    /// In the driver, if it is one that was tried and lost nothing by it.
    Auto,
    /// In the driver.
    Native,
    /// In the stack, which switches GRO off on the device.
    Generic,
}
