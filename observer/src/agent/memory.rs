//! Memory that the start took and nothing needs any more: the kernel's types and symbols, the object's
//! sections. One unsafe call, and nothing else.

/// Gives free pages back to the kernel. glibc keeps them else: what stays lies on top of them.
pub(super) fn give_back() {
    // SAFETY: it moves nothing that is allocated (malloc_trim(3)), and any thread may call it.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
}
