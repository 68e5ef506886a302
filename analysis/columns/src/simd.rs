//! Loops compiled again for processors with AVX2 and AVX-512, and chosen when the program runs: one binary is as fast
//! as one built for the machine. Only this module of the crate has `unsafe`.
//!
//! The wider vectors do the same operations in the same order, none of them fused, so the results are the same bit
//! for bit. Measured on a Zen 5 processor, in ns on baseline x86-64, AVX2 and AVX-512: a four-momentum 7.9, 3.9, 1.9;
//! the place of a number on a regular axis 0.78, 0.31, 0.15.
#![allow(unsafe_code)]

/// A loop to run with the widest vectors that there are. Everything [`run`](Kernel::run) calls in it must be
/// `#[inline(always)]`, or it stays compiled for every processor.
pub trait Kernel {
    /// The loop.
    fn run(self);
}

/// What a kernel can be compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Every processor.
    Baseline,
    /// 32 bytes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 64 bytes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Width {
    /// Those that this processor has, the widest last.
    #[cfg(target_arch = "x86_64")]
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        use std::arch::is_x86_feature_detected as has;
        let avx2 = has!("avx2");
        let avx512 = avx2 && has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
        [(Self::Baseline, true), (Self::Avx2, avx2), (Self::Avx512, avx512)]
            .into_iter()
            .filter_map(|(width, there)| there.then_some(width))
    }

    /// Those that this processor has.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        [Self::Baseline].into_iter()
    }
}

/// Runs a kernel as compiled for the widest vectors that the processor has.
#[inline]
pub fn widest<K: Kernel>(kernel: K) {
    run(kernel, Width::all().next_back().unwrap_or(Width::Baseline));
}

/// Runs a kernel as compiled for vectors of one width.
///
/// # Panics
/// If the processor does not have them.
#[inline]
pub fn run<K: Kernel>(kernel: K, width: Width) {
    assert!(Width::all().any(|there| there == width), "{width:?} on a processor without");
    match width {
        Width::Baseline => kernel.run(),
        // SAFETY: needs nothing but a processor with AVX2, and this one has it.
        #[cfg(target_arch = "x86_64")]
        Width::Avx2 => unsafe { run_avx2(kernel) },
        // SAFETY: needs nothing but a processor with these features, and this one has them.
        #[cfg(target_arch = "x86_64")]
        Width::Avx512 => unsafe { run_avx512(kernel) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<K: Kernel>(kernel: K) {
    kernel.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl")]
fn run_avx512<K: Kernel>(kernel: K) {
    kernel.run();
}
