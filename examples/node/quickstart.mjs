// Creates a client with a package and a user who may send, and sends until the limit of the day is reached.
//
//   node quickstart.mjs [folder of the store]
import { open, TenantryError } from 'tenantry'

const t = await open(process.argv[2] ?? ':memory:')

// The host itself sets up its packages and accounts.
await t.roles.create({ id: 'sender', name: 'Sender', allow: [{ permission: 'campaigns.send' }] })
await t.packages.create({ id: 'small', name: 'Small', limits: { email_per_day: 3, email_per_month: 50 } })
await t.accounts.create({
  id: 'acme',
  name: 'Acme',
  owner: { user: 'olga', email: 'olga@acme.example' },
  package: 'small',
  timeZone: 'Europe/Berlin',
})

await t.members.add({ account: 'acme', user: 'ann', email: 'ann@acme.example', firstName: 'Ann', role: 'sender' })

// Users act with their own permissions: the owner has all permissions of the account, and ann may send.
const olga = t.acting({ user: 'olga', account: 'acme', ip: '203.0.113.7' })
const { members } = await olga.members.list({ account: 'acme' })
console.log(`acme has ${members.length} members: ${members.map((member) => member.user).join(', ')}`)
const ann = t.acting({ user: 'ann', account: 'acme' })
try {
  await ann.accounts.close({ account: 'acme' })
} catch (error) {
  if (!(error instanceof TenantryError)) throw error
  console.log(`ann may not close the account: ${error.code}`)
}

// The two questions of every message are prepared once; each answer takes well under a microsecond.
const access = ann.access('campaigns.send')
const gate = ann.sender()
for (let message = 1; message <= 4; message++) {
  if (access.allowed() && gate.admit()) {
    console.log(`message ${message} goes out, ${gate.last().remaining} left today`)
  } else {
    const { code, limit, retryAtMs } = gate.last().refusal
    console.log(`message ${message} waits: ${code} (${limit.name} is ${limit.value}) until ${new Date(retryAtMs).toISOString()}`)
  }
}

await t.close()
