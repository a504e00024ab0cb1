//! A text becomes its fields between single bytes of ASCII.
//!
//! The kernel's tables are many short fields: the standard library's search for a character is made for long texts, and
//! takes several times as long for these.

/// The fields of `text` between each two `at`, which is ASCII: one more than there are of it.
pub(super) fn split(text: &str, at: u8) -> impl Iterator<Item = &str> {
    Fields { rest: Some(text), at }
}

/// The part of `text` before the first `at`, which is ASCII, and that behind it.
pub(super) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| byte == at)?;
    Some((&text[..end], &text[end + 1..]))
}

struct Fields<'a> {
    rest: Option<&'a str>,
    at: u8,
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let (field, rest) = match cut(rest, self.at) {
            Some((field, rest)) => (field, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn fields_are_those_of_the_standard_library() {
        for text in ["", " ", "a", "a b", " a  b ", "ä ö\u{20ac} ", "a,b c"] {
            let own: Vec<_> = split(text, b' ').collect();
            assert_eq!(own, text.split(' ').collect::<Vec<_>>(), "{text:?}");
            assert_eq!(cut(text, b','), text.split_once(','), "{text:?}");
        }
    }
}
