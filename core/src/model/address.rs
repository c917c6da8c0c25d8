//! Network addresses from which people come, and ranges of them (R-SES-3).

use crate::error::excerpt;
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;

/// An IPv4 or IPv6 address; an IPv4 address mapped into IPv6 counts as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(IpAddr);

impl Address {
    /// Reads an address. Zone ids, leading zeros and short forms are refused.
    pub fn new(text: &str) -> Result<Address, String> {
        let address = text.parse::<IpAddr>().map_err(|_| {
            format!(
                "`{}` is not an IP address; write IPv4 as in `192.0.2.7`, without leading zeros, \
                 or IPv6 without a zone id.",
                excerpt(text)
            )
        })?;
        Ok(Address::from(address))
    }

    /// The address itself.
    pub fn ip(self) -> IpAddr {
        self.0
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Address {
        Address(address.to_canonical())
    }
}

impl TryFrom<String> for Address {
    type Error = String;
    fn try_from(text: String) -> Result<Address, String> {
        Address::new(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.0.to_string()
    }
}

/// A range of addresses in CIDR notation, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange(IpNet);

impl AddressRange {
    /// Reads a range. A range of IPv4 addresses mapped into IPv6 becomes one of IPv4.
    pub fn new(text: &str) -> Result<AddressRange, String> {
        read(text).map_err(|why| format!("`{}` is not a range of addresses: {why}.", excerpt(text)))
    }

    /// Whether the address is in the range.
    pub fn contains(&self, address: Address) -> bool {
        self.0.contains(&address.ip())
    }

    /// Whether the whole of another range is in this range.
    pub fn covers(&self, other: &AddressRange) -> bool {
        self.0.contains(&other.0)
    }
}

/// The range, or what is wrong with it.
fn read(text: &str) -> Result<AddressRange, &'static str> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let given = address.parse::<IpAddr>().map_err(
        |_| "write an address without leading zeros or a zone id, with or without `/` and a prefix",
    )?;
    let widest: u8 = if given.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => widest,
        Some(digits)
            if digits.bytes().all(|byte| byte.is_ascii_digit())
                && (digits == "0" || !digits.starts_with('0')) =>
        {
            digits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= widest)
                .ok_or("its prefix is too long")?
        }
        Some(_) => return Err("its prefix is not a number"),
    };
    let address = given.to_canonical();
    let prefix = match (given, address) {
        (IpAddr::V6(_), IpAddr::V4(_)) => prefix
            .checked_sub(96)
            .ok_or("it is wider than the IPv4 addresses that IPv6 has")?,
        _ => prefix,
    };
    let range = IpNet::new(address, prefix).map_err(|_| "its prefix is too long")?;
    if range.network() == address {
        Ok(AddressRange(range))
    } else {
        Err("it begins with an address within the range, not with its first")
    }
}

/// The ranges of the addresses that are in both lists. Of two ranges, either one covers the other
/// or they have nothing in common. The result is empty when no address is in both lists.
pub fn common_ranges(one: &[AddressRange], other: &[AddressRange]) -> Vec<AddressRange> {
    let within = |narrow: &[AddressRange], wide: &[AddressRange]| {
        let covered = |range: &&AddressRange| wide.iter().any(|other| other.covers(range));
        narrow.iter().filter(covered).copied().collect::<Vec<_>>()
    };
    let mut common = within(one, other);
    common.extend(within(other, one));
    common.sort_unstable();
    common.dedup();
    common
}

impl TryFrom<String> for AddressRange {
    type Error = String;
    fn try_from(text: String) -> Result<AddressRange, String> {
        AddressRange::new(&text)
    }
}

impl From<AddressRange> for String {
    fn from(range: AddressRange) -> String {
        if range.0.prefix_len() == range.0.max_prefix_len() {
            range.0.addr().to_string()
        } else {
            range.0.to_string()
        }
    }
}

macro_rules! text_schema {
    ($name:ident, $most:literal) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "minLength": 1, "maxLength": $most})
            }
        }
    };
}

text_schema!(Address, 45);
text_schema!(AddressRange, 49);

#[cfg(test)]
mod tests {
    use super::*;

    /// S13, R-SES-3
    #[test]
    fn what_is_in_a_range() {
        let within = |range: &str, address: &str| {
            AddressRange::new(range)
                .unwrap()
                .contains(Address::new(address).unwrap())
        };
        assert!(within("192.0.2.0/24", "192.0.2.255") && !within("192.0.2.0/24", "192.0.3.0"));
        assert!(within("192.0.2.7", "::ffff:192.0.2.7") && within("192.0.2.7", "::ffff:c000:207"));
        assert!(
            within("1.2.3.4", "::ffff:1.2.3.4")
                && within("1.2.3.4", "::ffff:102:304")
                && within("127.0.0.0/8", "::ffff:127.0.0.1")
        );
        assert!(
            within("::ffff:192.0.2.0/120", "192.0.2.9") && within("::ffff:192.0.2.7", "192.0.2.7")
        );
        assert!(within("0.0.0.0/0", "203.0.113.1") && !within("0.0.0.0/0", "2001:db8::1"));
        assert!(within("::/0", "2001:db8::1") && !within("::/0", "203.0.113.1"));
        assert!(
            within("2001:db8::/32", "2001:db8:ffff::1") && !within("2001:db8::/32", "2001:db9::")
        );
        // What NAT64 makes of a v4 address is a v6 address of its own.
        assert!(!within("192.0.2.7", "64:ff9b::192.0.2.7"));
    }

    /// S13
    #[test]
    fn what_is_no_address_and_no_range() {
        for bad in [
            "",
            "010.0.0.1",
            "10.0.0.01",
            "1.2.3",
            "0x7f.0.0.1",
            "2130706433",
            "fe80::1%eth0",
            "fe80::1%1",
            "1.2.3.4 ",
            "1.2.3.4:80",
            "[::1]",
        ] {
            assert!(Address::new(bad).is_err(), "{bad}");
            assert!(AddressRange::new(bad).is_err(), "{bad}");
        }
        for bad in [
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/08",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0.0/8/8",
            "10.0.0.1/8",
            "::ffff:0:0/95",
            "10.0.0.0/255.0.0.0",
        ] {
            assert!(AddressRange::new(bad).is_err(), "{bad}");
        }
        assert_eq!(
            String::from(AddressRange::new("::ffff:10.0.0.0/104").unwrap()),
            "10.0.0.0/8"
        );
        assert_eq!(
            String::from(AddressRange::new("2001:DB8::1").unwrap()),
            "2001:db8::1"
        );
    }
}
