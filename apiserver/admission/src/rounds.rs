//! The second round of mutating admission, for plugins that must see what webhooks have made of the object.
//!
//! Source: `k8s.io/apiserver/pkg/admission/reinvocation.go` and the webhooks' reinvocation context.

use hashbrown::HashSet;

/// What plugins remember from the first round to the second.
#[derive(Debug, Default)]
pub struct Rounds {
    second: bool,
    wanted: bool,
    /// The object as webhooks left it, in protobuf.
    last_output: Option<Vec<u8>>,
    /// Webhooks that were asked and want to be asked again after a later change.
    asked: HashSet<String>,
    /// Those of them after which something has changed.
    again: HashSet<String>,
}

impl Rounds {
    /// True in the second round.
    pub fn is_second(&self) -> bool {
        self.second
    }

    /// Which of the two it is, from 0.
    pub fn number(&self) -> u8 {
        u8::from(self.second)
    }

    /// Somebody whose changes others must see has changed the object.
    pub fn want_second(&mut self) {
        self.wanted = true;
    }

    /// True when the first round will be followed by a second.
    pub(crate) fn is_second_wanted(&self) -> bool {
        self.wanted
    }

    /// Begins the second round if it is wanted; there is no third.
    pub(crate) fn begin_next(&mut self) -> bool {
        let begins = self.wanted && !self.second;
        self.second |= begins;
        begins
    }

    /// Webhooks begin; what other plugins have changed since the last time is a reason to ask them again.
    pub(crate) fn begin_webhooks(&mut self, object: Option<Vec<u8>>) {
        if self.second && self.last_output != object {
            self.changed_by_others();
        }
    }

    /// Webhooks are through and leave this object.
    pub(crate) fn end_webhooks(&mut self, object: Option<Vec<u8>>) {
        self.last_output = object;
    }

    /// Whoever was asked so far and may be asked again will be.
    pub(crate) fn changed_by_others(&mut self) {
        self.again.extend(self.asked.drain());
    }

    /// A webhook that may be asked again has been asked.
    pub(crate) fn asked(&mut self, webhook: &str) {
        self.asked.insert(webhook.to_owned());
    }

    /// Whether a webhook is asked in this round: in the first always.
    pub(crate) fn asks(&self, webhook: &str) -> bool {
        !self.second || self.again.contains(webhook)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_asked_again_after_changes_of_others_only() {
        let mut rounds = Rounds::default();
        rounds.begin_webhooks(Some(vec![1]));
        rounds.asked("first");
        // The second webhook changes the object.
        rounds.changed_by_others();
        rounds.want_second();
        rounds.asked("second");
        rounds.end_webhooks(Some(vec![2]));
        assert!(rounds.begin_next());
        rounds.begin_webhooks(Some(vec![2]));
        assert!(rounds.asks("first") && !rounds.asks("second") && !rounds.asks("third"));
        rounds.want_second();
        assert!(!rounds.begin_next(), "there is no third round");
    }

    #[test]
    fn what_other_plugins_change_counts() {
        let mut rounds = Rounds::default();
        rounds.begin_webhooks(None);
        rounds.want_second();
        rounds.asked("only");
        rounds.end_webhooks(Some(vec![1]));
        assert!(rounds.begin_next());
        rounds.begin_webhooks(Some(vec![1, 2]));
        assert!(rounds.asks("only"));
    }
}
