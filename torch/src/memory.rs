//! How the process treats memory that tensors give back.

/// Blocks up to this size come from the heap, where what one batch frees is there for the next.
#[cfg(target_env = "gnu")]
const FROM_HEAP: libc::c_int = 256 << 20;
/// The heap gives memory back to the system only when so much of it is free.
#[cfg(target_env = "gnu")]
const KEPT_FREE: libc::c_int = 512 << 20;

/// Keeps freed memory for the next tensors. As glibc comes, a tensor above 32 MB is mapped when it is made and unmapped when it is
/// dropped, and the heap is cut when twice as much is free, so the kernel zeroes the same pages again in every batch: 6 % of
/// the processor time of a step of AFN.
pub fn keep_freed_memory() {
    // SAFETY: mallopt sets two numbers of the allocator under its own lock; a value it does not like changes nothing.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, FROM_HEAP);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_FREE);
    }
}
