//! tenantry in Rust, from nothing to a decision.

use std::error::Error;
use tenantry::api::{accounts, members, packages, roles};
use tenantry::{Actor, Count, Email, Grant, Id, Limit, Limits, Name, OpenOptions, Tenantry};

/// Opens a store in memory, creates a client, and sends until the limit of the day is reached.
pub fn main() -> Result<(), Box<dyn Error>> {
    let t = Tenantry::open(":memory:", OpenOptions::default())?;

    // The host itself sets up the platform.
    let system = Actor::System;
    let allow = vec![Grant {
        permission: Id::new("campaigns.send")?,
        scope: None,
    }];
    t.call(
        &system,
        roles::Create {
            id: Some(Id::new("sender")?),
            name: Name::new("Sender")?,
            allow,
            deny: vec![],
            includes: vec![],
            account: None,
        },
    )?;
    let limits = Limits {
        email_per_day: Some(Limit::At(Count::new(3)?)),
        ..Limits::default()
    };
    let starter = packages::Create {
        id: Some(Id::new("starter")?),
        name: Name::new("Starter")?,
        limits,
        role: None,
        assets: Default::default(),
        credits: false,
        overuse: false,
        bounce_rate: None,
        child_price: None,
    };
    t.call(&system, starter)?;
    let owner = accounts::OwnerInput {
        user: Some(Id::new("olga")?),
        email: Some(Email::new("olga@acme.example")?),
        first_name: None,
        last_name: None,
    };
    t.call(
        &system,
        accounts::Create {
            id: Some(Id::new("acme")?),
            name: Name::new("Acme")?,
            owner,
            parent: None,
            time_zone: Some(Name::new("Europe/Berlin")?),
            package: Some(Id::new("starter")?),
            limits: Limits::default(),
            pending: false,
        },
    )?;
    let ann = members::Add {
        account: Id::new("acme")?,
        user: Some(Id::new("ann")?),
        email: Some(Email::new("ann@acme.example")?),
        first_name: None,
        last_name: None,
        role: Some(Id::new("sender")?),
        group: None,
    };
    t.call(&system, ann)?;

    // A user acts in an account, and is refused what they may not do.
    let ann = Actor::in_account(Id::new("ann")?, Id::new("acme")?, None);
    if let Err(error) = t.call(
        &ann,
        accounts::Close {
            account: Id::new("acme")?,
            expected_rev: None,
        },
    ) {
        println!("refused: {}", error.code());
    }

    // The two frequent questions: prepare them once, and ask them for every message.
    let access = t.access("acme", "ann", "campaigns.send")?;
    let gate = t.sender("acme", Some("ann"))?;
    println!("may send: {}", access.allowed()?);
    for number in 1..=4 {
        match gate.admit(1)?.refusal {
            None => println!("message {number}: goes out"),
            Some(refusal) => println!(
                "message {number}: {}, again at {:?} ms",
                refusal.code, refusal.retry_at_ms
            ),
        }
    }
    t.close()?;
    Ok(())
}
