//! The names of the fuzz targets. Read by `xtask` too, which has nothing else of the fuzzer in it.

/// What inputs are given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Sequences of frames: parser and packet step.
    Frame,
    /// Capture files.
    Captures,
    /// Folders of captures and documents, replayed.
    Bundle,
    /// Answers of the kernel about devices.
    Netlink,
    /// Records of the event ring.
    Records,
    /// The agent's settings.
    Settings,
}

impl Target {
    /// All targets, the worthiest first.
    pub(crate) const ALL: [Self; 6] = [
        Self::Frame,
        Self::Captures,
        Self::Bundle,
        Self::Netlink,
        Self::Records,
        Self::Settings,
    ];

    /// Its name on the command line, and of its folders.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Captures => "captures",
            Self::Bundle => "bundle",
            Self::Netlink => "netlink",
            Self::Records => "records",
            Self::Settings => "settings",
        }
    }

    /// The target of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }
}
