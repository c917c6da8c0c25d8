// Beside the old code: tenantry counts and answers, and the old code still decides.
import assert from 'node:assert/strict'
import { open } from 'tenantry'

const t = await open(':memory:')
await t.roles.create({ id: 'sender', name: 'Sender', allow: [{ permission: 'campaigns.send' }] })
await t.packages.create({ id: 'small', name: 'Small', limits: { email_per_day: 100 } })
await t.accounts.create({ id: '17', name: 'Acme', package: 'small', owner: { user: '4211', email: 'olga@acme.example' } })
await t.members.add({ account: '17', user: '4212', email: 'ann@acme.example', role: 'sender' })

// ANCHOR: shadow
// What is beyond a limit is counted, and refused nowhere on the platform.
await t.policies.set({ policies: { overLimit: 'shadow' } })
// ANCHOR_END: shadow

let sentByOldCode = 0

/** The tables that you have; with a limit of 120, which somebody forgot to lower. */
async function oldCodeAllows(account, user, count) {
  if (sentByOldCode + count > 120) return false
  sentByOldCode += count
  return true
}

// ANCHOR: compare
const differences = new Map()
const differs = (how) => differences.set(how, (differences.get(how) ?? 0) + 1)

async function send(account, user, count) {
  const old = await oldCodeAllows(account, user, count)
  // Who may send: both answers, always.
  const known = await t.allowedAsync({ account, user, permission: 'campaigns.send' })
  if (!known && old) differs('tenantry does not know this sender')
  // What has gone out is counted by tenantry too.
  if (old) {
    const { refusal } = await t.decideAsync({ account, user, count })
    if (refusal !== undefined) differs(refusal.code)
  }
  return old
}
// ANCHOR_END: compare

const answers = []
for (let message = 0; message < 3; message++) answers.push(await send('17', '4212', 50))
assert.deepEqual(answers, [true, true, false])
assert.ok(await send('17', '4212', 10))
assert.equal(differences.size, 0)

// ANCHOR: overuse
// What tenantry would have refused: 10 of the 110 messages are beyond the 100 of the package.
for (const { limit, value, used, overuse } of (await t.usage.get({ account: '17' })).windows) {
  if (overuse === 0) continue
  console.log(limit, value, overuse)
  assert.deepEqual([limit, used, overuse], ['email_per_day', 110, 10])
}
// ANCHOR_END: overuse

// ANCHOR: turn
// Both agree: tenantry decides from now on, and the old code is removed.
await t.policies.unset({ names: ['over_limit'] })
assert.ok(!t.admit({ account: '17', user: '4212', count: 10 }))
// ANCHOR_END: turn
await t.close()
