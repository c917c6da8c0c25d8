//! Who edits which field of a user (R-USR-3), what is still to be done before a member is no longer
//! pending (R-INV-4), and what the fields of a profile can hold (R-USR-2).

use crate::model::{Editor, EffectivePolicies, PendingStep, User};

/// Longest phone number, in bytes.
const PHONE_MAX: usize = 40;

/// The fields of a user that one policy decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldGroup {
    /// First and last name.
    Names,
    /// Phone, sending country, language, time zone.
    Profile,
    /// What the user is told about new messages: by the policy of the profile, with a permission of
    /// its own.
    Notifications,
    /// The e-mail address.
    Email,
}

impl FieldGroup {
    /// Who may edit these fields.
    pub fn editors(self, policies: &EffectivePolicies) -> &[Editor] {
        match self {
            FieldGroup::Names => &policies.names_edited_by,
            FieldGroup::Profile | FieldGroup::Notifications => &policies.profile_edited_by,
            FieldGroup::Email => &policies.email_edited_by,
        }
    }

    /// What a user needs to edit them of themself.
    pub const fn own_permission(self) -> &'static str {
        match self {
            FieldGroup::Names | FieldGroup::Profile => "self.profile",
            FieldGroup::Notifications => "self.notifications",
            FieldGroup::Email => "self.email",
        }
    }
}

/// As what somebody may edit fields of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EditsAs {
    /// As the user themself, who needs a permission for it.
    pub themself: bool,
    /// As somebody above the user, who has to reach them.
    pub other: bool,
}

/// As what somebody edits fields, who is all of `relations` to the user, where the policy lets
/// `editors` do so.
pub fn edits_as(relations: &[Editor], editors: &[Editor]) -> EditsAs {
    let may = |relation: &Editor| relations.contains(relation) && editors.contains(relation);
    EditsAs {
        themself: may(&Editor::OneSelf),
        other: [Editor::Administrator, Editor::Parent, Editor::Operator]
            .iter()
            .any(may),
    }
}

/// The names of editors, as they stand in policies.
pub fn names_of(editors: &[Editor]) -> Vec<&'static str> {
    let name = |editor: &Editor| match editor {
        Editor::OneSelf => "self",
        Editor::Administrator => "administrator",
        Editor::Parent => "parent",
        Editor::Operator => "operator",
    };
    editors.iter().map(name).collect()
}

/// The steps that a member has not done yet. Whoever is a member has accepted: an invitation is
/// none.
pub fn missing_steps(steps: &[PendingStep], user: &User) -> Vec<PendingStep> {
    let is_missing = |step: &&PendingStep| match step {
        PendingStep::Accepted => false,
        PendingStep::Profile => {
            user.profile.first_name.is_none() || user.profile.last_name.is_none()
        }
        PendingStep::FirstLogin => user.first_login_at_ms.is_none(),
        PendingStep::Password => user.must_set_password,
    };
    steps.iter().filter(is_missing).copied().collect()
}

