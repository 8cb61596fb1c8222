//! What libtorch has and tch does not expose: `native/libtorch.cpp`.

use std::ffi::{CStr, c_char};
use tch::Tensor;

/// libtorch's own tensor.
#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn autodenoise_adam(
        parameters: *const *const Opaque,
        gradients: *const *const Opaque,
        means: *const *const Opaque,
        squares: *const *const Opaque,
        steps: *const *const Opaque,
        count: usize,
        rate: f64,
        beta1: f64,
        beta2: f64,
        decay: f64,
        eps: f64,
        skip: *const Opaque,
    ) -> *mut c_char;
    fn autodenoise_sgd(
        parameters: *const *const Opaque,
        gradients: *const *const Opaque,
        count: usize,
        rate: f64,
        decay: f64,
        skip: *const Opaque,
    ) -> *mut c_char;
    fn autodenoise_send(values: *const i32, count: i64, device: i8, answer: *mut *mut SentThere) -> *mut c_char;
    fn autodenoise_arrive(sent: *mut SentThere, answer: *mut *mut Opaque) -> *mut c_char;
    fn autodenoise_forget(sent: *mut SentThere);
    fn autodenoise_use_full_precision() -> *mut c_char;
    fn autodenoise_has_full_precision(answer: *mut bool) -> *mut c_char;
}

/// A copy under way, as the other side knows it.
#[repr(C)]
struct SentThere {
    _private: [u8; 0],
}

/// Numbers that a GPU copies from pinned memory beside its other work. No GPU was at hand: this was compiled, and never run.
pub struct Sent {
    there: *mut SentThere,
}

impl Sent {
    /// Begins the copy to the GPU of this number; the numbers need not outlive the call.
    pub fn new(values: &[i32], gpu: usize) -> Self {
        let mut there = std::ptr::null_mut();
        // SAFETY: reads so many numbers, and writes one pointer.
        check(unsafe { autodenoise_send(values.as_ptr(), values.len() as i64, gpu as i8, &raw mut there) });
        Self { there }
    }

    /// The copy, `[n]`: whatever the GPU is given from now on waits for it.
    pub fn arrive(self) -> Tensor {
        let mut answer = std::ptr::null_mut();
        // SAFETY: a copy that `autodenoise_send` began and `drop` has not ended.
        check(unsafe { autodenoise_arrive(self.there, &raw mut answer) });
        // SAFETY: a tensor of the caller's own.
        unsafe { Tensor::from_ptr(answer.cast()) }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe { autodenoise_forget(self.there) }
    }
}

/// The parameters of one step, each with its gradient and what Adam keeps of it: contiguous, f32, on one device.
#[derive(Default)]
pub struct Parts {
    pub parameters: Vec<Tensor>,
    pub gradients: Vec<Tensor>,
    /// Of gradients and of their squares; empty for gradient descent.
    pub means: Vec<Tensor>,
    pub squares: Vec<Tensor>,
    /// The number of the step, counted from 1, as a scalar; several parameters may share one.
    pub steps: Vec<Tensor>,
}

/// The numbers of Adam that are the same for all parameters.
pub struct AdamNumbers {
    pub rate: f64,
    pub decay: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
}

/// One step of Adam with coupled decay for all parameters, in as few kernels as hold them. Nothing moves where the scalar `skip`
/// is 1.
pub fn adam(parts: &Parts, numbers: &AdamNumbers, skip: Option<&Tensor>) {
    let of = |tensors: &[Tensor]| {
        assert_eq!(tensors.len(), parts.parameters.len(), "one a parameter");
        pointers(tensors)
    };
    let (parameters, gradients) = (of(&parts.parameters), of(&parts.gradients));
    let (means, squares, steps) = (of(&parts.means), of(&parts.squares), of(&parts.steps));
    // SAFETY: five lists of as many tensors, which live until the call returns.
    check(unsafe {
        autodenoise_adam(
            parameters.as_ptr(),
            gradients.as_ptr(),
            means.as_ptr(),
            squares.as_ptr(),
            steps.as_ptr(),
            parameters.len(),
            numbers.rate,
            numbers.beta1,
            numbers.beta2,
            numbers.decay,
            numbers.eps,
            skip.map_or(std::ptr::null(), pointer),
        )
    });
}

/// The same of plain gradient descent.
pub fn sgd(parts: &Parts, rate: f64, decay: f64, skip: Option<&Tensor>) {
    assert_eq!(parts.parameters.len(), parts.gradients.len(), "one a parameter");
    let (parameters, gradients) = (pointers(&parts.parameters), pointers(&parts.gradients));
    let skip = skip.map_or(std::ptr::null(), pointer);
    // SAFETY: two lists of as many tensors, which live until the call returns.
    check(unsafe { autodenoise_sgd(parameters.as_ptr(), gradients.as_ptr(), parameters.len(), rate, decay, skip) });
}

/// Products and convolutions of f32 are computed in f32. As libtorch comes, cuDNN's convolutions are not: they round their inputs to
/// the 10 bits of TF32.
pub fn use_full_precision() {
    // SAFETY: sets three flags of the process.
    check(unsafe { autodenoise_use_full_precision() });
}

/// Whether they are.
pub fn has_full_precision() -> bool {
    let mut answer = false;
    // SAFETY: writes one bool.
    check(unsafe { autodenoise_has_full_precision(&raw mut answer) });
    answer
}

fn pointer(tensor: &Tensor) -> *const Opaque {
    tensor.as_ptr().cast()
}

fn pointers(tensors: &[Tensor]) -> Vec<*const Opaque> {
    tensors.iter().map(pointer).collect()
}

/// Panics with libtorch's message, as tch does.
fn check(message: *mut c_char) {
    if let Err(text) = message_of(message) {
        panic!("libtorch: {text}");
    }
}

/// What a function of ours has to say: null for nothing, or a message that the caller frees.
pub fn message_of(message: *mut c_char) -> Result<(), String> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a C string that malloc made and nobody else frees.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned();
    // SAFETY: as above, and it is not read again.
    unsafe { libc::free(message.cast()) };
    Err(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_computed_in_tf32_once_that_was_said() {
        use_full_precision();
        assert!(has_full_precision());
    }
}
