// What the calls of the hot path cost from Node, in nanoseconds: `node benches/node_calls.mjs` after `npm run build`.
import { createRequire } from 'node:module'
import { open } from 'tenantry'

const native = createRequire(import.meta.url)('../bindings/node/lib/native.cjs')

const ROUNDS = 9
const CALLS = 400_000

const t = await open(':memory:')
await t.roles.create({ id: 'sender', name: 'Sender', allow: [{ permission: 'campaigns.send' }] })
await t.accounts.create({
  id: 'acme',
  name: 'Acme',
  owner: { user: 'olga', email: 'olga@acme.example' },
  limits: { email_per_hour: 2 ** 50, email_per_day: 2 ** 50, email_per_month: 2 ** 50 },
})
await t.members.add({ account: 'acme', user: 'ann', email: 'ann@acme.example', role: 'sender' })

const who = { account: 'acme', user: 'ann' }
const permission = 'campaigns.send'
const empty = native.empty()
const gate = t.sender(who)
const access = t.access({ ...who, permission })

// A loop for each, so that the engine sees one kind of call in it, as in a host.
const sync = {
  'an empty native call': (calls) => {
    let granted = 0
    for (let n = 0; n < calls; n++) if (empty.admit(1)) granted++
    return granted
  },
  'admit, prepared': (calls) => {
    let granted = 0
    for (let n = 0; n < calls; n++) if (gate.admit(1)) granted++
    return granted
  },
  'admit, by ids': (calls) => {
    let granted = 0
    for (let n = 0; n < calls; n++) if (t.admit({ account: 'acme', user: 'ann', count: 1 })) granted++
    return granted
  },
  'allowed, prepared': (calls) => {
    let granted = 0
    for (let n = 0; n < calls; n++) if (access.allowed()) granted++
    return granted
  },
  'allowed, by ids': (calls) => {
    let granted = 0
    for (let n = 0; n < calls; n++) if (t.allowed({ account: 'acme', user: 'ann', permission: 'campaigns.send' })) granted++
    return granted
  },
}
const viaJson = {
  'sending.admit, JSON, awaited': async () => (await t.sending.admit({ account: 'acme', user: 'ann', count: 1 })).granted === 1,
  'access.check, JSON, awaited': async () => (await t.access.check({ account: 'acme', user: 'ann', permission })).allowed,
}

const nanoseconds = (since, calls) => Number(process.hrtime.bigint() - since) / calls
const figures = new Map()
const note = (name, figure) => figures.set(name, Math.min(figure, figures.get(name) ?? Infinity))

// The rounds of all alternate, so that a busy moment of the machine does not hit one alone; the best round counts.
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, loop] of Object.entries(sync)) {
    const since = process.hrtime.bigint()
    const granted = loop(CALLS)
    note(name, nanoseconds(since, CALLS))
    if (granted !== CALLS) throw new Error(`${name}: ${granted} of ${CALLS} were granted`)
  }
  for (const [name, call] of Object.entries(viaJson)) {
    const calls = CALLS / 400
    const since = process.hrtime.bigint()
    for (let n = 0; n < calls; n++) if (!(await call())) throw new Error(`${name}: refused`)
    note(name, nanoseconds(since, calls))
  }
}
const base = figures.get('an empty native call')
for (const [name, figure] of figures) {
  console.log(`${name.padEnd(30)} ${figure.toFixed(1).padStart(9)} ns  ${(figure / base).toFixed(2).padStart(7)} x`)
}
await t.close()
