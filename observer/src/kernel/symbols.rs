//! Where functions of the kernel lie: `/proc/kallsyms`. A function may have parts elsewhere, such as
//! `name.cold`; what lies between a symbol and the next one is taken for its code.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// The kernel's own list.
const KERNEL: &str = "/proc/kallsyms";
/// Hexadecimal digits of an address, on kernels of 64 bits.
const ADDRESS: usize = 16;

/// The list of symbols cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// It cannot be read.
    #[error("read the kernel's symbols from {KERNEL}: {0}; mount procfs at /proc")]
    Read(#[source] io::Error),
    /// It holds no addresses.
    #[error(
        "read the kernel's symbols from {KERNEL}: it shows no addresses; needs CAP_SYSLOG, and the \
         setting kernel.kptr_restrict at 0 or 1"
    )]
    Hidden,
}

/// Code of a function, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code {
    /// Place of the function in the list that was asked for.
    pub(super) asked: usize,
    /// Address of its first byte.
    pub(super) start: u64,
    /// Bytes up to the next symbol.
    pub(super) length: u64,
}

/// The code of these functions of the running kernel, in the order of their addresses. Reads the list up
/// to where eBPF programs begin: some 50 ms.
pub(super) fn of_kernel(names: &[&str]) -> Result<Vec<Code>, SymbolsError> {
    let file = File::open(Path::new(KERNEL)).map_err(SymbolsError::Read)?;
    find(BufReader::new(file), names)
}

/// The same in a list.
fn find(mut list: impl BufRead, names: &[&str]) -> Result<Vec<Code>, SymbolsError> {
    let mut addresses = Vec::new();
    let mut found = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = list.read_until(b'\n', &mut line);
        let is_end = read.map_err(SymbolsError::Read)? == 0;
        // They come last (kernel/kallsyms.c, `update_iter_mod`), and each costs the kernel a walk past all
        // before it.
        if is_end || line.ends_with(b"\t[bpf]\n") {
            break;
        }
        let Some((address, name)) = symbol(&line) else {
            continue;
        };
        addresses.push(address);
        if let Some(asked) = names.iter().position(|asked| is_part(name, asked)) {
            found.push((asked, address));
        }
    }
    if addresses.iter().all(|&address| address == 0) {
        return Err(SymbolsError::Hidden);
    }
    addresses.sort_unstable();
    let code = found.into_iter().filter_map(|(asked, start)| {
        let behind = addresses.partition_point(|&address| address <= start);
        let length = addresses.get(behind)? - start;
        Some(Code {
            asked,
            start,
            length,
        })
    });
    let mut code: Vec<_> = code.collect();
    code.sort_unstable_by_key(|code| code.start);
    Ok(code)
}

/// Address of a symbol of code, and what stands behind its type: `ffffffff81ff57d0 T ip_forward`, with the
/// module's name after a tab. All addresses have one width (kernel/kallsyms.c, `s_show`).
fn symbol(line: &[u8]) -> Option<(u64, &[u8])> {
    let (address, rest) = line.split_at_checked(ADDRESS)?;
    let [b' ', b't' | b'T' | b'w' | b'W', b' ', name @ ..] = rest else {
        return None;
    };
    let address = std::str::from_utf8(address).ok()?;
    Some((u64::from_str_radix(address, 16).ok()?, name))
}

/// True for the function of that name, and for its parts and versions: `name.cold`, `name.part.0`,
/// `name.constprop.0`.
fn is_part(name: &[u8], asked: &str) -> bool {
    let rest = name.strip_prefix(asked.as_bytes());
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'.' | b'\t' | b'\n')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = b"\
ffffffff81000100 T ip_forward
ffffffff81000180 t ip_forward_finish
ffffffff81000200 D ip_forward_table
ffffffff81000300 T br_dev_queue_push_xmit\t[bridge]
ffffffff81000340 t br_other\t[bridge]
ffffffff80000010 t br_dev_queue_push_xmit.cold\t[bridge]
ffffffff80000018 t some.cold
";

    fn check(list: &[u8], names: &[&str], expected: &[(usize, u64, u64)]) {
        let found = find(list, names).expect("a list");
        let found: Vec<_> = found
            .iter()
            .map(|code| (code.asked, code.start, code.length))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn code_reaches_to_the_next_symbol_of_code_and_parts_are_found_too() {
        let parts = [
            (1, 0xffff_ffff_8000_0010, 8),
            (0, 0xffff_ffff_8100_0100, 0x80),
            (1, 0xffff_ffff_8100_0300, 0x40),
        ];
        check(LIST, &["ip_forward", "br_dev_queue_push_xmit"], &parts);
    }

    #[test]
    fn a_name_that_only_begins_alike_is_another_function() {
        check(LIST, &["ip_for", "ip_forward_table"], &[]);
    }

    #[test]
    fn nothing_is_read_behind_the_first_program() {
        let list = [LIST, b"ffffffffc0000000 t bpf_prog_1_observe\t[bpf]\n"].concat();
        let behind = [&list[..], b"ffffffffc0000100 T ip_forward\t[late]\n"].concat();
        let parts = [(0, 0xffff_ffff_8100_0100, 0x80)];
        check(&behind, &["ip_forward"], &parts);
    }

    #[test]
    fn hidden_addresses_are_no_places() {
        let hidden = b"0000000000000000 T ip_forward\n0000000000000000 t other\n";
        let found = find(&hidden[..], &["ip_forward"]);
        assert!(matches!(found, Err(SymbolsError::Hidden)), "{found:?}");
        assert!(matches!(find(&b""[..], &[]), Err(SymbolsError::Hidden)));
    }
}
