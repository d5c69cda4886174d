//! JSON documents of a bundle: bounded in size, and refused with the byte that is wrong.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::error::Cause;
use super::{BundleError, regular};

/// The most bytes of a document; a node with ten thousand devices prints about ten million.
const LONGEST: u64 = 64 << 20;

/// A document's name, and how it is made.
pub(super) type Named = (&'static str, &'static str);

/// Reads a document of a folder.
pub(super) fn read<T: DeserializeOwned>(folder: &Path, named: Named) -> Result<T, BundleError> {
    let (name, made) = named;
    let document = read_if_there(folder, named)?;
    document.ok_or_else(|| {
        let cause = format!("not there; it is made {made}");
        Cause::Content(cause).of(&folder.join(name))
    })
}

/// Reads a document that may be missing.
pub(super) fn read_if_there<T: DeserializeOwned>(
    folder: &Path,
    (name, made): Named,
) -> Result<Option<T>, BundleError> {
    let path = folder.join(name);
    match regular::open(&path) {
        Ok(file) => match read_open(&file) {
            Ok(document) => Ok(Some(document)),
            Err(Cause::Json { offset, reason }) => {
                let reason = format!("{reason}; it is made {made}");
                Err(Cause::Json { offset, reason }.of(&path))
            }
            Err(cause) => Err(cause.of(&path)),
        },
        Err(Cause::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause.of(&path)),
    }
}

fn read_open<T: DeserializeOwned>(file: &File) -> Result<T, Cause> {
    let mut text = Vec::new();
    let length = file.take(LONGEST + 1).read_to_end(&mut text)?;
    if length as u64 > LONGEST {
        let cause = format!("longer than {LONGEST} bytes, which no tool prints");
        return Err(Cause::Content(cause));
    }
    parse(&text)
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Cause> {
    serde_json::from_slice(text).map_err(|error| {
        let lines = text.split_inclusive(|&octet| octet == b'\n');
        let before = lines.take(error.line().saturating_sub(1));
        let offset = before.map(<[u8]>::len).sum::<usize>() + error.column();
        Cause::Json {
            offset: offset as u64,
            reason: escaped(&error.to_string()),
        }
    })
}

/// An error may quote what stands in the document: nothing that a terminal obeys is left in it.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\'' | '"' | '\\' => escaped.push(character),
            _ => escaped.extend(character.escape_debug()),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_document_is_refused_with_the_byte() {
        for (text, offset) in [("[1,\n 2,", 8), ("[1,\n x]", 6), ("{}", 2)] {
            match parse::<Vec<u32>>(text.as_bytes()) {
                Err(Cause::Json { offset: at, .. }) => assert!(at.abs_diff(offset) <= 2, "{at}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(parse::<Vec<u32>>(b"[1,\n 2]").is_ok());
    }
}
