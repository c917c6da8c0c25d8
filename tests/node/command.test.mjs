// The command `tenantry`, as npm links it.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = new URL('../../bindings/node/', import.meta.url)
const { bin } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
const command = fileURLToPath(new URL(bin.tenantry, root))

function run(...args) {
  const env = { ...process.env, TENANTRY_STORE: ':memory:' }
  return spawnSync(command, args, { env, encoding: 'utf8', timeout: 60_000 })
}

test('it ends with the code of what was asked', () => {
  const helped = run('--help')
  assert.deepEqual([helped.status, helped.stderr], [0, ''])
  assert.match(helped.stdout, /backup/)
  const whole = run('verify', '--json')
  assert.equal(whole.status, 0)
  assert.equal(JSON.parse(whole.stdout).whole, true)
  const refused = run('accounts.get', '--account', 'nobody')
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /not_found/)
  assert.equal(run('no-such-command').status, 2)
})
