//! Device nodes: kind, number and the access a cgroup grants to them.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

/// Kind of a device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A block device, `b`.
    Block,
    /// A character device, `c` (also `u`).
    Char,
    /// A named pipe, `p`; it has no number and no cgroup rule.
    Fifo,
}

impl DeviceKind {
    /// The letter of `mknod(1)` and of cgroup device rules.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Block => 'b',
            Self::Char => 'c',
            Self::Fifo => 'p',
        }
    }

    /// The file type bits for `mknod(2)`.
    #[must_use]
    pub const fn file_type(self) -> u32 {
        match self {
            Self::Fifo => 0o010_000,
            Self::Char => 0o020_000,
            Self::Block => 0o060_000,
        }
    }
}

/// Number of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceNumber {
    /// Driver, 12 bits.
    pub major: u32,
    /// Device of that driver, 20 bits.
    pub minor: u32,
}

impl DeviceNumber {
    /// The largest major number the kernel has room for.
    pub const MAX_MAJOR: u32 = 0xfff;
    /// The largest minor number the kernel has room for.
    pub const MAX_MINOR: u32 = 0xf_ffff;

    /// The word `mknod(2)` takes: the low minor byte, the major from bit 8, the rest of the minor from bit 20.
    #[must_use]
    pub const fn encode(self) -> u32 {
        (self.minor & 0xff) | ((self.major & 0xfff) << 8) | ((self.minor & 0xf_ff00) << 12)
    }

    /// The number a word of that form stands for.
    #[must_use]
    pub const fn decode(word: u32) -> Self {
        Self { major: (word >> 8) & 0xfff, minor: (word & 0xff) | ((word >> 12) & 0xf_ff00) }
    }
}

bitflags! {
    /// What a device rule is about; letters as in cgroup v1's `devices.allow`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct DeviceAccess: u32 {
        /// Making a node with `mknod(2)`; bit values are those of `BPF_DEVCG_ACC_*`.
        const MKNOD = 1;
        /// Reading.
        const READ = 2;
        /// Writing.
        const WRITE = 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_number_survives_encoding() {
        for (major, minor) in [(1, 3), (0xfff, 0xf_ffff), (136, 256), (0, 0)] {
            let number = DeviceNumber { major, minor };
            assert_eq!(DeviceNumber::decode(number.encode()), number);
        }
        assert_eq!(DeviceNumber { major: 1, minor: 3 }.encode(), 0x103);
    }
}
