// Tests of a host: a store in memory, whose clock stands still until the test moves it.
import assert from 'node:assert/strict'
import { open } from 'tenantry'

// ANCHOR: open
const NOON = 1_781_524_800_000 // 15 June 2026, 12:00 UTC.
const MINUTE = 60_000
const HOUR = 3_600_000

const t = await open(':memory:', { manualClockMs: NOON, seed: 7 })
// ANCHOR_END: open
await t.packages.create({ id: 'starter', name: 'Starter', limits: { email_per_hour: 10, email_per_day: 15 } })
await t.accounts.create({
  id: 'acme',
  name: 'Acme',
  package: 'starter',
  owner: { user: 'olga', email: 'olga@acme.example' },
  timeZone: 'Europe/Berlin',
})

// ANCHOR: limit
// The hour is the last sixty minutes, and each minute counts as a whole.
const gate = t.sender({ account: 'acme' })
assert.ok(gate.admit(10))
let { limit, retryAtMs } = gate.decide(1).refusal
assert.deepEqual([limit.name, retryAtMs], ['email_per_hour', NOON + HOUR + MINUTE])

await t.clock.set({ nowMs: NOON + HOUR + MINUTE })
assert.ok(gate.admit(5))
;({ limit, retryAtMs } = gate.decide(1).refusal)
// In Berlin it is midnight at 22:00 UTC.
assert.deepEqual([limit.name, retryAtMs], ['email_per_day', NOON + 10 * HOUR])
// ANCHOR_END: limit

// ANCHOR: expiry
// An invitation is valid for 14 days, unless a policy says otherwise.
await t.invitations.create({ account: 'acme', addresses: 'bob@acme.example', role: 'editor' })
const { messages } = await t.outbox.read()
const { token } = messages.find(({ kind }) => kind === 'invitation')
await t.clock.set({ nowMs: NOON + 15 * 24 * HOUR })
await assert.rejects(t.invitations.accept({ token }), { code: 'invitation_expired' })
// ANCHOR_END: expiry

// ANCHOR: seed
// With a seed the ids that tenantry makes are the same in every run.
const idOfFirstRole = async () => {
  const other = await open(':memory:', { manualClockMs: NOON, seed: 7 })
  const { id } = await other.roles.create({ name: 'Sender' })
  await other.close()
  return id
}
assert.equal(await idOfFirstRole(), await idOfFirstRole())
// ANCHOR_END: seed
await t.close()
