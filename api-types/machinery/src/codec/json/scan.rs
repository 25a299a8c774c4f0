//! A pull scanner over JSON text with Go's tolerance (`encoding/json`): the shared reader of the codec.

use std::borrow::Cow;

use super::JsonError;

/// Deepest nesting of arrays and objects that is read.
pub const MAX_DEPTH: usize = 1000;

/// What kind of value comes next, in Go's words for error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
}

impl Kind {
    /// Go's name, as in `cannot unmarshal array into …`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Null => "null",
        }
    }
}

/// Reads JSON text piece by piece.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Starts at the first byte.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Offset of the next byte.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The text between two offsets.
    pub fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        &self.text[from..to]
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn byte(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.get(self.at).copied()
    }

    fn syntax(&self, context: &'static str) -> JsonError {
        match self.text.get(self.at) {
            None => JsonError::UnexpectedEnd,
            Some(&byte) => JsonError::Syntax { character: char::from(byte), context, at: self.at },
        }
    }

    /// Kind of the next value.
    pub fn peek(&mut self) -> Result<Kind, JsonError> {
        match self.byte() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            _ => Err(self.syntax("looking for beginning of value")),
        }
    }

    /// Takes `byte` if it comes next.
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.byte() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    /// After `[` or an element: true when another element follows.
    pub fn next_element(&mut self, first: bool) -> Result<bool, JsonError> {
        self.next_item(first, b']', "after array element")
    }

    /// After `{` or a member: true when another member follows.
    pub fn next_member(&mut self, first: bool) -> Result<bool, JsonError> {
        self.next_item(first, b'}', "after object key:value pair")
    }

    fn next_item(&mut self, first: bool, close: u8, context: &'static str) -> Result<bool, JsonError> {
        if self.take(close) {
            return Ok(false);
        }
        if !first {
            if !self.take(b',') {
                return Err(self.syntax(context));
            }
            if self.byte() == Some(close) {
                return Err(self.syntax("looking for beginning of value"));
            }
        }
        Ok(true)
    }

    /// A member's name and the colon behind it.
    pub fn key(&mut self) -> Result<Cow<'a, str>, JsonError> {
        if self.byte() != Some(b'"') {
            return Err(self.syntax("looking for beginning of object key string"));
        }
        let key = self.string()?;
        if !self.take(b':') {
            return Err(self.syntax("after object key"));
        }
        Ok(key)
    }

    /// A text, escapes resolved; bytes that are not UTF-8 become U+FFFD as in Go.
    pub fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        if !self.take(b'"') {
            return Err(self.syntax("looking for beginning of value"));
        }
        let start = self.at;
        loop {
            match self.text.get(self.at) {
                None => return Err(JsonError::UnexpectedEnd),
                Some(b'"') => {
                    let value = String::from_utf8_lossy(&self.text[start..self.at]);
                    self.at += 1;
                    return Ok(value);
                }
                Some(b'\\') => return self.escaped_string(start).map(Cow::Owned),
                Some(0..=0x1f) => return Err(self.syntax("in string literal")),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escaped_string(&mut self, start: usize) -> Result<String, JsonError> {
        let mut out = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        loop {
            match self.text.get(self.at) {
                None => return Err(JsonError::UnexpectedEnd),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let escape = *self.text.get(self.at).ok_or(JsonError::UnexpectedEnd)?;
                    let plain = match escape {
                        b'"' | b'\\' | b'/' => char::from(escape),
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        b'u' => {
                            self.at += 1;
                            out.push(self.unicode_escape()?);
                            continue;
                        }
                        _ => return Err(self.syntax("in string escape code")),
                    };
                    out.push(plain);
                    self.at += 1;
                }
                Some(0..=0x1f) => return Err(self.syntax("in string literal")),
                Some(_) => {
                    let from = self.at;
                    while !matches!(self.text.get(self.at), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                        self.at += 1;
                    }
                    out.push_str(&String::from_utf8_lossy(&self.text[from..self.at]));
                }
            }
        }
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.text.get(self.at).ok_or(JsonError::UnexpectedEnd)?;
            let digit = char::from(*digit)
                .to_digit(16)
                .ok_or_else(|| self.syntax("in \\u hexadecimal character escape"))?;
            value = value * 16 + digit;
            self.at += 1;
        }
        Ok(value)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let high = self.hex4()?;
        if !(0xd800..0xdc00).contains(&high) {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let rest = &self.text[self.at..];
        if !rest.starts_with(b"\\u") {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let mark = self.at;
        self.at += 2;
        let low = self.hex4()?;
        if (0xdc00..0xe000).contains(&low) {
            let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.at = mark;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    /// A number's text.
    pub fn number(&mut self) -> Result<&'a str, JsonError> {
        self.skip_space();
        let start = self.at;
        self.take_byte(b'-');
        match self.text.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.syntax("in numeric literal")),
        }
        if self.take_byte(b'.') {
            self.need_digits("after decimal point in numeric literal")?;
        }
        if self.take_byte(b'e') || self.take_byte(b'E') {
            if !self.take_byte(b'+') {
                self.take_byte(b'-');
            }
            self.need_digits("in exponent of numeric literal")?;
        }
        std::str::from_utf8(&self.text[start..self.at]).map_err(|_| self.syntax("in numeric literal"))
    }

    fn take_byte(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn need_digits(&mut self, context: &'static str) -> Result<(), JsonError> {
        let from = self.at;
        self.digits();
        if self.at == from { Err(self.syntax(context)) } else { Ok(()) }
    }

    /// `true`, `false` or `null`: `Some(truth)` or `None`.
    pub fn literal(&mut self) -> Result<Option<bool>, JsonError> {
        self.skip_space();
        for (text, value) in [("true", Some(true)), ("false", Some(false)), ("null", None)] {
            if self.text[self.at..].starts_with(text.as_bytes()) {
                self.at += text.len();
                return Ok(value);
            }
        }
        Err(self.syntax("looking for beginning of value"))
    }

    /// Steps over one value, checking its syntax.
    pub fn skip_value(&mut self) -> Result<(), JsonError> {
        self.skip_nested(0)
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::Depth);
        }
        match self.peek()? {
            Kind::Object => {
                self.at += 1;
                let mut first = true;
                while self.next_member(first)? {
                    first = false;
                    self.key()?;
                    self.skip_nested(depth + 1)?;
                }
                Ok(())
            }
            Kind::Array => {
                self.at += 1;
                let mut first = true;
                while self.next_element(first)? {
                    first = false;
                    self.skip_nested(depth + 1)?;
                }
                Ok(())
            }
            Kind::String => self.string().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::Bool | Kind::Null => self.literal().map(drop),
        }
    }

    /// Refuses anything but white space behind the value.
    pub fn end(&mut self) -> Result<(), JsonError> {
        match self.byte() {
            None => Ok(()),
            Some(_) => Err(self.syntax("after top-level value")),
        }
    }
}
