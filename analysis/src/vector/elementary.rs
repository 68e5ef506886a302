//! Sine and cosine, hyperbolic sine and cosine, of the angles that detectors measure.
//!
//! A four-momentum needs all four. The C library's cost most of what a jet costs, are calls that no loop is
//! vectorised over, and differ by an ulp between libraries, so between the machines of a cluster. These have no
//! branch and no table: a loop over them becomes SIMD, and since they are sums and products alone, which IEEE 754
//! rounds in one way, every processor and every vector width gives the same bits.
//!
//! They are within 0.8 ulp (sine, cosine) and 0.9 ulp (sinh, cosh) of the exact value; glibc promises 1 and 2. The tests compare them with
//! values of 50 digits.

// fdlibm's digits as they stand there.
#![allow(clippy::excessive_precision)]

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// What rounding π/2 to `FRAC_PI_2` has cut off.
const FRAC_PI_2_REST: f64 = 6.123233995736766e-17;

/// The sine and cosine of an angle in `-PI..=PI`, bounds included; of any other, NaN among them, nothing
/// sensible.
#[inline(always)]
pub(super) fn sin_cos(angle: f64) -> (f64, f64) {
    // How many quarter turns the angle is away from the nearest axis. The differences are exact (Sterbenz's
    // lemma), and what a quarter turn lacks is carried along, so that the sine of a double next to π is right too.
    let size = angle.abs();
    let beyond_first = size > FRAC_PI_4;
    let beyond_second = size > 3.0 * FRAC_PI_4;
    let turn = if beyond_second { PI } else { FRAC_PI_2 };
    let turn_rest = if beyond_second { 2.0 * FRAC_PI_2_REST } else { FRAC_PI_2_REST };
    let (turn, turn_rest) = if beyond_first { (turn, turn_rest) } else { (0.0, 0.0) };
    let near = size - turn;
    let x = near - turn_rest;
    let rest = (near - x) - turn_rest;

    let (s, c) = (sin_near_zero(x, rest), cos_near_zero(x, rest));
    // sin and cos of x, π/2 + x, π + x.
    let sin = if beyond_second { -s } else { c };
    let cos = if beyond_second { -c } else { -s };
    let sin = if beyond_first { sin } else { s };
    let cos = if beyond_first { cos } else { c };
    (f64::from_bits(sin.to_bits() ^ (angle.to_bits() & SIGN)), cos)
}

const SIGN: u64 = 1 << 63;

/// The sine of `x + rest` for `|x| <= π/4`: polynomial and evaluation of fdlibm's `__kernel_sin`.
#[inline(always)]
fn sin_near_zero(x: f64, rest: f64) -> f64 {
    const S: [f64; 6] = [
        -1.66666666666666324348e-01,
        8.33333333332248946124e-03,
        -1.98412698298579493134e-04,
        2.75573137070700676789e-06,
        -2.50507602534068634195e-08,
        1.58969099521155010221e-10,
    ];
    let z = x * x;
    let cube = z * x;
    let r = S[1] + z * (S[2] + z * S[3]) + z * (z * z) * (S[4] + z * S[5]);
    x - ((z * (0.5 * rest - cube * r) - rest) - cube * S[0])
}

/// The cosine of `x + rest` for `|x| <= π/4`: polynomial and evaluation of fdlibm's `__kernel_cos`.
#[inline(always)]
fn cos_near_zero(x: f64, rest: f64) -> f64 {
    const C: [f64; 6] = [
        4.16666666666666019037e-02,
        -1.38888888888741095749e-03,
        2.48015872894767294178e-05,
        -2.75573143513906633035e-07,
        2.08757232129817482790e-09,
        -1.13596475577881948265e-11,
    ];
    let z = x * x;
    let w = z * z;
    let r = z * (C[0] + z * (C[1] + z * C[2])) + w * w * (C[3] + z * (C[4] + z * C[5]));
    let half = 0.5 * z;
    let w = 1.0 - half;
    w + (((1.0 - w) - half) + (z * r - x * rest))
}

/// Beyond it, [`sinh_cosh`] is not to be used. No particle of a detector is there: it is 10⁻⁷ rad off the beam.
pub(super) const MAX_ETA: f64 = 17.0;

