//! The type information of an object (BTF, and `.BTF.ext`, which says which function a section's
//! instructions are of): sections renamed and left out, no map pinned. Types stay as they are.

use super::elf::{text, u32_at};

/// What a section is called instead; none if it is left out.
pub(crate) type Rename<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Both parts, changed alike. None if they are damaged.
pub(crate) fn renamed(btf: &[u8], ext: &[u8], rename: Rename<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let header = offset(btf, 4)?;
    let (at, length) = (header + offset(btf, 16)?, offset(btf, 20)?);
    // Texts are last, so that more can be added.
    if at.checked_add(length)? != btf.len() {
        return None;
    }
    let mut texts = btf.get(at..)?.to_vec();
    let ext = extension(ext, &mut texts, rename)?;
    unpin(&mut texts);
    let mut btf = btf.get(..at)?.to_vec();
    put(&mut btf, 20, texts.len())?;
    btf.extend(texts);
    Some((btf, ext))
}

/// `.BTF.ext` with the sections that are left; new names are added to the texts.
fn extension(ext: &[u8], texts: &mut Vec<u8>, rename: Rename<'_>) -> Option<Vec<u8>> {
    if ext.is_empty() {
        return Some(Vec::new());
    }
    let header = offset(ext, 4)?;
    let mut changed = ext.get(..header)?.to_vec();
    // Functions, lines, and where there are any relocations by type: offset and length of each table.
    for field in (8..header.min(32)).step_by(8) {
        let (at, length) = (header + offset(ext, field)?, offset(ext, field + 4)?);
        let table = ext.get(at..at.checked_add(length)?)?;
        let start = changed.len();
        put(&mut changed, field, start - header)?;
        changed.extend(sections(table, texts, rename)?);
        let length = changed.len() - start;
        put(&mut changed, field + 4, length)?;
    }
    Some(changed)
}

/// One table: the length of its records, then per section its name, their number and the records.
fn sections(table: &[u8], texts: &mut Vec<u8>, rename: Rename<'_>) -> Option<Vec<u8>> {
    let Some(record) = table.first_chunk::<4>() else {
        return Some(Vec::new());
    };
    let mut changed = record.to_vec();
    let record = offset(table, 0)?;
    let mut at = 4;
    while at < table.len() {
        let end = at + 8 + record.checked_mul(offset(table, at + 4)?)?;
        let section = table.get(at..end)?;
        let name = text(texts, offset(section, 0)?)?.to_owned();
        if let Some(new) = rename(&name) {
            let place = if new == name {
                offset(section, 0)?
            } else {
                let place = texts.len();
                texts.extend(new.bytes().chain([0]));
                place
            };
            let start = changed.len();
            changed.extend(section);
            put(&mut changed, start, place)?;
        }
        at = end;
    }
    // A table without sections is no table.
    Some(if changed.len() == 4 {
        Vec::new()
    } else {
        changed
    })
}

/// A map definition's field `pinning` gets a name that no loader knows: what the object shares with
/// its own tool's processes must not be found or left behind here.
fn unpin(texts: &mut [u8]) {
    const FIELD: &[u8] = b"\0pinning\0";
    let found: Vec<_> = texts
        .windows(FIELD.len())
        .enumerate()
        .filter_map(|(at, window)| (window == FIELD).then_some(at + 1))
        .collect();
    for at in found {
        if let Some(first) = texts.get_mut(at) {
            *first = b'_';
        }
    }
}

fn offset(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(bytes, at)?).ok()
}

fn put(bytes: &mut [u8], at: usize, value: usize) -> Option<()> {
    let value = u32::try_from(value).ok()?.to_le_bytes();
    bytes.get_mut(at..at + 4)?.copy_from_slice(&value);
    Some(())
}
