//! tenantry in Rust, from nothing to a decision.

use std::error::Error;
use tenantry::api::{accounts, members, packages, roles};
use tenantry::{Actor, Count, Email, Grant, Id, Limit, Limits, Name, OpenOptions, Tenantry};

/// Opens a store in memory, creates a client, and sends until the limit of the day is reached.
pub fn main() -> Result<(), Box<dyn Error>> {
    let t = Tenantry::open(":memory:", OpenOptions::default())?;

    // The host itself sets up the platform.
    let system = Actor::System;
    let sender = roles::Create::new(Name::new("Sender")?)
        .id(Id::new("sender")?)
        .allow([Grant::new(Id::new("campaigns.send")?)]);
    t.call(&system, sender)?;
    let starter = packages::Create::new(Name::new("Starter")?)
        .id(Id::new("starter")?)
        .limits(Limits::default().email_per_day(Limit::At(Count::new(3)?)));
    t.call(&system, starter)?;
    let olga = accounts::OwnerInput::new()
        .user(Id::new("olga")?)
        .email(Email::new("olga@acme.example")?);
    let acme = accounts::Create::new(Name::new("Acme")?, olga)
        .id(Id::new("acme")?)
        .time_zone(Name::new("Europe/Berlin")?)
        .package(Id::new("starter")?);
    t.call(&system, acme)?;
    let ann = members::Add::new(Id::new("acme")?)
        .user(Id::new("ann")?)
        .email(Email::new("ann@acme.example")?)
        .role(Id::new("sender")?);
    t.call(&system, ann)?;

    // A user acts in an account, and is refused what they may not do.
    let ann = Actor::in_account(Id::new("ann")?, Id::new("acme")?, None);
    if let Err(error) = t.call(&ann, accounts::Close::new(Id::new("acme")?)) {
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
