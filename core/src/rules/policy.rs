//! The five presets, and which value applies when several levels set a policy (R-PLT-3, section 16
//! of the rules).

use super::window;
use crate::error::{Error, excerpt};
use crate::model::{
    CapPeriod, ChildOwner, Count, Edition, Editor, EffectivePolicies, GrantExisting, Limit,
    PendingStep, Policies, PolicyRecord, Preset, Resend, RoleScope,
};
use tenantry_macros::answer;

const DAY_MS: u64 = 24 * 3_600_000;

/// What a preset sets: every policy of the table of section 16, so that it fully replaces another
/// preset on a level above. For an empty cell of its column, it sets the default.
pub fn preset(preset: Preset) -> Policies {
    column(preset).or(&table_defaults())
}

/// The defaults of the policies in the table of section 16, and of who edits a profile, which
/// R-USR-3 adds to them.
fn table_defaults() -> Policies {
    let defaults = Policies::default().or_default();
    Policies {
        depth: Some(defaults.depth),
        child_owner: Some(defaults.child_owner),
        owner_exclusive: Some(defaults.owner_exclusive),
        role_scope: Some(defaults.role_scope),
        custom_roles: Some(defaults.custom_roles),
        groups: Some(defaults.groups),
        grant_existing: Some(defaults.grant_existing),
        invitation_life_ms: Some(defaults.invitation_life_ms),
        verification_life_ms: Some(defaults.verification_life_ms),
        skip_verification: Some(defaults.skip_verification),
        resend: Some(defaults.resend),
        pending_until: Some(defaults.pending_until),
        email_edited_by: Some(defaults.email_edited_by),
        names_edited_by: Some(defaults.names_edited_by),
        profile_edited_by: Some(defaults.profile_edited_by),
        seats: Some(defaults.seats),
        operators_log_in_as: Some(defaults.operators_log_in_as),
        group_cap_period: Some(defaults.group_cap_period),
        ..Policies::default()
    }
}

fn count(value: u64) -> Option<Count> {
    Count::new(value).ok()
}

fn days(days: u64) -> Option<Count> {
    count(days * DAY_MS)
}

/// The cells of a preset's column that are not empty.
fn column(preset: Preset) -> Policies {
    match preset {
        Preset::Packages => packages_column(),
        Preset::Groups => groups_column(),
        Preset::Access => access_column(),
        Preset::Teams => teams_column(),
        Preset::Essentials => essentials_column(),
    }
}

fn packages_column() -> Policies {
    Policies {
        depth: count(1),
        role_scope: Some(RoleScope::Package),
        custom_roles: Some(true),
        groups: Some(false),
        email_edited_by: Some(vec![Editor::OneSelf, Editor::Operator]),
        names_edited_by: Some(vec![Editor::Operator]),
        profile_edited_by: Some(vec![Editor::OneSelf, Editor::Operator]),
        operators_log_in_as: Some(true),
        ..Policies::default()
    }
}

fn groups_column() -> Policies {
    Policies {
        depth: count(1),
        role_scope: Some(RoleScope::Membership),
        custom_roles: Some(false),
        groups: Some(true),
        invitation_life_ms: days(14),
        pending_until: Some(vec![PendingStep::Accepted]),
        operators_log_in_as: Some(false),
        group_cap_period: Some(CapPeriod::Month),
        ..Policies::default()
    }
}

fn access_column() -> Policies {
    Policies {
        depth: count(3),
        child_owner: Some(ChildOwner::Parents),
        owner_exclusive: Some(false),
        role_scope: Some(RoleScope::Membership),
        custom_roles: Some(true),
        groups: Some(false),
        grant_existing: Some(GrantExisting::Holder),
        invitation_life_ms: days(14),
        resend: Some(Resend::Forbid),
        pending_until: Some(vec![
            PendingStep::Accepted,
            PendingStep::Profile,
            PendingStep::FirstLogin,
        ]),
        email_edited_by: Some(vec![Editor::OneSelf]),
        names_edited_by: Some(vec![Editor::OneSelf]),
        operators_log_in_as: Some(false),
        ..Policies::default()
    }
}

