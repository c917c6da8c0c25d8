//! What nobody does who acts as another (R-SES-6).

/// Whole groups of operations that change how a person proves who they are, from where, and what
/// they pay with. Reading them is open to who holds the permission for it.
const GROUPS: &[&str] = &[
    "addresses",
    "api_keys",
    "credits",
    "impersonation",
    "passwords",
    "second_factors",
    "sessions",
];

/// Single operations: those about a person in all their accounts, about who owns an account, and
/// what cannot be taken back.
const OPERATIONS: &[&str] = &[
    "accounts.close",
    "accounts.create_child",
    "accounts.delete",
    "accounts.switch",
    "accounts.switchable",
    "accounts.transfer_owner",
    "invitations.erase",
    "users.change_email",
    "users.delete",
    "users.edit",
    "users.export_data",
    "users.request_password_reset",
];

/// Whether an operation, which changes something or only reads, is for the user in person.
pub fn is_masked(operation: &str, changes: bool) -> bool {
    let group = operation.split('.').next().unwrap_or(operation);
    (changes && GROUPS.contains(&group)) || OPERATIONS.contains(&operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::CATALOGUE;
    use crate::ops::{Access, Effect};

    /// Parts of names that tell of what is to be done in person.
    const SENSITIVE: &[&str] = &[
        "address",
        "api_key",
        "close",
        "credit",
        "delete",
        "email",
        "erase",
        "export_data",
        "factor",
        "impersonat",
        "log_in",
        "logged_in",
        "login",
        "owner",
        "password",
        "person",
        "recovery",
        "secret",
        "session",
        "switch",
        "token",
        "transfer",
    ];

    /// Names that hold one of these and are open: the actor's permissions, under those of the
    /// person behind, are enough.
    const OPEN: &[&str] = &[
        "groups.delete",
        "groups.transfer_members",
        "invitations.delete",
        "packages.delete",
        "roles.delete",
    ];

    /// S11: of whoever adds an operation with such a name it is asked whether somebody may do it
    /// who acts as another.
    #[test]
    fn every_sensitive_operation_is_masked_or_known_not_to_be() {
        for entry in CATALOGUE {
            let looks_so = SENSITIVE.iter().any(|part| entry.name.contains(part));
            let is_open = OPEN.contains(&entry.name)
                || entry.access == Access::System
                || entry.effect == Effect::Read;
            let known = is_masked(entry.name, entry.effect != Effect::Read) || !looks_so || is_open;
            assert!(
                known,
                "`{}` belongs into the table of this file, or to what is open",
                entry.name
            );
        }
        for name in OPEN.iter().chain(OPERATIONS) {
            let entry = CATALOGUE
                .iter()
                .find(|entry| entry.name == *name)
                .unwrap_or_else(|| panic!("there is no operation `{name}`"));
            assert_eq!(
                is_masked(name, entry.effect != Effect::Read),
                OPERATIONS.contains(name),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_read_is_open_and_what_is_changed_is_not() {
        for (operation, effect, masked) in [
            ("credits.balance", Effect::Read, false),
            ("credits.spend", Effect::Send, true),
            ("addresses.set", Effect::Write, true),
            ("addresses.get", Effect::Read, false),
            ("users.export_data", Effect::Read, true),
            ("campaigns.stop", Effect::Write, false),
        ] {
            assert_eq!(
                is_masked(operation, effect != Effect::Read),
                masked,
                "{operation}"
            );
        }
    }
}
