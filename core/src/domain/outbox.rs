//! The outbox: what the host has to carry out, in order (R-OUT-1).
//!
//! A consumer's place is the last message that it was given (`taken_to`), and beside it one small
//! record for each message that it was given and has not acknowledged: at most [`MOST_OPEN`]. What
//! is neither open nor dead below its place is done.

mod read;
#[cfg(test)]
mod tests;

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::outbox::{
    Ack, Clear, Consumers, Dead, Fail, Forget, OutboxCleared, OutboxConsumerItem,
    OutboxConsumerList, OutboxDead, OutboxDeadPage, OutboxDelivery, OutboxForgotten, OutboxItem,
    OutboxSettled, OutboxTaken, Retry, Revive, Take,
};
use crate::domain::outbox::read::answer_of;
use crate::error::{Code, Error};
use crate::kernel::page::page_size;
use crate::kernel::{decode, keys};
use crate::model::{self, AuditKind, Count, DeadMessage, Id, Note, OpenMessage, OutboxConsumer};
use crate::rules::outbox::{Redelivery, redelivery};
use crate::tables::outbox::{first_number, number_at, open_messages};

/// How many messages a consumer may have without having acknowledged them.
const MOST_OPEN: u64 = 1000;
/// How many consumers there may be.
const MOST_CONSUMERS: usize = 100;
/// How often a message is given, when nothing is said.
const TRIES: u64 = 10;
const MOST_TRIES: u64 = 1000;
/// How long a message is kept from others, when nothing is said.
const HOLD_MS: u64 = 60_000;
const LONGEST_HOLD_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// How many messages one call clears.
const MOST_CLEARED: usize = 1000;

/// A person is erased: the messages to them, and about them, no longer tell who they are, nor does
/// the reason for which a consumer gave one up, which often names the address (R-USR-4).
pub(crate) fn forget(ctx: &mut Ctx<'_>, kind: AuditKind, person: &Id) -> Result<(), Error> {
    let (from, until) = keys::outbox_of_person(kind, person);
    let lines = ctx.tx.range::<()>(&from, &until, usize::MAX)?;
    let consumers = if lines.is_empty() {
        Vec::new()
    } else {
        all_consumers(ctx)?
    };
    for (key, ()) in lines {
        let number = number_at(&key)?;
        let at = keys::outbox(number);
        if let Some(mut message) = ctx.tx.get::<model::OutboxMessage>(&at)? {
            message.forget_person();
            ctx.tx.put(at, &message)?;
        }
        for consumer in &consumers {
            let at = keys::dead_message(&consumer.name, number);
            if let Some(dead) = ctx
                .tx
                .get::<DeadMessage>(&at)?
                .filter(|dead| dead.reason.is_some())
            {
                ctx.tx.put(
                    at,
                    &DeadMessage {
                        reason: None,
                        ..dead
                    },
                )?;
            }
        }
        ctx.tx.delete(key);
    }
    Ok(())
}

/// Whether a message at a key of a consumer is kept from others for longer than any can be.
pub(crate) fn is_ahead(key: &[u8], value: &[u8], now_ms: u64) -> Result<bool, Error> {
    if keys::part(key, 2) != Some("open") {
        return Ok(false);
    }
    let open: OpenMessage = decode(key, value)?;
    Ok(open.until_ms > now_ms.saturating_add(LONGEST_HOLD_MS))
}