fn teams_column() -> Policies {
    Policies {
        depth: count(2),
        child_owner: Some(ChildOwner::Own),
        owner_exclusive: Some(true),
        role_scope: Some(RoleScope::Membership),
        custom_roles: Some(true),
        groups: Some(false),
        grant_existing: Some(GrantExisting::Parent),
        invitation_life_ms: days(14),
        verification_life_ms: days(3),
        skip_verification: Some(true),
        resend: Some(Resend::Rotate),
        pending_until: Some(vec![PendingStep::Accepted, PendingStep::Password]),
        email_edited_by: Some(vec![Editor::OneSelf]),
        names_edited_by: Some(vec![Editor::OneSelf]),
        operators_log_in_as: Some(false),
        ..Policies::default()
    }
}

fn essentials_column() -> Policies {
    Policies {
        depth: count(2),
        child_owner: Some(ChildOwner::Parents),
        owner_exclusive: Some(false),
        role_scope: Some(RoleScope::User),
        custom_roles: Some(false),
        groups: Some(false),
        grant_existing: Some(GrantExisting::Parent),
        invitation_life_ms: days(15),
        resend: Some(Resend::Rotate),
        pending_until: Some(vec![PendingStep::Accepted]),
        email_edited_by: Some(vec![Editor::OneSelf]),
        names_edited_by: Some(vec![Editor::OneSelf, Editor::Parent]),
        seats: count(10).map(Limit::At),
        operators_log_in_as: Some(false),
        ..Policies::default()
    }
}

/// The values that apply, given what is set on each level from the account up to the platform.
///
/// On each level, single policies take precedence over the preset; a level takes precedence over
/// those above it.
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

/// One level that has the same effect as several levels, given from the account up: the first
/// preset replaces everything above it.
pub fn merged<'a>(levels: impl IntoIterator<Item = &'a PolicyRecord>) -> PolicyRecord {
    let mut total = PolicyRecord::default();
    for level in levels {
        let mut set = level.set.clone();
        if let Some(named) = total.preset {
            let held = preset(named);
            for name in Policies::NAMES.iter().filter(|name| held.has(name)) {
                set.unset(name);
            }
        }
        total.set = total.set.or(&set);
        total.preset = total.preset.or(level.preset);
    }
    total
}

/// Whether credits and reserves are included: always in the commercial edition, and in both
/// editions if the nearest preset from the account up to the platform is `groups` (R-PLT-1).
pub fn includes_credits<'a>(
    edition: Edition,
    levels: impl IntoIterator<Item = &'a PolicyRecord>,
) -> bool {
    edition == Edition::Commercial
        || levels.into_iter().find_map(|level| level.preset) == Some(Preset::Groups)
}

/// Where the value of a policy comes from.
#[answer]
pub enum PolicySource {
    /// It is set as a single policy on the account, or on an account above.
    Account,
    /// It is set as a single policy on the platform.
    Platform,
    /// It comes from the preset of the account, of an account above, or of the platform.
    Preset,
    /// It is the default, because nobody has set it.
    Default,
}

/// The level from which the value of a policy comes, and whether it is a single policy there
/// (`true`) or comes from the preset; none for the default.
pub fn origin(name: &str, levels: &[&PolicyRecord]) -> Option<(usize, bool)> {
    levels.iter().enumerate().find_map(|(at, level)| {
        let by_preset = || level.preset.is_some_and(|named| preset(named).has(name));
        if level.set.has(name) {
            Some((at, true))
        } else {
            by_preset().then_some((at, false))
        }
    })
}

/// The deepest tree of accounts that a policy can allow.
const DEPTH_MAX: u64 = 8;
/// The longest life of an invitation or a link, and the longest grace period: ten years.
const LONGEST_MS: u64 = 3653 * DAY_MS;

/// The most thresholds of a limit.
const MOST_THRESHOLDS: usize = 10;

/// The most words of the platform that do not make a password stronger.
const MOST_PASSWORD_WORDS: usize = 50;

