// The typed calls of the hot path, each held against its twin in JSON.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TenantryError } from 'tenantry'
import { platform } from './platform.mjs'

const COUNTS = [1, 4, 0, 11, 5, 1, 2 ** 53 - 1, 1]

const outcome = async (act) => {
  try {
    return await act()
  } catch (error) {
    assert.ok(error instanceof TenantryError, error)
    return error.toJSON()
  }
}

async function changed(t, change) {
  if (change === 'hold') await t.accounts.hold({ account: 'acme', reason: 'abuse' })
  if (change === 'release') {
    const { holds } = await t.accounts.get({ account: 'acme' })
    await t.accounts.release({ account: 'acme', hold: holds[0].hold })
  }
  if (change === 'no role') await t.roles.edit({ role: 'sender', allow: [] })
}

test('admissions equal sending.admit', async () => {
  const stores = await Promise.all([platform(), platform(), platform()])
  const [json, prepared, byIds] = stores
  for (const who of [{ account: 'acme', user: 'ann' }, { account: 'acme' }, { account: 'acme', user: 'nobody' }]) {
    const gate = prepared.sender(who)
    for (const change of ['none', 'hold', 'release', 'no role']) {
      for (const t of stores) await changed(t, change)
      for (const count of COUNTS) {
        const expected = await outcome(() => json.sending.admit({ ...who, count }))
        const what = `${count} by ${JSON.stringify(who)} after ${change}`
        assert.deepEqual(await outcome(() => gate.decide(count)), expected, `prepared: ${what}`)
        assert.deepEqual(await outcome(() => byIds.decide({ ...who, count })), expected, `by ids: ${what}`)
      }
    }
  }
  const usages = await Promise.all(stores.map((t) => t.usage.get({ account: 'acme' })))
  assert.deepEqual(usages[1], usages[0])
  assert.deepEqual(usages[2], usages[0])
  await Promise.all(stores.map((t) => t.close()))
})

test('a boolean admission is the decision in short', async () => {
  const [a, b] = [await platform(), await platform()]
  const [gate, twin] = [a.sender({ account: 'acme' }), b.sender({ account: 'acme' })]
  for (const count of [3, 7, 1]) {
    const decision = twin.decide(count)
    assert.equal(gate.admit(count), decision.refusal === undefined)
    assert.deepEqual(gate.last(), decision)
  }
  await Promise.all([a.close(), b.close()])
})

test('checks equal access.check', async () => {
  const t = await platform()
  const { permissions } = await t.permissions.list()
  assert.ok(permissions.length > 50)
  for (const user of ['ann', 'olga', 'nobody']) {
    for (const { permission } of permissions) {
      const subject = { account: 'acme', user, permission }
      const { allowed } = await t.access.check(subject)
      assert.equal(t.allowed(subject), allowed, JSON.stringify(subject))
      assert.equal(t.access(subject).allowed(), allowed, JSON.stringify(subject))
    }
  }
  for (const subject of [{ account: 'none', user: 'ann', permission: 'campaigns.send' }, { account: 'acme', user: 'ann', permission: 'no.such' }]) {
    const { code } = await outcome(() => t.access.check(subject))
    assert.equal((await outcome(() => t.allowed(subject))).code, code)
    assert.equal((await outcome(() => t.access(subject))).code, code)
  }
  await t.close()
})

test('prepared senders of users and programs look at where they come from (R-SES-3, R-SES-7)', async () => {
  const t = await platform()
  const permissions = [{ permission: 'campaigns' }]
  const { token, apiKey } = await t.apiKeys.create({ account: 'acme', user: 'ann', name: 'Shop', permissions, allowList: ['192.0.2.0/24'] })
  const [near, far] = ['192.0.2.7', '198.51.100.7']
  const reason = (gate) => gate.decide().refusal?.code
  const host = t.sender({ account: 'acme', user: 'ann' })
  const users = [undefined, near, far].map((ip) => t.acting({ user: 'ann', account: 'acme', ip }).sender())
  const program = t.withApiKey({ token, ip: near })
  const gate = await program.sender()
  await assert.rejects(t.withApiKey({ token, ip: far }).sender(), { code: 'ip_not_allowed', field: '/ip' })
  assert.deepEqual([host, ...users, gate].map(reason), [undefined, undefined, undefined, undefined, undefined])
  await t.addresses.set({ account: 'acme', user: 'ann', addresses: ['192.0.2.0/24'] })
  assert.deepEqual([host, ...users, gate].map(reason), [undefined, 'ip_not_allowed', undefined, 'ip_not_allowed', undefined])
  await assert.rejects(program.users.get({ user: 'ann' }), { code: 'permission_denied' })
  await t.apiKeys.delete({ account: 'acme', apiKey: apiKey.id })
  assert.equal(reason(gate), 'api_key_invalid')
  await assert.rejects(program.sending.admit({ account: 'acme', count: 1 }), { code: 'api_key_invalid', field: '/actor/token' })
  await t.close()
})
