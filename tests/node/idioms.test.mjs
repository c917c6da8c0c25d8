// What JavaScript programs expect of a package: a default export, objects that say what they are, errors that help.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import * as named from 'tenantry'
import tenantry from 'tenantry'
import { platform, START_MS } from './platform.mjs'

const require = createRequire(import.meta.url)

test('the default export has every name', () => {
  assert.deepEqual(Object.keys(named).sort(), Object.keys(tenantry).sort())
  for (const name of Object.keys(tenantry)) assert.strictEqual(named[name], tenantry[name], name)
  assert.strictEqual(require('tenantry'), tenantry)
  assert.strictEqual(require('tenantry').default, tenantry)
})

test('objects say what they are, for whom, and whether the store is open', async () => {
  const t = await platform()
  const ann = { account: 'acme', user: 'ann' }
  const { token } = await t.apiKeys.create({ ...ann, name: 'Shop', permissions: [{ permission: 'campaigns' }] })
  const program = t.withApiKey({ token, ip: '192.0.2.7' })
  const expected = new Map([
    [t, "Tenantry { path: ':memory:', state: 'open' }"],
    [t.acting({ user: 'ann', account: 'acme', ip: '192.0.2.7' }), "Acting { path: ':memory:', account: 'acme', user: 'ann', ip: '192.0.2.7', state: 'open' }"],
    [t.operating({ user: 'otto' }), "Operating { path: ':memory:', user: 'otto', state: 'open' }"],
    [t.inSession({ token, account: 'acme' }), "InSession { path: ':memory:', account: 'acme', state: 'open' }"],
    [program, "WithApiKey { path: ':memory:', ip: '192.0.2.7', state: 'open' }"],
    [t.sender({ account: 'acme', channel: 'sms' }), "Sender { path: ':memory:', account: 'acme', channel: 'sms', state: 'open' }"],
    [t.acting(ann).sender(), "Sender { path: ':memory:', account: 'acme', user: 'ann', channel: 'email', state: 'open' }"],
    [await program.sender(), "Sender { path: ':memory:', account: 'acme', user: 'ann', channel: 'email', state: 'open' }"],
    [t.acting(ann).access('lists.view'), "Access { path: ':memory:', account: 'acme', user: 'ann', permission: 'lists.view', state: 'open' }"],
  ])
  for (const [object, shown] of expected) {
    assert.equal(inspect(object, { breakLength: Infinity }), shown)
    assert.ok(!inspect(object, { showHidden: true, depth: 9 }).includes(token))
  }
  assert.equal(inspect({ a: { t } }, { depth: 1 }), '{ a: { t: [Tenantry] } }')
  await t.close()
  for (const [object, shown] of expected) assert.equal(inspect(object, { breakLength: Infinity }), shown.replace('open', 'closed'))
})

test('the state shown is that of the handle, and the path that of the store', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-'))
  const path = join(folder, 'accounts.db')
  const [one, other] = [await platform(path), await tenantry.open(path, { manualClockMs: START_MS })]
  await one.close()
  assert.equal(inspect(one, { breakLength: Infinity }), `Tenantry { path: '${path}', state: 'closed' }`)
  assert.equal(inspect(other, { breakLength: Infinity }), `Tenantry { path: '${path}', state: 'open' }`)
  await other.close()
  await rm(folder, { recursive: true })
})

test('of the address of a database neither user nor password is shown', () => {
  const { shownPath } = require('../../bindings/node/lib/native.cjs')
  for (const [address, shown] of [
    ['postgresql://app:pa%40ss@127.0.0.1:5433/mail', 'postgresql://127.0.0.1:5433/mail?schema=tenantry'],
    ['postgres:///mail?host=/run/pg&user=app', 'postgresql:///run/pg/.s.PGSQL.5432/mail?schema=tenantry'],
    ['postgresql://app@db/mail?password=secret', 'the address'],
    ['sqlite:accounts.db', 'sqlite:accounts.db'],
    ['accounts.db', 'accounts.db'],
  ]) {
    assert.equal(shownPath(address), shown)
  }
})

test('names are in camelCase, and names of limits are values', async () => {
  const t = await platform()
  const edited = await t.users.edit({ user: 'ann', firstName: 'Ann', timeZone: 'Europe/Vienna' })
  assert.deepEqual([edited.profile.firstName, edited.profile.timeZone], ['Ann', 'Europe/Vienna'])
  const { limits } = await t.packages.get({ package: 'small' })
  assert.deepEqual(limits, { email_per_day: 10 })
  for (const [limit, value] of Object.entries(limits)) await t.limits.set({ account: 'acme', limit, value })
  await t.close()
})

test('whoever errs by a letter is told what is meant', async () => {
  const t = await platform()
  const create = (request) => t.packages.create({ name: 'Big', ...request })
  for (const [act, message] of [
    [() => create({ limits: { emailPerDay: 1 } }), '`limits/emailPerDay` is no field here; perhaps `email_per_day` is meant.'],
    [() => create({ limits: { email_per_dya: 1 } }), '`limits/email_per_dya` is no field here; perhaps `email_per_day` is meant.'],
    [() => t.members.add({ account: 'acme', first_name: 'Bo' }), '`first_name` is no field here; perhaps `firstName` is meant.'],
    [() => t.admitAsync({ acount: 'acme' }), '`acount` is no field here; perhaps `account` is meant.'],
    [() => t.acting({ account: 'acme', usr: 'ann' }), '`usr` is no field here; perhaps `user` is meant.'],
    [() => tenantry.open(':memory:', { cache_mib: 1 }), '`cache_mib` is no field here; perhaps `cacheMib` is meant.'],
    [() => create({ colour: 'red' }), '`colour` is no field here; leave it out.'],
    [() => create({ [`name${'e'.repeat(61)}`]: 1 }), `\`name${'e'.repeat(59)}…\` is no field here; leave it out.`],
  ]) {
    await assert.rejects(async () => act(), { code: 'invalid_argument', message })
  }
  await t.close()
})

test('what is left of a scope is closed with it', async () => {
  const t = await platform()
  // What `await using t = await open(...)` does at the end.
  await t[Symbol.asyncDispose]()
  assert.throws(() => t.admit({ account: 'acme' }), { code: 'closed' })
})
