// A message: may it go out, what to do when it may not, and what to do when it fails.
import assert from 'node:assert/strict'
import { open } from 'tenantry'

const t = await open(':memory:')
await t.roles.create({ id: 'sender', name: 'Sender', allow: [{ permission: 'campaigns.send' }, { permission: 'limits.view' }] })
await t.packages.create({ id: 'starter', name: 'Starter', limits: { email_per_day: 100 } })
await t.accounts.create({ id: 'acme', name: 'Acme', package: 'starter', owner: { user: 'olga', email: 'olga@acme.example' } })
await t.members.add({ account: 'acme', user: 'ann', email: 'ann@acme.example', role: 'sender' })

// ANCHOR: prepare
// At log-in, or with the first message: who sends. Keep the handle, and ask it for every message.
const gate = t.acting({ user: 'ann', account: 'acme', ip: '203.0.113.7' }).sender()
// ANCHOR_END: prepare

// ANCHOR: reply
/** One decision for all recipients of a message: they are charged in the same step, or none is. */
async function reply(recipients) {
  const { refusal } = await gate.decideAsync(recipients)
  if (refusal === undefined) return '250 2.0.0 queued' // Only now put the message into the queue.
  const { code, limit, retryAtMs } = refusal
  const reason = limit === undefined ? code : `${code} (${limit.name} is ${limit.value})`
  if (retryAtMs === undefined) return `550 ${reason}` // Waiting does not help.
  const seconds = Math.ceil((retryAtMs - Date.now()) / 1000)
  return `452 ${reason}; try again in ${seconds} seconds` // The client keeps the message.
}
// ANCHOR_END: reply

assert.equal(await reply(98), '250 2.0.0 queued')
assert.match(await reply(3), /^452 quota_exceeded \(email_per_day is 100\); try again in \d+ seconds$/)
assert.equal(await reply(101), '550 exceeds_limit (email_per_day is 100)')

// ANCHOR: up_to
// A batch: as many as fit, but at least 1.
const { granted } = await t.sending.admit({ account: 'acme', user: 'ann', count: 50, min: 1 })
assert.equal(granted, 2)
// ANCHOR_END: up_to

// ANCHOR: refund
// What was charged and could not be handed over is given back, to the hour, the day and the month in which it was granted.
const { nowMs } = await t.clock.get()
await t.sending.refund({ account: 'acme', user: 'ann', count: 2, grantedAtMs: nowMs })
// ANCHOR_END: refund

// ANCHOR: key
// A caller that may ask twice names its message: the same key is charged once. It costs a durable write.
for (let attempt = 0; attempt < 2; attempt++) {
  const decision = await t.sending.admit({ account: 'acme', user: 'ann', count: 1, key: 'message-4711' })
  assert.equal(decision.granted, 1)
}
// ANCHOR_END: key

// ANCHOR: usage
// What the customer sees of it.
const { windows } = await t.usage.get({ account: 'acme' })
const day = windows.find(({ limit }) => limit === 'email_per_day')
assert.deepEqual([day.used, day.remaining], [99, 1])
// ANCHOR_END: usage

// ANCHOR: campaign
// A campaign reserves what it needs before it starts. It commits what goes out; the rest is given back.
await t.limits.set({ account: 'acme', limit: 'email_per_day', value: 10_000 })
const { reservation } = await t.reservations.create({ account: 'acme', user: 'ann', count: 5_000, lifeMs: 3_600_000, key: 'spring' })
await t.reservations.commit({ account: 'acme', reservation, count: 4_000 })
// ANCHOR_END: campaign

// ANCHOR: change
// The handle sees every later change.
const { holds } = await t.accounts.hold({ account: 'acme', reason: 'billing' })
assert.equal(await reply(1), '550 account_suspended')
await t.accounts.release({ account: 'acme', hold: holds[0].hold })
assert.equal(await reply(1), '250 2.0.0 queued')
// ANCHOR_END: change
await t.close()
