// From tables of your own: ids, people, password hashes, and what was sent in the running month.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'tenantry'

const DAY_MS = 24 * 3_600_000
// 15 June 2026, 12:00 UTC: today, for this example. A real move asks the system's clock.
const today = 1_781_524_800_000
const folder = await mkdtemp(join(tmpdir(), 'tenantry-guide-'))
const STORE = join(folder, 'accounts')

// What your tables have.
const ACCOUNTS = [{ number: 17, name: 'Acme', package: 'small', owner: 4211, email: 'olga@acme.example' }]
const USERS = [
  {
    number: 4212,
    account: 17,
    email: 'ann@acme.example',
    role: 'sender',
    hash: '$2b$10$c2FsdHNhbHRzYWx0c2Fsd.DPG22xjqOU.WvTSwa.uqLu.uitARBti',
  },
]
// What account 17 sent on each day of this month: 1 to 15 June.
const SENT = new Map([[17, [310, 290, 0, 305, 312, 0, 0, 298, 300, 301, 0, 320, 0, 0, 120]]])

// ANCHOR: records
// Before any host has the store open: with a clock that you move, on the first day of the month.
const firstDay = today - 14 * DAY_MS
let t = await open(STORE, { manualClockMs: firstDay })
await t.roles.create({ id: 'sender', name: 'Sender', allow: [{ permission: 'campaigns.send' }] })
// The package has no limits yet: nothing is refused while the past is entered.
await t.packages.create({ id: 'small', name: 'Small' })
for (const { number, name, owner, email, ...account } of ACCOUNTS) {
  // Your ids stay: they are texts here.
  await t.accounts.create({ id: String(number), name, package: account.package, owner: { user: String(owner), email } })
}
for (const { number, account, email, role } of USERS) {
  await t.members.add({ account: String(account), user: String(number), email, role })
}
// ANCHOR_END: records

// ANCHOR: hashes
// At most 500 in one call. Each hash is replaced at the next log-in of its user.
const passwords = USERS.map(({ number, hash }) => ({ user: String(number), hash }))
for (let at = 0; at < passwords.length; at += 500) {
  await t.passwords.importHashes({ passwords: passwords.slice(at, at + 500) })
}
// Each import is a new password, of which the outbox tells the user. Nobody needs to hear of the move.
while ((await t.outbox.clear()).more);
// ANCHOR_END: hashes

// ANCHOR: counters
// What was sent: day by day, each at its time.
for (let day = 0; day < 15; day++) {
  await t.clock.set({ nowMs: firstDay + day * DAY_MS })
  for (const [number, sent] of SENT) {
    if (sent[day] === 0) continue
    const decision = await t.sending.admit({ account: String(number), count: sent[day] })
    assert.equal(decision.refusal, undefined)
  }
}
// Now the limits. They count what was entered.
await t.packages.edit({ package: 'small', limits: { email_per_day: 500, email_per_month: 3_000 } })
await t.close()
// ANCHOR_END: counters

// A host would open it with the system's clock; in this example the time is still 15 June.
t = await open(STORE, { manualClockMs: today, create: false })
// ANCHOR: check
const { windows } = await t.usage.get({ account: '17' })
const used = Object.fromEntries(windows.map((window) => [window.limit, window.used]))
assert.deepEqual([used.email_per_day, used.email_per_month], [120, 2_556])
const history = await t.usage.history({ account: '17', limit: 'email_per_day' })
assert.deepEqual(history.windows.map((day) => day.used).slice(0, 3), [310, 290, 305])
const report = await t.store.verify()
assert.ok(report.whole, JSON.stringify(report.findings))
// ANCHOR_END: check
assert.ok(!t.admit({ account: '17', count: 445 }))
assert.ok(t.admit({ account: '17', count: 380 }))
assert.equal((await t.sessions.create({ email: 'ann@acme.example', password: 'seven green lamps on a shelf' })).user, '4212')
await t.close()
await rm(folder, { recursive: true })
