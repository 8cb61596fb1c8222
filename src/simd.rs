//! Vectors of 16 f32 on whatever the processor has, from one source.
//!
//! Kernels are written once against `Simd` and compiled for each instruction set by `kernel!`; [`Isa::detect`] picks
//! one when the program runs. A vector has 16 lanes everywhere (one register of AVX-512, two of AVX2, four of SSE or
//! NEON), so that sums have the same order everywhere: every set with fused multiply-add gives the same bits.

use std::sync::OnceLock;

/// Lanes of a vector.
pub const LANES: usize = 16;

/// A vector's place in memory.
pub type Line = [f32; LANES];

/// Whether a table is so large that its rows are usually not in a core's own cache: worth asking for ahead.
pub fn is_far(table: &[f32]) -> bool {
    table.len() > 1 << 18
}

/// Asks for a row of a table before it is needed, if there is one at `at`.
#[inline(always)]
pub fn prefetch(table: &[f32], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(number) = table.get(at) {
        // SAFETY: a hint on a valid address; every x86-64 has the instruction.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(std::ptr::from_ref(number).cast())
        };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (table, at);
}

/// Arithmetic on 16 lanes. Only `kernel!` may name an implementation, after the processor was asked: its functions
/// assume that the instructions exist.
pub(crate) trait Simd {
    type V: Copy;
    /// Whether there are 32 registers of 16 lanes: decides how many rows a kernel holds in registers at once.
    const WIDE: bool;

    fn splat(x: f32) -> Self::V;
    fn load(from: &Line) -> Self::V;
    fn store(to: &mut Line, v: Self::V);
    fn add(a: Self::V, b: Self::V) -> Self::V;
    fn sub(a: Self::V, b: Self::V) -> Self::V;
    fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// max(v, 0); what is not a number stays so.
    fn relu(v: Self::V) -> Self::V;
    /// a b + c, rounded once where the processor can.
    fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The lanes of `v` where `by` is above 0, else 0.
    fn where_positive(by: Self::V, v: Self::V) -> Self::V;

    /// Sum of the lanes, by halves: the same tree on every instruction set.
    #[inline(always)]
    fn sum(v: Self::V) -> f32 {
        let mut lanes = [0.0; LANES];
        Self::store(&mut lanes, v);
        sum_lanes(&lanes)
    }
}

#[inline(always)]
fn sum_lanes(lanes: &Line) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    let two: [f32; 2] = std::array::from_fn(|i| four[i] + four[i + 2]);
    two[0] + two[1]
}

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(pub(crate) Level);

/// The sets there are forms of `Simd` for. An [`Isa`] is made of one only by [`Isa::available`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// x86-64-v4: AVX-512.
    #[cfg(target_arch = "x86_64")]
    V4,
    /// x86-64-v3: AVX2 and fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    V3,
    /// What every processor of the architecture has: SSE2 on x86-64, NEON on 64-bit Arm, else plain arrays.
    Baseline,
}

impl Isa {
    /// The best this processor has.
    pub fn detect() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }

    /// All this processor has, the best first.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let v3 = has!("avx2") && has!("fma") && has!("bmi1") && has!("bmi2");
            if v3 && has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
                all.push(Self(Level::V4));
            }
            if v3 {
                all.push(Self(Level::V3));
            }
        }
        all.push(Self(Level::Baseline));
        all
    }

    /// Whether multiplication and addition are rounded once: such sets give the same bits.
    pub fn is_fused(self) -> bool {
        self.0 != Level::Baseline || cfg!(target_arch = "aarch64")
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::V4 => "x86-64-v4",
            #[cfg(target_arch = "x86_64")]
            Level::V3 => "x86-64-v3",
            Level::Baseline if cfg!(target_arch = "x86_64") => "x86-64",
            Level::Baseline if cfg!(target_arch = "aarch64") => "neon",
            Level::Baseline => "portable",
        }
    }
}

