// Presets and policies: how a platform says which kind of product it is.
import assert from 'node:assert/strict'
import { open } from 'tenantry'

const t = await open(':memory:')

// ANCHOR: preset
// The whole platform: several accounts under one invoice.
await t.policies.preset({ preset: 'teams' })
// One policy that differs, for the platform and for one account.
await t.policies.set({ policies: { seats: 50 } })
await t.accounts.create({ id: 'acme', name: 'Acme', owner: { user: 'olga', email: 'olga@acme.example' } })
await t.policies.set({ account: 'acme', policies: { seats: 200 } })
// ANCHOR_END: preset

// ANCHOR: get
const { policies, sources } = await t.policies.get({ account: 'acme' })
assert.equal(policies.seats, 200)
assert.ok(policies.ownerExclusive) // The preset says so.
const where = Object.fromEntries(sources.map(({ policy, source }) => [policy, source]))
assert.deepEqual([where.seats, where.owner_exclusive, where.billing_day], ['account', 'preset', 'default'])
// ANCHOR_END: get
await t.close()
