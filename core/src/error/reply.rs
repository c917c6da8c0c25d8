//! What a host answers its own clients to a code: the status of HTTP and the reply of SMTP
//! (docs/adr/0066).

use super::table::{Class, Code, Retry};

/// Waiting helps.
const WAIT: (u16, &str) = (429, "450 4.7.1");
/// Neither waiting nor asking in another way helps.
const NOT_PERMITTED: (u16, &str) = (403, "550 5.7.1");
/// Whoever sends has to log in first. `AUTH` itself is never refused with 530.
const LOG_IN_FIRST: (u16, &str) = (401, "530 5.7.0");

impl Code {
    /// The status of HTTP with which a host answers its own client, from 400 to 599.
    ///
    /// | status | for |
    /// |---|---|
    /// | 400 | a request that is wrong in itself |
    /// | 401 | credentials and sessions: the client has to prove who it is |
    /// | 402 | credits that are used up |
    /// | 403 | what the client may not do, and limits on how much there may be |
    /// | 404 | what is not there |
    /// | 409 | what conflicts with what is there, or with the state that it is in |
    /// | 410 | links and invitations that have ended |
    /// | 413 | more than can ever be granted at once |
    /// | 429 | what waiting helps against; send `Retry-After` with it |
    /// | 500, 503, 507 | the host's own trouble, of which 503 passes |
    ///
    /// ```
    /// use tenantry::Code;
    ///
    /// assert_eq!(Code::QuotaExceeded.http_status(), 429);
    /// assert_eq!(Code::StoreFull.http_status(), 507);
    /// ```
    pub const fn http_status(self) -> u16 {
        match self {
            Code::SessionInvalid
            | Code::LoginRefused
            | Code::SecondFactorRequired
            | Code::SecondFactorRefused
            | Code::SecondFactorMissing
            | Code::LogInAgain
            | Code::ApiKeyInvalid => 401,
            Code::CreditsExhausted => 402,
            Code::AccountPending
            | Code::AccountSuspended
            | Code::AccountClosed
            | Code::UserDisabled
            | Code::MemberDisabled => 403,
            Code::LinkInvalid => 404,
            Code::LinkExpired
            | Code::InvitationExpired
            | Code::InvitationDeleted
            | Code::InvitationSuperseded => 410,
            Code::TooLarge | Code::ExceedsLimit => 413,
            Code::QuotaExceeded | Code::LoginDelayed => 429,
            Code::Busy => 503,
            Code::StoreFull => 507,
            _ => match (self.class(), self.retry()) {
                (Class::Invalid, _) => 400,
                (Class::Refused | Class::Limit, _) => 403,
                (Class::NotFound, _) => 404,
                (Class::Conflict | Class::State, _) => 409,
                (Class::Internal, _) | (Class::Store | Class::Handle, Retry::Never) => 500,
                (Class::Store | Class::Handle, _) => 503,
            },
        }
    }

