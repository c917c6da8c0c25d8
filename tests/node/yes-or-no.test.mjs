import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { platform } from './platform.mjs'

// 17.6, R-ANS-1: what is asked for every message and every request answers true or false, by the same names as in Python and C++.

test('a loop ends with the limit', async () => {
  const t = await platform()
  let sent = 0
  while (t.admit({ account: 'acme' })) sent++
  assert.equal(sent, 10)
  const gate = t.sender({ account: 'acme' })
  assert.strictEqual(gate.admit(), false)
  assert.equal(gate.decide().refusal.code, 'quota_exceeded')
  assert.equal(t.decide({ account: 'acme' }).refusal.code, 'quota_exceeded')
  assert.strictEqual(t.allowed({ account: 'acme', user: 'ann', permission: 'accounts.delete' }), false)
  assert.strictEqual(t.access({ account: 'acme', user: 'ann', permission: 'accounts.delete' }).allowed(), false)
  assert.strictEqual((await t.access.check({ account: 'acme', user: 'ann', permission: 'accounts.delete' })).allowed, false)
  await t.close()
})

test('the types say which field says yes', async () => {
  const types = await readFile(new URL('../../bindings/node/lib/generated.d.cts', import.meta.url), 'utf8')
  const catalogue = JSON.parse(await readFile(new URL('../../include/tenantry.json', import.meta.url), 'utf8'))
  const yes = catalogue.types.filter((type) => type.yes)
  assert.ok(yes.length >= 10)
  for (const { name } of yes) {
    const [before] = types.split(`export interface ${name} {`)
    assert.match(before.slice(-400), /The object itself is true either way/, name)
  }
})
