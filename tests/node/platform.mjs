// A small platform in memory: a package, a role, an account with an owner and a member who may send.
import { open } from 'tenantry'

export const START_MS = 1_750_000_000_000

/** `path` is a store that is not there yet. */
export async function platform(path = ':memory:') {
  const t = await open(path, { manualClockMs: START_MS, seed: 7 })
  await t.roles.create({ id: 'sender', name: 'Sender', allow: [{ permission: 'campaigns.send' }] })
  await t.packages.create({ id: 'small', name: 'Small', limits: { email_per_day: 10 } })
  await t.accounts.create({
    id: 'acme',
    name: 'Acme',
    owner: { user: 'olga', email: 'olga@acme.example' },
    package: 'small',
  })
  await t.members.add({ account: 'acme', user: 'ann', email: 'ann@acme.example', role: 'sender' })
  return t
}
