//! Which programs there are, of which version, and the files that pin them. Data only; the versions
//! stand a second time in the `go.mod` files, and a test holds both together.

/// One Go module of ours that pins the programs of one project.
#[derive(Debug, PartialEq, Eq)]
pub struct Component {
    /// What `--only` calls it; also its folder in `xtask/components`.
    pub name: &'static str,
    /// The Go module that holds the programs.
    pub module: &'static str,
    /// Version of that module.
    pub version: &'static str,
    /// What is built from it.
    pub programs: &'static [Program],
    /// Whether C code belongs to it.
    pub cgo: Cgo,
    /// Path in the component's folder, and text, of every file that says what is built.
    pub files: &'static [(&'static str, &'static str)],
}

/// One executable.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// Its file name.
    pub file: &'static str,
    /// Its Go package.
    pub package: &'static str,
}

/// Whether a component has C code, and so needs a C compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgo {
    /// Go only.
    Off,
    /// With C code.
    On,
}

/// Every component, in the order in which they are built.
pub const COMPONENTS: [&Component; 5] = [&TAILSCALE, &HEADSCALE, &FLANNEL, &CNI, &ETCD];

/// The files of a folder in `xtask/components`.
macro_rules! files {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../components/", $folder, "/", $path)))),+]
    };
}

/// Node agent, its command line, and relay.
pub const TAILSCALE: Component = Component {
    name: "tailscale",
    module: "tailscale.com",
    version: "v1.102.3",
    programs: &[
        program("tailscale", "tailscale.com/cmd/tailscale"),
        program("tailscaled", "tailscale.com/cmd/tailscaled"),
        program("derper", "tailscale.com/cmd/derper"),
    ],
    cgo: Cgo::Off,
    files: files!("tailscale": "go.mod", "go.sum", "tools.go"),
};

/// Control server of the tailnet.
pub const HEADSCALE: Component = Component {
    name: "headscale",
    module: "github.com/juanfont/headscale",
    version: "v0.29.2",
    programs: &[program(
        "headscale",
        "github.com/juanfont/headscale/cmd/headscale",
    )],
    cgo: Cgo::Off,
    files: files!("headscale": "go.mod", "go.sum", "tools.go"),
};

/// Pod network of a node.
pub const FLANNEL: Component = Component {
    name: "flannel",
    module: "github.com/flannel-io/flannel",
    version: "v0.28.9",
    programs: &[program("flannel", "github.com/flannel-io/flannel")],
    cgo: Cgo::On,
    files: files!(
        "flannel":
        "go.mod",
        "go.sum",
        "stub/common/common.go",
        "stub/common/errors/errors.go",
        "stub/common/go.mod",
        "stub/vpc/go.mod",
        "stub/vpc/v20170312/vpc.go",
        "tools.go",
    ),
};

/// Plugins that give a pod its device and its address.
pub const CNI: Component = Component {
    name: "cni",
    module: "github.com/containernetworking/plugins",
    version: "v1.9.1",
    programs: &[
        program(
            "bridge",
            "github.com/containernetworking/plugins/plugins/main/bridge",
        ),
        program(
            "host-local",
            "github.com/containernetworking/plugins/plugins/ipam/host-local",
        ),
    ],
    cgo: Cgo::Off,
    files: files!("cni": "go.mod", "go.sum", "tools.go"),
};

/// Store of flannel's leases.
pub const ETCD: Component = Component {
    name: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    version: "v3.6.14",
    programs: &[program("etcd", "go.etcd.io/etcd/server/v3")],
    cgo: Cgo::Off,
    files: files!("etcd": "go.mod", "go.sum", "tools.go"),
};

const fn program(file: &'static str, package: &'static str) -> Program {
    Program { file, package }
}

/// The component of that name.
///
/// # Errors
/// One line with the names there are.
pub fn named(name: &str) -> Result<&'static Component, String> {
    let mut all = COMPONENTS.into_iter();
    all.find(|component| component.name == name).ok_or_else(|| {
        let names = COMPONENTS.map(|component| component.name).join(", ");
        format!("there is no such component; there are {names}")
    })
}

#[cfg(test)]
mod tests;
