//! Turns the quantities people write into numbers and back: `512m`, `1.5g`, `0.5` CPUs, `90s`.
//!
//! Pure. All arithmetic is on integers, and what does not fit is refused, never wrapped or rounded up.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// A number of bytes, written with a binary suffix: `k m g t p`, any case, also as `kb` or `KiB`.
///
/// Printed in the largest suffix that divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// An amount of CPU time as the kernel takes it: microseconds in each period of a tenth of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus {
    /// Microseconds that may be used in each [`Cpus::PERIOD`].
    pub quota: i64,
}

/// A span of time, written as seconds or with `ms s m h d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitError {
    /// It is not of the expected form.
    Form {
        /// That form, with an example.
        expected: &'static str,
    },
    /// It is larger than the kernel has room for.
    TooLarge,
    /// It is smaller than the kernel's smallest step.
    TooSmall {
        /// The smallest value.
        least: &'static str,
    },
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { expected } => write!(f, "expected {expected}"),
            Self::TooLarge => f.write_str("too large"),
            Self::TooSmall { least } => write!(f, "too small, the least is {least}"),
        }
    }
}

impl core::error::Error for UnitError {}

const BYTES: UnitError = UnitError::Form { expected: "a size such as `512m` or `1.5g`" };
const CPUS: UnitError = UnitError::Form { expected: "a number of CPUs such as `2` or `0.5`" };
const SPAN: UnitError = UnitError::Form { expected: "a time such as `30s`, `1.5m` or `500ms`" };

/// Suffixes of sizes, largest first.
const SIZES: [(char, u32); 5] = [('p', 50), ('t', 40), ('g', 30), ('m', 20), ('k', 10)];
/// Suffixes of times with their length in milliseconds, longest first.
const TIMES: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// `text`, a decimal number without sign and exponent, times `unit`, rounded down; `None` for another form.
fn scaled(text: &str, unit: u64, form: UnitError) -> Result<u64, UnitError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || fraction.len() > 18 {
        return Err(form);
    }
    let whole: u128 = whole.parse().map_err(|_| UnitError::TooLarge)?;
    let unit = u128::from(unit);
    let digits = u32::try_from(fraction.len()).map_err(|_| form)?;
    let fraction: u128 = fraction.parse().map_err(|_| form)?;
    let part = fraction * unit / 10u128.pow(digits);
    let total = whole.checked_mul(unit).and_then(|n| n.checked_add(part));
    total.and_then(|n| u64::try_from(n).ok()).ok_or(UnitError::TooLarge)
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let suffix = text[digits.len()..].to_ascii_lowercase();
        let shift = match suffix.as_str() {
            "" | "b" => 0,
            _ => {
                let mut rest = suffix.chars();
                let first = rest.next();
                let shift = SIZES.iter().find(|(letter, _)| first == Some(*letter));
                match (shift, rest.as_str()) {
                    (Some((_, shift)), "" | "b" | "ib") => *shift,
                    _ => return Err(BYTES),
                }
            }
        };
        scaled(digits, 1 << shift, BYTES).map(Self)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |shift: u32| self.0 != 0 && self.0.is_multiple_of(1 << shift);
        match SIZES.iter().find(|(_, shift)| fits(*shift)) {
            Some((letter, shift)) => write!(f, "{}{letter}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Cpus {
    /// Microseconds of a period, the kernel's and every container tool's default.
    pub const PERIOD: u64 = 100_000;
    /// The kernel's smallest quota in microseconds.
    const LEAST: i64 = 1_000;
}

impl FromStr for Cpus {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let quota = i64::try_from(scaled(text, Self::PERIOD, CPUS)?);
        let quota = quota.map_err(|_| UnitError::TooLarge)?;
        if quota < Self::LEAST {
            return Err(UnitError::TooSmall { least: "0.01" });
        }
        Ok(Self { quota })
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quota = self.quota.unsigned_abs();
        let (whole, part) = (quota / Self::PERIOD, quota % Self::PERIOD);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let part = format!("{part:05}");
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let suffix = match &text[digits.len()..] {
            "" => "s",
            suffix => suffix,
        };
        let unit = TIMES.iter().find(|(name, _)| *name == suffix).ok_or(SPAN)?;
        let millis = scaled(digits, unit.1, SPAN)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let fits = |unit: u64| millis != 0 && millis.is_multiple_of(u128::from(unit));
        match TIMES.iter().find(|(_, unit)| fits(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", millis / u128::from(*unit)),
            None => write!(f, "{millis}ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_and_exact() {
        let bytes = |text: &str| text.parse().map(|Bytes(n)| n);
        assert_eq!(bytes("512m"), Ok(512 << 20));
        assert_eq!(bytes("1.5g"), Ok(3 << 29));
        assert_eq!(bytes("64KiB"), Ok(64 << 10));
        assert_eq!(bytes("7"), Ok(7));
        assert_eq!(bytes("0.3"), Ok(0));
        assert_eq!(bytes("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(bytes("18446744073709551616"), Err(UnitError::TooLarge));
        assert_eq!(bytes("16384p"), Err(UnitError::TooLarge));
        for wrong in ["", "m", "-1", "+1", "1e3", "1.m", ".5g", "1 g", "1x", "1mm", "1gibi", "٣"] {
            assert_eq!(bytes(wrong), Err(BYTES), "{wrong}");
        }
    }

    #[test]
    fn cpus_below_the_kernels_step_are_refused() {
        let quota = |text: &str| text.parse().map(|cpus: Cpus| cpus.quota);
        assert_eq!(quota("0.5"), Ok(50_000));
        assert_eq!(quota("2"), Ok(200_000));
        assert_eq!(quota("0.009"), Err(UnitError::TooSmall { least: "0.01" }));
        assert_eq!(quota("0"), Err(UnitError::TooSmall { least: "0.01" }));
        assert_eq!(quota("99999999999999999999"), Err(UnitError::TooLarge));
    }

    #[test]
    fn times_are_seconds_unless_they_say_otherwise() {
        let span = |text: &str| text.parse().map(|Span(span)| span.as_millis());
        assert_eq!(span("30"), Ok(30_000));
        assert_eq!(span("1.5m"), Ok(90_000));
        assert_eq!(span("500ms"), Ok(500));
        assert_eq!(span("5 s"), Err(SPAN));
        assert_eq!(Span(Duration::from_millis(90_000)).to_string(), "90s");
    }
}