/// A message that was taken in a wrong future is given again at once (R-QTA-13).
pub(crate) fn give_again(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<bool, Error> {
    let Some(open) = ctx.tx.get::<OpenMessage>(key)? else {
        return Ok(false);
    };
    ctx.tx.put(
        key.to_vec(),
        &OpenMessage {
            until_ms: open.until_ms.min(ctx.now_ms),
            ..open
        },
    )?;
    Ok(true)
}

pub(crate) fn consumer(ctx: &mut Ctx<'_>, name: &Id) -> Result<OutboxConsumer, Error> {
    ctx.tx
        .get(&keys::consumer(name))?
        .ok_or_else(|| Error::not_found("consumer", name.as_str()).at("/consumer"))
}

fn save(ctx: &mut Ctx<'_>, consumer: &OutboxConsumer) -> Result<(), Error> {
    ctx.tx.put(keys::consumer(&consumer.name), consumer)
}

/// A new consumer is given every message that is still there.
fn consumer_or_new(ctx: &mut Ctx<'_>, name: &Id) -> Result<OutboxConsumer, Error> {
    if let Some(known) = ctx.tx.get(&keys::consumer(name))? {
        return Ok(known);
    }
    if all_consumers(ctx)?.len() >= MOST_CONSUMERS {
        return Err(Error::invalid(
            "/consumer",
            format!(
                "There are {MOST_CONSUMERS} consumers already; forget one before you add \
                 `{name}`."
            ),
        ));
    }
    let fresh = OutboxConsumer {
        name: name.clone(),
        taken_to: 0,
        tries: TRIES,
        open: 0,
        dead: 0,
        created_at_ms: ctx.now_ms,
    };
    save(ctx, &fresh)?;
    Ok(fresh)
}

fn all_consumers(ctx: &mut Ctx<'_>) -> Result<Vec<OutboxConsumer>, Error> {
    let (mut from, until) = keys::range(keys::OUTBOX_CONSUMER, &[]);
    let mut found: Vec<OutboxConsumer> = Vec::new();
    // What a consumer has lies behind it and before the next.
    while let Some((_, consumer)) = ctx.tx.range::<OutboxConsumer>(&from, &until, 1)?.pop() {
        from = keys::range(keys::OUTBOX_CONSUMER, &[consumer.name.as_str()]).1;
        found.push(consumer);
    }
    Ok(found)
}

/// The message up to which a consumer has acknowledged all; with `dead`, or given up.
pub(crate) fn done_to(
    ctx: &mut Ctx<'_>,
    consumer: &OutboxConsumer,
    dead: bool,
) -> Result<u64, Error> {
    let open = first_number(&mut ctx.tx, keys::open_messages(&consumer.name))?;
    let first_dead = if dead {
        None
    } else {
        first_number(&mut ctx.tx, keys::dead_messages(&consumer.name))?
    };
    Ok([open, first_dead]
        .into_iter()
        .flatten()
        .min()
        .map_or(consumer.taken_to, |first| first.saturating_sub(1)))
}

fn bounded(
    asked: Option<Count>,
    otherwise: u64,
    (least, most): (u64, u64),
    field: &str,
) -> Result<u64, Error> {
    let value = asked.map_or(otherwise, Count::get);
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        let name = field.trim_start_matches('/');
        Err(Error::invalid(
            field,
            format!("`{name}` must be from {least} to {most}, and is {value}."),
        ))
    }
}

fn mark_dead(
    ctx: &mut Ctx<'_>,
    consumer: &mut OutboxConsumer,
    number: u64,
    deliveries: u64,
    reason: Option<Note>,
) -> Result<(), Error> {
    ctx.tx.delete(keys::open_message(&consumer.name, number));
    ctx.tx.put(
        keys::dead_message(&consumer.name, number),
        &DeadMessage {
            deliveries,
            reason,
            since_ms: ctx.now_ms,
        },
    )?;
    consumer.open = consumer.open.saturating_sub(1);
    consumer.dead += 1;
    Ok(())
}

