import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const example = (name) => run(process.execPath, [fileURLToPath(new URL(`../../examples/node/${name}`, import.meta.url))])

test('quickstart.mjs', async () => {
  const { stdout } = await example('quickstart.mjs')
  const lines = stdout.trimEnd().split('\n')
  assert.deepEqual(lines.slice(0, 5), [
    'acme has 2 members: ann, olga',
    'ann may not close the account: permission_denied',
    'message 1 goes out, 2 left today',
    'message 2 goes out, 1 left today',
    'message 3 goes out, 0 left today',
  ])
  assert.match(lines[5], /^message 4 waits: quota_exceeded \(email_per_day is 3\) until \d{4}-\d\d-\d\dT\d\d:\d\d:00\.000Z$/)
})

test('domains.mjs', async () => {
  assert.deepEqual(await example('domains.mjs'), { stdout: '', stderr: '' })
})

test('quickstart.cjs', async () => {
  const { stdout } = await example('quickstart.cjs')
  assert.deepEqual(stdout.trimEnd().split('\n').slice(0, 4), [
    'ann, campaigns.send: true',
    'ann, accounts.close: false',
    '25 messages: true',
    'email_per_hour: 25 of 100',
  ])
})
