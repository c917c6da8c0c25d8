// The conformance driver itself: its answers are those of the wire.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { START_MS } from './platform.mjs'

const LINES = [
  ['open', ':memory:', JSON.stringify({ clock: { manual_ms: START_MS }, seed: 7 })],
  ['call', '{"kind":"system"}', 'accounts.create', '{"id":"acme","name":"Acme","owner":{"user":"olga","email":"olga@acme.example"},"limits":{"email_per_day":2}}'],
  ['call', '{"kind":"user","user":"olga","account":"acme"}', 'accounts.get', '{"account":"acme"}'],
  ['call', '', 'accounts.get', '{"account":"acme","nope":1}'],
  ['call', '', 'accounts.explode', '{}'],
  ['admit', 'acme', '-', '1'],
  ['admit', 'acme', 'olga', '1'],
  ['admit', 'acme', '-', '1'],
  ['check', 'acme', 'olga', 'campaigns.send'],
  ['check', 'nobody', 'olga', 'campaigns.send'],
  ['close'],
  ['admit', 'acme', '-', '1'],
]

test('each command prints one line', () => {
  const input = LINES.map((line) => `${line.join('\t')}\n`).join('')
  const driver = fileURLToPath(new URL('driver.mjs', import.meta.url))
  const { stdout, stderr, status } = spawnSync(process.execPath, [driver], { input, encoding: 'utf8' })
  assert.equal(stderr, '')
  assert.equal(status, 0)
  const answers = stdout.trimEnd().split('\n').map((line) => JSON.parse(line))
  assert.equal(answers.length, LINES.length)
  const [opened, created, read, unknownField, unknownOperation, first, second, third, check, checkNobody, closed, afterwards] = answers
  assert.deepEqual([opened, closed], [{ ok: {} }, { ok: {} }])
  assert.equal(created.ok.created_at_ms, START_MS)
  assert.deepEqual(read, created)
  assert.deepEqual([unknownField.error.code, unknownField.error.field], ['invalid_argument', '/nope'])
  assert.equal(unknownOperation.error.code, 'unknown_operation')
  assert.deepEqual([first, second], [{ ok: { granted: 1, remaining: 1 } }, { ok: { granted: 1, remaining: 0 } }])
  assert.deepEqual([third.ok.granted, third.ok.refusal.code, third.ok.refusal.limit.name], [0, 'quota_exceeded', 'email_per_day'])
  assert.equal(typeof third.ok.refusal.retry_at_ms, 'number')
  assert.deepEqual(check, { ok: { allowed: true } })
  assert.equal(checkNobody.error.code, 'not_found')
  assert.equal(afterwards.error.code, 'closed')
})
