//! What `--against` names: an object file, its program, and what its own loader would have set. Pure;
//! shared with xtask, which hands it on. It opens no file.

use std::path::PathBuf;
use std::str::FromStr;

/// How it is written.
pub(crate) const FORM: &str = "[LABEL=]OBJECT.o:PROGRAM[/EGRESS][,MAP=ENTRIES][,GLOBAL=0xBYTES]";

/// Another tool's programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// As it was written.
    pub(crate) text: String,
    /// Name of its rows: the program's, if no other was given.
    pub(crate) label: String,
    /// The object file.
    pub(crate) object: PathBuf,
    /// Its program for ingress.
    pub(crate) ingress: String,
    /// Its program for egress; the same one, if no other was given.
    pub(crate) egress: String,
    /// Entries of maps that are not to be as the object says.
    pub(crate) entries: Vec<(String, u32)>,
    /// Bytes of constants that are not to be as the object says.
    pub(crate) globals: Vec<(String, Vec<u8>)>,
}

impl Spec {
    /// The object file's own name.
    pub(crate) fn file(&self) -> String {
        let name = self.object.file_name();
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |part: &str| format!("read `{part}`: it is not {FORM}");
        let (place, settings) = match text.split_once(',') {
            Some((place, settings)) => (place, settings.split(',').collect()),
            None => (text, Vec::new()),
        };
        let (object, programs) = place.rsplit_once(':').ok_or_else(|| wrong(text))?;
        let (label, object) = match object.split_once('=') {
            Some((label, object)) => (Some(label), object),
            None => (None, object),
        };
        let (ingress, egress) = programs.split_once('/').unwrap_or((programs, programs));
        let label = label.unwrap_or(ingress);
        // It becomes part of names.
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        if [label, object, ingress, egress].contains(&"") || !label.chars().all(is_name) {
            return Err(wrong(text));
        }
        let mut spec = Self {
            text: text.to_owned(),
            label: label.to_owned(),
            object: object.into(),
            ingress: ingress.to_owned(),
            egress: egress.to_owned(),
            entries: Vec::new(),
            globals: Vec::new(),
        };
        for setting in settings {
            let (name, value) = setting.split_once('=').ok_or_else(|| wrong(setting))?;
            if let Some(digits) = value.strip_prefix("0x") {
                let bytes = bytes(digits).ok_or_else(|| wrong(setting))?;
                spec.globals.push((name.to_owned(), bytes));
            } else {
                let entries = value.parse().map_err(|_| wrong(setting))?;
                spec.entries.push((name.to_owned(), entries));
            }
        }
        Ok(spec)
    }
}

/// The bytes that pairs of hexadecimal digits write; none if there is none.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}
