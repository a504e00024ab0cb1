//! Where in a configuration something stands: a JSON pointer.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

/// A JSON pointer (RFC 6901) into a [`Config`](crate::config::Config) in its canonical form, or into a user's file.
///
/// The empty pointer is the whole document.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pointer(String);

impl Pointer {
    /// The whole document.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// A pointer already written in RFC 6901 form.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The member `key` of what this points to, escaped as RFC 6901 wants.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        // Made by the hundred for every start, and hardly ever with anything to escape.
        let mut text = String::with_capacity(self.0.len() + 1 + key.len());
        text.push_str(&self.0);
        text.push('/');
        if !key.bytes().any(|byte| matches!(byte, b'~' | b'/')) {
            text.push_str(key);
            return Self(text);
        }
        for c in key.chars() {
            match c {
                '~' => text.push_str("~0"),
                '/' => text.push_str("~1"),
                c => text.push(c),
            }
        }
        Self(text)
    }

    /// The element `index` of what this points to.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut digits = [0; 20];
        let mut begin = digits.len();
        let mut rest = index;
        loop {
            begin -= 1;
            digits[begin] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let digits = &digits[begin..];
        let mut text = String::with_capacity(self.0.len() + 1 + digits.len());
        text.push_str(&self.0);
        text.push('/');
        text.extend(digits.iter().copied().map(char::from));
        Self(text)
    }

    /// The pointer without its last part; `None` for the whole document.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rfind('/').map(|at| Self(self.0[..at].to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}
