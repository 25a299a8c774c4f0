//! Query strings: names and values, decoded as Go does.

/// The parameters of a query string in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Takes a raw query apart; what cannot be decoded is left as it is.
    pub fn parse(raw: Option<&str>) -> Query {
        let pairs = raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name, true), decoded(value, true))
        });
        Query { pairs: pairs.collect() }
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter, in order.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }

    /// A flag as the API machinery reads it: there, and neither `false` nor `0`.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !["false", "0"].contains(&value.to_ascii_lowercase().as_str()))
    }
}

/// Text with `%XX` decoded, and `+` as a blank in queries.
pub fn decoded(text: &str, plus_is_blank: bool) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match code {
            Some(code) => plain.push(code),
            None if *byte == b'+' && plus_is_blank => plain.push(b' '),
            None => plain.push(*byte),
        }
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let query = Query::parse(Some("command=ls&command=-l+%2Ftmp&tty=1&follow&previous=False&bad=%zz"));
        assert_eq!(query.all("command"), ["ls", "-l /tmp"]);
        assert_eq!((query.get("tty"), query.get("none"), query.get("bad")), (Some("1"), None, Some("%zz")));
        assert!(query.flag("follow") && query.flag("tty"));
        assert!(!query.flag("previous") && !query.flag("none"));
        assert_eq!(Query::parse(None), Query::default());
    }

    #[test]
    fn a_plus_in_a_path_stays() {
        assert_eq!(decoded("a+b%20c", false), "a+b c");
    }
}
