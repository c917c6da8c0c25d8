//! The windows in which limits and caps count, and what happens to a send beyond them (R-QTA-4,
//! R-QTA-7).

use tenantry_macros::answer;

/// A kind of window (R-QTA-4).
#[answer]
#[derive(Hash)]
pub enum Window {
    /// The last sixty minutes, minute by minute.
    RollingHour,
    /// From one full hour to the next in the account's time zone.
    Hour,
    /// From midnight to midnight in the account's time zone; a day may have 23 or 25 hours.
    Day,
    /// From Monday to Monday in the account's time zone.
    Week,
    /// From the first day of a month to the first day of the next in the account's time zone.
    Month,
    /// From billing day to billing day in the account's time zone (policy `billing_day`); in a
    /// shorter month, the last day is the billing day.
    BillingMonth,
    /// From the first of January to the next in the account's time zone.
    Year,
}

impl Window {
    /// The usual length of the window, in milliseconds.
    pub const fn usual_ms(self) -> u64 {
        const HOUR_MS: u64 = 3_600_000;
        match self {
            Window::RollingHour | Window::Hour => HOUR_MS,
            Window::Day => 24 * HOUR_MS,
            Window::Week => 7 * 24 * HOUR_MS,
            Window::Month | Window::BillingMonth => 30 * 24 * HOUR_MS,
            Window::Year => 365 * 24 * HOUR_MS,
        }
    }
}

/// What happens to a send beyond a limit, the strictest first (R-QTA-7).
#[answer]
#[derive(Default, PartialOrd, Ord, Hash)]
pub enum OverLimit {
    /// The send is refused.
    #[default]
    Reject,
    /// The send is refused, and the host keeps the messages until `retry_at_ms`.
    Hold,
    /// Sends are spread evenly over the window, with at most `burst` messages at once.
    Spread,
    /// Credits pay for the messages if the account pays with credits; otherwise the send is
    /// refused. This is for limits, not for caps.
    UseCredits,
    /// The messages go out and count as overuse, and the host is notified.
    Soft,
    /// The messages go out and count as overuse, to show what a new limit would do (R-QTA-15).
    Shadow,
}

impl OverLimit {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            OverLimit::Reject => "reject",
            OverLimit::Hold => "hold",
            OverLimit::Spread => "spread",
            OverLimit::UseCredits => "use_credits",
            OverLimit::Soft => "soft",
            OverLimit::Shadow => "shadow",
        }
    }

    /// Whether this setting ever refuses a send.
    pub const fn refuses(self) -> bool {
        !matches!(self, OverLimit::Soft | OverLimit::Shadow)
    }
}
