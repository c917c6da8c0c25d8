//! The five presets and what counts where several levels set a policy (R-PLT-3, section 16 of the rules).

use crate::model::{ChildOwner, Count, EffectivePolicies, Editor, GrantExisting, Limit, PendingStep, Policies, PolicyRecord, Preset, Resend, RoleScope};

const DAY_MS: u64 = 24 * 3_600_000;

/// What a preset sets; the rest has its default.
pub fn preset(preset: Preset) -> Policies {
    let count = |value| Count::new(value).ok();
    let days = |days: u64| count(days * DAY_MS);
    match preset {
        Preset::Packages => Policies {
            depth: count(1),
            role_scope: Some(RoleScope::Package),
            custom_roles: Some(true),
            groups: Some(false),
            email_edited_by: Some(vec![Editor::OneSelf, Editor::Operator]),
            names_edited_by: Some(vec![Editor::Operator]),
            profile_edited_by: Some(vec![Editor::OneSelf, Editor::Operator]),
            operators_log_in_as: Some(true),
            ..Policies::default()
        },
        Preset::Groups => Policies {
            depth: count(1),
            custom_roles: Some(false),
            groups: Some(true),
            invitation_life_ms: days(14),
            pending_until: Some(vec![PendingStep::Accepted]),
            ..Policies::default()
        },
        Preset::Access => Policies {
            depth: count(3),
            child_owner: Some(ChildOwner::Parents),
            custom_roles: Some(true),
            groups: Some(false),
            grant_existing: Some(GrantExisting::Holder),
            invitation_life_ms: days(14),
            resend: Some(Resend::Forbid),
            pending_until: Some(vec![PendingStep::Accepted, PendingStep::Profile, PendingStep::FirstLogin]),
            ..Policies::default()
        },
        Preset::Teams => Policies {
            depth: count(2),
            child_owner: Some(ChildOwner::Own),
            owner_exclusive: Some(true),
            custom_roles: Some(true),
            groups: Some(false),
            grant_existing: Some(GrantExisting::Parent),
            invitation_life_ms: days(14),
            verification_life_ms: days(3),
            skip_verification: Some(true),
            resend: Some(Resend::Rotate),
            pending_until: Some(vec![PendingStep::Accepted, PendingStep::Password]),
            ..Policies::default()
        },
        Preset::Essentials => Policies {
            depth: count(2),
            child_owner: Some(ChildOwner::Parents),
            role_scope: Some(RoleScope::User),
            custom_roles: Some(false),
            groups: Some(false),
            grant_existing: Some(GrantExisting::Parent),
            invitation_life_ms: days(15),
            resend: Some(Resend::Rotate),
            pending_until: Some(vec![PendingStep::Accepted]),
            names_edited_by: Some(vec![Editor::OneSelf, Editor::Parent]),
            seats: count(10).map(Limit::At),
            ..Policies::default()
        },
    }
}

/// The values that count, given what is set from the account up to the platform.
///
/// At each level what is set one by one comes before its preset; a level comes before those above it.
pub fn effective<'a>(levels: impl IntoIterator<Item = &'a PolicyRecord>) -> EffectivePolicies {
    let mut total = Policies::default();
    for level in levels {
        total = total.or(&level.set);
        if let Some(named) = level.preset {
            total = total.or(&preset(named));
        }
    }
    total.or_default()
}
