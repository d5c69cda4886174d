//! Objects whose headers and symbols name places near the end of all numbers: each is refused in words.

use std::fs;
use std::ops::Range;

use crate::peer::Peer;
use crate::{Folder, OBJECT, replaced, spec};

/// Where a file's header says where its sections are, how many, and which one holds their names.
const SECTIONS: Range<usize> = 40..48;
const COUNT: usize = 60;
const NAMES: Range<usize> = 62..64;
/// Bytes of a section's header and of a symbol.
const HEADER: usize = 64;
const SYMBOL: usize = 24;
/// `SHT_SYMTAB`.
const SYMBOLS: u64 = 2;

fn number(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

fn place(bytes: &[u8]) -> usize {
    usize::try_from(number(bytes)).expect("a place in a file")
}

fn said(folder: &Folder, object: &[u8]) -> String {
    let path = folder.file("lying.o", object);
    let refused = Peer::load(&spec(&path, "empty")).expect_err("refused");
    refused.to_string()
}

/// Where all symbols of an object are.
fn symbols(object: &[u8]) -> impl Iterator<Item = usize> {
    let (first, count) = (place(&object[SECTIONS]), object[COUNT]);
    let headers = (0..usize::from(count)).map(|index| &object[first + index * HEADER..]);
    let mut tables = headers.filter(|header| number(&header[4..8]) == SYMBOLS);
    let table = tables.next().expect("a table of symbols");
    let (start, length) = (place(&table[24..32]), place(&table[32..40]));
    (start..start + length).step_by(SYMBOL)
}

#[test]
fn tables_at_the_end_of_all_numbers_are_refused() {
    let folder = Folder::new("tables");
    let mut object = fs::read(OBJECT).expect("the object");
    object[NAMES].fill(0);
    for behind in 1..=u64::try_from(HEADER).expect("small") {
        object[SECTIONS].copy_from_slice(&(u64::MAX - behind + 1).to_le_bytes());
        let said = said(&folder, &object);
        assert!(said.contains("lead out of the file"), "{behind}: {said}");
    }
}

#[test]
fn maps_outside_their_section_are_refused() {
    let folder = Folder::new("maps");
    // Maps of the old form.
    let whole = replaced(b"\0.maps\0", b"\0maps\0\0");
    for (field, lie) in [
        (8, u64::MAX),
        (8, u64::MAX - 64),
        (8, 1 << 40),
        (16, u64::MAX),
    ] {
        let mut object = whole.clone();
        for symbol in symbols(&whole) {
            object[symbol + field..symbol + field + 8].copy_from_slice(&lie.to_le_bytes());
        }
        let said = said(&folder, &object);
        assert!(
            said.contains("leads out of section `maps`"),
            "{lie}: {said}"
        );
    }
}
