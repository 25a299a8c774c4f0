//! Bootstrap tokens: `id.secret`, six and sixteen characters of the lower-case alphabet and digits.

use std::{fmt, str::FromStr};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// A token's public id and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub id: String,
    pub secret: String,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum TokenError {
    #[error(
        "the bootstrap token {given:?} was not of the form \"\\\\A([a-z0-9]{{6}})\\\\.([a-z0-9]{{16}})\\\\z\""
    )]
    Form { given: String },
    #[error("the bootstrap token id {given:?} was not of the form \"\\\\A([a-z0-9]{{6}})\\\\z\"")]
    Id { given: String },
}

const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 6;
const SECRET_LENGTH: usize = 16;

impl Token {
    /// A new token from the system's source of randomness.
    pub fn generate() -> Self {
        Self { id: random_text(ID_LENGTH), secret: random_text(SECRET_LENGTH) }
    }

    /// The name of the Secret that holds the token.
    pub fn secret_name(&self) -> String {
        secret_name(&self.id)
    }
}

/// The name of the Secret that holds the token with an id.
pub fn secret_name(id: &str) -> String {
    format!("bootstrap-token-{id}")
}

/// Accepts an id, or a whole token of which it takes the id.
pub fn parse_id(text: &str) -> Result<String, TokenError> {
    if let Ok(token) = text.parse::<Token>() {
        return Ok(token.id);
    }
    if is_of_form(text, ID_LENGTH) {
        return Ok(text.to_owned());
    }
    Err(TokenError::Id { given: text.to_owned() })
}

fn is_of_form(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

fn random_text(length: usize) -> String {
    let random = SystemRandom::new();
    let mut text = String::with_capacity(length);
    let mut byte = [0_u8];
    while text.len() < length {
        // Only bytes below the largest multiple of 36 give every character the same chance. A source of
        // randomness that fails gives zero bytes never accepted here, so ask again.
        if random.fill(&mut byte).is_ok() && byte[0] < 252 {
            text.push(char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]));
        }
    }
    text
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        match text.split_once('.') {
            Some((id, secret)) if is_of_form(id, ID_LENGTH) && is_of_form(secret, SECRET_LENGTH) => {
                Ok(Self { id: id.to_owned(), secret: secret.to_owned() })
            }
            _ => Err(TokenError::Form { given: text.to_owned() }),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.id, self.secret)
    }
}

/// Keeps the secret out of logs.
impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Token({}.<secret>)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_token_reads_back() {
        let token = Token::generate();
        assert_eq!(token.to_string().parse(), Ok(token.clone()));
        assert_ne!(token, Token::generate());
        assert!(!format!("{token:?}").contains(&token.secret));
    }

    #[test]
    fn refuses_other_forms() {
        for text in [
            "",
            "abcdef",
            "abcdef.",
            "abcde.0123456789abcdef",
            "abcdef.0123456789abcde",
            "ABCDEF.0123456789abcdef",
        ] {
            assert_eq!(text.parse::<Token>(), Err(TokenError::Form { given: text.to_owned() }));
        }
    }

    #[test]
    fn an_id_may_come_alone_or_with_its_secret() {
        assert_eq!(parse_id("abcdef"), Ok("abcdef".to_owned()));
        assert_eq!(parse_id("abcdef.0123456789abcdef"), Ok("abcdef".to_owned()));
        assert!(parse_id("abc").is_err());
    }
}
