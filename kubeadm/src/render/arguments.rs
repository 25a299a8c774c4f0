//! Command lines of components: kubeadm's own flags in order, then what the user adds or replaces.

use crate::config::v1beta4::Arg;

/// A flag of kubeadm's own.
pub fn arg(name: &str, value: impl Into<String>) -> Arg {
    Arg { name: name.to_owned(), value: value.into() }
}

/// Sets a flag, replacing all of that name.
pub fn set(args: &mut Vec<Arg>, name: &str, value: impl Into<String>) {
    args.retain(|arg| arg.name != name);
    args.push(arg(name, value));
}

/// `--name=value` for each flag; a flag among the overrides removes all base flags of its name.
pub fn to_command(mut base: Vec<Arg>, overrides: &[Arg]) -> Vec<String> {
    base.sort_by(|one, other| (&one.name, &one.value).cmp(&(&other.name, &other.value)));
    base.iter()
        .filter(|arg| !overrides.iter().any(|other| other.name == arg.name))
        .chain(overrides)
        .map(|arg| format!("--{}={}", arg.name, arg.value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_replace_and_keep_their_order() {
        let base = vec![arg("v", "2"), arg("bind-address", "127.0.0.1"), arg("allow", "x")];
        let overrides = [arg("v", "5"), arg("v", "6"), arg("extra", "")];
        assert_eq!(
            to_command(base, &overrides),
            ["--allow=x", "--bind-address=127.0.0.1", "--v=5", "--v=6", "--extra="]
        );
    }
}