    /// The reply of SMTP with which a host answers `AUTH`, `MAIL`, `RCPT` or the end of `DATA`: the
    /// reply code and the enhanced status code (RFC 3463), to which the host adds a text.
    ///
    /// It begins with `4` where the client should keep the message and try again: where waiting
    /// helps, and in all trouble of the host itself, so that no mail is lost by it.
    ///
    /// ```
    /// use tenantry::Code;
    ///
    /// assert_eq!(Code::LoginRefused.smtp_reply(), "535 5.7.8");
    /// assert_eq!(Code::AccountSuspended.smtp_reply(), "550 5.7.1");
    /// assert_eq!(Code::StoreFailed.smtp_reply(), "451 4.3.0");
    /// ```
    pub const fn smtp_reply(self) -> &'static str {
        match (self, self.http_status(), self.retry()) {
            (Code::LoginDelayed, ..) => "454 4.7.0",
            // The message has to be sent in parts.
            (Code::ExceedsLimit, ..) => "550 5.5.3",
            (_, 400, _) => "501 5.5.4",
            (_, 401, _) => "535 5.7.8",
            (_, 413, _) => "552 5.3.4",
            (_, 429, _) => WAIT.1,
            (_, 500.., _) => "451 4.3.0",
            (_, _, Retry::Never) => NOT_PERMITTED.1,
            _ => "451 4.3.0",
        }
    }

    /// The status and the reply for a send that this code refuses, until the instant of the refusal
    /// where there is one. They say more than those of the code: credits may come tomorrow, and a
    /// limit may never grant anything again.
    ///
    /// For the C ABI, whose decision is no `Refusal`.
    #[doc(hidden)]
    pub const fn answers_to_send(self, retry_at_ms: Option<u64>) -> (u16, &'static str) {
        match (retry_at_ms, self.http_status(), self.retry()) {
            (Some(_), ..) => WAIT,
            (None, 401, _) => LOG_IN_FIRST,
            (None, _, Retry::Later) => NOT_PERMITTED,
            (None, status, _) => (status, self.smtp_reply()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_and_a_reply() {
        for code in Code::all() {
            let status = code.http_status();
            assert!((400..=599).contains(&status), "{code}: {status}");
            assert_is_reply(*code, code.smtp_reply());
        }
    }

    /// RFC 5321, 4.2, and RFC 3463, 2: the first digits are the same.
    fn assert_is_reply(code: Code, reply: &str) {
        let (basic, enhanced) = reply.split_once(' ').unwrap();
        assert_eq!(basic.len(), 3, "{code}: {reply}");
        assert!(basic.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
        let parts: Vec<u16> = enhanced
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect();
        assert_eq!(parts.len(), 3, "{code}: {reply}");
        assert!([4, 5].contains(&parts[0]), "{code}: {reply}");
        assert!(basic.starts_with(&parts[0].to_string()), "{code}: {reply}");
    }

    #[test]
    fn a_temporary_answer_is_one_that_a_retry_helps_against() {
        for code in Code::all() {
            let (status, reply) = (code.http_status(), code.smtp_reply());
            let helps = code.retry() != Retry::Never;
            let is_temporary = reply.starts_with('4');
            // The client of a host that has trouble does nothing wrong, and loses no mail.
            let is_of_host = status >= 500;
            assert_eq!(is_temporary, helps || is_of_host, "{code}: {reply}");
            if [429, 503].contains(&status) {
                assert!(helps, "{code}: {status} promises that a retry helps");
            }
            let class = matches!(code.class(), Class::Store | Class::Handle | Class::Internal);
            assert_eq!(is_of_host, class || *code == Code::Busy, "{code}: {status}");
        }
    }

    #[test]
    fn whoever_has_to_prove_who_they_are_is_told_so_in_both() {
        for code in Code::all() {
            let is_401 = code.http_status() == 401;
            assert_eq!(is_401, code.smtp_reply() == "535 5.7.8", "{code}");
        }
    }

    #[test]
    fn the_instant_decides_whether_a_refused_send_may_come_again() {
        for code in Code::all() {
            assert_eq!(code.answers_to_send(Some(1)), (429, "450 4.7.1"), "{code}");
            let (status, reply) = code.answers_to_send(None);
            assert_is_reply(*code, reply);
            assert_ne!(status, 429, "{code} promises an instant that there is not");
            // 535 is a reply to `AUTH` alone (RFC 4954, 6), and a send is none.
            assert!(!reply.starts_with("535"), "{code}: {reply}");
        }
        for (code, expected) in [
            (Code::QuotaExceeded, (403, "550 5.7.1")),
            (Code::ExceedsLimit, (413, "550 5.5.3")),
            (Code::CreditsExhausted, (402, "550 5.7.1")),
            (Code::ApiKeyInvalid, (401, "530 5.7.0")),
            (Code::AccountSuspended, (403, "550 5.7.1")),
            (Code::BounceStop, (409, "550 5.7.1")),
            (Code::Busy, (503, "451 4.3.0")),
        ] {
            assert_eq!(code.answers_to_send(None), expected, "{code}");
        }
    }
}