/// Refuses values that make no sense; the error names the field below `policies`.
pub fn check(policies: &Policies) -> Result<(), Error> {
    let Policies {
        depth,
        invitation_life_ms,
        verification_life_ms,
        link_life_ms,
        billing_day,
        ..
    } = policies;
    between("depth", *depth, 1, DEPTH_MAX)?;
    between("billing_day", *billing_day, 1, 31)?;
    between("invitation_life_ms", *invitation_life_ms, 1, LONGEST_MS)?;
    between("verification_life_ms", *verification_life_ms, 1, LONGEST_MS)?;
    between("link_life_ms", *link_life_ms, 1, LONGEST_MS)?;
    check_kept(policies)?;
    check_passwords(policies)?;
    check_log_ins(policies)?;
    check_time_zone(policies)?;
    check_alerts(policies)?;
    without_repeats("pending_until", policies.pending_until.as_deref())?;
    without_repeats("email_edited_by", policies.email_edited_by.as_deref())?;
    without_repeats("names_edited_by", policies.names_edited_by.as_deref())?;
    without_repeats("profile_edited_by", policies.profile_edited_by.as_deref())
}

/// How long passwords are, and which words make none stronger.
fn check_passwords(policies: &Policies) -> Result<(), Error> {
    between(
        "password_min",
        policies.password_min,
        super::password::SHORTEST,
        64,
    )?;
    let with_second_factor = policies.password_min_with_second_factor;
    between(
        "password_min_with_second_factor",
        with_second_factor,
        super::password::SHORTEST,
        64,
    )?;
    if policies
        .password_words
        .as_ref()
        .is_some_and(|words| words.len() > MOST_PASSWORD_WORDS)
    {
        return Err(Error::invalid(
            "/policies/password_words",
            format!("`password_words` has at most {MOST_PASSWORD_WORDS} words; leave some out."),
        ));
    }
    Ok(())
}

/// How costly passwords are to hash, and how long one stays logged in.
fn check_log_ins(policies: &Policies) -> Result<(), Error> {
    between(
        "recent_log_in_ms",
        policies.recent_log_in_ms,
        60_000,
        LONGEST_MS,
    )?;
    between(
        "password_memory_kib",
        policies.password_memory_kib,
        15_360,
        1 << 20,
    )?;
    between("password_passes", policies.password_passes, 2, 16)?;
    between(
        "session_idle_ms",
        policies.session_idle_ms,
        60_000,
        LONGEST_MS,
    )?;
    between(
        "session_life_ms",
        policies.session_life_ms,
        60_000,
        LONGEST_MS,
    )?;
    between("log_in_as_ms", policies.log_in_as_ms, 60_000, 8 * 3_600_000)
}

fn check_time_zone(policies: &Policies) -> Result<(), Error> {
    if let Some(zone) = &policies.time_zone
        && window::zone(zone.as_str()).is_none()
    {
        return Err(Error::invalid(
            "/policies/time_zone",
            format!(
                "`{}` is not an IANA time zone; name one such as `Europe/Berlin`.",
                excerpt(zone.as_str())
            ),
        ));
    }
    Ok(())
}

fn check_alerts(policies: &Policies) -> Result<(), Error> {
    for percent in policies.alert_at_percent.iter().flatten() {
        between("alert_at_percent", Some(*percent), 1, 100)?;
    }
    if policies
        .alert_at_percent
        .as_ref()
        .is_some_and(|percents| percents.len() > MOST_THRESHOLDS)
    {
        return Err(Error::invalid(
            "/policies/alert_at_percent",
            format!(
                "`alert_at_percent` has at most {MOST_THRESHOLDS} thresholds, and the list has {}; \
                 leave some out.",
                policies.alert_at_percent.as_ref().map_or(0, Vec::len)
            ),
        ));
    }
    without_repeats("alert_at_percent", policies.alert_at_percent.as_deref())
}

/// The policies that concern people, who can be in many accounts; only the platform sets them, for
/// all accounts.
pub const FOR_THE_PLATFORM: [&str; 8] = [
    "password_min",
    "password_min_with_second_factor",
    "password_words",
    "password_memory_kib",
    "password_passes",
    "session_idle_ms",
    "session_life_ms",
    "recent_log_in_ms",
];

