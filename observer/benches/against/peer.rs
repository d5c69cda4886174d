//! Another tool's programs, loaded to be measured beside ours: each map is made new, nothing of the
//! tool's own user space runs, constants are as the object says or as the caller does.

pub(crate) mod btf;
mod elf;
mod narrow;
pub(crate) mod spec;

use std::path::PathBuf;

use aya::maps::MapError;
use aya::programs::{ProgramError, SchedClassifier};
use aya::{Ebpf, EbpfError, EbpfLoader};
use aya_obj::ParseError;
use observer_ebpf::abi::point::Hook;

use narrow::{Refused, narrow};
use spec::Spec;

/// Last lines of the verifier's log that are shown.
const VERDICT: usize = 8;

/// Why a program cannot be compared with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    /// No file.
    #[error(
        "read {object} to compare with: {source}; give the path of an object file before `:PROGRAM`"
    )]
    Read {
        /// Its path.
        object: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not what can be compared.
    #[error("compare with {object}: {source}")]
    Refused {
        /// Its path.
        object: PathBuf,
        /// Why.
        #[source]
        source: Refused,
    },
    /// A map of it is not to be had.
    #[error(
        "compare with {object}: create its map `{map}`: {source}; where its own loader sets the \
         number of entries, add `,{map}=ENTRIES`"
    )]
    Map {
        /// Its path.
        object: PathBuf,
        /// The map.
        map: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Without types its maps are not known.
    #[error(
        "compare with {object}: it has no BTF, by which its maps are described; compile it with debug \
         information (clang: -g)"
    )]
    Untyped {
        /// Its path.
        object: PathBuf,
    },
    /// The object as a whole is not to be had.
    #[error("compare with {object}: load it: {cause}")]
    Load {
        /// Its path.
        object: PathBuf,
        /// Why.
        cause: String,
    },
    /// The verifier says no.
    #[error("compare with {object}: the kernel refuses program `{program}`: {cause}")]
    Program {
        /// Its path.
        object: PathBuf,
        /// The program.
        program: String,
        /// Why, with the end of the verifier's log.
        cause: String,
    },
}

/// The programs of one `--against`.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What they were loaded by.
    pub(crate) spec: Spec,
    ebpf: Ebpf,
}

impl Peer {
    /// Loads both programs; they hang nowhere yet.
    pub(crate) fn load(spec: &Spec) -> Result<Self, PeerError> {
        let object = || spec.object.clone();
        let bytes = std::fs::read(&spec.object).map_err(|source| PeerError::Read {
            object: object(),
            source,
        })?;
        let wanted: &[&str] = if spec.ingress == spec.egress {
            &[&spec.ingress]
        } else {
            &[&spec.ingress, &spec.egress]
        };
        let narrowed = narrow(&bytes, wanted).map_err(|source| PeerError::Refused {
            object: object(),
            source,
        })?;
        let mut loader = EbpfLoader::new();
        loader.allow_unsupported_maps();
        for (map, entries) in &spec.entries {
            loader.map_max_entries(map, *entries);
        }
        for (name, bytes) in &spec.globals {
            loader.override_global(name, bytes.as_slice(), true);
        }
        let loaded = loader.load(&narrowed);
        let mut ebpf = loaded.map_err(|error| {
            if matches!(error, EbpfError::ParseError(ParseError::NoBTF)) {
                return PeerError::Untyped { object: object() };
            }
            let EbpfError::MapError(MapError::CreateError { name, io_error }) = error else {
                return PeerError::Load {
                    object: object(),
                    cause: observer::kernel::chain(&error),
                };
            };
            PeerError::Map {
                object: object(),
                map: name,
                source: io_error,
            }
        })?;
        for name in wanted {
            classifier(&mut ebpf, name)
                .and_then(SchedClassifier::load)
                .map_err(|error| PeerError::Program {
                    object: object(),
                    program: (*name).to_owned(),
                    cause: cause(error),
                })?;
        }
        Ok(Self {
            spec: spec.clone(),
            ebpf,
        })
    }

    /// The program for a hook.
    pub(crate) fn program(&mut self, hook: Hook) -> Result<&mut SchedClassifier, ProgramError> {
        let name = match hook {
            Hook::Ingress => &self.spec.ingress,
            Hook::Egress => &self.spec.egress,
        };
        classifier(&mut self.ebpf, name)
    }
}

fn classifier<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier, ProgramError> {
    let program = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    program.try_into()
}

/// The system's answer, then the end of the verifier's log.
fn cause(error: ProgramError) -> String {
    let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = error
    else {
        return observer::kernel::chain(&error);
    };
    let log = verifier_log.to_string();
    let lines: Vec<_> = log.lines().filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(VERDICT)..);
    format!("{io_error}\n  {}", last.unwrap_or_default().join("\n  "))
}
