//! The parts of an eBPF object file (ELF, 64 bits, little-endian) that narrowing needs. Reads; every
//! offset of the file is tested.

use std::ops::Range;

/// Where things are in a file's header (`Elf64_Ehdr`).
const MACHINE: usize = 18;
const SECTIONS: usize = 40;
const SECTION_COUNT: usize = 60;
const NAMES: usize = 62;
/// ELF, 64 bits, little-endian.
const MAGIC: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
/// `EM_BPF`.
const BPF: u16 = 247;
/// Bytes of an `Elf64_Shdr` and an `Elf64_Sym`.
const HEADER: usize = 64;
const SYMBOL: usize = 24;
/// `SHT_SYMTAB`; `STT_FUNC`; `SHF_EXECINSTR`.
const SYMBOLS: u32 = 2;
const FUNCTION: u8 = 2;
const EXECUTABLE: u64 = 4;

/// An object file.
pub(super) struct Elf<'a> {
    bytes: &'a [u8],
    /// In the order of the file.
    pub(super) sections: Vec<Section<'a>>,
    /// Index of the section that holds the names of sections.
    pub(super) names: usize,
}

/// A section.
pub(super) struct Section<'a> {
    /// Where its header is in the file.
    pub(super) header: usize,
    /// Its name.
    pub(super) name: &'a str,
    /// Its bytes in the file; empty if they are not there.
    pub(super) range: Range<usize>,
    kind: u32,
    /// Its flags.
    pub(super) flags: u64,
    link: usize,
}

/// A symbol that lies in a section.
pub(super) struct Symbol<'a> {
    pub(super) name: &'a str,
    pub(super) section: usize,
    /// Offset in its section, as the file says: it may lead out of it.
    pub(super) start: usize,
    /// Bytes, as the file says.
    pub(super) length: usize,
    is_function: bool,
}

impl<'a> Elf<'a> {
    /// Reads the tables; the error says what is wrong with the file.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, &'static str> {
        if bytes.get(..MAGIC.len()) != Some(&MAGIC) {
            return Err("not an ELF file of 64 bits, little-endian");
        }
        if u16_at(bytes, MACHINE) != Some(BPF) {
            return Err("an ELF file, but not for eBPF");
        }
        Self::tables(bytes).ok_or("its tables of sections and names lead out of the file")
    }

    fn tables(bytes: &'a [u8]) -> Option<Self> {
        let first = usize::try_from(u64_at(bytes, SECTIONS)?).ok()?;
        let names = usize::from(u16_at(bytes, NAMES)?);
        let count = usize::from(u16_at(bytes, SECTION_COUNT)?);
        let header = |index: usize| {
            let at = first.checked_add(index * HEADER)?;
            let head: &[u8; HEADER] = bytes.get(at..)?.first_chunk()?;
            Some((at, head))
        };
        let (_, head) = header(names)?;
        let table = bytes.get(range(bytes, head)?)?;
        let sections = (0..count).map(|index| {
            let (header, head) = header(index)?;
            let name = usize::try_from(u32_at(head, 0)?).ok()?;
            Some(Section {
                header,
                name: text(table, name)?,
                range: range(bytes, head)?,
                kind: u32_at(head, 4)?,
                flags: u64_at(head, 8)?,
                link: usize::try_from(u32_at(head, 40)?).ok()?,
            })
        });
        Some(Self {
            bytes,
            sections: sections.collect::<Option<_>>()?,
            names,
        })
    }

    /// The bytes of a section.
    pub(super) fn data(&self, section: &Section<'_>) -> &'a [u8] {
        self.bytes.get(section.range.clone()).unwrap_or_default()
    }

    /// The section with this name.
    pub(super) fn named(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// All symbols with a name that lie in a section.
    pub(super) fn symbols(&self) -> Vec<Symbol<'a>> {
        let Some(table) = self.sections.iter().find(|section| section.kind == SYMBOLS) else {
            return Vec::new();
        };
        let names = self.sections.get(table.link);
        let names = names.map(|names| self.data(names)).unwrap_or_default();
        let entries = self.data(table).chunks_exact(SYMBOL);
        entries
            .filter_map(|entry| {
                let name = usize::try_from(u32_at(entry, 0)?).ok()?;
                Some(Symbol {
                    name: text(names, name).filter(|name| !name.is_empty())?,
                    section: u16_at(entry, 6)?.into(),
                    start: usize::try_from(u64_at(entry, 8)?).ok()?,
                    length: usize::try_from(u64_at(entry, 16)?).ok()?,
                    is_function: entry.get(4)? & 0xf == FUNCTION,
                })
            })
            .collect()
    }

    /// Entry programs: functions in a section of their own kind, not those that they share.
    pub(super) fn programs(&self) -> Vec<Symbol<'a>> {
        let mut symbols = self.symbols();
        symbols.retain(|symbol| {
            let section = self.sections.get(symbol.section);
            symbol.is_function && section.is_some_and(Section::holds_programs)
        });
        symbols
    }
}

impl Section<'_> {
    /// True if it holds entry programs.
    pub(super) fn holds_programs(&self) -> bool {
        self.flags & EXECUTABLE != 0 && self.name != ".text" && !self.range.is_empty()
    }

    /// Its flags without that of code: loaders then leave it alone.
    pub(super) const fn flags_of_data(&self) -> u64 {
        self.flags & !EXECUTABLE
    }
}

/// The bytes of the section with this header.
fn range(bytes: &[u8], head: &[u8; HEADER]) -> Option<Range<usize>> {
    const NO_BITS: u32 = 8;
    let start = usize::try_from(u64_at(head, 24)?).ok()?;
    let length = usize::try_from(u64_at(head, 32)?).ok()?;
    if u32_at(head, 4)? == NO_BITS {
        return Some(0..0);
    }
    let range = start..start.checked_add(length)?;
    bytes.get(range.clone()).map(|_| range)
}

/// The text that begins at an offset of a table and ends with a zero byte.
pub(super) fn text(table: &[u8], offset: usize) -> Option<&str> {
    let rest = table.get(offset..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let rest = bytes.get(at..)?;
    rest.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let rest = bytes.get(at..)?;
    rest.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let rest = bytes.get(at..)?;
    rest.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}
