// Each line marked `// error` must be refused, and no other.
import tenantry, { open, setLogger, TenantryError } from 'tenantry'
import { Operations } from 'tenantry'

export async function main(): Promise<void> {
  await open() // error
  await tenantry.open() // error
  await tenantry.opened('accounts.db') // error
  await open('accounts.db', { cache: 64 }) // error
  await open('accounts.db', { durability: 'some' }) // error
  setLogger() // error
  setLogger(() => {}, { level: 'loud' }) // error
  const t = await open('accounts.db')
  await t.roles.create({}) // error
  await t.roles.create({ name: null }) // error
  await t.roles.create({ name: 'Sender', allow: ['campaigns.send'] }) // error
  await t.roles.create({ name: 'Sender', colour: 'red' }) // error
  await t.roles.destroy({ role: 'sender' }) // error
  await t.packages.create({ name: 'Small', limits: { email_per_day: '10' } }) // error
  await t.packages.create({ name: 'Small', limits: { emailPerDay: 10 } }) // error
  await t.limits.set({ account: 'acme', limit: 'email_per_year', value: 1 }) // error
  await t.members.setRole({ account: 'acme', user: 'ann' }) // error
  await t.clock.get({}) // error
  const account = await t.accounts.get({ account: 'acme' })
  const name: number = account.name // error
  const below: string = account.parent // error
  account.created_at_ms // error
  t.acting({ user: 'ann' }) // error
  t.operating({ user: 'otto', account: 'acme' }) // error
  t.operating({ user: 'otto' }).sender() // error
  await open('accounts.db', { edition: 'trial' }) // error
  await t.users.importFile('email\n') // error
  await t.users.importFile(5, { account: 'acme' }) // error
  await t.users.importFile('email\n', { account: 'acme', onProgress: (at: string) => true }) // error
  t.access('campaigns.send') // error
  t.acting({ user: 'ann', account: 'acme' }).access({ account: 'acme', user: 'ann', permission: 'x' }) // error
  const gate = t.acting({ user: 'ann', account: 'acme' }).sender()
  gate.admit('1') // error
  gate.admit(null) // error
  gate.last().granted // error
  gate.tryDecide().granted // error
  const told: boolean = gate.tryAdmit() // error
  t.tryAdmit({ account: 'acme', usr: 'ann' }) // error
  t.admit({ account: 'acme', usr: 'ann' }) // error
  new TenantryError() // error
  new Operations() // error
  t.sender = gate // error
  void [name, below]
}
