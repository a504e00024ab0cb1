//! Turns JSON text into a tree in which every value and every key knows its line and column.
//!
//! Strict RFC 8259: no comments, no trailing commas, no lone surrogates. Numbers stay text, so that nothing is rounded
//! before somebody has said what range he wants. Size and depth are limited, so that hostile text costs little.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{ConfigError, Problem};
use crate::types::Pointer;

/// The longest text that is read, in bytes.
pub(crate) const MAX_SIZE: usize = 4 << 20;
/// How many arrays and objects may stand in one another.
pub(crate) const MAX_DEPTH: usize = 64;

/// A line and a column of bytes, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) place: Place,
    pub(crate) value: Value<'a>,
}

/// A JSON value.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    /// Members in the order of the text; keys may repeat until [`duplicates`] has looked.
    Object(Vec<Member<'a>>),
}

/// A member of an object, and where its key begins.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) place: Place,
    pub(crate) node: Node<'a>,
}

/// Reads one JSON value and nothing after it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Node<'_>, ConfigError> {
    let start = Place { line: 1, column: 1 };
    if bytes.len() > MAX_SIZE {
        return Err(error(start, Problem::TooLarge { size: bytes.len(), limit: MAX_SIZE }));
    }
    let text = core::str::from_utf8(bytes)
        .map_err(|e| error(place_of(&bytes[..e.valid_up_to()]), Problem::NotUtf8))?;
    let mut parser = Parser { text, at: 0, line: 1, line_start: 0, depth: 0 };
    parser.skip_space();
    let node = parser.value()?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("the end of the text")),
    }
}

/// Every key that repeats an earlier one of its object.
pub(crate) fn duplicates(node: &Node<'_>) -> Vec<ConfigError> {
    let mut found = Vec::new();
    visit(node, &Pointer::root(), &mut found);
    found
}

fn visit(node: &Node<'_>, pointer: &Pointer, found: &mut Vec<ConfigError>) {
    match &node.value {
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(item, &pointer.index(index), found);
            }
        }
        Value::Object(members) => {
            let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
            for member in members {
                let here = pointer.key(&member.key);
                if let Some(&first) = seen.get(&*member.key) {
                    found.push(repeats(member, here.clone(), &member.key, first));
                } else {
                    seen.insert(&member.key, member.place);
                }
                visit(&member.node, &here, found);
            }
        }
        _ => {}
    }
}

/// The refusal of `member`, which says the same thing as the key `first` at `place`.
pub(crate) fn repeats(
    member: &Member<'_>,
    pointer: Pointer,
    first: &str,
    place: Place,
) -> ConfigError {
    let problem = Problem::Duplicate {
        key: member.key.as_ref().into(),
        first: first.into(),
        line: place.line,
        column: place.column,
    };
    ConfigError { pointer, ..error(member.place, problem) }
}

fn error(place: Place, problem: Problem) -> ConfigError {
    ConfigError { pointer: Pointer::root(), line: place.line, column: place.column, problem }
}

