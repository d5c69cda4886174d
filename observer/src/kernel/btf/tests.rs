//! Descriptions made by hand, and the running kernel's.

use super::*;

/// A description under construction.
#[derive(Default)]
struct Made {
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Made {
    fn name(&mut self, name: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        if name.is_empty() {
            return 0;
        }
        let at = u32::try_from(self.strings.len()).expect("short");
        self.strings.extend(name.bytes().chain([0]));
        at
    }

    /// One type with its words behind the first three.
    fn add(&mut self, name: &str, kind: u32, members: u32, value: u32, rest: &[u32]) {
        let words = [self.name(name), (kind << 24) | members, value];
        for word in words.iter().chain(rest) {
            self.types.extend(word.to_ne_bytes());
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let length = |part: &[u8]| u32::try_from(part.len()).expect("short");
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        let types = length(&self.types);
        for word in [24, 0, types, types, length(&self.strings)] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }
}

/// `typedef unsigned int u32; struct inner { u32 a; u32 b; }; struct outer { u32 x; struct { union { u32
/// y; struct inner *p; }; struct inner in; }; }; enum reasons { NONE, BIG = 93 };`
fn made() -> Made {
    let mut made = Made::default();
    made.add("unsigned int", kind::INT, 0, 4, &[32]);
    made.add("u32", kind::TYPEDEF, 0, 1, &[]);
    let (a, b) = (made.name("a"), made.name("b"));
    made.add("inner", kind::STRUCT, 2, 8, &[a, 2, 0, b, 2, 32]);
    made.add("", kind::POINTER, 0, 3, &[]);
    let (y, p) = (made.name("y"), made.name("p"));
    made.add("", kind::UNION, 2, 8, &[y, 2, 0, p, 4, 0]);
    let held = made.name("in");
    made.add("", kind::STRUCT, 2, 16, &[0, 5, 0, held, 3, 64]);
    let x = made.name("x");
    made.add("outer", kind::STRUCT, 2, 24, &[x, 2, 0, 0, 6, 64]);
    let (none, big) = (made.name("NONE"), made.name("BIG"));
    made.add("reasons", kind::ENUM, 2, 4, &[none, 0, big, 93]);
    made
}

/// Asks what may fail, but has to end.
fn ask(btf: &Btf) {
    let offset = btf.offset("outer.in.b", 4).is_ok();
    let names = btf.enumeration("reasons").is_ok();
    std::hint::black_box((offset, names));
}

fn parse(bytes: Vec<u8>) -> Result<Btf, BtfError> {
    Btf::parse(bytes, &["inner", "outer", "reasons"])
}

#[test]
fn a_field_is_found_through_structures_without_a_name() {
    let btf = parse(made().bytes()).expect("well made");
    for (field, size, offset) in [
        ("outer.x", 4, 0),
        ("outer.y", 4, 8),
        ("outer.p", 8, 8),
        ("outer.in", 8, 16),
        ("outer.in.b", 4, 20),
        ("inner.a", 4, 0),
    ] {
        assert_eq!(btf.offset(field, size).expect(field), offset, "{field}");
    }
    assert_eq!(btf.size_of("outer").expect("it is there"), 24);
    assert_eq!(btf.find_offset("outer", "in").expect("read"), Some(16));
    assert_eq!(btf.find_offset("outer", "z").expect("read"), None);
}

#[test]
fn names_of_an_enumeration_have_their_numbers() {
    let btf = parse(made().bytes()).expect("well made");
    let found = btf.enumeration("reasons").expect("it is there");
    assert_eq!(found, [("NONE".to_owned(), 0), ("BIG".to_owned(), 93)]);
}

#[test]
fn what_is_not_there_or_has_another_size_is_named() {
    let btf = parse(made().bytes()).expect("well made");
    let said = |result: Result<u32, BtfError>| result.expect_err("an error").to_string();
    assert!(said(btf.offset("outer.z", 4)).contains("`outer.z`"));
    assert!(said(btf.offset("other.z", 4)).contains("`other`"));
    let size = said(btf.offset("outer.p", 4));
    assert!(
        size.contains("`outer.p`") && size.contains("8 bytes"),
        "{size}"
    );
}

#[test]
fn a_damaged_description_is_refused_or_lacks_something_and_never_panics() {
    let whole = made().bytes();
    for length in 0..whole.len() {
        if let Ok(btf) = parse(whole[..length].to_vec()) {
            ask(&btf);
        }
    }
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        if let Ok(btf) = parse(bytes) {
            ask(&btf);
        }
    }
    assert!(parse(b"\0\0".to_vec()).is_err());
}

#[test]
fn a_structure_that_holds_itself_ends() {
    let mut made = Made::default();
    made.add("inner", kind::STRUCT, 1, 8, &[0, 1, 0]);
    let btf = parse(made.bytes()).expect("well made");
    assert_eq!(btf.find_offset("inner", "a").expect("read"), None);
}
