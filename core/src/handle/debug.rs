//! What handles show about themselves in logs: where the store is, and which account and user they
//! are for. They never show a token, because no handle holds one.

use crate::handle::{Access, Sender, Tenantry};
use std::fmt::{Debug, Formatter, Result};

impl Debug for Tenantry {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        out.debug_struct("Tenantry")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Debug for Access {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        out.debug_struct("Access")
            .field("path", &self.path)
            .field("account", &self.cell.id)
            .field("user", &self.user)
            .field("permission", &self.permission)
            .finish_non_exhaustive()
    }
}

impl Debug for Sender {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        out.debug_struct("Sender")
            .field("path", &self.path)
            .field("account", &self.cell.id)
            .field("user", &self.sends.user)
            .field("channel", &self.sends.channel)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::{OpenOptions, Tenantry};

    #[test]
    fn a_handle_shows_where_and_about_whom() {
        let store = Tenantry::open(":memory:", OpenOptions::default()).unwrap();
        assert_eq!(format!("{store:?}"), r#"Tenantry { path: ":memory:", .. }"#);
        for (operation, request) in [
            (
                "packages.create",
                r#"{"id":"small","name":"Small","limits":{"email_per_day":2}}"#,
            ),
            (
                "accounts.create",
                r#"{"id":"acme","name":"Acme","package":"small",
                    "owner":{"user":"ann","email":"ann@acme.example"}}"#,
            ),
        ] {
            store
                .call_json(b"", operation.as_bytes(), request.as_bytes())
                .unwrap();
        }
        let access = store.access("acme", "ann", "campaigns.send").unwrap();
        assert_eq!(
            format!("{access:?}"),
            "Access { path: \":memory:\", account: Id(\"acme\"), user: Id(\"ann\"), \
             permission: \"campaigns.send\", .. }"
        );
        let sender = store.sender("acme", None).unwrap();
        assert_eq!(
            format!("{sender:?}"),
            "Sender { path: \":memory:\", account: Id(\"acme\"), user: None, channel: Email, .. }"
        );
    }

    #[test]
    fn a_path_is_whatever_names_one() {
        let folder = std::env::temp_dir().join(format!("tenantry-path-{}", std::process::id()));
        let store = Tenantry::open(&folder, OpenOptions::default()).unwrap();
        let again = Tenantry::open_json(folder.to_str().unwrap(), b"").unwrap();
        assert_eq!(format!("{again:?}"), format!("{store:?}"));
        for path in ["", "a\0b"] {
            let refused = Tenantry::open(path, OpenOptions::default());
            assert_eq!(refused.unwrap_err().field(), Some("/path"));
        }
        store.close().unwrap();
        again.close().unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
