// What happens to a store arrives at the function of `setLogger`, which holds nobody up and keeps no process alive.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { open, setLogger } from 'tenantry'

const CANARY = '27182818284590452353'
const PASSWORD = `nine wild horses and ${CANARY}`

afterEach(() => setLogger(null))

async function work(path, options) {
  const t = await open(path, options)
  await t.accounts.create({ id: 'acme', name: 'Acme', owner: { user: 'olga', email: `olga${CANARY}@acme.example` } })
  await t.passwords.set({ user: 'olga', password: PASSWORD })
  const { token } = await t.sessions.create({ email: `olga${CANARY}@acme.example`, password: PASSWORD })
  await t.close()
  return token
}

test('events have level, target, message and fields, and no secret', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-log-'))
  const events = []
  setLogger((event) => events.push(event))
  const path = join(folder, 'store')
  const token = await work(path, { slowMs: 1 })
  rmSync(folder, { recursive: true })
  const opened = events.find(({ message }) => message === 'The store was opened.')
  assert.deepEqual([opened.level, opened.target], ['info', 'tenantry.store'])
  assert.deepEqual([opened.fields.kind, opened.fields.path], ['folder', path])
  assert.ok(Math.abs(Date.now() - opened.atMs) < 600_000)
  const slow = events.filter(({ message }) => message === 'An operation was slow.')
  assert.ok(slow.some(({ level, target, fields }) => level === 'warn' && target === 'tenantry.operations' && fields.operation === 'passwords.set' && fields.took_ms >= 1))
  assert.equal(events.at(-1).message, 'The store was closed.', 'it has arrived when the store is closed')
  const shown = JSON.stringify(events)
  for (const secret of [CANARY, token.slice(-40), '@']) assert.ok(!shown.includes(secret), secret)
})

test('a level leaves out what is less grave, and null ends it', async () => {
  const events = []
  setLogger((event) => events.push(event), { level: 'warn' })
  await (await open(':memory:')).close()
  assert.deepEqual(events, [])
  setLogger((event) => events.push(event))
  await (await open(':memory:')).close()
  assert.equal(events.length, 2)
  setLogger(null)
  await (await open(':memory:')).close()
  assert.equal(events.length, 2)
  for (const wrong of [undefined, 'x', {}]) assert.throws(() => setLogger(wrong), { code: 'invalid_argument' })
  for (const options of [{ level: 'loud' }, { levl: 'info' }]) assert.throws(() => setLogger(() => {}, options), { code: 'invalid_argument' })
})

test('an event loop that is busy holds nobody up, and a process that logs ends', () => {
  const script = `
    import { open, setLogger } from 'tenantry'
    let count = 0
    setLogger(() => count++)
    const t = await open(':memory:')
    const until = Date.now() + 100
    while (Date.now() < until);
    await t.roles.create({ id: 'one', name: 'One' })
    process.on('exit', () => console.log(count))
  `
  const heard = execFileSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 30_000, encoding: 'utf8', cwd: import.meta.dirname })
  assert.equal(heard, '1\n')
})