/// Where the byte after `before` stands.
fn place_of(before: &[u8]) -> Place {
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let line = before[..line_start].split(|&byte| byte == b'\n').count();
    Place { line, column: before.len() - line_start + 1 }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    line_start: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Result<Node<'a>, ConfigError> {
        let place = self.place();
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::list)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            _ if self.word("true") => Value::Bool(true),
            _ if self.word("false") => Value::Bool(false),
            _ if self.word("null") => Value::Null,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node { place, value })
    }

    /// Goes one level down, which is what keeps the recursion finite.
    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Value<'a>, ConfigError>,
    ) -> Result<Value<'a>, ConfigError> {
        if self.depth == MAX_DEPTH {
            return Err(error(self.place(), Problem::TooDeep { limit: MAX_DEPTH }));
        }
        self.depth += 1;
        self.at += 1;
        self.skip_space();
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value<'a>, ConfigError> {
        let mut members = Vec::new();
        if self.eat(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            let place = self.place();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in double quotes"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.unexpected("`:`"));
            }
            self.skip_space();
            members.push(Member { key, place, node: self.value()? });
            self.skip_space();
            if self.eat(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("`,` or `}`"));
            }
            self.skip_space();
        }
    }

    fn list(&mut self) -> Result<Value<'a>, ConfigError> {
        let mut items = Vec::new();
        if self.eat(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::List(items));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("`,` or `]`"));
            }
            self.skip_space();
        }
    }

    /// A string; borrowed from the text unless it holds an escape.
    fn string(&mut self) -> Result<Cow<'a, str>, ConfigError> {
        self.at += 1;
        let mut owned: Option<String> = None;
        let mut from = self.at;
        loop {
            self.at += plain(&self.text.as_bytes()[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    let rest = &self.text[from..self.at];
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(rest),
                        Some(text) => Cow::Owned(text + rest),
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_default();
                    text.push_str(&self.text[from..self.at]);
                    let c = self.escape()?;
                    text.push(c);
                    from = self.at;
                }
                Some(_) => return Err(self.unexpected("`\"`, or an escape like `\\n`")),
                None => return Err(self.unexpected("`\"`")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ConfigError> {
        let place = self.place();
        self.at += 1;
        let c = match self.peek() {
            Some(b'u') => {
                self.at += 1;
                return self.code_point(place);
            }
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.unexpected("one of `\"\\/bfnrtu` after `\\`")),
        };
        self.at += 1;
        Ok(c)
    }

    /// The character of one `\u` escape, or of two that are a surrogate pair.
    fn code_point(&mut self, place: Place) -> Result<char, ConfigError> {
        let mut code = self.hex4()?;
        if (0xd800..0xdc00).contains(&code) && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let low = self.hex4()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(error(place, Problem::LoneSurrogate));
            }
            code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        char::from_u32(code).ok_or_else(|| error(place, Problem::LoneSurrogate))
    }

    fn hex4(&mut self) -> Result<u32, ConfigError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.unexpected("four hexadecimal digits"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<&'a str, ConfigError> {
        let from = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(&self.text[from..self.at])
    }

    fn digits(&mut self) -> Result<(), ConfigError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected("a digit"));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> bool {
        let is_here = self.text[self.at..].starts_with(word);
        if is_here {
            self.at += word.len();
        }
        is_here
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_here = self.peek() == Some(byte);
        if is_here {
            self.at += 1;
        }
        is_here
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
            if self.text.as_bytes()[self.at - 1] == b'\n' {
                self.line += 1;
                self.line_start = self.at;
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn place(&self) -> Place {
        Place { line: self.line, column: self.at - self.line_start + 1 }
    }

    fn unexpected(&self, expected: &'static str) -> ConfigError {
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        error(self.place(), Problem::Syntax { found, expected })
    }
}

/// How many bytes from the front are a string's as they are: no `"`, no `\\`, no control character. Eight are looked at at a
/// time, as half of a configuration is in strings: a subtraction from each byte sets its highest bit where it was too small,
/// and borrows from the next only there, so that the lowest bit that is set is right.
fn plain(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = EACH << 7;
    let is_below =
        |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word & HIGHEST;
    let is = |word: u64, byte: u8| is_below(word ^ (EACH * u64::from(byte)), 1);
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let odd = is(word, b'"') | is(word, b'\\') | is_below(word, 0x20);
        if odd != 0 {
            return 8 * at + odd.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    bytes.len() - rest.len() + rest.iter().take_while(|byte| is_plain(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    fn refusal(text: &[u8]) -> String {
        parse(text).expect_err("refused").to_string()
    }

    #[test]
    fn every_value_and_key_knows_its_place() {
        let node = parse(b"{\n  \"a\": [1,\n\ttrue]}").expect("JSON");
        let Value::Object(members) = &node.value else { panic!("{node:?}") };
        assert_eq!(members[0].place, Place { line: 2, column: 3 });
        let Value::List(items) = &members[0].node.value else { panic!("{node:?}") };
        assert_eq!(items[0].place, Place { line: 2, column: 9 });
        assert_eq!(items[1].place, Place { line: 3, column: 2 });
    }

    #[test]
    fn what_is_plain_ends_at_the_first_byte_that_is_not() {
        let is_plain = |byte: u8| byte != b'"' && byte != b'\\' && byte >= 0x20;
        for byte in 0..=255 {
            for other in [0, 0x1f, 0x20, b'"', b'#', b'\\', 0x7f, 0x80, 0xa2, 0xff] {
                for at in 0..20 {
                    let mut bytes = [b'a'; 21];
                    (bytes[at], bytes[at + 1]) = (byte, other);
                    let expected = bytes.iter().take_while(|byte| is_plain(**byte)).count();
                    assert_eq!(plain(&bytes), expected, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn escapes_are_decoded_and_halves_of_characters_refused() {
        let node = parse(br#""a\u0000\ud83d\ude00\n\/""#).expect("JSON");
        let Value::Text(text) = node.value else { panic!("{node:?}") };
        assert_eq!(text, "a\0\u{1f600}\n/");
        for half in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83d\u0041""#] {
            assert_eq!(
                refusal(half.as_bytes()),
                "1:2: half of a surrogate pair, expected both or none"
            );
        }
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_goes_wrong() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "1:1: found the end of the text, expected a value"),
            (b"{\n\"a\" 1}", "2:5: found `1`, expected `:`"),
            (b"[1,]", "1:4: found `]`, expected a value"),
            (b"[1] x", "1:5: found `x`, expected the end of the text"),
            (b"{a:1}", "1:2: found `a`, expected a key in double quotes"),
            (b"01", "1:2: found `1`, expected the end of the text"),
            (b"-", "1:2: found the end of the text, expected a digit"),
            (b"1.e3", "1:3: found `e`, expected a digit"),
            (b"\"a\nb\"", "1:3: found `\\n`, expected `\"`, or an escape like `\\n`"),
            (b"\"\\x\"", "1:3: found `x`, expected one of `\"\\/bfnrtu` after `\\`"),
            (b"\n \xff", "2:2: not UTF-8"),
            (b"\xef\xbb\xbf{}", "1:1: found `\\u{feff}`, expected a value"),
        ];
        for (text, expected) in cases {
            assert_eq!(refusal(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn depth_and_size_have_limits() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(
            refusal(deep(MAX_DEPTH + 1).as_bytes()),
            "1:65: more than 64 arrays and objects in one another"
        );
        assert_eq!(
            refusal("[".repeat(100_000).as_bytes()),
            "1:65: more than 64 arrays and objects in one another"
        );
        let long = " ".repeat(MAX_SIZE + 1);
        assert_eq!(refusal(long.as_bytes()), "1:1: 4194305 bytes, expected at most 4194304");
    }

    #[test]
    fn a_key_said_twice_is_found_at_any_depth() {
        let node = parse(b"{\"a\": [{\"b\": 1,\n\"b\": 2}]}").expect("JSON");
        let found = duplicates(&node);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "2:1: /a/0/b: key `b` repeats `b` of 1:9");
    }
}
