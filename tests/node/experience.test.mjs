import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { open, version } from 'tenantry'
import { platform, START_MS } from './platform.mjs'

test('management answers in the names of JavaScript', async () => {
  const t = await platform()
  const me = t.acting({ user: 'olga', account: 'acme', ip: '203.0.113.7' })
  const account = await me.accounts.get({ account: 'acme' })
  assert.equal(account.name, 'Acme')
  assert.equal(account.createdAtMs, START_MS)
  assert.deepEqual(account.limits, {})
  assert.ok(!('parent' in account), 'what is absent has no key')

  const set = await t.limits.set({ account: 'acme', limit: 'email_per_hour', value: 'unlimited' })
  assert.deepEqual((await t.accounts.get({ account: 'acme' })).limits, { email_per_hour: 'unlimited' })
  assert.ok(set.limits.some((each) => each.limit === 'email_per_hour' && each.value === 'unlimited'))

  const member = await t.members.add({ account: 'acme', email: 'bo@acme.example', firstName: 'Bo', role: 'sender' })
  assert.equal(member.firstName, 'Bo')
  const { members } = await t.members.list({ account: 'acme' })
  assert.equal(members.length, 3)
  assert.ok(members.some((each) => each.user === member.user))
  await t.close()
})

test('operators are actors of their own', async () => {
  const t = await platform()
  const nobody = t.operating({ user: 'olga', ip: '203.0.113.7' })
  await assert.rejects(nobody.accounts.get({ account: 'acme' }), { code: 'not_found', details: { kind: 'operator', id: 'olga' } })
  await assert.rejects(nobody.call('accounts.get', { account: 'acme' }), { code: 'not_found' })
  await t.close()
})

test('a store is opened with its edition and key', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-'))
  const path = join(folder, 'accounts.db')
  await (await open(path, { edition: 'commercial', tokenKey: '0f'.repeat(32) })).close()
  await (await open(path, { edition: undefined, tokenKey: '0F'.repeat(32) })).close()
  await assert.rejects(open(path, { tokenKey: 'f0'.repeat(32) }), { code: 'invalid_argument', field: '/token_key' })
  await assert.rejects(open(':memory:', { edition: 'trial' }), { code: 'invalid_argument', field: '/edition' })
  await assert.rejects(open(':memory:', { tokenKey: '0g'.repeat(32) }), { code: 'invalid_argument', field: '/token_key' })
  await assert.rejects(open(':memory:', { tokenKey: 5 }), { code: 'invalid_argument', field: '/token_key' })
  const pepper = { id: '2026', key: '0f'.repeat(32) }
  await assert.rejects(open(':memory:', { peppers: [{ ...pepper, key: '0g'.repeat(32) }] }), { code: 'invalid_argument', field: '/peppers/0/key' })
  await assert.rejects(open(':memory:', { peppers: [pepper, pepper] }), { code: 'invalid_argument', field: '/peppers/1/id' })
  await assert.rejects(open(':memory:', { peppers: [{ ...pepper, name: 'x' }] }), { code: 'invalid_argument' })
  await rm(folder, { recursive: true })
})

test('a prepared sender grants, refuses and says why', async () => {
  const t = await platform()
  const gate = t.acting({ user: 'ann', account: 'acme' }).sender()
  assert.equal(gate.last(), undefined)
  assert.equal(gate.admit(), true)
  assert.deepEqual(gate.last(), { granted: 1, remaining: 9 })
  assert.equal(gate.admit(9n), true)
  assert.equal(gate.admit(1), false)
  const { granted, refusal, remaining } = gate.last()
  assert.equal(granted, 0)
  assert.equal(remaining, 0)
  assert.equal(refusal.code, 'quota_exceeded')
  assert.deepEqual(refusal.limit, {
    name: 'email_per_day',
    scope: 'account',
    subject: 'acme',
    value: 10,
    used: 10,
    source: 'package',
  })
  assert.ok(refusal.retryAtMs > START_MS)
  assert.equal(gate.decide(11).refusal.code, 'exceeds_limit')
  assert.ok(!('retryAtMs' in gate.last().refusal), 'waiting does not help')

  await t.clock.set({ nowMs: refusal.retryAtMs })
  assert.equal(gate.admit(10), true, 'the prepared sender sees the new day')
  await t.close()
})

test('prepared checks see every later change', async () => {
  const t = await platform()
  const ann = t.acting({ user: 'ann', account: 'acme' })
  const access = ann.access('campaigns.send')
  const byHost = t.access({ account: 'acme', user: 'ann', permission: 'campaigns.send' })
  assert.deepEqual([access.allowed(), byHost.allowed()], [true, true])
  await t.roles.edit({ role: 'sender', allow: [] })
  assert.deepEqual([access.allowed(), byHost.allowed()], [false, false])
  const explanation = await t.access.explain({ account: 'acme', user: 'ann', permission: 'campaigns.send' })
  assert.equal(explanation.refusal, 'permission_denied')
  assert.equal(explanation.steps.at(-1).kind, 'no_grant')
  await t.close()
})

test('the host sends for an account without a user', async () => {
  const t = await platform()
  const gate = t.sender({ account: 'acme' })
  assert.equal(gate.admit(2), true)
  assert.equal(t.admit({ account: 'acme' }), true)
  assert.deepEqual(t.decide({ account: 'acme', user: 'ann', count: 3n }), { granted: 3, remaining: 4 })
  assert.equal(t.allowed({ account: 'acme', user: 'ann', permission: 'campaigns.send' }), true)
  assert.equal(t.allowed({ account: 'acme', user: 'ann', permission: 'accounts.close' }), false)
  await t.close()
})

test('a store in a folder is there again, and closing twice is fine', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-'))
  const path = join(folder, 'accounts.db')
  const t = await platform(path)
  assert.equal(t.admit({ account: 'acme', count: 4 }), true)
  const { stateHash } = await t.store.stateHash()
  assert.match(stateHash, /^[0-9a-f]{64}$/)
  await t.close()
  await t.close()

  const again = await open(path, { cacheMib: 8, manualClockMs: START_MS, seed: 7 })
  const usage = await again.usage.get({ account: 'acme' })
  assert.equal(usage.windows.find((window) => window.limit === 'email_per_day').used, 4)
  await again[Symbol.asyncDispose]()
  await again[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

test('two opens of one path share the store', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-'))
  const path = join(folder, 'accounts.db')
  const first = await platform(path)
  const second = await open(path, { manualClockMs: START_MS })
  assert.equal(first.admit({ account: 'acme', count: 6 }), true)
  assert.equal(second.decide({ account: 'acme', count: 6 }).remaining, 4)
  await first.close()
  assert.equal(second.admit({ account: 'acme', count: 4 }), true, 'the other handle goes on')
  await second.close()
  await rm(folder, { recursive: true })
})

test('the version is that of the package', async () => {
  const manifest = await readFile(new URL('../../bindings/node/package.json', import.meta.url), 'utf8')
  assert.equal(version, JSON.parse(manifest).version)
})
