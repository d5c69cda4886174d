//! What is kept of a run that failed, when its lab is gone: logs, reports, spans, metrics, captures. It
//! judges nothing and removes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use super::RealLab;
use crate::lab::LabError;
use crate::workspace_root;

/// The folder for failed runs.
fn folder() -> PathBuf {
    workspace_root().join("target/real-lab")
}

/// Copies the files of a lab to a folder of its scenario and seed, which outlives it.
pub(super) fn keep(lab: &RealLab) -> Result<PathBuf, LabError> {
    let (id, seed) = (lab.scenario().id, lab.plan().seed);
    let kept = folder().join(format!("{id}-{seed}"));
    copy_files(lab.directory(), &kept)?;
    Ok(kept)
}

/// Copies the plain files of a folder; folders in it are the daemons' own state.
fn copy_files(from: &Path, to: &Path) -> Result<(), LabError> {
    let failed = |cause| LabError::io(format!("keep logs in {}", to.display()), cause);
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).map_err(failed)?;
        }
    }
    Ok(())
}
