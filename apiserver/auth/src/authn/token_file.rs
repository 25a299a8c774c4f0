//! Static tokens from a CSV file: `token,user,uid,"group1,group2"`.

use async_trait::async_trait;
use hashbrown::HashMap;

use super::{Authenticated, Outcome, TokenAuthenticator};
use crate::UserInfo;

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum TokenFileError {
    /// A record has fewer than three fields.
    #[error(
        "token file {path:?} line {line}: want at least 3 columns (token, user name, user uid), found {found}"
    )]
    TooFewColumns {
        /// The file.
        path: String,
        /// One-based line.
        line: usize,
        /// Fields seen.
        found: usize,
    },
    /// A quoted field is not closed, or text follows the closing quote.
    #[error("token file {path:?} line {line}: a quoted field does not end with a quote before the comma")]
    Quote {
        /// The file.
        path: String,
        /// One-based line.
        line: usize,
    },
}

/// Tokens and their users, fixed at start.
#[derive(Debug, Default)]
pub struct TokenFile {
    users: HashMap<String, UserInfo>,
}

impl TokenFile {
    /// Reads the text of a token file; `path` is named in errors. Records with an empty token are
    /// left out with a warning, and of two records with one token the later counts.
    pub fn parse(text: &str, path: &str) -> Result<Self, TokenFileError> {
        let mut users = HashMap::new();
        for (index, record) in text.lines().enumerate() {
            let line = index + 1;
            if record.trim().is_empty() {
                continue;
            }
            let fields =
                split_record(record).ok_or_else(|| TokenFileError::Quote { path: path.to_string(), line })?;
            let [token, username, uid, rest @ ..] = fields.as_slice() else {
                return Err(TokenFileError::TooFewColumns {
                    path: path.to_string(),
                    line,
                    found: fields.len(),
                });
            };
            if token.is_empty() {
                tracing::warn!(path, line, "empty token has been found in token file");
                continue;
            }
            if users.contains_key(token) {
                tracing::warn!(path, line, "duplicate token has been found in token file");
            }
            let groups = rest.first().map(String::as_str).unwrap_or_default();
            let user = UserInfo {
                username: username.clone(),
                uid: uid.clone(),
                groups: groups.split(',').filter(|g| !g.is_empty()).map(str::to_string).collect(),
                ..UserInfo::default()
            };
            users.insert(token.clone(), user);
        }
        Ok(TokenFile { users })
    }
}

#[async_trait]
impl TokenAuthenticator for TokenFile {
    async fn authenticate_token(&self, token: &str, _: &[String], _: jiff::Timestamp) -> Outcome {
        Ok(self.users.get(token).cloned().map(Authenticated::user))
    }
}

/// Splits one CSV record; quotes are doubled inside quoted fields, leading spaces are dropped.
fn split_record(record: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = record;
    loop {
        rest = rest.trim_start();
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, after) = match rest.split_once(',') {
                Some((field, after)) => (field, Some(after)),
                None => (rest, None),
            };
            fields.push(field.to_string());
            match after {
                Some(after) => rest = after,
                None => return Some(fields),
            }
            continue;
        };
        let mut field = String::new();
        let mut remaining = quoted;
        loop {
            let (part, after) = remaining.split_once('"')?;
            field.push_str(part);
            remaining = after;
            match after.strip_prefix('"') {
                Some(after) => {
                    field.push('"');
                    remaining = after;
                }
                None => break,
            }
        }
        fields.push(field);
        if remaining.is_empty() {
            return Some(fields);
        }
        rest = remaining.strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn user(text: &str, token: &str) -> Option<UserInfo> {
        let file = TokenFile::parse(text, "f").unwrap();
        let outcome = file.authenticate_token(token, &[], jiff::Timestamp::UNIX_EPOCH).await;
        outcome.unwrap().map(|a| a.user)
    }

    #[tokio::test]
    async fn records_become_users() {
        let text =
            "t1,u1,id1\nt2,u2,id2,g1\n\nt3,u3,id3,\"g1,g2\"\n\"t\"\"4\",u4,id4\n,none,x\nt1,later,id5\n";
        let with_groups = |name: &str, uid: &str, groups: &[&str]| {
            Some(UserInfo { uid: uid.into(), ..UserInfo::new(name, groups.iter().copied()) })
        };
        assert_eq!(user(text, "t1").await, with_groups("later", "id5", &[]));
        assert_eq!(user(text, "t2").await, with_groups("u2", "id2", &["g1"]));
        assert_eq!(user(text, "t3").await, with_groups("u3", "id3", &["g1", "g2"]));
        assert_eq!(user(text, "t\"4").await, with_groups("u4", "id4", &[]));
        assert_eq!(user(text, "").await, None);
        assert_eq!(user(text, "t9").await, None);
    }

    #[test]
    fn bad_records_are_named() {
        let error = TokenFile::parse("a,b,c\na,b\n", "tokens.csv").unwrap_err();
        assert_eq!(
            error.to_string(),
            "token file \"tokens.csv\" line 2: want at least 3 columns (token, user name, user uid), found 2"
        );
        assert!(matches!(TokenFile::parse("\"a,b,c", "f"), Err(TokenFileError::Quote { line: 1, .. })));
    }
}