/// Settles those of the numbers that are open; one that the consumer was never given is
/// `not_taken`.
fn settle(
    ctx: &mut Ctx<'_>,
    name: &Id,
    numbers: &[Count],
    mut each: impl FnMut(&mut Ctx<'_>, &mut OutboxConsumer, u64, OpenMessage) -> Result<(), Error>,
) -> Result<OutboxSettled, Error> {
    check_numbers(numbers)?;
    let before = consumer(ctx, name)?;
    let mut known = before.clone();
    let mut settled = 0;
    for (at, number) in numbers.iter().map(|number| number.get()).enumerate() {
        if number == 0 || number > known.taken_to {
            return Err(Error::new(
                Code::NotTaken,
                format!("The message {number} was not delivered to `{name}`; take it first."),
            )
            .at(format!("/numbers/{at}")));
        }
        if let Some(open) = ctx.tx.get(&keys::open_message(name, number))? {
            each(ctx, &mut known, number, open)?;
            settled += 1;
        }
    }
    if known != before {
        save(ctx, &known)?;
    }
    Ok(OutboxSettled {
        settled,
        open: known.open,
        dead: known.dead,
    })
}

fn check_numbers(numbers: &[Count]) -> Result<(), Error> {
    const MOST: usize = 500;
    if numbers.len() > MOST {
        Err(Error::invalid(
            "/numbers",
            format!(
                "A call takes at most {MOST} numbers, not {}.",
                numbers.len()
            ),
        ))
    } else {
        Ok(())
    }
}

impl Operation for Take {
    type Answer = OutboxTaken;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OutboxTaken, Error> {
        let size = page_size(self.limit)?;
        let until_ms = ctx.now_ms.saturating_add(bounded(
            self.hold_ms,
            HOLD_MS,
            (1, LONGEST_HOLD_MS),
            "/hold_ms",
        )?);
        let before = consumer_or_new(ctx, &self.consumer)?;
        let mut consumer = before.clone();
        consumer.tries = bounded(self.tries, consumer.tries, (1, MOST_TRIES), "/tries")?;

        let mut due = Vec::new();
        let mut retry_at_ms: Option<u64> = None;
        for (number, open) in open_messages(&mut ctx.tx, &self.consumer)? {
            match redelivery(&open, consumer.tries, ctx.now_ms) {
                Redelivery::GiveUp => mark_dead(ctx, &mut consumer, number, open.deliveries, None)?,
                Redelivery::Again if due.len() < size => due.push((number, open.deliveries + 1)),
                Redelivery::Again => retry_at_ms = Some(ctx.now_ms),
                Redelivery::Later { at_ms } => {
                    retry_at_ms = Some(retry_at_ms.map_or(at_ms, |first| first.min(at_ms)))
                }
            }
        }
        let room = size
            .saturating_sub(due.len())
            .min(usize::try_from(MOST_OPEN.saturating_sub(consumer.open)).unwrap_or(usize::MAX));
        let (_, end) = keys::range(keys::OUTBOX, &[]);
        for (key, _) in ctx.tx.range::<serde::de::IgnoredAny>(
            &keys::outbox(consumer.taken_to.saturating_add(1)),
            &end,
            room,
        )? {
            consumer.taken_to = number_at(&key)?;
            consumer.open += 1;
            due.push((consumer.taken_to, 1));
        }

        let mut messages = Vec::with_capacity(due.len());
        for (number, deliveries) in due {
            let message = message(ctx, number)?;
            ctx.tx.put(
                keys::open_message(&self.consumer, number),
                &OpenMessage {
                    deliveries,
                    until_ms,
                },
            )?;
            messages.push(OutboxDelivery {
                message,
                deliveries,
                until_ms,
            });
        }
        if consumer != before {
            save(ctx, &consumer)?;
        }
        Ok(OutboxTaken {
            messages,
            retry_at_ms,
            taken_to: consumer.taken_to,
            full: consumer.open >= MOST_OPEN,
        })
    }
}

/// The message of a number that a consumer still has to do with: it is not cleared.
pub(crate) fn message(ctx: &mut Ctx<'_>, number: u64) -> Result<OutboxItem, Error> {
    let message = ctx.tx.get(&keys::outbox(number))?;
    let message = message.ok_or_else(|| {
        Error::corrupt(format!(
            "The message {number} of the outbox is gone; restore a backup."
        ))
    })?;
    answer_of(ctx, number, message)
}

impl Operation for Ack {
    type Answer = OutboxSettled;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OutboxSettled, Error> {
        settle(
            ctx,
            &self.consumer,
            &self.numbers,
            |ctx, consumer, number, _| {
                ctx.tx.delete(keys::open_message(&consumer.name, number));
                consumer.open = consumer.open.saturating_sub(1);
                Ok(())
            },
        )
    }
}

impl Operation for Retry {
    type Answer = OutboxSettled;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OutboxSettled, Error> {
        let until_ms = ctx.now_ms.saturating_add(bounded(
            self.after_ms,
            0,
            (0, LONGEST_HOLD_MS),
            "/after_ms",
        )?);
        settle(
            ctx,
            &self.consumer,
            &self.numbers,
            |ctx, consumer, number, open| {
                ctx.tx.put(
                    keys::open_message(&consumer.name, number),
                    &OpenMessage { until_ms, ..open },
                )
            },
        )
    }
}

impl Operation for Fail {
    type Answer = OutboxSettled;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OutboxSettled, Error> {
        settle(
            ctx,
            &self.consumer,
            &self.numbers,
            |ctx, consumer, number, open| {
                // Of who was erased in between no reason tells.
                let forgotten = ctx
                    .tx
                    .get::<model::OutboxMessage>(&keys::outbox(number))?
                    .is_some_and(|message| message.is_forgotten());
                mark_dead(
                    ctx,
                    consumer,
                    number,
                    open.deliveries,
                    self.reason.clone().filter(|_| !forgotten),
                )
            },
        )
    }
}

impl Operation for Dead {
    type Answer = OutboxDeadPage;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OutboxDeadPage, Error> {
        let size = page_size(self.limit)?;
        consumer(ctx, &self.consumer)?;
        let from = keys::dead_message(
            &self.consumer,
            self.after.map_or(0, Count::get).saturating_add(1),
        );
        let (_, until) = keys::dead_messages(&self.consumer);
        let mut rows = ctx.tx.range::<DeadMessage>(&from, &until, size + 1)?;
        let more = rows.len() > size;
        rows.truncate(size);
        let mut messages = Vec::with_capacity(rows.len());
        for (
            key,
            DeadMessage {
                deliveries,
                reason,
                since_ms,
            },
        ) in rows
        {
            messages.push(OutboxDead {
                message: message(ctx, number_at(&key)?)?,
                deliveries,
                reason,
                since_ms,
            });
        }
        let next = if more {
            messages.last().map(|dead| dead.message.number)
        } else {
            None
        };
        Ok(OutboxDeadPage { messages, next })
    }
}

impl Operation for Revive {
    type Answer = OutboxSettled;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OutboxSettled, Error> {
        check_numbers(&self.numbers)?;
        let mut consumer = consumer(ctx, &self.consumer)?;
        let mut settled = 0;
        for (at, number) in self.numbers.iter().map(|number| number.get()).enumerate() {
            let key = keys::dead_message(&self.consumer, number);
            if !ctx.tx.has(&key)? {
                return Err(Error::not_found("dead message", &number.to_string())
                    .at(format!("/numbers/{at}")));
            }
            ctx.tx.delete(key);
            ctx.tx.put(
                keys::open_message(&self.consumer, number),
                &OpenMessage {
                    deliveries: 0,
                    until_ms: ctx.now_ms,
                },
            )?;
            consumer.dead = consumer.dead.saturating_sub(1);
            consumer.open += 1;
            settled += 1;
        }
        save(ctx, &consumer)?;
        Ok(OutboxSettled {
            settled,
            open: consumer.open,
            dead: consumer.dead,
        })
    }
}

impl Operation for Consumers {
    type Answer = OutboxConsumerList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OutboxConsumerList, Error> {
        let mut consumers = Vec::new();
        for consumer in all_consumers(ctx)? {
            let done_to = done_to(ctx, &consumer, true)?;
            let OutboxConsumer {
                name,
                taken_to,
                tries,
                open,
                dead,
                created_at_ms,
            } = consumer;
            consumers.push(OutboxConsumerItem {
                consumer: name,
                taken_to,
                done_to,
                open,
                dead,
                tries,
                created_at_ms,
            });
        }
        Ok(OutboxConsumerList {
            consumers,
            last: ctx.engine.kernel.last_message()?,
        })
    }
}

impl Operation for Forget {
    type Answer = OutboxForgotten;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OutboxForgotten, Error> {
        let OutboxConsumer { open, dead, .. } = consumer(ctx, &self.consumer)?;
        for (from, until) in [
            keys::open_messages(&self.consumer),
            keys::dead_messages(&self.consumer),
        ] {
            for (key, _) in ctx
                .tx
                .range::<serde::de::IgnoredAny>(&from, &until, usize::MAX)?
            {
                ctx.tx.delete(key);
            }
        }
        ctx.tx.delete(keys::consumer(&self.consumer));
        Ok(OutboxForgotten { open, dead })
    }
}

impl Operation for Clear {
    type Answer = OutboxCleared;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OutboxCleared, Error> {
        let mut up_to = self.up_to.map_or(u64::MAX, Count::get);
        for consumer in all_consumers(ctx)? {
            up_to = up_to.min(done_to(ctx, &consumer, false)?);
        }
        let (from, _) = keys::range(keys::OUTBOX, &[]);
        let until = keys::outbox(up_to.saturating_add(1));
        let rows = ctx
            .tx
            .range::<model::OutboxMessage>(&from, &until, MOST_CLEARED + 1)?;
        let kept = rows.iter().position(|(_, message)| {
            self.before_ms
                .is_some_and(|before| message.at_ms >= before.get())
        });
        let old = rows.into_iter().take(kept.unwrap_or(usize::MAX));
        let (mut cleared, mut more) = (0, false);
        for (key, message) in old {
            more = cleared == MOST_CLEARED as u64;
            if !more {
                if let Some((kind, person)) = message.person() {
                    ctx.tx
                        .delete(keys::outbox_person(kind, person, number_at(&key)?));
                }
                ctx.tx.delete(key);
                cleared += 1;
            }
        }
        Ok(OutboxCleared { cleared, more })
    }
}
