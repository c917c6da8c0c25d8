//! What a session does only shortly after its user has proven who they are (R-SES-1, S9).

/// A group of operations of which every change is asked for.
const GROUPS: &[&str] = &["second_factors"];

/// Single operations: those that change how a person proves who they are, or that outlive the
/// session.
const OPERATIONS: &[&str] = &[
    "accounts.transfer_owner",
    "api_keys.create",
    "api_keys.edit",
    "sessions.create_as",
    "users.change_email",
];

/// Whether an operation, which changes something or only reads, needs a recent log-in.
pub fn needs_recent_log_in(operation: &str, changes: bool) -> bool {
    let group = operation.split('.').next().unwrap_or(operation);
    (changes && GROUPS.contains(&group)) || OPERATIONS.contains(&operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::CATALOGUE;
    use crate::ops::{Access, Effect};

    /// S9: whoever adds an operation about how people prove who they are is asked whether it needs
    /// a recent log-in.
    #[test]
    fn every_operation_about_log_in_is_in_the_table_or_known_not_to_be() {
        const ABOUT: &[&str] = &[
            "api_key",
            "create_as",
            "email",
            "factor",
            "password",
            "recovery",
            "session",
            "transfer_owner",
        ];
        // These take the password itself, take something away from who would misuse it, or mail a
        // link to the address that is stored.
        const OPEN: &[&str] = &[
            "api_keys.delete",
            "members.owner_password",
            "passwords.ban",
            "passwords.change",
            "passwords.unban",
            "sessions.end",
            "sessions.end_all",
            "users.request_password_reset",
        ];
        for entry in CATALOGUE
            .iter()
            .filter(|entry| entry.access != Access::System && entry.effect != Effect::Read)
        {
            let about = ABOUT.iter().any(|word| entry.name.contains(word));
            assert!(
                !about || needs_recent_log_in(entry.name, true) || OPEN.contains(&entry.name),
                "{}",
                entry.name
            );
        }
        for name in OPERATIONS {
            assert!(
                CATALOGUE.iter().any(|entry| entry.name == *name),
                "there is no operation `{name}`"
            );
        }
        assert!(!needs_recent_log_in("second_factors.status", false));
    }
}
