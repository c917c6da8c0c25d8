//! Limits of an account and their names (R-PKG-1, R-PKG-2).

use super::{Count, MessageClass, OverLimit, Window};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use tenantry_macros::{answer, options, request};

/// A limit: unlimited, or a number (0 allows nothing). *Inherit* is the absence of a limit, never a
/// value (R-PKG-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// A number: at most this many.
    At(Count),
    /// No limit.
    Unlimited,
}

impl Limit {
    /// The largest amount that the limit allows; `u64::MAX` for unlimited.
    pub fn ceiling(self) -> u64 {
        match self {
            Limit::At(count) => count.get(),
            Limit::Unlimited => u64::MAX,
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Limit::At(count) => serializer.serialize_u64(count.get()),
            Limit::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Limit, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Limit;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("`unlimited` or a whole number from 0 to 2^53 - 1")
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Limit, E> {
                Count::new(value).map(Limit::At).map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Limit, E> {
                let value = u64::try_from(value)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(value), &self))?;
                self.visit_u64(value)
            }
            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Limit, E> {
                match value {
                    "unlimited" => Ok(Limit::Unlimited),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"const": "unlimited"}, {"type": "integer", "minimum": 0,
            "maximum": Count::MAX}]})
    }
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $variant:ident $name:ident $kind:expr,)*) => {
        /// The limits that an account can have (R-PKG-1).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum LimitName {
            $($(#[doc = $doc])* $variant,)*
        }

        impl LimitName {
            /// All limits, in the order in which they are listed.
            pub const ALL: &'static [LimitName] = &[$(LimitName::$variant,)*];
            /// How many limits there are.
            pub const COUNT: usize = LimitName::ALL.len();

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(LimitName::$variant => stringify!($name),)* }
            }

            /// What the limit counts.
            pub const fn kind(self) -> LimitKind {
                match self { $(LimitName::$variant => $kind,)* }
            }
        }

        /// A value for each limit; a limit that is absent is inherited (R-PKG-2).
        #[options]
        #[derive(Default, PartialEq, Eq, JsonSchema)]
        pub struct Limits {
            $(
                $(#[doc = $doc])*
                pub $name: Option<Limit>,
            )*
            /// For single limits, what they count and what happens beyond them. There is at most
            /// one entry for each limit; what is absent is inherited.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub terms: Vec<LimitTerms>,
        }

        impl Limits {
            /// The value of one limit.
            pub fn get(&self, name: LimitName) -> Option<Limit> {
                match name { $(LimitName::$variant => self.$name,)* }
            }

            /// These values; a value that is absent here is taken from the other limits.
            #[must_use]
            pub fn or(&self, other: &Limits) -> Limits {
                let terms = LimitName::ALL
                    .iter()
                    .map(|name| self.terms_of(*name).or(other.terms_of(*name)));
                let terms = terms.filter(|terms| *terms != LimitTerms::none(terms.limit)).collect();
                Limits { $($name: self.$name.or(other.$name),)* terms }
            }

            /// Sets one limit, or makes it inherited with `None`.
            pub fn set(&mut self, name: LimitName, value: Option<Limit>) {
                match name { $(LimitName::$variant => self.$name = value,)* }
            }

            /// Takes the values that are not set here from the others.
            pub fn fill_from(&mut self, others: &Limits) {
                *self = self.or(others);
            }
        }
    };
}

/// What a limit counts, and what happens beyond it (R-QTA-7, R-QTA-14).
#[request]
#[derive(Copy, PartialEq, Eq)]
pub struct LimitTerms {
    /// The limit, which must be one that counts in a window.
    pub limit: LimitName,
    /// The class of the messages that the limit counts. When absent, the class is inherited; if no
    /// level sets it, both classes count.
    pub message_class: Option<CountedClass>,
    /// What happens beyond the limit. When absent, the setting is inherited; if no level sets it,
    /// the policy `over_limit` decides.
    pub over: Option<OverLimit>,
    /// For a limit that spreads, how many messages may go out at once: at least 1; 1 when absent.
    pub burst: Option<Count>,
}

impl LimitTerms {
    /// Terms of a limit in which nothing is set.
    pub const fn none(limit: LimitName) -> LimitTerms {
        LimitTerms {
            limit,
            message_class: None,
            over: None,
            burst: None,
        }
    }

    /// These terms; what is absent here is taken from the other terms. A burst is dropped when the
    /// limit does not spread.
    #[must_use]
    pub fn or(self, other: LimitTerms) -> LimitTerms {
        let over = self.over.or(other.over);
        let burst = other.burst.filter(|_| over == Some(OverLimit::Spread));
        LimitTerms {
            limit: self.limit,
            message_class: self.message_class.or(other.message_class),
            over,
            burst: self.burst.or(burst),
        }
    }
}

