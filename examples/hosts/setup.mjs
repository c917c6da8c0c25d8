// The platform of the hosts beside it: an account that may send 7,000 e-mails a day, a member who may send, and an API key
// for the member's program.
//
//   node setup.mjs accounts            prints the key, which is shown this once
import { fileURLToPath } from 'node:url'
import { open } from 'tenantry'

export async function setUp(address, { limit = 7000 } = {}) {
  const t = await open(address)
  try {
    await t.roles.create({ id: 'sender', name: 'Sender', allow: [{ permission: 'campaigns.send' }] })
    await t.packages.create({ id: 'starter', name: 'Starter', limits: { email_per_day: limit } })
    await t.accounts.create({ id: 'acme', name: 'Acme', package: 'starter', owner: { user: 'olga', email: 'olga@acme.example' } })
    await t.members.add({ account: 'acme', user: 'ann', email: 'ann@acme.example', role: 'sender' })
    const permissions = [{ permission: 'campaigns.send' }]
    return await t.apiKeys.create({ account: 'acme', user: 'ann', name: 'Shop', permissions })
  } finally {
    await t.close()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log((await setUp(process.argv[2] ?? 'accounts')).token)
