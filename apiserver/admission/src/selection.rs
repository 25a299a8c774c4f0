//! Which plugins run: those on by default, without the disabled and with the enabled ones.

use crate::table::{Row, all};

/// The plugins to run, in order, or everything that is wrong with the two lists of names.
pub fn select(enabled: &[String], disabled: &[String]) -> Result<Vec<&'static Row>, Vec<String>> {
    let mut errors = Vec::new();
    for (flag, names) in [("enable-admission-plugins", enabled), ("disable-admission-plugins", disabled)] {
        for name in names.iter().filter(|name| find(name).is_none()) {
            errors.push(format!("{flag} plugin {name:?} is unknown; known are {}", known()));
        }
    }
    let both: Vec<&str> = enabled.iter().filter(|name| disabled.contains(name)).map(String::as_str).collect();
    if !both.is_empty() {
        errors.push(format!(
            "[{}] in enable-admission-plugins and disable-admission-plugins overlapped",
            both.join(" ")
        ));
    }
    for name in enabled {
        if find(name).is_some_and(|row| row.make.is_none()) {
            errors.push(format!(
                "enable-admission-plugins plugin {name:?} is not part of this program; it has {}",
                present()
            ));
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let named = |names: &[String], row: &Row| names.iter().any(|name| name == row.name);
    let runs = |row: &&Row| named(enabled, row) || (row.on_by_default && !named(disabled, row));
    Ok(all().iter().filter(runs).collect())
}

/// The plugin of a name.
pub fn find(name: &str) -> Option<&'static Row> {
    all().iter().find(|row| row.name == name)
}

fn known() -> String {
    let names: Vec<&str> = all().iter().map(|row| row.name).collect();
    names.join(", ")
}

fn present() -> String {
    let names: Vec<&str> = all().iter().filter(|row| row.make.is_some()).map(|row| row.name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(enabled: &[&str], disabled: &[&str]) -> Result<Vec<&'static str>, Vec<String>> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let rows = select(&owned(enabled), &owned(disabled))?;
        Ok(rows.into_iter().map(|row| row.name).collect())
    }

    #[test]
    fn names_are_upstreams_and_unique() {
        let mut names: Vec<&str> = all().iter().map(|row| row.name).collect();
        assert_eq!(
            (names.len(), names.first(), names.last()),
            (41, Some(&"AlwaysAdmit"), Some(&"AlwaysDeny"))
        );
        assert_eq!(all().iter().filter(|row| row.on_by_default).count(), 27);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 41);
    }

    #[test]
    fn flags_add_and_remove_in_the_order_of_the_table() {
        let names = selected(&["NodeRestriction"], &["LimitRanger", "ValidatingAdmissionWebhook"]).unwrap();
        let first: Vec<&str> = names.iter().copied().take(3).collect();
        assert_eq!(first, ["NamespaceLifecycle", "ServiceAccount", "NodeRestriction"]);
        assert!(!names.contains(&"ValidatingAdmissionWebhook"));
        assert!(!selected(&[], &[]).unwrap().contains(&"NodeRestriction"), "it must be asked for");
    }

    #[test]
    fn wrong_names_are_all_told() {
        let errors = selected(&["Nonsense", "ServiceAccount"], &["Other", "ServiceAccount"]).unwrap_err();
        assert_eq!(errors.len(), 3);
        assert!(
            errors[0].starts_with(
                "enable-admission-plugins plugin \"Nonsense\" is unknown; known are AlwaysAdmit, "
            )
        );
        assert!(errors[1].starts_with("disable-admission-plugins plugin \"Other\" is unknown"));
        assert_eq!(
            errors[2],
            "[ServiceAccount] in enable-admission-plugins and disable-admission-plugins overlapped"
        );
        let errors = selected(&["ImagePolicyWebhook"], &[]).unwrap_err();
        let expected = "enable-admission-plugins plugin \"ImagePolicyWebhook\" is not part of this program; it has \
                        NamespaceLifecycle, ";
        assert!(errors[0].starts_with(expected), "{errors:?}");
        assert!(selected(&[], &["ImagePolicyWebhook"]).is_ok());
    }
}