/// Which messages a limit counts.
#[answer]
pub enum CountedClass {
    /// Only marketing messages.
    Marketing,
    /// Only transactional messages.
    Transactional,
    /// All messages.
    Both,
}

impl CountedClass {
    /// The one class that is counted; none when both classes are.
    pub const fn only(self) -> Option<MessageClass> {
        match self {
            CountedClass::Marketing => Some(MessageClass::Marketing),
            CountedClass::Transactional => Some(MessageClass::Transactional),
            CountedClass::Both => None,
        }
    }
}

impl Limits {
    /// The terms of a limit that are set here.
    pub fn terms_of(&self, name: LimitName) -> LimitTerms {
        self.terms
            .iter()
            .find(|terms| terms.limit == name)
            .copied()
            .unwrap_or(LimitTerms::none(name))
    }

    /// Sets the terms of a limit; terms in which nothing is set remove them.
    pub fn set_terms(&mut self, terms: LimitTerms) {
        self.terms.retain(|known| known.limit != terms.limit);
        if terms != LimitTerms::none(terms.limit) {
            self.terms.push(terms);
        }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitKind {
    /// The limit counts what happens in a window.
    Window(Window),
    /// The limit counts what exists at a time.
    Gauge,
    /// The limit bounds the size of each single thing.
    Each,
}

limits! {
    /// E-mails per hour.
    EmailPerHour email_per_hour LimitKind::Window(Window::RollingHour),
    /// E-mails per day of the account's time zone.
    EmailPerDay email_per_day LimitKind::Window(Window::Day),
    /// E-mails per month of the account's time zone.
    EmailPerMonth email_per_month LimitKind::Window(Window::Month),
    /// Text messages per hour.
    SmsPerHour sms_per_hour LimitKind::Window(Window::RollingHour),
    /// Text messages per day of the account's time zone.
    SmsPerDay sms_per_day LimitKind::Window(Window::Day),
    /// Text messages per month of the account's time zone.
    SmsPerMonth sms_per_month LimitKind::Window(Window::Month),
    /// Automation actions per month.
    AutomationActionsPerMonth automation_actions_per_month LimitKind::Window(Window::Month),
    /// Trigger actions per month.
    TriggerActionsPerMonth trigger_actions_per_month LimitKind::Window(Window::Month),
    /// Actions in one automation.
    ActionsPerAutomation actions_per_automation LimitKind::Each,
    /// Contacts.
    Contacts contacts LimitKind::Gauge,
    /// Contact lists.
    Lists lists LimitKind::Gauge,
    /// Segments.
    Segments segments LimitKind::Gauge,
    /// Sending domains.
    SendingDomains sending_domains LimitKind::Gauge,
    /// Triggers.
    Triggers triggers LimitKind::Gauge,
    /// Evergreen campaigns.
    EvergreenCampaigns evergreen_campaigns LimitKind::Gauge,
    /// Suppressed domains; only in the commercial edition.
    SuppressedDomains suppressed_domains LimitKind::Gauge,
    /// Users of the account and of all accounts below it, and open invitations; each user counts
    /// once (R-INV-9).
    Seats seats LimitKind::Gauge,
    /// Accounts below this one.
    ChildAccounts child_accounts LimitKind::Gauge,
    /// Jobs that run at the same time.
    Threads threads LimitKind::Gauge,
}

impl LimitName {
    /// The limit of this name.
    pub fn find(name: &str) -> Option<LimitName> {
        LimitName::ALL
            .iter()
            .copied()
            .find(|limit| limit.name() == name)
    }

    /// The window in which the limit counts, if it counts in one.
    pub const fn window(self) -> Option<Window> {
        match self.kind() {
            LimitKind::Window(window) => Some(window),
            LimitKind::Gauge | LimitKind::Each => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_unlimited_or_a_count_and_nothing_else() {
        let read = |text: &str| serde_json::from_str::<Limit>(text);
        assert_eq!(read("\"unlimited\"").unwrap(), Limit::Unlimited);
        assert_eq!(read("0").unwrap().ceiling(), 0);
        for bad in [
            "-1",
            "1.5",
            "9007199254740992",
            "1e300",
            "null",
            "\"inherit\"",
            "true",
            "{}",
        ] {
            assert!(read(bad).is_err(), "{bad} was accepted");
        }
    }
}
