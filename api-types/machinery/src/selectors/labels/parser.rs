//! The grammar of label selectors.
//!
//! ```text
//! selector    = requirement { "," requirement }
//! requirement = [ "!" ] key | key operator value | key ( "in" | "notin" ) "(" values ")"
//! ```

use std::collections::BTreeSet;

use super::{Operator, Requirement, SelectorError, check_key};
use crate::field::{self, Path};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// Special characters that form no operator.
    Error,
    End,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Identifier,
    In,
    Less,
    NotEquals,
    NotIn,
    Open,
}

const TOKENS: &[(&str, Token)] = &[
    (")", Token::Close),
    (",", Token::Comma),
    ("!", Token::Not),
    ("==", Token::DoubleEquals),
    ("=", Token::Equals),
    (">", Token::Greater),
    ("in", Token::In),
    ("<", Token::Less),
    ("!=", Token::NotEquals),
    ("notin", Token::NotIn),
    ("(", Token::Open),
];

fn lookup(text: &str) -> Option<Token> {
    TOKENS.iter().find(|(name, _)| *name == text).map(|(_, token)| *token)
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'=' | b'!' | b'(' | b')' | b',' | b'>' | b'<')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Splits the text; the last item is always [`Token::End`]. A zero byte ends the text, as upstream has it.
fn scan(text: &str) -> Vec<(Token, String)> {
    let mut items = Vec::new();
    let mut rest = text.split('\0').next().unwrap_or_default();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let Some(first) = rest.bytes().next() else {
            items.push((Token::End, String::new()));
            return items;
        };
        let length = if is_special(first) {
            let (token, literal, length) = scan_special(rest);
            items.push((token, literal));
            length
        } else {
            let length = rest.bytes().take_while(|byte| !is_special(*byte) && !is_space(*byte)).count();
            let word = &rest[..length];
            items.push((lookup(word).unwrap_or(Token::Identifier), word.to_owned()));
            length
        };
        rest = &rest[length..];
    }
}

/// The longest operator at the start: token, text, and bytes taken.
fn scan_special(text: &str) -> (Token, String, usize) {
    let run = text.bytes().take_while(|byte| is_special(*byte)).count();
    let mut found = None;
    for length in 1..=run {
        match lookup(&text[..length]) {
            Some(token) => found = Some((token, text[..length].to_owned(), length)),
            None if found.is_some() => break,
            None => {}
        }
    }
    found.unwrap_or_else(|| (Token::Error, format!("error expected: keyword found '{}'", &text[..run]), run))
}

struct Parser<'a> {
    items: Vec<(Token, String)>,
    position: usize,
    path: &'a Path,
}

/// Reads the requirements of `text`, in the order written.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser { items: scan(text), position: 0, path };
    let mut requirements = Vec::new();
    loop {
        let (token, found) = parser.peek();
        match token {
            Token::Identifier | Token::Not => {
                let requirement = parser.requirement();
                requirements.push(requirement.map_err(|error| SelectorError::Requirement(Box::new(error)))?);
                match parser.next() {
                    (Token::End, _) => return Ok(requirements),
                    (Token::Comma, _) => {
                        let (token, found) = parser.peek();
                        if !matches!(token, Token::Identifier | Token::Not) {
                            return unexpected(found, "identifier after ','");
                        }
                    }
                    (_, found) => return unexpected(found, "',' or 'end of string'"),
                }
            }
            Token::End => return Ok(requirements),
            _ => return unexpected(found, "!, identifier, or 'end of string'"),
        }
    }
}

fn unexpected<T>(found: String, expected: &'static str) -> Result<T, SelectorError> {
    Err(SelectorError::Unexpected { found, expected })
}

impl Parser<'_> {
    /// The next item, with `in` and `notin` taken as plain words.
    fn peek(&self) -> (Token, String) {
        let (token, literal) = self.peek_operator();
        let token = if matches!(token, Token::In | Token::NotIn) { Token::Identifier } else { token };
        (token, literal)
    }

    /// The next item where `in` and `notin` are operators.
    fn peek_operator(&self) -> (Token, String) {
        self.items.get(self.position).cloned().unwrap_or((Token::End, String::new()))
    }

    fn next(&mut self) -> (Token, String) {
        let item = self.peek();
        self.position += 1;
        item
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let (mut token, mut key) = self.next();
        let negated = token == Token::Not;
        if negated {
            (token, key) = self.next();
        }
        if token != Token::Identifier {
            return unexpected(key, "identifier");
        }
        if let Some(error) = check_key(&key, self.path) {
            return Err(SelectorError::Rules(field::aggregate(&[error])));
        }
        if negated {
            return Requirement::new_at(&key, Operator::DoesNotExist, Vec::new(), self.path);
        }
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Requirement::new_at(&key, Operator::Exists, Vec::new(), self.path);
        }
        let operator = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => self.exact_value()?,
        };
        Requirement::new_at(&key, operator, values.into_iter().collect(), self.path)
    }

    fn operator(&mut self) -> Result<Operator, SelectorError> {
        let (token, found) = self.peek_operator();
        self.position += 1;
        Ok(match token {
            Token::In => Operator::In,
            Token::NotIn => Operator::NotIn,
            Token::Equals => Operator::Equals,
            Token::DoubleEquals => Operator::DoubleEquals,
            Token::NotEquals => Operator::NotEquals,
            Token::Greater => Operator::GreaterThan,
            Token::Less => Operator::LessThan,
            _ => return unexpected(found, "in, notin, =, ==, !=, gt, lt"),
        })
    }

    fn values(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let (token, found) = self.next();
        if token != Token::Open {
            return Err(SelectorError::MissingParenthesis(found));
        }
        let (token, found) = self.peek();
        match token {
            Token::Identifier | Token::Comma => {
                let values = self.value_list()?;
                match self.next() {
                    (Token::Close, _) => Ok(values),
                    _ => unexpected(found, "')'"),
                }
            }
            Token::Close => {
                self.position += 1;
                Ok(BTreeSet::from([String::new()]))
            }
            _ => unexpected(found, "',', ')' or identifier"),
        }
    }

    /// Words between commas; nothing between two commas is the empty value.
    fn value_list(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let mut values = BTreeSet::new();
        loop {
            let (token, literal) = self.next();
            match token {
                Token::Identifier => {
                    values.insert(literal);
                    match self.peek() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => return Ok(values),
                        (_, found) => return unexpected(found, "',' or ')'"),
                    }
                }
                Token::Comma => {
                    if values.is_empty() {
                        values.insert(String::new());
                    }
                    match self.peek().0 {
                        Token::Close => {
                            values.insert(String::new());
                            return Ok(values);
                        }
                        Token::Comma => {
                            values.insert(String::new());
                        }
                        _ => {}
                    }
                }
                _ => return unexpected(literal, "',', or identifier"),
            }
        }
    }

    fn exact_value(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(BTreeSet::from([String::new()]));
        }
        match self.next() {
            (Token::Identifier, literal) => Ok(BTreeSet::from([literal])),
            (_, found) => unexpected(found, "identifier"),
        }
    }
}
