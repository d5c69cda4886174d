//! A folder of this process for what has to be a file.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs, process};

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// The folder, among the system's temporary ones.
pub(crate) fn folder() -> &'static Path {
    let name = || env::temp_dir().join(format!("netpath-fuzz-{}", process::id()));
    let folder = FOLDER.get_or_init(name);
    fs::create_dir_all(folder).expect("a folder for temporary files");
    folder
}
