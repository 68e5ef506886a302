//! Loops compiled again, for processors with AVX2 and AVX-512, and chosen when the program runs: one binary is as fast
//! as one built for the machine. Only this module of the crate has `unsafe`.
//!
//! The wider vectors do the same operations in the same order, none of them fused, so the results are the same bit
//! for bit.
#![allow(unsafe_code)]

/// A loop to run with the widest vectors that pay. Everything [`run`](Kernel::run) calls must be
/// `#[inline(always)]`, or it stays compiled for every processor.
pub(crate) trait Kernel {
    type Output;

    fn run(self) -> Self::Output;
}

/// Runs a kernel as compiled for the widest vectors that the processor has.
#[inline(always)]
pub(crate) fn widest<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        if std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
        {
            // SAFETY: `run_avx512` needs nothing but a processor with these three, and this one has them.
            return unsafe { run_avx512(kernel) };
        }
        // SAFETY: `run_avx2` needs nothing but a processor with AVX2, and this one has it.
        return unsafe { run_avx2(kernel) };
    }
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512dq,avx512vl")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}