/// The hyperbolic sine and cosine of `x` in `-MAX_ETA..=MAX_ETA`; of any other, NaN among them, nothing sensible.
#[inline(always)]
pub(super) fn sinh_cosh(x: f64) -> (f64, f64) {
    /// ln 2 in two parts (fdlibm's), the first with 21 zeros at its end: a small multiple of it is exact.
    const LN_2: (f64, f64) = (6.93147180369123816490e-01, 1.90821492927058770002e-10);
    /// A sum with it is rounded to an integer, which stands in the last bits of the sum.
    const ROUND: f64 = 6755399441055744.0; // 1.5 * 2^52
    const ONE: u64 = 0x3ff0_0000_0000_0000;

    // |x| = k ln 2 + r, with |r| <= ln 2 / 2; also as the sum of `head`, which has few enough bits for its products
    // below to be exact, and `tail`.
    let size = x.abs();
    let rounded = size * std::f64::consts::LOG2_E + ROUND;
    let k = rounded - ROUND;
    let high = size - k * LN_2.0;
    let r = high - k * LN_2.1;
    let head = f64::from_bits(r.to_bits() & !0xff_ffff);
    let tail = (high - head) - k * LN_2.1;

    // sinh and cosh of k ln 2: (2^k ∓ 2^-k) / 2, exact up to k = 26.
    let exponent = rounded.to_bits() << 52;
    let (up, down) = (f64::from_bits(ONE.wrapping_add(exponent)), f64::from_bits(ONE.wrapping_sub(exponent)));
    let (sinh_k, cosh_k) = (0.5 * (up - down), 0.5 * (up + down));

    // sinh r - r and cosh r - 1 as Taylor series: what is left out is below 2^-60 of sinh r and cosh r.
    let z = r * r;
    // In pairs of terms (Estrin's scheme), which do not wait for each other.
    let zz = z * z;
    let series = |c: [f64; 6]| (c[0] + c[1] * z) + zz * ((c[2] + c[3] * z) + zz * (c[4] + c[5] * z));
    let sinh_r = (r * z)
        * series([
            1.0 / 6.0,
            1.0 / 120.0,
            1.0 / 5040.0,
            1.0 / 362880.0,
            1.0 / 39916800.0,
            1.0 / 6227020800.0,
        ]);
    let cosh_r =
        z * series([0.5, 1.0 / 24.0, 1.0 / 720.0, 1.0 / 40320.0, 1.0 / 3628800.0, 1.0 / 479001600.0]);

    // The addition theorems, large terms first; what the first addition rounds off is added to the small ones
    // (Dekker's fast two-sum: sinh_k is 0 or larger than the other term).
    let small = sinh_r + tail;
    let sinh = sum(sinh_k, cosh_k * head, sinh_k * cosh_r + cosh_k * small);
    let cosh = sum(cosh_k, sinh_k * head, cosh_k * cosh_r + sinh_k * small);
    (f64::from_bits(sinh.to_bits() ^ (x.to_bits() & SIGN)), cosh)
}

/// `large + middle + small`.
#[inline(always)]
fn sum(large: f64, middle: f64, small: f64) -> f64 {
    let both = large + middle;
    both + ((middle - (both - large)) + small)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Function = fn(f64) -> (f64, f64);

    fn double(bits: &serde_json::Value) -> f64 {
        f64::from_bits(u64::from_str_radix(bits.as_str().expect("hex digits"), 16).expect("hex digits"))
    }

    /// The largest distances from the exact values, in units of their last place.
    fn worst(name: &str, function: Function) -> [f64; 2] {
        let golden = include_str!("../../tests/golden/elementary.json");
        let golden: serde_json::Value = serde_json::from_str(golden).expect("golden values");
        let mut worst = [0.0_f64; 2];
        for case in golden[name].as_array().expect("cases") {
            let x = double(&case[0]);
            let (a, b) = function(x);
            for (worst, (ours, exact)) in worst.iter_mut().zip([(a, &case[1]), (b, &case[2])]) {
                let (near, rest) = (double(&exact[0]), double(&exact[1]));
                let unit = near.abs().next_up() - near.abs();
                let off = ((ours - near) - rest).abs() / unit;
                assert!(off < 1.0, "{name} of {x:e}: {ours:e} is {off} ulp off {near:e}");
                *worst = worst.max(off);
            }
        }
        worst
    }

    #[test]
    fn sine_and_cosine_are_within_0_8_ulp() {
        assert!(worst("sin_cos", sin_cos).iter().all(|&off| off < 0.8));
    }

    #[test]
    fn sinh_and_cosh_are_within_0_9_ulp() {
        assert!(worst("sinh_cosh", sinh_cosh).iter().all(|&off| off < 0.9));
    }

    #[test]
    fn symmetries_are_exact_and_zero_keeps_its_sign() {
        for i in 0..1000 {
            let x = f64::from(i) * 0.003;
            let ((s, c), (sh, ch)) = (sin_cos(x), sinh_cosh(x));
            assert_eq!(sin_cos(-x), (-s, c));
            assert_eq!(sinh_cosh(-x), (-sh, ch));
        }
        assert!(sin_cos(-0.0).0.is_sign_negative() && sinh_cosh(-0.0).0.is_sign_negative());
        assert_eq!((sin_cos(0.0), sinh_cosh(0.0)), ((0.0, 1.0), (0.0, 1.0)));
    }

    #[test]
    fn the_c_library_says_the_same_to_two_ulps() {
        let far = |a: f64, b: f64| a.to_bits().abs_diff(b.to_bits()) > 2;
        for i in 0..200_000 {
            // Multiples of the golden ratio, which fill the interval evenly.
            let part = (f64::from(i) * 0.618_033_988_749_894_9).fract();
            let (angle, eta) = (PI * (2.0 * part - 1.0), MAX_ETA * (2.0 * part - 1.0));
            let ((s, c), (sh, ch)) = (sin_cos(angle), sinh_cosh(eta));
            assert!(!far(s, angle.sin()) && !far(c, angle.cos()), "angle {angle:e}");
            assert!(!far(sh, eta.sinh()) && !far(ch, eta.cosh()), "eta {eta:e}");
        }
    }

    #[test]
    fn nan_gives_nan() {
        assert!(sin_cos(f64::NAN).0.is_nan() && sin_cos(f64::NAN).1.is_nan());
    }
}
