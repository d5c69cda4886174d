//! The control page: the one entry that tells the programs what to do, mapped into the agent so that
//! each field changes at once, never torn.

use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use aya::maps::MapData;
use observer_ebpf::abi::control::Control;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// What is mapped; the kernel makes whole pages of it.
const LENGTH: usize = size_of::<Control>();

/// The mapped entry of `CONTROL`.
#[derive(Debug)]
pub struct ControlPage {
    words: NonNull<AtomicU32>,
    held: Control,
    /// Keeps the map alive as long as its memory is used.
    _map: MapData,
}

const WORDS: usize = size_of::<Control>() / 4;

impl ControlPage {
    pub(super) fn map(map: MapData) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice; the file is a BPF array made
        // with BPF_F_MMAPABLE, whose memory is at least a page.
        let address = unsafe {
            let access = ProtFlags::READ | ProtFlags::WRITE;
            mmap(
                std::ptr::null_mut(),
                LENGTH,
                access,
                MapFlags::SHARED,
                map.fd().as_fd(),
                0,
            )?
        };
        let words = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            words,
            held: Control::default(),
            _map: map,
        })
    }

    /// What the programs are told now.
    #[must_use]
    pub const fn get(&self) -> Control {
        self.held
    }

    /// Tells the programs something else: each changed word with one store.
    pub fn set(&mut self, control: Control) {
        use zerocopy::IntoBytes;
        for (index, bytes) in control.as_bytes().chunks_exact(4).take(WORDS).enumerate() {
            let Ok(bytes) = bytes.try_into() else {
                continue;
            };
            // SAFETY: index is below WORDS, and the page holds at least that many words; the
            // mapping lives as long as `self`.
            let word = unsafe { self.words.add(index).as_ref() };
            word.store(u32::from_ne_bytes(bytes), Ordering::Relaxed);
        }
        self.held = control;
    }
}

impl Drop for ControlPage {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `map` with this length, and nothing borrows from it.
        let unmapped = unsafe { munmap(self.words.as_ptr().cast(), LENGTH) };
        debug_assert!(unmapped.is_ok(), "unmap the control page");
    }
}
