//! The kernel's own description of its types (kernel: Documentation/bpf/btf.rst): where a field lies in a
//! structure, and what the names of an enumeration stand for.
//!
//! Never: a guess. A field that is not there, or has another size, is an error that names it.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

/// Where the running kernel tells its types.
const KERNEL: &str = "/sys/kernel/btf/vmlinux";
/// First word of a description.
const MAGIC: u16 = 0xeb9f;
/// Bytes before the kind's own part of a type.
const TYPE: usize = 12;
/// How deep structures and names of types are followed.
const DEPTH: u32 = 16;

/// A description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// There is none.
    #[error(
        "read the kernel's types from {KERNEL}: {0}; needs a kernel with CONFIG_DEBUG_INFO_BTF and sysfs at /sys"
    )]
    Read(#[source] io::Error),
    /// It is no description.
    #[error("read the kernel's types: {0} at byte {1}")]
    Malformed(&'static str, usize),
    /// It lacks something.
    #[error("find `{0}` among the kernel's types: it is not there")]
    Missing(String),
    /// A field is not what its reader takes it for.
    #[error("read `{field}`: it has {found} bytes in this kernel, not {expected}")]
    Size {
        /// Structure and field.
        field: String,
        /// Bytes that it has.
        found: u32,
        /// Bytes that it should have.
        expected: u32,
    },
}

/// A parsed description.
#[derive(Debug)]
pub(super) struct Btf {
    bytes: Vec<u8>,
    /// Offset of each type, by its number less 1.
    types: Vec<u32>,
    strings: usize,
    /// Number of the first whole structure or enumeration of each name that is asked for.
    named: HashMap<&'static str, u32>,
}

/// Kinds of types that are followed or stepped over.
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const POINTER: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const PROTOTYPE: u32 = 13;
    pub(super) const VARIABLE: u32 = 14;
    pub(super) const SECTION: u32 = 15;
    pub(super) const DECLARATION_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
    pub(super) const LAST: u32 = ENUM64;
}

/// One type.
#[derive(Clone, Copy, Debug)]
struct Type {
    at: usize,
    kind: u32,
    members: usize,
    /// Bit offsets of the members hold the width of bit fields too.
    has_widths: bool,
    /// Size in bytes, or the number of the type meant.
    value: u32,
}

