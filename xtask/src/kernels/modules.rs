//! Which modules a guest loads, each after those that it needs itself, as modules say it of themselves.
//! It loads none.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Kernel, KernelsError};

/// What the small lab, its counters and classifiers need, and the cards.
const WANTED: [&str; 12] = [
    "bridge",
    "br_netfilter",
    "vxlan",
    "veth",
    "tun",
    "sch_ingress",
    "cls_bpf",
    "nf_tables",
    "nft_chain_nat",
    "nft_masq",
    "virtio_pci",
    "virtio_net",
];

/// Where a module's `.modinfo` section names those that it needs, with commas between.
const NEEDS: &[u8] = b"\0depends=";

/// Names and contents, in the order they load.
pub(super) fn in_order(kernel: &Kernel) -> Result<Vec<(String, Vec<u8>)>, KernelsError> {
    let mut seen = BTreeSet::new();
    let mut modules = Vec::new();
    for name in WANTED {
        add(kernel, name, &mut seen, &mut modules)?;
    }
    Ok(modules)
}

fn add(
    kernel: &Kernel,
    name: &str,
    seen: &mut BTreeSet<String>,
    modules: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), KernelsError> {
    if !seen.insert(name.to_owned()) || kernel.has_built_in(name)? {
        return Ok(());
    }
    let bytes = content(&kernel.module(name)?)?;
    for needed in needs(&bytes) {
        add(kernel, &needed, seen, modules)?;
    }
    modules.push((name.to_owned(), bytes));
    Ok(())
}

/// Names of the modules that one needs.
fn needs(module: &[u8]) -> Vec<String> {
    let mut places = module.windows(NEEDS.len());
    let Some(place) = places.position(|bytes| bytes == NEEDS) else {
        return Vec::new();
    };
    let rest = module.iter().skip(place + NEEDS.len());
    let list: Vec<u8> = rest.copied().take_while(|byte| *byte != 0).collect();
    let list = String::from_utf8_lossy(&list).into_owned();
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// A module's file, plain or compressed.
fn content(path: &Path) -> Result<Vec<u8>, KernelsError> {
    if path.extension().is_none_or(|end| end != "xz") {
        let read = fs::read(path);
        return read.map_err(KernelsError::io(format!("read {}", path.display())));
    }
    let mut unpack = Command::new("xz");
    let done = unpack.args(["--decompress", "--stdout"]).arg(path).output();
    let action = format!("unpack {} with xz", path.display());
    let done = done.map_err(KernelsError::io(action.as_str()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        return Err(KernelsError::io(action)(std::io::Error::other(said)));
    }
    Ok(done.stdout)
}

#[cfg(test)]
mod tests {
    use super::needs;

    #[test]
    fn a_module_names_those_that_it_needs() {
        let module = b"\x7fELF..\0license=GPL\0depends=udp_tunnel,ip6_udp_tunnel\0name=vxlan\0";
        assert_eq!(needs(module), ["udp_tunnel", "ip6_udp_tunnel"]);
        assert!(needs(b"\0license=GPL\0depends=\0name=llc\0").is_empty());
        assert!(needs(b"no module").is_empty());
    }
}