/// Whether this can be a country: two capital letters, as in ISO 3166.
pub fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Whether this has the form of a language tag, such as `de`, `pt-BR` or `zh-Hant-TW`.
pub fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().is_some_and(|first| {
        (2..=8).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    language
        && text.len() <= 35
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// Whether this can be a phone number: digits, and what people write between them. Nobody is called
/// here.
pub fn is_phone(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_digit() || " +-()./x".contains(c);
    text.len() <= PHONE_MAX && text.chars().all(allowed) && text.chars().any(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Email, Id, Name, Policies, Profile};

    /// R-USR-3: relations of the actor, editors of the policy, as what they edit.
    #[test]
    fn the_matrix() {
        use Editor::{Administrator, OneSelf, Operator, Parent};
        type Case = (&'static [Editor], &'static [Editor], (bool, bool));
        let cases: &[Case] = &[
            (&[OneSelf], &[OneSelf], (true, false)),
            (&[OneSelf], &[Operator], (false, false)),
            (&[OneSelf, Parent], &[OneSelf, Parent], (true, true)),
            (&[OneSelf, Parent], &[OneSelf], (true, false)),
            (&[OneSelf, Parent], &[Parent], (false, true)),
            (&[Administrator], &[OneSelf, Parent], (false, false)),
            (&[Administrator, Parent], &[OneSelf, Parent], (false, true)),
            (&[Operator], &[OneSelf, Operator], (false, true)),
            (
                &[],
                &[OneSelf, Administrator, Parent, Operator],
                (false, false),
            ),
            (
                &[OneSelf, Administrator, Parent, Operator],
                &[],
                (false, false),
            ),
        ];
        for (line, (relations, editors, (themself, other))) in cases.iter().enumerate() {
            assert_eq!(
                edits_as(relations, editors),
                EditsAs {
                    themself: *themself,
                    other: *other
                },
                "case {line}"
            );
        }
    }

    #[test]
    fn every_field_has_its_policy_and_permission() {
        let policies = Policies {
            names_edited_by: Some(vec![Editor::Parent]),
            profile_edited_by: Some(vec![Editor::Administrator]),
            email_edited_by: Some(vec![Editor::Operator]),
            ..Policies::default()
        }
        .or_default();
        assert_eq!(FieldGroup::Names.editors(&policies), [Editor::Parent]);
        assert_eq!(
            FieldGroup::Profile.editors(&policies),
            [Editor::Administrator]
        );
        assert_eq!(
            FieldGroup::Notifications.editors(&policies),
            [Editor::Administrator]
        );
        assert_eq!(FieldGroup::Email.editors(&policies), [Editor::Operator]);
        let permissions = [
            FieldGroup::Names,
            FieldGroup::Profile,
            FieldGroup::Notifications,
            FieldGroup::Email,
        ]
        .map(FieldGroup::own_permission);
        assert_eq!(
            permissions,
            [
                "self.profile",
                "self.profile",
                "self.notifications",
                "self.email"
            ]
        );
        assert_eq!(
            names_of(&[
                Editor::OneSelf,
                Editor::Administrator,
                Editor::Parent,
                Editor::Operator
            ]),
            ["self", "administrator", "parent", "operator"]
        );
    }

    /// R-INV-4
    #[test]
    fn a_step_is_missing_until_it_is_done() {
        use PendingStep::{Accepted, FirstLogin, Password};
        let mut user = User {
            id: Id::new("ann").unwrap(),
            email: Email::new("ann@acme.example").unwrap(),
            profile: Profile {
                first_name: Name::new("Ann").ok(),
                ..Profile::default()
            },
            disabled: false,
            must_set_password: true,
            first_login_at_ms: None,
            rev: 1,
            created_at_ms: 0,
            updated_at_ms: 0,
        };
        let all = [Accepted, PendingStep::Profile, FirstLogin, Password];
        assert_eq!(
            missing_steps(&all, &user),
            [PendingStep::Profile, FirstLogin, Password]
        );
        assert_eq!(missing_steps(&[Accepted], &user), []);
        user.profile.last_name = Name::new("Alba").ok();
        assert_eq!(missing_steps(&all, &user), [FirstLogin, Password]);
        user.first_login_at_ms = Some(1);
        user.must_set_password = false;
        assert_eq!(missing_steps(&all, &user), []);
    }

    #[test]
    fn forms_of_profile_fields() {
        assert!(
            is_country("DE")
                && !is_country("de")
                && !is_country("DEU")
                && !is_country("D")
                && !is_country("D1")
        );
        for good in ["de", "pt-BR", "zh-Hant-TW", "sr-Latn", "de-CH-1996"] {
            assert!(is_language(good), "{good}");
        }
        for bad in [
            "",
            "d",
            "-de",
            "de-",
            "de_DE",
            "deutschland",
            "de--CH",
            "d3",
            "de-\u{e4}",
            "en-a-bbbbbbbb-cccccccc-dddddddd-eeeee",
        ] {
            assert!(!is_language(bad), "{bad}");
        }
        for good in ["+49 30 1234-5", "(030) 123/45", "555.1234 x12"] {
            assert!(is_phone(good), "{good}");
        }
        for bad in [
            "",
            "+",
            "call me",
            "12345678901234567890123456789012345678901",
        ] {
            assert!(!is_phone(bad), "{bad}");
        }
    }
}
