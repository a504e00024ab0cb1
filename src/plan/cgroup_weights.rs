//! Weights of v1 become weights of v2: CPU shares on a curve, block I/O on a straight line.
//!
//! # References
//! The curve is the one that runc (`opencontainers/cgroups`, `ConvertCPUSharesToCgroupV2Value`) and crun use since 2025;
//! the line is that of both for `io.weight`.

/// 10..1000 becomes 1..10000 on a straight line.
pub(super) fn io_weight(weight: u16) -> u32 {
    1 + u32::from(weight.clamp(10, 1000) - 10) * 9999 / 990
}

/// The weight that gives a group with `shares` the share of CPU time it had on v1: 2 → 1, 1024 → 100, 262144 → 10000,
/// and on a quadratic curve through these points in the logarithm, rounded up. (The straight line that was used before
/// made 1024 a weight of 39, and so any container weaker than a group of the default weight.)
pub(super) fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0..=2 => return 1,
        262_144.. => return 10_000,
        _ => {}
    }
    let log = log2(shares);
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    // Rounding up must not turn 100.00000000001 into 101.
    let mut weight = 1u64;
    let power = exp10(exponent) - 1e-6;
    while u64_as_f64(weight) < power {
        weight += 1;
    }
    weight
}

/// Exact below 2^53, and everything here is.
fn u64_as_f64(value: u64) -> f64 {
    let high = u32::try_from(value >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(value & 0xffff_ffff).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// Binary logarithm, by halving and the series of the inverse hyperbolic tangent: `core` has no `log2`.
fn log2(value: u64) -> f64 {
    let whole = value.ilog2();
    let fraction = u64_as_f64(value) / u64_as_f64(1 << whole);
    let z = (fraction - 1.0) / (fraction + 1.0);
    let (mut term, mut sum, mut n) = (z, 0.0, 1.0);
    while n < 60.0 {
        sum += term / n;
        term *= z * z;
        n += 2.0;
    }
    f64::from(whole) + 2.0 * sum / core::f64::consts::LN_2
}

/// Power of ten, by the exponential series of a small part: `core` has no `powf`.
fn exp10(exponent: f64) -> f64 {
    let mut power = 1.0;
    let mut rest = exponent;
    while rest >= 1.0 {
        power *= 10.0;
        rest -= 1.0;
    }
    let x = rest * core::f64::consts::LN_10;
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1.0);
    while n < 40.0 {
        term *= x / n;
        sum += term;
        n += 1.0;
    }
    power * sum
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn shares_become_the_weights_that_the_standard_library_computes() {
        for shares in 2..=262_144u64 {
            let log = u64_as_f64(shares).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            let expected = (10f64.powf(exponent) - 1e-6).ceil();
            assert!((u64_as_f64(weight_of_shares(shares)) - expected).abs() < 0.5, "{shares}");
        }
        assert_eq!([2, 1024, 262_144].map(weight_of_shares), [1, 100, 10_000]);
    }

    #[test]
    fn weights_grow_with_what_they_come_from_and_stay_in_their_range() {
        let shares: Vec<_> = (0..=262_200u64).map(weight_of_shares).collect();
        assert!(shares.is_sorted() && shares.iter().all(|weight| (1..=10_000).contains(weight)));
        let weights: Vec<_> = (0..=u16::MAX).map(io_weight).collect();
        assert!(weights.is_sorted() && weights.iter().all(|weight| (1..=10_000).contains(weight)));
        assert_eq!([10, 100, 500, 1000].map(io_weight), [1, 910, 4950, 10_000]);
    }
}