/// Defines a function whose body is generic over `Simd` as one that takes an [`Isa`] first and runs the body compiled
/// for it. All that the body calls must be inlined into it, or it runs without the instruction set.
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$s:ident>($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "the kernel's own arguments")]
        $vis fn $name(isa: $crate::simd::Isa, $($arg: $ty),*) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "the kernel's own arguments")]
            #[allow(clippy::extra_unused_type_parameters, reason = "plain loops gain from the instruction set too")]
            fn body<$s: $crate::simd::Simd>($($arg: $ty),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2")]
            #[allow(clippy::too_many_arguments, reason = "the kernel's own arguments")]
            fn v4($($arg: $ty),*) {
                body::<$crate::simd::x86::V4>($($arg),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,bmi1,bmi2")]
            #[allow(clippy::too_many_arguments, reason = "the kernel's own arguments")]
            fn v3($($arg: $ty),*) {
                body::<$crate::simd::x86::V3>($($arg),*);
            }

            match isa.0 {
                // SAFETY: an `Isa` is made only by `Isa::available`, which asked the processor.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::V4 => unsafe { v4($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::V3 => unsafe { v3($($arg),*) },
                $crate::simd::Level::Baseline => body::<$crate::simd::Baseline>($($arg),*),
            }
        }
    };
}
pub(crate) use kernel;

/// Implements `Simd` by `$count` registers side by side.
macro_rules! registers {
    ($name:ident, $wide:expr, $register:ty, $count:expr, $splat:expr, $load:expr, $store:expr, $add:expr, $sub:expr,
     $mul:expr, $max:expr, $fma:expr, $where_positive:expr) => {
        impl Simd for $name {
            type V = [$register; $count];
            const WIDE: bool = $wide;

            #[inline(always)]
            fn splat(x: f32) -> Self::V {
                // SAFETY: here and below, see the trait: the processor was asked.
                [unsafe { $splat(x) }; $count]
            }
            #[inline(always)]
            fn load(from: &Line) -> Self::V {
                // SAFETY: the lanes of register i start at 16 / count * i, inside the line.
                std::array::from_fn(|i| unsafe { $load(from.as_ptr().add(LANES / $count * i)) })
            }
            #[inline(always)]
            fn store(to: &mut Line, v: Self::V) {
                for (i, register) in v.into_iter().enumerate() {
                    // SAFETY: as in `load`.
                    unsafe { $store(to.as_mut_ptr().add(LANES / $count * i), register) };
                }
            }
            #[inline(always)]
            fn add(a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| unsafe { $add(a[i], b[i]) })
            }
            #[inline(always)]
            fn sub(a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| unsafe { $sub(a[i], b[i]) })
            }
            #[inline(always)]
            fn mul(a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| unsafe { $mul(a[i], b[i]) })
            }
            #[inline(always)]
            fn relu(v: Self::V) -> Self::V {
                // In this order x86's instruction hands on a NaN of `v`; Arm's does in any.
                std::array::from_fn(|i| unsafe { $max($splat(0.0), v[i]) })
            }
            #[inline(always)]
            fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                std::array::from_fn(|i| unsafe { $fma(a[i], b[i], c[i]) })
            }
            #[inline(always)]
            fn where_positive(by: Self::V, v: Self::V) -> Self::V {
                std::array::from_fn(|i| unsafe { $where_positive(by[i], v[i]) })
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    use super::{LANES, Line, Simd};
    use std::arch::x86_64::*;

    #[inline(always)]
    unsafe fn where_positive_512(by: __m512, v: __m512) -> __m512 {
        // SAFETY: called with AVX-512 only.
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(by, _mm512_setzero_ps()), v) }
    }

    pub struct V4;
    registers!(
        V4,
        true,
        __m512,
        1,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_max_ps,
        _mm512_fmadd_ps,
        where_positive_512
    );

    #[inline(always)]
    unsafe fn where_positive_256(by: __m256, v: __m256) -> __m256 {
        // SAFETY: called with AVX only.
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(by, _mm256_setzero_ps()), v) }
    }

    pub struct V3;
    registers!(
        V3,
        false,
        __m256,
        2,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_max_ps,
        _mm256_fmadd_ps,
        where_positive_256
    );

    /// SSE2 has no fused multiply-add: two roundings.
    #[inline(always)]
    unsafe fn multiply_add(a: __m128, b: __m128, c: __m128) -> __m128 {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_add_ps(_mm_mul_ps(a, b), c) }
    }

    #[inline(always)]
    unsafe fn where_positive_128(by: __m128, v: __m128) -> __m128 {
        // SAFETY: as above.
        unsafe { _mm_and_ps(_mm_cmpgt_ps(by, _mm_setzero_ps()), v) }
    }

    pub struct Sse;
    registers!(
        Sse,
        false,
        __m128,
        4,
        _mm_set1_ps,
        _mm_loadu_ps,
        _mm_storeu_ps,
        _mm_add_ps,
        _mm_sub_ps,
        _mm_mul_ps,
        _mm_max_ps,
        multiply_add,
        where_positive_128
    );
}
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::Sse as Baseline;

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::{LANES, Line, Simd};
    use std::arch::aarch64::*;

    /// The instruction adds a product to its first operand.
    #[inline(always)]
    unsafe fn multiply_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: every 64-bit Arm we build for has NEON.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    unsafe fn where_positive(by: float32x4_t, v: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vreinterpretq_f32_u32(vandq_u32(vcgtq_f32(by, vdupq_n_f32(0.0)), vreinterpretq_u32_f32(v))) }
    }

    pub struct Neon;
    registers!(
        Neon,
        false,
        float32x4_t,
        4,
        vdupq_n_f32,
        vld1q_f32,
        vst1q_f32,
        vaddq_f32,
        vsubq_f32,
        vmulq_f32,
        vmaxq_f32,
        multiply_add,
        where_positive
    );
}
#[cfg(target_arch = "aarch64")]
pub(crate) use arm::Neon as Baseline;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod portable {
    use super::{LANES, Line, Simd};

    pub struct Portable;

    impl Simd for Portable {
        type V = Line;
        const WIDE: bool = false;

        fn splat(x: f32) -> Line {
            [x; LANES]
        }
        fn load(from: &Line) -> Line {
            *from
        }
        fn store(to: &mut Line, v: Line) {
            *to = v;
        }
        fn add(a: Line, b: Line) -> Line {
            std::array::from_fn(|i| a[i] + b[i])
        }
        fn sub(a: Line, b: Line) -> Line {
            std::array::from_fn(|i| a[i] - b[i])
        }
        fn mul(a: Line, b: Line) -> Line {
            std::array::from_fn(|i| a[i] * b[i])
        }
        fn relu(v: Line) -> Line {
            v.map(|v| if v < 0.0 { 0.0 } else { v })
        }
        fn fma(a: Line, b: Line, c: Line) -> Line {
            std::array::from_fn(|i| a[i] * b[i] + c[i])
        }
        fn where_positive(by: Line, v: Line) -> Line {
            std::array::from_fn(|i| if by[i] > 0.0 { v[i] } else { 0.0 })
        }
    }
}
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) use portable::Portable as Baseline;

