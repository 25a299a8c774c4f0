//! Taints as arguments have them, and what they make of those of a node.

use serde_json::{Value, json};

use crate::values;

/// A taint; for removals an empty effect stands for any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
    /// Effect.
    pub effect: String,
    /// When a controller added it; empty when none did.
    pub time_added: String,
}

impl Taint {
    /// A taint of a node.
    pub fn of(value: &Value) -> Taint {
        let text = |pointer: &str| values::text(value, pointer).to_owned();
        Taint { key: text("/key"), value: text("/value"), effect: text("/effect"), time_added: text("/timeAdded") }
    }

    /// As the API has it.
    pub fn to_value(&self) -> Value {
        let mut value = json!({"key": self.key, "effect": self.effect});
        if !self.value.is_empty() {
            value["value"] = self.value.as_str().into();
        }
        if !self.time_added.is_empty() {
            value["timeAdded"] = self.time_added.as_str().into();
        }
        value
    }

    /// Whether key and effect agree.
    pub fn matches(&self, other: &Taint) -> bool {
        self.key == other.key && self.effect == other.effect
    }

    /// As arguments have it.
    fn shown(&self) -> String {
        match (self.effect.is_empty(), self.value.is_empty()) {
            (true, true) => self.key.clone(),
            (true, false) => format!("{}={}:", self.key, self.value),
            (false, true) => format!("{}:{}", self.key, self.effect),
            (false, false) => format!("{}={}:{}", self.key, self.value, self.effect),
        }
    }
}

/// Taints to add and to remove.
pub fn parse(texts: &[String]) -> Result<(Vec<Taint>, Vec<Taint>), String> {
    let (mut added, mut removed) = (Vec::<Taint>::new(), Vec::new());
    for text in texts {
        if let Some(text) = text.strip_suffix('-') {
            removed.push(Taint { value: String::new(), ..parse_one(text)? });
            continue;
        }
        let taint = parse_one(text)?;
        if taint.effect.is_empty() {
            return Err(format!("invalid taint spec: {text}"));
        }
        if added.iter().any(|known| known.matches(&taint)) {
            return Err(format!(
                "duplicated taints with the same key and effect: {{{} {} {} <nil>}}",
                taint.key, taint.value, taint.effect
            ));
        }
        added.push(taint);
    }
    Ok((added, removed))
}

fn parse_one(text: &str) -> Result<Taint, String> {
    let invalid = |why: &str| format!("invalid taint spec: {text}{why}");
    let mut parts = text.split(':');
    let (pair, effect) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() {
        return Err(invalid(""));
    }
    let (key, value) = match effect {
        None => (pair, ""),
        Some(effect) => {
            if !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
                return Err(format!("invalid taint effect: {effect}, unsupported taint effect"));
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if value.contains('=') {
                return Err(invalid(""));
            }
            let problems = machinery::names::is_label_value(value);
            if !problems.is_empty() {
                return Err(invalid(&format!(", {}", problems.join("; "))));
            }
            (key, value)
        }
    };
    let problems = machinery::names::is_qualified_name(key);
    if !problems.is_empty() {
        return Err(invalid(&format!(", {}", problems.join("; "))));
    }
    Ok(Taint {
        key: key.to_owned(),
        value: value.to_owned(),
        effect: effect.unwrap_or_default().to_owned(),
        time_added: String::new(),
    })
}

/// Refuses taints that are to come and to go at once.
pub fn refuse_conflicts(added: &[Taint], removed: &[Taint]) -> Result<(), String> {
    let mut conflicts = Vec::new();
    for taint in added {
        let both = removed
            .iter()
            .filter(|gone| gone.key == taint.key && (gone.effect.is_empty() || gone.effect == taint.effect));
        conflicts.extend(both.map(|gone| format!("{}={}", gone.key, gone.effect)));
    }
    if conflicts.is_empty() {
        return Ok(());
    }
    Err(format!(
        "can not both modify and remove the following taint(s) in the same command: {}",
        conflicts.join(", ")
    ))
}

/// What was done, and the taints the node is to have; or what was to go and is not there.
pub fn reorganized(
    present: &[Taint],
    added: &[Taint],
    removed: &[Taint],
    overwrite: bool,
) -> Result<(&'static str, Vec<Taint>), Vec<String>> {
    let mut list = added.to_vec();
    for taint in present {
        if !list.iter().any(|known| known.matches(taint)) {
            list.push(taint.clone());
        }
    }
    // As upstream counts: a taint that takes another's place adds none.
    let more = list.len() != present.len();
    let (mut missing, mut fewer) = (Vec::new(), false);
    for gone in removed {
        let before = list.len();
        list.retain(|taint| {
            let same = if gone.effect.is_empty() { taint.key == gone.key } else { taint.matches(gone) };
            !same
        });
        fewer = list.len() != before;
        if !fewer {
            missing.push(format!("taint {:?} not found", gone.shown()));
        }
    }
    if !missing.is_empty() {
        return Err(missing);
    }
    let operation = if (more && fewer) || overwrite {
        "modified"
    } else if more {
        "tainted"
    } else {
        "untainted"
    };
    Ok((operation, list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_read() {
        let check = |text: &str, expected: &str| {
            let shown = match parse(&[text.to_owned()]) {
                Ok((added, removed)) => {
                    let all: Vec<String> = added.iter().chain(&removed).map(Taint::shown).collect();
                    all.join(" ")
                }
                Err(error) => error,
            };
            assert!(shown.starts_with(expected), "{text}: {shown}");
        };
        check("a=b:NoSchedule", "a=b:NoSchedule");
        check("a:NoExecute", "a:NoExecute");
        check("a:NoExecute-", "a:NoExecute");
        check("a-", "a");
        check("a=b", "invalid taint spec: a=b");
        check("a=b:Never", "invalid taint effect: Never, unsupported taint effect");
        check("a=b:NoSchedule:x", "invalid taint spec: a=b:NoSchedule:x");
        check("a=b=c:NoSchedule", "invalid taint spec: a=b=c:NoSchedule");
        check("_a=b:NoSchedule", "invalid taint spec: _a=b:NoSchedule, name part must consist of");
        check("a=_b:NoSchedule", "invalid taint spec: a=_b:NoSchedule, a valid label must be");
    }

    #[test]
    fn what_is_added_must_not_go() {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (added, removed) = parse(&own(&["a=b:NoSchedule", "a-"])).expect("sound");
        let error = refuse_conflicts(&added, &removed).expect_err("both");
        assert_eq!(error, "can not both modify and remove the following taint(s) in the same command: a=");
        assert!(parse(&own(&["a=b:NoSchedule", "a=c:NoSchedule"])).is_err());
    }
}
