//! A type with an attribute is the same to serde and schemars as one that is written by hand.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenantry_macros::{answer, options, request};

mod by_hand {
    use super::*;

    /// Renames a group.
    #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Rename {
        /// The group.
        #[schemars(extend("x-order" = 0))]
        pub group: u64,
        /// The name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-order" = 1))]
        pub name: Option<String>,
        /// Whether its members are told.
        #[serde(default)]
        #[schemars(extend("x-order" = 2))]
        pub tell: bool,
        /// Who else is told.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(extend("x-order" = 3))]
        pub others: Vec<u64>,
    }

    /// A group.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(extend("x-yes" = "done"))]
    pub struct Group {
        /// The name.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-order" = 0))]
        pub name: Option<String>,
        /// Its order.
        #[schemars(extend("x-order" = 1))]
        pub order: Order,
    }

    /// How a list is shown.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    pub struct Shown {
        /// How many.
        #[schemars(extend("x-order" = 0))]
        pub count: u64,
        /// From where on.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-order" = 1))]
        pub after: Option<u64>,
        /// In which colour.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-order" = 2))]
        pub colour: Option<String>,
    }

    impl Default for Shown {
        fn default() -> Shown {
            Shown {
                count: 50,
                after: None,
                colour: Some("red".to_owned()),
            }
        }
    }

    /// An order.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Order {
        /// The last name.
        LastName,
    }
}

/// Renames a group.
#[request]
pub struct Rename {
    /// The group.
    pub group: u64,
    /// The name.
    pub name: Option<String>,
    /// Whether its members are told.
    #[serde(default)]
    pub tell: bool,
    /// Who else is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<u64>,
}

/// A group.
#[answer]
#[schemars(extend("x-yes" = "done"))]
pub struct Group {
    /// The name.
    pub name: Option<String>,
    /// Its order.
    pub order: Order,
}

/// An order.
#[answer]
pub enum Order {
    /// The last name.
    LastName,
}

/// How a list is shown.
#[options]
#[derive(PartialEq, JsonSchema)]
pub struct Shown {
    /// How many.
    pub count: u64,
    /// From where on.
    pub after: Option<u64>,
    /// In which colour.
    pub colour: Option<String>,
}

impl Default for Shown {
    fn default() -> Shown {
        Shown {
            count: 50,
            after: None,
            colour: Some("red".to_owned()),
        }
    }
}

#[test]
fn the_schemas_are_the_same() {
    assert_eq!(schema_for!(Rename), schema_for!(by_hand::Rename));
    assert_eq!(schema_for!(Group), schema_for!(by_hand::Group));
    assert_eq!(schema_for!(Shown), schema_for!(by_hand::Shown));
}

#[test]
fn what_is_written_is_the_same() {
    for value in [
        json!({"group": 1, "tell": false}),
        json!({"group": 1, "name": "a", "tell": true, "others": [2]}),
    ] {
        let made: Rename = serde_json::from_value(value.clone()).unwrap();
        let by_hand: by_hand::Rename = serde_json::from_value(value.clone()).unwrap();
        let texts = [
            serde_json::to_string(&made).unwrap(),
            serde_json::to_string(&by_hand).unwrap(),
        ];
        assert_eq!(texts[0], texts[1]);
        assert_eq!(serde_json::from_str::<Value>(&texts[0]).unwrap(), value);
    }
    let refused = serde_json::from_value::<Rename>(json!({"group": 1, "colour": "red"}));
    assert!(refused.unwrap_err().to_string().contains("unknown field"));
}

#[test]
fn a_request_is_built_and_an_answer_is_read() {
    let rename = Rename::new(1).name("a").tell(true).others([2, 3]);
    assert_eq!(
        serde_json::to_value(&rename).unwrap(),
        json!({"group": 1, "name": "a", "tell": true, "others": [2, 3]})
    );
    let group: Group = serde_json::from_value(json!({"order": "last_name"})).unwrap();
    assert_eq!(group.order, Order::LastName);
}

#[test]
fn options_take_what_is_absent_from_their_default() {
    let shown: Shown = serde_json::from_value(json!({"after": 7})).unwrap();
    assert_eq!(shown, Shown::default().after(7));
    assert_eq!((shown.count, shown.colour.as_deref()), (50, Some("red")));
    assert!(serde_json::from_value::<Shown>(json!({"size": 1})).is_err());
}
