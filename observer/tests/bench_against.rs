//! Other tools' objects, as the benchmarks load them: what of an object is kept, and what is said of
//! one that cannot be compared with. The objects are our own, changed into what others look like.
//! Loading needs root.

#[path = "bench_against/lies.rs"]
mod lies;
#[path = "../benches/against/peer.rs"]
mod peer;
#[path = "../../xtask/src/skip.rs"]
#[expect(unreachable_pub, reason = "a library of xtask, a module here")]
mod skip;
#[path = "bench_against/tables.rs"]
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use aya::programs::{TestRun, TestRunOptions};
use observer_ebpf::abi::point::Hook;

use peer::spec::Spec;
use peer::{Peer, PeerError};

/// An object with classifiers and maps by BTF.
const OBJECT: &str = env!("OBSERVER_YARDSTICKS");
/// `TCX_NEXT`.
const NEXT: u32 = u32::MAX;
/// Its first 14 bytes are an Ethernet header of no protocol that the kernel looks into.
const FRAME: [u8; 64] = [0; 64];

#[test]
fn a_comparison_is_read_with_its_settings() {
    let spec: Spec = "tool=/a/b.o:in/out,FLOWS=1000,config=0x0aFF"
        .parse()
        .expect("a comparison");
    assert_eq!((spec.label.as_str(), spec.file().as_str()), ("tool", "b.o"));
    assert_eq!((spec.ingress.as_str(), spec.egress.as_str()), ("in", "out"));
    assert_eq!(spec.entries, [("FLOWS".to_owned(), 1000)]);
    assert_eq!(spec.globals, [("config".to_owned(), vec![0x0a, 0xff])]);
    let short: Spec = "b.o:one".parse().expect("a comparison");
    assert_eq!(
        (short.label, short.egress),
        ("one".to_owned(), "one".to_owned())
    );
    let wrong = [
        "b.o",
        "b.o:",
        ":p",
        "a b=c.o:p",
        "b.o:p,FLOWS",
        "b.o:p,FLOWS=many",
        "b.o:p,c=0x1",
        "b.o:p/",
        "b.o:p,c=0xé1",
    ];
    for text in wrong {
        let refused = text.parse::<Spec>().expect_err(text);
        assert!(refused.contains("OBJECT.o:PROGRAM"), "{text}: {refused}");
    }
}

#[test]
fn what_is_no_object_or_has_no_such_program_is_refused() {
    let folder = Folder::new("refused");
    let said = |path: &Path, program: &str| {
        let spec = spec(path, program);
        Peer::load(&spec).expect_err("refused").to_string()
    };
    let missing = said(&folder.0.join("none.o"), "empty");
    assert!(
        missing.contains("none.o") && missing.contains("No such file"),
        "{missing}"
    );
    let text = folder.file("text.o", b"no object at all");
    assert!(
        said(&text, "empty").contains("not an ELF file"),
        "{}",
        said(&text, "empty")
    );
    let host = PathBuf::from("/proc/self/exe");
    assert!(
        said(&host, "empty").contains("not for eBPF"),
        "{}",
        said(&host, "empty")
    );
    let other = said(Path::new(OBJECT), "nothing");
    assert!(other.contains("no program `nothing`; it has"), "{other}");
    assert!(
        other.contains("look_up") && other.contains("empty"),
        "{other}"
    );
    let whole = fs::read(OBJECT).expect("the object");
    for length in (0..whole.len()).step_by(97) {
        let cut = folder.file("cut.o", &whole[..length]);
        let refused = said(&cut, "empty");
        assert!(refused.contains("cut.o"), "{length} bytes: {refused}");
    }
}

#[test]
fn a_program_of_another_hook_is_refused() {
    let folder = Folder::new("kind");
    // As long as the name of a classifier's section.
    let object = folder.file("xdp.o", &replaced(b"classifier\0", b"xdp/frags_\0"));
    let refused = Peer::load(&spec(&object, "empty")).expect_err("refused");
    let text = refused.to_string();
    assert!(matches!(refused, PeerError::Refused { .. }), "{text}");
    assert!(
        text.contains("no TC classifier") && text.contains("xdp/"),
        "{text}"
    );
}

#[test]
fn an_object_without_types_is_told_how_to_get_them() {
    let folder = Folder::new("untyped");
    let object = folder.file("untyped.o", &replaced(b".BTF\0", b".XTF\0"));
    let refused = Peer::load(&spec(&object, "empty")).expect_err("refused");
    let text = refused.to_string();
    assert!(matches!(refused, PeerError::Untyped { .. }), "{text}");
    assert!(text.contains("untyped.o") && text.contains("-g"), "{text}");
}

