//! A message: may it go out, and what to do when it may not.

use std::error::Error;
use tenantry::api::{accounts, packages};
use tenantry::{
    ActingSender, Actor, Address, Count, Email, Id, Limit, Limits, Name, OpenOptions, Sender,
    SenderOptions, Tenantry,
};

// ANCHOR: reply
/// One decision for all recipients of a message: they are charged in the same step, or none is.
fn reply(gate: &Sender, recipients: u64) -> Result<String, tenantry::Error> {
    let decision = gate.admit(recipients)?;
    let Some(why) = decision.refusal else {
        return Ok("250 2.0.0 queued".to_owned()); // Only now put the message into the queue.
    };
    let limit = why.limit.as_ref();
    let limit = limit.map_or(String::new(), |limit| {
        format!(" ({} is {})", limit.name, limit.value)
    });
    Ok(match why.retry_at_ms {
        None => format!("550 {}{limit}", why.code), // Waiting does not help.
        Some(at_ms) => format!("452 {}{limit}; try again at {at_ms} ms", why.code),
    })
}
// ANCHOR_END: reply

/// Sends until nothing more may go out.
pub fn main() -> Result<(), Box<dyn Error>> {
    let t = Tenantry::open(":memory:", OpenOptions::default())?;
    let starter = packages::Create::new(Name::new("Starter")?)
        .id(Id::new("starter")?)
        .limits(Limits::default().email_per_day(Limit::At(Count::new(100)?)));
    t.call(&Actor::System, starter)?;
    let olga = accounts::OwnerInput::new()
        .user(Id::new("olga")?)
        .email(Email::new("olga@acme.example")?);
    let acme = accounts::Create::new(Name::new("Acme")?, olga)
        .id(Id::new("acme")?)
        .package(Id::new("starter")?);
    t.call(&Actor::System, acme)?;

    // ANCHOR: prepare
    // At log-in, or with the first message: who sends. Keep the handle, and ask it for every
    // message.
    let from = ActingSender::default().ip(Address::new("203.0.113.7")?);
    let gate = t.sender_for("acme", Some("olga"), SenderOptions::default().acting(from))?;
    // ANCHOR_END: prepare
    assert_eq!(reply(&gate, 98)?, "250 2.0.0 queued");
    assert!(reply(&gate, 3)?.starts_with("452 quota_exceeded (email_per_day is 100); "));
    assert_eq!(
        reply(&gate, 101)?,
        "550 exceeds_limit (email_per_day is 100)"
    );
    t.close()?;
    Ok(())
}
