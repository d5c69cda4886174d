//! The JSON file that one of the lab's own processes is started with. It checks form, not sense.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::error::LabError;

/// Reads the file; `what` names the process in an error.
pub(super) fn read<T: DeserializeOwned>(what: &str, path: &Path) -> Result<T, LabError> {
    let text = fs::read_to_string(path)
        .map_err(|cause| LabError::io(format!("read {}", path.display()), cause))?;
    serde_json::from_str(&text).map_err(|cause| {
        LabError::Options(format!("{what} configuration {}: {cause}", path.display()))
    })
}
