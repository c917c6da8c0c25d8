//! Which suppression keeps which message from going out (R-TEA-8).

use crate::model::{MessageClass, Recipient, Suppression};

/// The values that suppress an address, the nearest first: itself, its domain, and every domain
/// that this one lies in.
///
/// The top-level domain alone is no host name and is never suppressed.
pub fn values(recipient: &Recipient) -> Vec<&str> {
    let mut values = vec![recipient.key()];
    let mut domain = recipient.domain();
    while domain.contains('.') && !domain.starts_with('[') {
        values.push(domain);
        domain = domain.split_once('.').map_or("", |(_, ancestor)| ancestor);
    }
    values
}

/// Whether an entry keeps a message of this class from going out now.
///
/// Who must not even get what they wait for gets no newsletter either: an entry for transactional
/// messages blocks both classes, one for marketing blocks marketing alone.
pub fn blocks(entry: &Suppression, class: MessageClass, now_ms: u64) -> bool {
    let in_force = entry.expires_at_ms.is_none_or(|end| now_ms < end);
    let fits = match entry.message_class {
        MessageClass::Transactional => true,
        MessageClass::Marketing => class == MessageClass::Marketing,
    };
    in_force && fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Id;

    #[test]
    fn an_address_is_suppressed_by_itself_and_the_domains_it_lies_in() {
        let values_of = |address: &str| {
            values(&Recipient::new(address).unwrap())
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            values_of("Ann@Mail.Shop.Example"),
            ["ann@mail.shop.example", "mail.shop.example", "shop.example"]
        );
        assert_eq!(
            values_of("abc.@ezweb.example"),
            ["abc.@ezweb.example", "ezweb.example"]
        );
        assert_eq!(values_of("ann@[10.0.0.1]"), ["ann@[10.0.0.1]"]);
    }

    #[test]
    fn an_entry_for_transactional_messages_blocks_both_classes_until_it_expires() {
        let entry = |message_class, expires_at_ms| Suppression {
            value: "a.example".to_owned(),
            message_class,
            account: Id::new("acme").unwrap(),
            reason: None,
            expires_at_ms,
            created_at_ms: 0,
        };
        use MessageClass::{Marketing, Transactional};
        for (of, class, is_blocked) in [
            (Marketing, Marketing, true),
            (Marketing, Transactional, false),
            (Transactional, Marketing, true),
            (Transactional, Transactional, true),
        ] {
            assert_eq!(blocks(&entry(of, None), class, 5), is_blocked);
            assert_eq!(blocks(&entry(of, Some(6)), class, 5), is_blocked);
            assert!(!blocks(&entry(of, Some(5)), class, 5));
        }
    }
}
