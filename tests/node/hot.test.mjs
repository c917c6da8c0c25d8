// The typed calls of the hot path, each held against its twin in JSON.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  const stores = await Promise.all([platform(), platform(), platform(), platform()])
  const [json, prepared, byIds, later] = stores
  for (const who of [{ account: 'acme', user: 'ann' }, { account: 'acme' }, { account: 'acme', user: 'nobody' }]) {
    const [gate, laterGate] = [prepared.sender(who), later.sender(who)]
    let asked = 0
    for (const change of ['none', 'hold', 'release', 'no role']) {
      for (const t of stores) await changed(t, change)
      for (const count of COUNTS) {
        const expected = await outcome(() => json.sending.admit({ ...who, count }))
        const what = `${count} by ${JSON.stringify(who)} after ${change}`
        assert.deepEqual(await outcome(() => gate.decide(count)), expected, `prepared: ${what}`)
        assert.deepEqual(await outcome(() => byIds.decide({ ...who, count })), expected, `by ids: ${what}`)
        const decide = asked++ % 2 ? () => laterGate.decideAsync(count) : () => later.decideAsync({ ...who, count })
        assert.deepEqual(await outcome(decide), expected, `later: ${what}`)
      }
    }
  }
  const usages = await Promise.all(stores.map((t) => t.usage.get({ account: 'acme' })))
  assert.deepEqual(usages[1], usages[0])
  assert.deepEqual(usages[2], usages[0])
  assert.deepEqual(usages[3], usages[0])
  await Promise.all(stores.map((t) => t.close()))
})

test('what memory can tell is told at once, and nothing else', async () => {
  const t = await platform()
  const who = { account: 'acme', user: 'ann' }
  const gate = t.sender(who)
  // Nothing is in memory yet.
  assert.deepEqual([gate.tryAdmit(), gate.tryDecide(), t.tryAdmit(who), t.tryDecide(who)], [null, null, null, null])
  assert.equal((await t.usage.get({ account: 'acme' })).windows.find(({ limit }) => limit === 'email_per_day').used, 0)
  assert.strictEqual(await gate.admitAsync(4), true)
  assert.strictEqual(await t.admitAsync({ ...who, count: 5 }), true)
  assert.equal((await gate.decideAsync()).remaining, 0)
  // A refusal that was never asked for before.
  const refused = gate.tryDecide()
  assert.equal(refused.refusal.code, 'quota_exceeded')
  assert.deepEqual(gate.last(), refused)
  assert.deepEqual([t.tryDecide(who), gate.decide(), await gate.decideAsync(), await t.decideAsync(who)], Array(4).fill(refused))
  assert.deepEqual([gate.tryAdmit(), t.tryAdmit(who), await gate.admitAsync(), await t.admitAsync(who)], Array(4).fill(false))

  const check = { ...who, permission: 'campaigns.send' }
  const access = t.access(check)
  assert.deepEqual([access.tryAllowed(), await access.allowedAsync(), access.tryAllowed(), t.tryAllowed(check)], [true, true, true, true])
  const stranger = { ...check, user: 'nobody' }
  assert.deepEqual([t.tryAllowed(stranger), await t.allowedAsync(stranger)], [null, false])

  assert.throws(() => gate.tryAdmit(0), { code: 'invalid_argument', field: '/count' })
  for (const work of [() => gate.admitAsync(-1), () => gate.decideAsync('1'), () => t.admitAsync({ ...who, counts: 1 }), () => t.allowedAsync(who)]) {
    await assert.rejects(work, { code: 'invalid_argument' })
  }
  assert.strictEqual(t.tryAdmit({ account: 'none' }), null)
  await assert.rejects(t.admitAsync({ account: 'none' }), { code: 'not_found' })
  await t.close()
  for (const work of [() => gate.admitAsync(), () => t.decideAsync(who), () => access.allowedAsync(), () => t.allowedAsync(check)]) {
    await assert.rejects(work, { code: 'closed' })
  }
  assert.throws(() => gate.tryDecide(), { code: 'closed' })
})

test('while another thread waits for the disk the event loop goes on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-'))
  try {
    const t = await platform(join(folder, 'accounts.db'))
    let turns = 0
    const turn = () => {
      turns++
      next = setImmediate(turn)
    }
    let next = setImmediate(turn)
    // Each draws a block, of which the first waits until it is on the disk.
    for (let n = 0; n < 5; n++) {
      const before = turns
      assert.strictEqual(await t.admitAsync({ account: 'acme', count: 2 }), true)
      assert.ok(turns > before, `${n}`)
    }
    clearImmediate(next)
    await t.close()
  } finally {
    await rm(folder, { recursive: true })
  }
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
