//! What is to be done about one object, from its live metadata and the state of its owners: pure.

use machinery::meta::v1::{ObjectMeta, OwnerReference};

use super::graph::{FOREGROUND, ORPHAN};

/// An owner as the server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It is there.
    Solid,
    /// It is not there, or another object has its name.
    Absent,
    /// It is being deleted and waits for what it owns.
    Waiting,
}

/// How an object is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// What it owns goes after it.
    Background,
    /// What it owns goes before it.
    Foreground,
    /// What it owns stays.
    Orphan,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing.
    Keep,
    /// Take the references to these owners (UIDs) off.
    Release(Vec<String>),
    /// Delete the object. With `unblock` it stops holding up owners that wait: it waits itself for an object that
    /// waits, and they would wait for each other.
    Delete { policy: Policy, unblock: bool },
}

/// Decides about an object that is not being deleted. `dependents_wait`: of what it owns, something waits for its
/// own dependents; `has_dependents`: it owns something.
pub(super) fn decide(
    object: &ObjectMeta,
    owners: &[(OwnerReference, Owner)],
    has_dependents: bool,
    dependents_wait: bool,
) -> Decision {
    let of = |state: Owner| {
        owners.iter().filter(move |(_, found)| *found == state).map(|(owner, _)| owner.uid.clone())
    };
    if owners.is_empty() {
        return Decision::Keep;
    }
    if of(Owner::Solid).next().is_some() {
        let gone: Vec<String> = of(Owner::Absent).chain(of(Owner::Waiting)).collect();
        return if gone.is_empty() { Decision::Keep } else { Decision::Release(gone) };
    }
    if of(Owner::Waiting).next().is_some() && has_dependents {
        return Decision::Delete { policy: Policy::Foreground, unblock: dependents_wait };
    }
    let has = |finalizer: &str| object.finalizers.iter().any(|name| name == finalizer);
    let policy = match () {
        () if has(ORPHAN) => Policy::Orphan,
        () if has(FOREGROUND) => Policy::Foreground,
        () => Policy::Background,
    };
    Decision::Delete { policy, unblock: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(states: &[Owner], finalizer: &str, dependents: (bool, bool), expected: Decision) {
        let mut object = ObjectMeta::default();
        object.finalizers.extend(Some(finalizer.to_owned()).filter(|name| !name.is_empty()));
        let owner = |uid: usize| OwnerReference { uid: uid.to_string(), ..OwnerReference::default() };
        let owners: Vec<_> = states.iter().enumerate().map(|(uid, state)| (owner(uid), *state)).collect();
        assert_eq!(decide(&object, &owners, dependents.0, dependents.1), expected, "{states:?}");
    }

    #[test]
    fn owners_decide() {
        use Owner::{Absent, Solid, Waiting};
        let delete = |policy, unblock| Decision::Delete { policy, unblock };
        check(&[], "", (false, false), Decision::Keep);
        check(&[Solid], "", (false, false), Decision::Keep);
        check(&[Solid, Absent, Waiting], "", (false, false), Decision::Release(vec!["1".into(), "2".into()]));
        check(&[Absent], "", (false, false), delete(Policy::Background, false));
        check(&[Absent], ORPHAN, (true, false), delete(Policy::Orphan, false));
        check(&[Absent], FOREGROUND, (true, false), delete(Policy::Foreground, false));
        check(&[Waiting], "", (false, false), delete(Policy::Background, false));
        check(&[Waiting, Absent], "", (true, false), delete(Policy::Foreground, false));
        check(&[Waiting], "", (true, true), delete(Policy::Foreground, true));
    }
}