impl Btf {
    /// Of the running kernel, to be asked for structures and enumerations of these names.
    pub(super) fn of_kernel(names: &[&'static str]) -> Result<Self, BtfError> {
        let bytes = fs::read(Path::new(KERNEL)).map_err(BtfError::Read)?;
        Self::parse(bytes, names)
    }

    /// From the bytes of a description, to be asked for these names.
    pub(super) fn parse(bytes: Vec<u8>, names: &[&'static str]) -> Result<Self, BtfError> {
        if half(&bytes, 0)? != MAGIC {
            return Err(BtfError::Malformed("no BTF of this byte order", 0));
        }
        let header = word(&bytes, 4)? as usize;
        let part = |at: usize| Ok::<_, BtfError>(word(&bytes, at)? as usize);
        let first = header + part(8)?;
        let end = first + part(12)?;
        let strings = header + part(16)?;
        let mut types = Vec::new();
        let mut at = first;
        while at < end {
            types.push(u32::try_from(at).map_err(|_| BtfError::Malformed("too many types", at))?);
            at += length(&Type::read(&bytes, at)?)?;
        }
        let mut held = Self {
            bytes,
            types,
            strings,
            named: HashMap::new(),
        };
        held.find(names)?;
        Ok(held)
    }

    /// Offset of a field in bytes: `net.ns.inum` is field `inum` of field `ns` of structure `net`, which
    /// may lie in structures and unions without a name. It must have `size` bytes.
    pub(super) fn offset(&self, field: &str, size: u32) -> Result<u32, BtfError> {
        let missing = || BtfError::Missing(field.to_owned());
        let mut parts = field.split('.');
        let mut number = self.number(parts.next().ok_or_else(missing)?)?;
        let mut offset = 0;
        for part in parts {
            let (bits, of) = self.member(number, part, DEPTH)?.ok_or_else(missing)?;
            offset += bits / 8;
            number = of;
        }
        let found = self.size(number)?;
        if found != size {
            return Err(BtfError::Size {
                field: field.to_owned(),
                found,
                expected: size,
            });
        }
        Ok(offset)
    }

    /// Offset of a field in bytes, whatever its size; `None` if the structure has no such field.
    pub(super) fn find_offset(
        &self,
        structure: &str,
        field: &str,
    ) -> Result<Option<u32>, BtfError> {
        let found = self.member(self.number(structure)?, field, DEPTH)?;
        Ok(found.map(|(bits, _)| bits / 8))
    }

    /// Size of a structure in bytes.
    pub(super) fn size_of(&self, structure: &str) -> Result<u32, BtfError> {
        self.size(self.number(structure)?)
    }

    /// Names and numbers of an enumeration.
    pub(super) fn enumeration(&self, name: &str) -> Result<Vec<(String, u32)>, BtfError> {
        let held = self.by_number(self.number(name)?)?;
        let stride = stride(held.kind);
        let each = (0..held.members).map(|nth| held.at + TYPE + nth * stride);
        each.map(|at| Ok((self.name(at)?, word(&self.bytes, at + 4)?)))
            .collect()
    }

    fn find(&mut self, names: &[&'static str]) -> Result<(), BtfError> {
        for number in (1..).take(self.types.len()) {
            let held = self.by_number(number)?;
            let is_asked = matches!(held.kind, kind::STRUCT | kind::ENUM | kind::ENUM64);
            if !is_asked || held.members == 0 {
                continue;
            }
            let name = self.name_bytes(held.at)?;
            if let Some(name) = names.iter().find(|asked| asked.as_bytes() == name) {
                self.named.entry(name).or_insert(number);
            }
        }
        Ok(())
    }

    fn number(&self, name: &str) -> Result<u32, BtfError> {
        let found = self.named.get(name).copied();
        found.ok_or_else(|| BtfError::Missing(name.to_owned()))
    }

    fn by_number(&self, number: u32) -> Result<Type, BtfError> {
        let place = (number as usize).checked_sub(1);
        let at = place.and_then(|place| self.types.get(place));
        let at = at.ok_or(BtfError::Malformed("a type that is not there", 0))?;
        Type::read(&self.bytes, *at as usize)
    }

    /// Offset in bits and type of a member.
    fn member(&self, number: u32, name: &str, depth: u32) -> Result<Option<(u32, u32)>, BtfError> {
        let held = self.resolved(number)?;
        if depth == 0 || !matches!(held.kind, kind::STRUCT | kind::UNION) {
            return Ok(None);
        }
        for nth in 0..held.members {
            let at = held.at + TYPE + nth * stride(held.kind);
            let (of, place) = (word(&self.bytes, at + 4)?, word(&self.bytes, at + 8)?);
            let bits = if held.has_widths {
                place & 0x00ff_ffff
            } else {
                place
            };
            let own = self.name_bytes(at)?;
            if own == name.as_bytes() {
                return Ok(Some((bits, of)));
            }
            if own.is_empty()
                && let Some((inside, of)) = self.member(of, name, depth - 1)?
            {
                return Ok(Some((bits + inside, of)));
            }
        }
        Ok(None)
    }

    /// The type that names and qualifiers stand for.
    fn resolved(&self, number: u32) -> Result<Type, BtfError> {
        let mut held = self.by_number(number)?;
        for _ in 0..DEPTH {
            match held.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    held = self.by_number(held.value)?;
                }
                _ => break,
            }
        }
        Ok(held)
    }

    fn size(&self, number: u32) -> Result<u32, BtfError> {
        let held = self.resolved(number)?;
        match held.kind {
            kind::POINTER => Ok(8),
            kind::INT | kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 => Ok(held.value),
            _ => Err(BtfError::Malformed("a field without a size", held.at)),
        }
    }

    fn name(&self, at: usize) -> Result<String, BtfError> {
        Ok(String::from_utf8_lossy(self.name_bytes(at)?).into_owned())
    }

    /// The name whose offset stands at `at`.
    fn name_bytes(&self, at: usize) -> Result<&[u8], BtfError> {
        let start = self.strings + word(&self.bytes, at)? as usize;
        let rest = self.bytes.get(start..);
        let rest = rest.ok_or(BtfError::Malformed("a name beyond the end", at))?;
        rest.split(|&byte| byte == 0)
            .next()
            .ok_or(BtfError::Malformed("a name without an end", at))
    }
}

impl Type {
    fn read(bytes: &[u8], at: usize) -> Result<Self, BtfError> {
        let info = word(bytes, at + 4)?;
        Ok(Self {
            at,
            kind: (info >> 24) & 0x1f,
            members: (info & 0xffff) as usize,
            has_widths: info >> 31 != 0,
            value: word(bytes, at + 8)?,
        })
    }
}

/// Bytes of a type.
fn length(held: &Type) -> Result<usize, BtfError> {
    let own = match held.kind {
        kind::INT | kind::VARIABLE | kind::DECLARATION_TAG => 4,
        kind::ARRAY => 12,
        1..=kind::LAST => held.members * stride(held.kind),
        _ => {
            return Err(BtfError::Malformed(
                "a kind of type that is not known",
                held.at,
            ));
        }
    };
    Ok(TYPE + own)
}

/// Bytes of one member.
const fn stride(kind: u32) -> usize {
    match kind {
        kind::STRUCT | kind::UNION | kind::SECTION | kind::ENUM64 => 12,
        kind::ENUM | kind::PROTOTYPE => 8,
        _ => 0,
    }
}

fn half(bytes: &[u8], at: usize) -> Result<u16, BtfError> {
    let found = bytes.get(at..).and_then(<[u8]>::first_chunk);
    let found = found.ok_or(BtfError::Malformed("an end that comes too early", at))?;
    Ok(u16::from_ne_bytes(*found))
}

fn word(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    let found = bytes.get(at..).and_then(<[u8]>::first_chunk);
    let found = found.ok_or(BtfError::Malformed("an end that comes too early", at))?;
    Ok(u32::from_ne_bytes(*found))
}

#[cfg(test)]
mod tests;