/// Refuses the policies that an account cannot set; the error names the field below `policies`.
pub fn check_for_account(policies: &Policies) -> Result<(), Error> {
    match FOR_THE_PLATFORM.iter().find(|name| policies.has(name)) {
        Some(name) => Err(Error::invalid(
            format!("/policies/{name}"),
            format!("The policy `{name}` can be set only for the platform; leave it out."),
        )),
        None => Ok(()),
    }
}

/// How long things are kept, 0 included.
fn check_kept(policies: &Policies) -> Result<(), Error> {
    between("grace_ms", policies.grace_ms, 0, LONGEST_MS)?;
    for (name, days) in [
        ("usage_history_days", policies.usage_history_days),
        ("cap_history_days", policies.cap_history_days),
    ] {
        between(name, days, 0, 36_500)?;
    }
    Ok(())
}

fn between(name: &str, value: Option<Count>, least: u64, most: u64) -> Result<(), Error> {
    match value.map(Count::get) {
        Some(value) if !(least..=most).contains(&value) => Err(Error::invalid(
            format!("/policies/{name}"),
            format!("The policy `{name}` must be from {least} to {most}, and is {value}."),
        )),
        _ => Ok(()),
    }
}

fn without_repeats<T: PartialEq>(name: &str, list: Option<&[T]>) -> Result<(), Error> {
    let list = list.unwrap_or_default();
    match list
        .iter()
        .enumerate()
        .find(|(at, one)| list.iter().take(*at).any(|before| before == *one))
    {
        Some((at, _)) => Err(Error::invalid(
            format!("/policies/{name}/{at}"),
            format!("The policy `{name}` names a value twice; name each once."),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_comes_before_those_above_and_a_single_policy_before_its_preset() {
        let own = PolicyRecord {
            preset: None,
            set: Policies {
                groups: Some(true),
                ..Policies::default()
            },
        };
        let top = PolicyRecord {
            preset: Some(Preset::Access),
            set: Policies {
                depth: Count::new(5).ok(),
                ..Policies::default()
            },
        };
        let levels = [&own, &top];
        assert_eq!(origin("groups", &levels), Some((0, true)));
        assert_eq!(origin("depth", &levels), Some((1, true)));
        assert_eq!(origin("resend", &levels), Some((1, false)));
        assert_eq!(origin("time_zone", &levels), None);
        let total = effective(levels);
        assert_eq!(
            (total.groups, total.depth.get(), total.resend),
            (true, 5, Resend::Forbid)
        );
    }

    #[test]
    fn every_preset_passes_its_own_checks() {
        for named in [
            Preset::Packages,
            Preset::Groups,
            Preset::Access,
            Preset::Teams,
            Preset::Essentials,
        ] {
            check(&preset(named)).unwrap();
        }
    }

    #[test]
    fn both_sides_of_each_boundary() {
        let count = |value| Count::new(value).ok();
        let field = |policies: Policies| {
            check(&policies)
                .err()
                .and_then(|error| error.field().map(str::to_owned))
        };
        for (value, refused) in [(0, true), (1, false), (8, false), (9, true)] {
            assert_eq!(
                field(Policies {
                    depth: count(value),
                    ..Policies::default()
                })
                .is_some(),
                refused,
                "depth {value}"
            );
        }
        for (value, refused) in [(0, true), (1, false), (31, false), (32, true)] {
            assert_eq!(
                field(Policies {
                    billing_day: count(value),
                    ..Policies::default()
                })
                .is_some(),
                refused,
                "billing_day {value}"
            );
        }
        for (value, refused) in [
            (0, true),
            (1, false),
            (LONGEST_MS, false),
            (LONGEST_MS + 1, true),
        ] {
            assert_eq!(
                field(Policies {
                    link_life_ms: count(value),
                    ..Policies::default()
                })
                .is_some(),
                refused,
                "link_life_ms {value}"
            );
        }
        for (value, refused) in [
            (59_999, true),
            (60_000, false),
            (28_800_000, false),
            (28_800_001, true),
        ] {
            assert_eq!(
                field(Policies {
                    log_in_as_ms: count(value),
                    ..Policies::default()
                })
                .is_some(),
                refused,
                "log_in_as_ms {value}"
            );
        }
        assert_eq!(
            field(Policies {
                grace_ms: count(0),
                ..Policies::default()
            }),
            None
        );
        let twice = Policies {
            names_edited_by: Some(vec![Editor::Parent, Editor::OneSelf, Editor::Parent]),
            ..Policies::default()
        };
        assert_eq!(field(twice).as_deref(), Some("/policies/names_edited_by/2"));
    }
}

#[cfg(test)]
mod table_tests {
    use super::*;
    use serde_json::{Value, json};

    const PRESETS: [Preset; 5] = [
        Preset::Packages,
        Preset::Groups,
        Preset::Access,
        Preset::Teams,
        Preset::Essentials,
    ];

    /// The table of section 16, a line for each policy: the default, then what each preset says;
    /// null for an empty cell.
    fn table() -> Vec<(&'static str, Value, [Value; 5])> {
        let empty = || Value::Null;
        let days = |days: u64| json!(days * DAY_MS);
        let (own, parents) = (|| json!("own"), || json!("parents"));
        let (membership, themselves) = (|| json!("membership"), || json!(["self"]));
        let accepted = || json!(["accepted"]);
        vec![
            (
                "depth",
                json!(2),
                [json!(1), json!(1), json!(3), json!(2), json!(2)],
            ),
            (
                "child_owner",
                own(),
                [empty(), empty(), parents(), own(), parents()],
            ),
            (
                "owner_exclusive",
                json!(false),
                [empty(), empty(), json!(false), json!(true), json!(false)],
            ),
            (
                "role_scope",
                membership(),
                [
                    json!("package"),
                    membership(),
                    membership(),
                    membership(),
                    json!("user"),
                ],
            ),
            (
                "custom_roles",
                json!(true),
                [
                    json!(true),
                    json!(false),
                    json!(true),
                    json!(true),
                    json!(false),
                ],
            ),
            (
                "groups",
                json!(true),
                [
                    json!(false),
                    json!(true),
                    json!(false),
                    json!(false),
                    json!(false),
                ],
            ),
            (
                "grant_existing",
                json!("parent"),
                [
                    empty(),
                    empty(),
                    json!("holder"),
                    json!("parent"),
                    json!("parent"),
                ],
            ),
            (
                "invitation_life_ms",
                days(14),
                [empty(), days(14), days(14), days(14), days(15)],
            ),
            (
                "verification_life_ms",
                days(3),
                [empty(), empty(), empty(), days(3), empty()],
            ),
            (
                "skip_verification",
                json!(true),
                [empty(), empty(), empty(), json!(true), empty()],
            ),
            (
                "resend",
                json!("rotate"),
                [
                    empty(),
                    empty(),
                    json!("forbid"),
                    json!("rotate"),
                    json!("rotate"),
                ],
            ),
            (
                "pending_until",
                accepted(),
                [
                    empty(),
                    accepted(),
                    json!(["accepted", "profile", "first_login"]),
                    json!(["accepted", "password"]),
                    accepted(),
                ],
            ),
            (
                "email_edited_by",
                themselves(),
                [
                    json!(["self", "operator"]),
                    empty(),
                    themselves(),
                    themselves(),
                    themselves(),
                ],
            ),
            (
                "names_edited_by",
                themselves(),
                [
                    json!(["operator"]),
                    empty(),
                    themselves(),
                    themselves(),
                    json!(["self", "parent"]),
                ],
            ),
            // Not in the table: an operator edits every field of a client in the preset `packages`
            // (R-USR-3).
            (
                "profile_edited_by",
                themselves(),
                [
                    json!(["self", "operator"]),
                    empty(),
                    empty(),
                    empty(),
                    empty(),
                ],
            ),
            (
                "seats",
                json!("unlimited"),
                [empty(), empty(), empty(), empty(), json!(10)],
            ),
            (
                "operators_log_in_as",
                json!(false),
                [
                    json!(true),
                    json!(false),
                    json!(false),
                    json!(false),
                    json!(false),
                ],
            ),
            (
                "group_cap_period",
                json!("month"),
                [empty(), json!("month"), empty(), empty(), empty()],
            ),
        ]
    }

    /// R-PLT-3 and section 16, cell by cell.
    #[test]
    fn the_presets_are_the_table_of_the_rules() {
        let defaults = serde_json::to_value(effective([])).unwrap();
        let presets = PRESETS.map(|named| serde_json::to_value(preset(named)).unwrap());
        for (name, default, cells) in table() {
            assert_eq!(defaults[name], default, "the default of {name}");
            for ((preset, cell), named) in presets.iter().zip(cells).zip(PRESETS) {
                let expected = if cell.is_null() { &default } else { &cell };
                assert_eq!(preset.get(name), Some(expected), "{name} of {named:?}");
            }
        }
        let in_table: Vec<_> = table().into_iter().map(|(name, ..)| name).collect();
        for preset in presets {
            let beyond: Vec<_> = preset
                .as_object()
                .unwrap()
                .keys()
                .filter(|name| !in_table.contains(&name.as_str()))
                .collect();
            assert!(
                beyond.is_empty(),
                "a preset sets {beyond:?}, which the table does not have"
            );
        }
    }

    #[test]
    fn what_is_set_comes_before_the_preset_and_a_level_before_those_above() {
        let level = |named, depth: Option<u64>| PolicyRecord {
            preset: named,
            set: Policies {
                depth: depth.map(|depth| Count::new(depth).unwrap()),
                ..Policies::default()
            },
        };
        let depth = |levels: &[PolicyRecord]| effective(levels).depth.get();
        assert_eq!(depth(&[]), 2);
        assert_eq!(depth(&[level(Some(Preset::Access), None)]), 3);
        assert_eq!(depth(&[level(Some(Preset::Access), Some(5))]), 5);
        assert_eq!(
            depth(&[level(None, None), level(Some(Preset::Packages), None)]),
            1
        );
        assert_eq!(
            depth(&[
                level(Some(Preset::Access), None),
                level(Some(Preset::Packages), Some(7))
            ]),
            3
        );
        assert_eq!(
            depth(&[level(None, None), level(Some(Preset::Packages), Some(7))]),
            7
        );
    }

    /// 17.14: what an account takes from several levels above says the same as one level.
    #[test]
    fn several_levels_are_merged_into_one() {
        let count = |value| Count::new(value).ok();
        let level = |preset, set| PolicyRecord { preset, set };
        let grace = |days| Policies {
            grace_ms: count(days),
            ..Policies::default()
        };
        let seats = |seats| Policies {
            seats: count(seats).map(Limit::At),
            grace_ms: count(seats),
            ..Policies::default()
        };
        for own in [None, Some(Preset::Access), Some(Preset::Essentials)] {
            for ancestor in [None, Some(Preset::Teams)] {
                let levels = [
                    level(None, grace(1)),
                    level(own, seats(7)),
                    level(ancestor, seats(3)),
                    level(Some(Preset::Groups), grace(2)),
                ];
                assert_eq!(
                    effective([&merged(&levels)]),
                    effective(&levels),
                    "{own:?} below {ancestor:?}"
                );
            }
        }
        assert_eq!(merged(&[]), PolicyRecord::default());
    }

    /// 17.12, section 16: an account's preset holds whole, whichever the platform has, also over
    /// what that sets by itself.
    #[test]
    fn a_preset_lets_nothing_of_another_through() {
        for own in PRESETS {
            let alone = effective(&[PolicyRecord {
                preset: Some(own),
                ..PolicyRecord::default()
            }]);
            for platform in PRESETS {
                let level = |preset, set| PolicyRecord {
                    preset: Some(preset),
                    set,
                };
                let seats = Policies {
                    seats: Count::new(3).ok().map(Limit::At),
                    ..Policies::default()
                };
                let crossed = effective(&[level(own, Policies::default()), level(platform, seats)]);
                assert_eq!(crossed, alone, "{own:?} on a platform of {platform:?}");
            }
        }
    }
}
