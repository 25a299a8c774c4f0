//! Short spellings for adding errors to a list, so that rules read as rules.

use machinery::field::{BadValue, Error, ErrorList, Path};

/// Adding to an [`ErrorList`].
pub trait Report {
    /// A missing value.
    fn required(&mut self, path: &Path, detail: impl Into<String>);
    /// A value that breaks a rule.
    fn invalid(&mut self, path: &Path, value: impl Into<BadValue>, detail: impl Into<String>);
    /// One [`Report::invalid`] per message.
    fn invalid_each(&mut self, path: &Path, value: impl Into<BadValue>, details: Vec<String>);
    /// A value that may not be there.
    fn forbidden(&mut self, path: &Path, detail: impl Into<String>);
    /// A second occurrence.
    fn duplicate(&mut self, path: &Path, value: impl Into<BadValue>);
    /// A value out of an enumeration; `accepted` is sorted for the message.
    fn not_supported(&mut self, path: &Path, value: &str, accepted: &[&str]);
    /// A value out of an enumeration whose message keeps the order of `accepted`.
    fn not_supported_in_order(&mut self, path: &Path, value: &str, accepted: &[&str]);
    /// A text over its limit in bytes.
    fn too_long(&mut self, path: &Path, limit: usize);
    /// A negative number.
    fn non_negative(&mut self, path: &Path, value: i64);
    /// A value other than the one it replaces.
    fn unchanged<T: PartialEq>(&mut self, path: &Path, new: &T, old: &T, shown: impl Into<BadValue>);
}

/// Message of [`Report::unchanged`].
pub const IMMUTABLE: &str = "field is immutable";
/// Message of [`Report::non_negative`].
pub const NEGATIVE: &str = "must be greater than or equal to 0";

impl Report for ErrorList {
    fn required(&mut self, path: &Path, detail: impl Into<String>) {
        self.push(Error::required(path, detail));
    }

    fn invalid(&mut self, path: &Path, value: impl Into<BadValue>, detail: impl Into<String>) {
        self.push(Error::invalid(path, value, detail));
    }

    fn invalid_each(&mut self, path: &Path, value: impl Into<BadValue>, details: Vec<String>) {
        if details.is_empty() {
            return;
        }
        let value = value.into();
        self.extend(details.into_iter().map(|detail| Error::invalid(path, value.clone(), detail)));
    }

    fn forbidden(&mut self, path: &Path, detail: impl Into<String>) {
        self.push(Error::forbidden(path, detail));
    }

    fn duplicate(&mut self, path: &Path, value: impl Into<BadValue>) {
        self.push(Error::duplicate(path, value));
    }

    fn not_supported(&mut self, path: &Path, value: &str, accepted: &[&str]) {
        let mut accepted = accepted.to_vec();
        accepted.sort_unstable();
        self.push(Error::not_supported(path, value, accepted));
    }

    fn not_supported_in_order(&mut self, path: &Path, value: &str, accepted: &[&str]) {
        self.push(Error::not_supported(path, value, accepted));
    }

    fn too_long(&mut self, path: &Path, limit: usize) {
        self.push(Error::too_long(path, limit));
    }

    fn non_negative(&mut self, path: &Path, value: i64) {
        if value < 0 {
            self.push(Error::invalid(path, value, NEGATIVE));
        }
    }

    fn unchanged<T: PartialEq>(&mut self, path: &Path, new: &T, old: &T, shown: impl Into<BadValue>) {
        if new != old {
            self.push(Error::invalid(path, shown, IMMUTABLE));
        }
    }
}