#[test]
fn programs_load_whatever_their_sections_are_called() {
    let name = "programs_load_whatever_their_sections_are_called";
    if !is_root(name) {
        return;
    }
    let folder = Folder::new("sections");
    let object = folder.file("tcx.o", &replaced(b"classifier\0", b"tcx/ingres\0"));
    let mut peer = Peer::load(&spec(&object, "empty/look_up")).expect("it loads");
    for hook in Hook::ALL {
        let program = peer.program(hook).expect("a program");
        let ran = program.test_run(TestRunOptions {
            data_in: Some(&FRAME),
            ..TestRunOptions::new()
        });
        assert_eq!(ran.expect("it runs").return_value, NEXT, "{hook:?}");
    }
}

#[test]
fn entries_of_a_map_are_as_asked_and_one_without_is_named() {
    let name = "entries_of_a_map_are_as_asked_and_one_without_is_named";
    if !is_root(name) {
        return;
    }
    let object = Path::new(OBJECT);
    let with = |setting: &str| Peer::load(&spec(object, &format!("empty,{setting}")));
    with("HOT=64").expect("it loads");
    let refused = with("HOT=0").expect_err("no entries").to_string();
    assert!(
        refused.contains("map `HOT`") && refused.contains(",HOT=ENTRIES"),
        "{refused}"
    );
    let unknown = with("config=0x01")
        .expect_err("no such constant")
        .to_string();
    assert!(unknown.contains("config"), "{unknown}");
}

#[test]
fn no_map_is_shared_with_the_tools_own_processes() {
    if !is_root("no_map_is_shared_with_the_tools_own_processes") {
        return;
    }
    let folder = Folder::new("pinned");
    // Numbers of entries become those of a kind of pinning, of which 1 is by name; so entries are given.
    let object = folder.file(
        "pinned.o",
        &replaced(b"\0max_entries\0", b"\0pinning\0\0\0\0\0"),
    );
    let maps = ["HOT", "FULL", "FIRST", "SERIAL", "FLOW", "NEXT", "MIXED"];
    let entries = maps.map(|map| format!("{map}=16")).join(",");
    let peer = Peer::load(&spec(&object, &format!("empty,{entries}")));
    let pinned = maps.map(|map| Path::new("/sys/fs/bpf").join(map));
    let left: Vec<_> = pinned.iter().filter(|path| path.exists()).collect();
    for path in &left {
        fs::remove_file(path).expect("unpin");
    }
    assert!(left.is_empty(), "{left:?}");
    peer.expect("it loads");
}

#[test]
fn the_verifiers_last_words_are_shown() {
    if !is_root("the_verifiers_last_words_are_shown") {
        return;
    }
    let folder = Folder::new("verifier");
    // `empty` answers with r0 = -1: of a register that nothing was written to, it cannot.
    let answer = [
        0xb4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0,
    ];
    let wide = [
        0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0,
    ];
    let unwritten = [0xbf, 0x70, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let whole = fs::read(OBJECT).expect("the object");
    let has = |bytes: &[u8]| whole.windows(bytes.len()).any(|window| window == bytes);
    let from = if has(&answer) { answer } else { wide };
    let object = folder.file("refused.o", &replaced(&from, &unwritten));
    let refused = Peer::load(&spec(&object, "empty"))
        .expect_err("refused")
        .to_string();
    assert!(
        refused.contains("the kernel refuses program `empty`"),
        "{refused}"
    );
    assert!(refused.contains("R7 !read_ok"), "{refused}");
}

fn spec(object: &Path, programs: &str) -> Spec {
    let text = format!("{}:{programs}", object.display());
    text.parse().expect("a comparison")
}

fn is_root(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skip::skip(test, "loading programs needs root");
    }
    is_root
}

/// The object with every occurrence of some bytes replaced by as many others.
fn replaced<const N: usize>(from: &[u8; N], to: &[u8; N]) -> Vec<u8> {
    let mut object = fs::read(OBJECT).expect("the object");
    let found: Vec<_> = (0..object.len() - N)
        .filter(|&at| object[at..at + N] == *from)
        .collect();
    assert!(!found.is_empty(), "nothing to replace");
    for at in found {
        object[at..at + N].copy_from_slice(to);
    }
    object
}

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("against-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(cause) = fs::remove_dir_all(&self.0) {
            eprintln!("remove {}: {cause}", self.0.display());
        }
    }
}
