//! What somebody meant who wrote a name that there is not.

/// A longer name is compared with nothing: comparing takes as much time as both are long.
const LONGEST: usize = 64;

/// The name that is most like this one, if any is so much like it that it is probably meant: at
/// most a third of the letters are others, missing, too many or in the wrong order.
fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if given.len() > LONGEST {
        return None;
    }
    let given = given.to_lowercase();
    let alike = known.into_iter().filter_map(|name| {
        let distance = strsim::osa_distance(&given, name);
        (distance * 3 <= given.chars().count().max(3)).then_some((distance, name))
    });
    alike.min().map(|(_, name)| name)
}

/// What an error says of a name that there is not: which one is probably meant, or else this.
pub(crate) fn hint<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    match nearest(given, known) {
        Some(meant) => format!("perhaps `{meant}` is meant"),
        None => otherwise.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_taken_for_what_was_meant() {
        let known = ["email_per_day", "email_per_hour", "sms_per_day", "seats"];
        for (given, meant) in [
            ("email_per_dya", Some("email_per_day")),
            ("emails_per_hour", Some("email_per_hour")),
            ("emailPerDay", Some("email_per_day")),
            ("Seats", Some("seats")),
            ("sets", Some("seats")),
            ("contacts", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known), meant, "{given}");
        }
        assert_eq!(nearest(&"s".repeat(65), ["s"]), None);
    }
}