#[cfg(test)]
mod tests {
    use super::*;

    kernel! {
        fn relu_and_mask<S>(v: &Line, by: &Line, relu: &mut Line, masked: &mut Line) {
            S::store(relu, S::relu(S::load(v)));
            S::store(masked, S::where_positive(S::load(by), S::load(v)));
        }
    }

    kernel! {
        fn sum<S>(v: &Line, out: &mut f32) {
            *out = S::sum(S::fma(S::load(v), S::splat(2.0), S::splat(1.0)));
        }
    }

    #[test]
    fn relu_hands_on_what_is_not_a_number_and_a_mask_cuts() {
        let mut v = [0.0; LANES];
        v[..6].copy_from_slice(&[f32::NAN, -1.0, 2.0, f32::INFINITY, f32::NEG_INFINITY, -0.0]);
        let mut by = [1.0; LANES];
        by[..3].copy_from_slice(&[-1.0, f32::NAN, 0.0]);
        for isa in Isa::available() {
            let (mut relu, mut masked) = ([9.0; LANES], [9.0; LANES]);
            relu_and_mask(isa, &v, &by, &mut relu, &mut masked);
            assert!(relu[0].is_nan(), "{isa:?}");
            assert_eq!(relu[1..5], [0.0, 2.0, f32::INFINITY, 0.0], "{isa:?}");
            assert_eq!(masked[..5], [0.0, 0.0, 0.0, f32::INFINITY, f32::NEG_INFINITY], "{isa:?}");
        }
    }

    #[test]
    fn a_sum_is_of_all_lanes() {
        let v: Line = std::array::from_fn(|i| i as f32);
        for isa in Isa::available() {
            let mut total = 0.0;
            sum(isa, &v, &mut total);
            assert_eq!(total, 256.0, "{isa:?}");
        }
    }
}
