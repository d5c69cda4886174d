//! The tables of `.BTF.ext` by hand: what is left of them when a section goes and another one is renamed.

use crate::peer::btf::renamed;

/// No types, and these texts; their offsets are 1, 5 and 8.
const TEXTS: &[u8] = b"\0xdp\0tc\0pinning\0";
/// The same with what is made of them.
const NEW_TEXTS: &[u8] = b"\0xdp\0tc\0_inning\0classifier/0\0";
const MAGIC: u32 = 0x0001_eb9f;

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn types(texts: &[u8]) -> Vec<u8> {
    let length = u32::try_from(texts.len()).expect("short");
    let header = words(&[MAGIC, 24, 0, 0, 0, length]);
    [&header, texts].concat()
}

/// Records of one word, in both sections; no lines; one relocation, in the section that goes.
fn extension(second_section_records: u32) -> Vec<u8> {
    let header = words(&[MAGIC, 32, 0, 32, 32, 4, 36, 16]);
    let functions = words(&[4, 1, 2, 0xa0, 0xa1, 5, second_section_records, 0xb0]);
    let [lines, relocations] = [words(&[4]), words(&[4, 1, 1, 0xc0])];
    [header, functions, lines, relocations].concat()
}

fn rename(name: &str) -> Option<String> {
    (name == "tc").then(|| "classifier/0".to_owned())
}

#[test]
fn a_section_that_is_left_out_is_left_out_of_every_table() {
    let made = renamed(&types(TEXTS), &extension(1), &rename);
    let new = u32::try_from(TEXTS.len()).expect("short");
    let left = words(&[MAGIC, 32, 0, 16, 16, 0, 16, 0, 4, new, 1, 0xb0]);
    assert_eq!(made, Some((types(NEW_TEXTS), left)));
}

#[test]
fn what_leads_out_of_the_tables_is_refused() {
    let (types, ext) = (types(TEXTS), extension(1));
    for length in 0..types.len() {
        assert_eq!(renamed(&types[..length], &ext, &rename), None, "{length}");
    }
    for length in 1..ext.len() {
        assert_eq!(renamed(&types, &ext[..length], &rename), None, "{length}");
    }
    assert_eq!(renamed(&types, &extension(u32::MAX), &rename), None);
}
