//! Makes of any object file one that holds only the wanted programs, as TC classifiers: other kinds of
//! program, and section names that a loader does not know, must not keep an object out. It neither
//! loads nor changes an instruction.

use super::btf;
use super::elf::{Elf, Section};

/// Why an object cannot be compared with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// No object file of ours to read.
    #[error("{0}; give an object that a compiler made for eBPF")]
    NotAnObject(&'static str),
    /// It has no such program.
    #[error("it has no program `{name}`; it has {}", list(.found))]
    NoProgram {
        /// The wanted one.
        name: String,
        /// All that are there.
        found: Vec<String>,
    },
    /// The program belongs on another hook.
    #[error(
        "program `{name}` is of section `{section}`: no TC classifier, and only those are compared"
    )]
    OtherKind {
        /// The program.
        name: String,
        /// Its section.
        section: String,
    },
    /// A map of the old form is not where the file says.
    #[error(
        "its map `{map}` leads out of section `{section}`: the object is damaged; compile it again"
    )]
    Map {
        /// The map.
        map: String,
        /// Its section.
        section: String,
    },
    /// Its type information leads nowhere.
    #[error("its type information (.BTF, .BTF.ext) is damaged; compile it again, with -g")]
    Btf,
}

/// What sections of other kinds of program begin with; all else may be a classifier of a tool that
/// names its sections as it likes.
const OTHER_KINDS: [&str; 36] = [
    "xdp",
    "kprobe",
    "kretprobe",
    "ksyscall",
    "kretsyscall",
    "uprobe",
    "uretprobe",
    "usdt",
    "tracepoint",
    "tp",
    "tp_btf",
    "raw_tp",
    "raw_tracepoint",
    "fentry",
    "fexit",
    "fmod_ret",
    "lsm",
    "lsm_cgroup",
    "iter",
    "socket",
    "sockops",
    "sk_msg",
    "sk_skb",
    "sk_lookup",
    "sk_reuseport",
    "cgroup",
    "cgroup_skb",
    "flow_dissector",
    "perf_event",
    "lirc_mode2",
    "lwt_in",
    "lwt_out",
    "lwt_xmit",
    "struct_ops",
    "syscall",
    "netfilter",
];

/// Bytes of a legacy map definition before the field `pinning`.
const PINNING: usize = 24;

/// The object with the `wanted` programs alone.
pub(super) fn narrow(object: &[u8], wanted: &[&str]) -> Result<Vec<u8>, Refused> {
    let elf = Elf::read(object).map_err(Refused::NotAnObject)?;
    let kept = wanted
        .iter()
        .map(|name| section_of(&elf, name))
        .collect::<Result<Vec<_>, _>>()?;
    let new_name = |index: usize| {
        let place = kept.iter().position(|&section| section == index)?;
        // The loader knows a classifier by what stands before the slash.
        Some(format!("classifier/{place}"))
    };
    let mut narrowed = object.to_vec();
    unpin(&elf, &mut narrowed)?;
    let mut names = elf
        .sections
        .get(elf.names)
        .map(|names| elf.data(names).to_vec())
        .unwrap_or_default();
    for (index, section) in elf.sections.iter().enumerate() {
        if !section.holds_programs() {
            continue;
        }
        if let Some(name) = new_name(index) {
            put(&mut narrowed, section.header, &as_u32(names.len()));
            names.extend(name.bytes().chain([0]));
        } else {
            put(
                &mut narrowed,
                section.header + 8,
                &section.flags_of_data().to_le_bytes(),
            );
        }
    }
    if let Some(types) = elf.named(".BTF") {
        let ext = elf.named(".BTF.ext");
        let rename = |name: &str| {
            let index = elf.sections.iter().position(|one| one.name == name)?;
            let is_kept = !elf.sections.get(index)?.holds_programs();
            new_name(index).or_else(|| is_kept.then(|| name.to_owned()))
        };
        let data = ext.map(|ext| elf.data(ext)).unwrap_or_default();
        let (types_data, ext_data) =
            btf::renamed(elf.data(types), data, &rename).ok_or(Refused::Btf)?;
        replace(&mut narrowed, types, &types_data);
        if let Some(ext) = ext {
            replace(&mut narrowed, ext, &ext_data);
        }
    }
    if let Some(section) = elf.sections.get(elf.names) {
        replace(&mut narrowed, section, &names);
    }
    Ok(narrowed)
}

/// Index of the section that holds a program.
fn section_of(elf: &Elf<'_>, wanted: &str) -> Result<usize, Refused> {
    let programs = elf.programs();
    let Some(found) = programs.iter().find(|program| program.name == wanted) else {
        return Err(Refused::NoProgram {
            name: wanted.to_owned(),
            found: programs.iter().map(|one| one.name.to_owned()).collect(),
        });
    };
    let section = elf.sections.get(found.section).map_or("", |one| one.name);
    let kind = section.split(['/', '.']).next().unwrap_or(section);
    if OTHER_KINDS.contains(&kind) {
        return Err(Refused::OtherKind {
            name: wanted.to_owned(),
            section: section.to_owned(),
        });
    }
    Ok(found.section)
}

/// Maps of the old form are not shared with other processes either.
fn unpin(elf: &Elf<'_>, narrowed: &mut [u8]) -> Result<(), Refused> {
    for map in elf.symbols() {
        let section = elf.sections.get(map.section);
        let Some(section) = section.filter(|section| section.name.starts_with("maps")) else {
            continue;
        };
        let end = map.start.checked_add(map.length);
        if end.is_none_or(|end| end > section.range.len()) {
            return Err(Refused::Map {
                map: map.name.to_owned(),
                section: section.name.to_owned(),
            });
        }
        if map.length >= PINNING + 4 {
            put(narrowed, section.range.start + map.start + PINNING, &[0; 4]);
        }
    }
    Ok(())
}

/// Gives a section other bytes, behind all others.
fn replace(narrowed: &mut Vec<u8>, section: &Section<'_>, data: &[u8]) {
    narrowed.resize(narrowed.len().next_multiple_of(8), 0);
    let place = [narrowed.len(), data.len()].map(|number| (number as u64).to_le_bytes());
    put(narrowed, section.header + 24, &place.concat());
    narrowed.extend(data);
}

/// Headers and definitions lie in the file, as was tested when they were read.
fn put(narrowed: &mut [u8], at: usize, value: &[u8]) {
    let rest = narrowed.get_mut(at..);
    if let Some(place) = rest.and_then(|rest| rest.get_mut(..value.len())) {
        place.copy_from_slice(value);
    }
}

/// A file is far shorter than 4 GiB.
fn as_u32(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}
