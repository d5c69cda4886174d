//! Where a component is kept: a folder whose name changes with everything that decides what is
//! built. It touches no file.

use std::env::consts::ARCH;
use std::path::{self, Path, PathBuf};

use super::go;
use super::table::{Cgo, Component};
use crate::toolchain;

/// Folder of all components in the cache folder.
pub const COMPONENTS: &str = "components";
/// Folder of the programs in a component's folder.
pub const BIN: &str = "bin";

/// The cache folder as an absolute path: programs are built and started from other folders.
#[must_use]
pub fn cache() -> PathBuf {
    let cache = toolchain::cache_dir();
    path::absolute(&cache).unwrap_or(cache)
}

/// The folder that holds a component's finished programs.
#[must_use]
pub fn folder(component: &Component, cache: &Path) -> PathBuf {
    let Component { name, version, .. } = component;
    let name = format!("{name}-{version}-{}", hash(component));
    cache.join(COMPONENTS).join(name)
}

/// Where a program of that file name stands once its component is built.
#[must_use]
pub fn program(component: &Component, file: &str, cache: &Path) -> PathBuf {
    folder(component, cache).join(BIN).join(file)
}

/// 64 bits in hexadecimal over the module files, the programs and the way they are built.
fn hash(component: &Component) -> String {
    let cgo = match component.cgo {
        Cgo::Off => "go",
        Cgo::On => "cgo",
    };
    let programs = component.programs.iter();
    let files = component.files.iter();
    let words = [ARCH, cgo]
        .into_iter()
        .chain(go::BUILD)
        .chain(programs.flat_map(|program| [program.file, program.package]))
        .chain(files.flat_map(|(path, text)| [*path, *text]));
    format!("{:016x}", fnv1a(words))
}

/// FNV-1a, with a mark after each word so that words cannot flow into each other. It tells
/// versions apart; that a module is genuine is told by Go's own checksums.
fn fnv1a<'a>(words: impl Iterator<Item = &'a str>) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    // No byte of UTF-8 is 0xff.
    let bytes = words.flat_map(|word| word.bytes().chain([0xff]));
    bytes.fold(BASIS, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::{self, ETCD};
    use super::*;

    #[test]
    fn the_name_says_component_and_version() {
        let folder = folder(&ETCD, Path::new("/cache"));
        let folder = folder.to_string_lossy();
        let hash = folder.strip_prefix("/cache/components/etcd-v3.6.14-");
        assert_eq!(hash.map(str::len), Some(16), "{folder}");
    }

    #[test]
    fn everything_that_decides_what_is_built_changes_the_name() {
        let changed = |files| Component { files, ..ETCD };
        let others = [
            changed(&[("go.mod", "module a"), ("go.sum", "h1:xyz")]),
            changed(&[("go.mod", "module a"), ("go.sum", "h1:xyy")]),
            changed(&[("go.mod", "module b"), ("go.sum", "h1:xyz")]),
            changed(&[("go.mod", "module"), (" ago.sum", "h1:xyz")]),
            changed(&[("go.mod", "module a"), ("go.sum", "h1:xyz"), ("x", "")]),
            Component {
                cgo: Cgo::On,
                ..ETCD
            },
            Component {
                programs: &[],
                ..ETCD
            },
        ];
        let mut names: Vec<String> = others.iter().chain(table::COMPONENTS).map(hash).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "two of them have one name: {names:?}");
    }

    #[test]
    fn the_hash_is_the_published_function() {
        // The published value for "foobar", then one more step for the mark.
        let marked = fnv1a(["foobar"].into_iter());
        let expected = (0x8594_4171_f739_67e8_u64 ^ 0xff).wrapping_mul(0x0100_0000_01b3);
        assert_eq!(marked, expected);
    }
}
