//! Bytes become numbers and texts, each length checked before it is believed.

use super::{DEEPEST, LONGEST, WireError};

/// The first whole type of a signature, and the rest.
pub(super) fn split_type(signature: &str) -> Result<(&str, &str), WireError> {
    let bytes = signature.as_bytes();
    let start = bytes.iter().take_while(|byte| **byte == b'a').count();
    if start > usize::from(DEEPEST) {
        return Err(WireError);
    }
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.checked_sub(1).ok_or(WireError)?,
            _ => {}
        }
        if depth == 0 {
            return signature.split_at_checked(at + 1).ok_or(WireError);
        }
    }
    Err(WireError)
}

pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) is_big: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(length).ok_or(WireError)?;
        let taken = self.bytes.get(self.at..end).ok_or(WireError)?;
        self.at = end;
        Ok(taken)
    }

    /// Padding is zeros.
    pub(super) fn align(&mut self, to: usize) -> Result<(), WireError> {
        let padding = self.take(self.at.next_multiple_of(to) - self.at)?;
        if padding.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(WireError) }
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.take(1)?.first().copied().ok_or(WireError)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.align(4)?;
        let bytes = *self.take(4)?.first_chunk().ok_or(WireError)?;
        Ok(if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub(super) fn size(&mut self) -> Result<usize, WireError> {
        let size = usize::try_from(self.u32()?).map_err(|_| WireError)?;
        if size <= LONGEST { Ok(size) } else { Err(WireError) }
    }

    pub(super) fn text(&mut self) -> Result<&'a str, WireError> {
        let length = self.size()?;
        self.ended(length)
    }

    pub(super) fn signature(&mut self) -> Result<&'a str, WireError> {
        let length = self.u8()?;
        self.ended(length.into())
    }

    fn ended(&mut self, length: usize) -> Result<&'a str, WireError> {
        let text = self.take(length)?;
        if self.u8()? != 0 || text.contains(&0) {
            return Err(WireError);
        }
        core::str::from_utf8(text).map_err(|_| WireError)
    }

    /// A signature of a variant is one type.
    pub(super) fn skip_one(&mut self, signature: &str) -> Result<(), WireError> {
        let (one, rest) = split_type(signature)?;
        if rest.is_empty() { self.skip(one, DEEPEST) } else { Err(WireError) }
    }

    pub(super) fn skip(&mut self, one: &str, depth: u8) -> Result<(), WireError> {
        let depth = depth.checked_sub(1).ok_or(WireError)?;
        let bytes = one.as_bytes();
        match bytes.first() {
            Some(b'y') => self.take(1).map(drop),
            Some(b'n' | b'q') => {
                self.align(2)?;
                self.take(2).map(drop)
            }
            Some(b'b' | b'i' | b'u' | b'h') => self.u32().map(drop),
            Some(b'x' | b't' | b'd') => {
                self.align(8)?;
                self.take(8).map(drop)
            }
            Some(b's' | b'o') => self.text().map(drop),
            Some(b'g') => self.signature().map(drop),
            Some(b'v') => {
                let inner = self.signature()?;
                let (one, rest) = split_type(inner)?;
                if rest.is_empty() { self.skip(one, depth) } else { Err(WireError) }
            }
            Some(b'a') => {
                // Elements are passed over as a whole: what they are does not matter, their length is said.
                let length = self.size()?;
                self.align(alignment(one.get(1..).ok_or(WireError)?)?)?;
                self.take(length).map(drop)
            }
            Some(b'(' | b'{') => {
                self.align(8)?;
                let mut rest = one.get(1..one.len() - 1).ok_or(WireError)?;
                while !rest.is_empty() {
                    let (first, after) = split_type(rest)?;
                    self.skip(first, depth)?;
                    rest = after;
                }
                Ok(())
            }
            _ => Err(WireError),
        }
    }
}

fn alignment(one: &str) -> Result<usize, WireError> {
    match one.as_bytes().first() {
        Some(b'y' | b'g' | b'v') => Ok(1),
        Some(b'n' | b'q') => Ok(2),
        Some(b'b' | b'i' | b'u' | b'h' | b's' | b'o' | b'a') => Ok(4),
        Some(b'x' | b't' | b'd' | b'(' | b'{') => Ok(8),
        _ => Err(WireError),
    }
}
