//! Bytes of stack of each program, computed from the object as the verifier does it up to Linux 6.8: the
//! deepest chain of calls, each function's part rounded up to 32 bytes. Later kernels round to 16. Loads
//! nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use aya_obj::Object;
use aya_obj::generated::bpf_insn;

/// The frame pointer; a function's stack lies below it.
const FRAME: u8 = 10;
/// Instruction classes (RFC 9669, section 3) and whole opcodes.
const CLASS: u8 = 0x07;
const LOAD: u8 = 0x01;
const STORES: [u8; 2] = [0x02, 0x03];
const ARITHMETIC: [u8; 2] = [0x04, 0x07];
const MOVE: u8 = 0xbf;
const ADD: u8 = 0x07;
const CALL: u8 = 0x85;
const WIDE: u8 = 0x18;
/// What a call's, and a wide load's, source register says of a function of the same program.
const LOCAL_CALL: u8 = 1;
const LOCAL_FUNCTION: u8 = 4;
/// What parts are rounded up to.
const ROUND: u32 = 32;
/// Nested calls that the verifier allows.
const FRAMES: u32 = 8;

/// Bytes by the name of each program in the object file.
pub(crate) fn depths(object: &[u8]) -> BTreeMap<String, u32> {
    let mut object = Object::parse(object).expect("an object file");
    let sections: HashSet<_> = object
        .functions
        .keys()
        .map(|(section, _)| *section)
        .collect();
    object
        .relocate_calls(&sections)
        .expect("calls inside the object");
    let depth_of = |program: &aya_obj::Program| {
        let function = object.functions.get(&program.function_key());
        depth(&function.expect("a program's function").instructions)
    };
    let programs = object.programs.iter();
    programs
        .map(|(name, program)| (name.clone(), depth_of(program)))
        .collect()
}

/// Bytes of a program whose functions lie one behind the other, the entry first.
fn depth(code: &[bpf_insn]) -> u32 {
    let calls: Vec<(usize, usize)> = (0..code.len())
        .filter_map(|place| Some((place, target(code, place)?)))
        .collect();
    let starts: BTreeSet<usize> = calls.iter().map(|(_, target)| *target).chain([0]).collect();
    let functions = Functions {
        code,
        calls,
        starts,
    };
    functions.chain(0, FRAMES)
}

/// Where a call at this place, or a function that is handed on, begins.
fn target(code: &[bpf_insn], place: usize) -> Option<usize> {
    let one = code[place];
    let is_local = (one.code == CALL && one.src_reg() == LOCAL_CALL)
        || (one.code == WIDE && one.src_reg() == LOCAL_FUNCTION);
    let distance = isize::try_from(one.imm).ok()? + 1;
    is_local.then(|| place.checked_add_signed(distance))?
}

struct Functions<'a> {
    code: &'a [bpf_insn],
    calls: Vec<(usize, usize)>,
    starts: BTreeSet<usize>,
}

impl Functions<'_> {
    /// Bytes of the function that begins at `start` and of the deepest chain below it.
    fn chain(&self, start: usize, frames: u32) -> u32 {
        assert!(frames > 0, "calls nested deeper than {FRAMES}");
        let end = self.starts.range(start + 1..).next();
        let body = start..end.copied().unwrap_or(self.code.len());
        let called = self.calls.iter().filter(|(place, _)| body.contains(place));
        let below = called.map(|(_, target)| self.chain(*target, frames - 1));
        let own = lowest(&self.code[body.clone()])
            .max(1)
            .next_multiple_of(ROUND);
        own + below.max().unwrap_or(0)
    }
}

/// How far below the frame pointer a function's code reaches.
fn lowest(body: &[bpf_insn]) -> u32 {
    // Registers that hold an address on the stack: how far it is from the frame pointer.
    let mut held: BTreeMap<u8, i32> = BTreeMap::from([(FRAME, 0)]);
    let mut lowest = 0;
    for one in body {
        let (to, from) = (one.dst_reg(), one.src_reg());
        let base = match one.code & CLASS {
            LOAD => Some(from),
            class if STORES.contains(&class) => Some(to),
            _ => None,
        };
        if let Some(at) = base.and_then(|base| held.get(&base)) {
            lowest = lowest.min(at + i32::from(one.off));
        }
        let is_written = one.code & CLASS == LOAD
            || ARITHMETIC.contains(&(one.code & CLASS))
            || one.code == WIDE;
        let kept = match one.code {
            MOVE => held.get(&from).copied(),
            ADD => held.get(&to).map(|at| at + one.imm),
            _ => None,
        };
        if is_written {
            held.remove(&to);
        }
        if one.code == CALL {
            held.retain(|register, _| *register > 5);
        }
        if let Some(at) = kept {
            lowest = lowest.min(at);
            held.insert(to, at);
        }
    }
    lowest.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use aya_obj::generated::bpf_insn;

    use super::{ADD, CALL, LOCAL_CALL, MOVE, depth};

    /// `*(u64 *)(r10 + off) = imm`, and the end of a function.
    const STORE: u8 = 0x7a;
    const EXIT: u8 = 0x95;

    #[test]
    fn the_deepest_chain_counts_with_every_part_rounded_up() {
        let code = [
            one(STORE, (10, 0), -8, 0),
            one(CALL, (0, LOCAL_CALL), 0, 2),
            one(CALL, (0, LOCAL_CALL), 0, 3),
            one(EXIT, (0, 0), 0, 0),
            one(STORE, (10, 0), -40, 0),
            one(EXIT, (0, 0), 0, 0),
            one(MOVE, (1, 10), 0, 0),
            one(ADD, (1, 0), 0, -100),
            one(EXIT, (0, 0), 0, 0),
        ];
        assert_eq!(depth(&code[4..6]), 64);
        assert_eq!(depth(&code), 32 + 128);
    }

    #[test]
    fn a_store_through_another_pointer_is_none_to_the_stack() {
        let code = [
            one(MOVE, (1, 10), 0, 0),
            one(MOVE, (1, 2), 0, 0),
            one(STORE, (1, 0), -200, 0),
            one(EXIT, (0, 0), 0, 0),
        ];
        assert_eq!(depth(&code), 32);
    }

    fn one(code: u8, (to, from): (u8, u8), off: i16, imm: i32) -> bpf_insn {
        let registers = bpf_insn::new_bitfield_1(to, from);
        bpf_insn {
            code,
            _bitfield_align_1: [],
            _bitfield_1: registers,
            off,
            imm,
        }
    }
}
