//! What a lab leaves on the machine so that a killed run can be cleaned up: one directory per lab
//! below `/run`, claimed by an atomic rename. Nothing is ever written to the checkout.

use std::fmt::Debug;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Options;
use super::error::LabError;
use super::guests::Guests;
use super::process::Identity;

/// Parent of the directories of all small labs.
pub const ROOT: &str = "/run/netpath-lab";

/// What the record of any kind of lab holds: what is left on the machine when its owner is killed.
pub(crate) trait Remains: Clone + Debug + Serialize + DeserializeOwned + Send {
    /// Parent of the directories of all labs of this kind.
    const ROOT: &'static str;

    /// Name of the lab, and of its directory.
    fn name(&self) -> &str;
    /// Who tears it down; none for a lab that is meant to stay.
    fn owner(&self) -> Option<&Identity>;
    /// Every namespace of the lab.
    fn namespaces(&self) -> &[String];
    /// Every process the lab started and has not seen ending.
    fn processes(&self) -> &[Identity];
    /// The same, to be changed.
    fn processes_mut(&mut self) -> &mut Vec<Identity>;
    /// Folders that the lab made elsewhere.
    fn folders(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// The processes in a record, whatever kind of lab it is of.
pub(crate) trait Processes: Debug + Send + Sync {
    /// Writes a process down.
    fn note(&self, process: Identity) -> Result<(), LabError>;
    /// Strikes a process out that has ended; also once the lab is gone.
    fn strike(&self, process: &Identity) -> Result<(), LabError>;
}

/// Everything needed to show a lab or to remove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What was asked for, with name and seed filled in: the topology follows from it.
    pub options: Options,
    /// Who tears it down; none for a lab that is meant to stay.
    pub owner: Option<Identity>,
    /// Every namespace of the lab, written before the first is made.
    pub namespaces: Vec<String>,
    /// Every process the lab started and has not seen ending.
    pub processes: Vec<Identity>,
    /// Pods that were added while the lab was up.
    #[serde(default)]
    pub guests: Guests,
}

impl Remains for Record {
    const ROOT: &'static str = ROOT;

    fn name(&self) -> &str {
        &self.options.name
    }

    fn owner(&self) -> Option<&Identity> {
        self.owner.as_ref()
    }

    fn namespaces(&self) -> &[String] {
        &self.namespaces
    }

    fn processes(&self) -> &[Identity] {
        &self.processes
    }

    fn processes_mut(&mut self) -> &mut Vec<Identity> {
        &mut self.processes
    }
}

/// The directory of a lab.
pub(crate) fn directory<R: Remains>(name: &str) -> PathBuf {
    Path::new(R::ROOT).join(name)
}

/// Names of all labs of a kind with state on this machine.
#[must_use]
pub(crate) fn names<R: Remains>() -> Vec<String> {
    let entries = fs::read_dir(R::ROOT).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// The claimed directory of a lab, with its record.
#[derive(Debug)]
pub(crate) struct Ledger<R = Record> {
    directory: PathBuf,
    record: Mutex<R>,
}

impl<R: Remains> Ledger<R> {
    /// Claims the name by moving a finished directory into place; `Ok(None)` if it is taken.
    pub(crate) fn claim(name: &str, record: R) -> Result<Option<Self>, LabError> {
        let staged = Path::new(R::ROOT).join(format!(".{name}.{}", std::process::id()));
        let target = directory::<R>(name);
        let failed =
            |cause| LabError::io(format!("claim lab directory {}", target.display()), cause);
        fs::create_dir_all(&staged).map_err(failed)?;
        write(&staged, &record)?;
        match fs::rename(&staged, &target) {
            Ok(()) => Ok(Some(Self {
                directory: target,
                record: Mutex::new(record),
            })),
            Err(cause) => {
                fs::remove_dir_all(&staged).map_err(failed)?;
                let taken = matches!(
                    cause.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                );
                if taken { Ok(None) } else { Err(failed(cause)) }
            }
        }
    }

    /// Opens the record of a lab that is there.
    pub(crate) fn open(name: &str) -> Result<Self, LabError> {
        let directory = directory::<R>(name);
        let record = Mutex::new(read(name)?);
        Ok(Self { directory, record })
    }

    /// Where files of this lab go.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A copy of the record.
    pub(crate) fn record(&self) -> R {
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes the record and writes it down.
    pub(crate) fn update(&self, change: impl FnOnce(&mut R)) -> Result<(), LabError> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut record);
        write(&self.directory, &*record)
    }
}

impl<R: Remains> Processes for Ledger<R> {
    fn note(&self, process: Identity) -> Result<(), LabError> {
        self.update(|record| record.processes_mut().push(process))
    }

    fn strike(&self, process: &Identity) -> Result<(), LabError> {
        if !self.directory.exists() {
            return Ok(());
        }
        self.update(|record| record.processes_mut().retain(|known| known != process))
    }
}

/// Reads the record of a lab.
pub(crate) fn read<R: Remains>(name: &str) -> Result<R, LabError> {
    let path = directory::<R>(name).join("state.json");
    let text = fs::read_to_string(&path).map_err(|cause| {
        if cause.kind() == io::ErrorKind::NotFound {
            LabError::NoSuchLab {
                name: name.to_owned(),
                path: directory::<R>(name),
            }
        } else {
            LabError::io(format!("read {}", path.display()), cause)
        }
    })?;
    serde_json::from_str(&text).map_err(|cause| LabError::State {
        path,
        reason: cause.to_string(),
    })
}

/// Writes the record so that a reader sees the old one or the new one, never half.
fn write<R: Remains>(directory: &Path, record: &R) -> Result<(), LabError> {
    let path = directory.join("state.json");
    let text = serde_json::to_string_pretty(record).map_err(|cause| LabError::State {
        path: path.clone(),
        reason: cause.to_string(),
    })?;
    let fresh = directory.join("state.json.new");
    fs::write(&fresh, text)
        .and_then(|()| fs::rename(&fresh, &path))
        .map_err(|cause| LabError::io(format!("write {}", path.display()), cause))
}

/// Removes the folders of a lab, its own last, and the parent with the last lab.
pub(crate) fn erase<R: Remains>(record: &R) -> Result<(), LabError> {
    let mut folders = record.folders();
    folders.push(directory::<R>(record.name()));
    for path in folders {
        match fs::remove_dir_all(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(LabError::io(format!("remove {}", path.display()), cause));
            }
            Ok(()) | Err(_) => {}
        }
    }
    match fs::remove_dir(R::ROOT) {
        // Another lab still lives there, or another owner was faster.
        Ok(()) | Err(_) => Ok(()),
    }
}
