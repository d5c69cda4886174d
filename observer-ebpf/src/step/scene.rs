//! What every part of the step needs to know of one packet.

use crate::abi::control::Control;
use crate::parse::Packet;

use super::Tables;

/// One packet and its surroundings. The site stands beside it as an argument of its own, so that it
/// stays a constant of each program: what is reached through a pointer is none to the compiler. The
/// rare parts are calls: a BPF program's frame has 512 bytes for all that is inlined into it.
pub(super) struct Scene<'a, T> {
    pub(super) tables: &'a T,
    pub(super) control: &'a Control,
    pub(super) packet: &'a Packet,
}

impl<T> Clone for Scene<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Scene<'_, T> {}

impl<T: Tables> Scene<'_, T> {
    /// The current accounting window.
    #[inline(always)]
    pub(super) fn window(&self) -> u32 {
        self.tables
            .jiffies()
            .window(u32::from(self.control.window_shift))
    }
}
