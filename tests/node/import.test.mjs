// A file of users: part by part, with progress, as every kind of actor.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HandleUnusable, InvalidArgument, NotFound, open, Refused } from 'tenantry'
import { platform } from './platform.mjs'

const rows = (count) => ['email', ...Array.from({ length: count }, (_, row) => `u${row}@acme.example`), ''].join('\n')
const options = { account: 'acme', role: 'sender' }

test('a file goes in part by part, and the event loop goes on', async () => {
  const t = await platform()
  const file = Buffer.from(`${rows(1200)}nobody\n`)
  const seen = []
  let ticks = 0
  const ticking = setInterval(() => ticks++, 1)
  const onProgress = (at) => {
    // A function that answers nothing goes on, and it may use the store.
    assert.equal(t.allowed({ account: 'acme', user: 'ann', permission: 'campaigns.send' }), true)
    seen.push(at)
  }
  const done = await t.users.importFile(file, { ...options, onProgress })
  clearInterval(ticking)
  assert.ok(ticks > 0)
  const { results, ...counts } = done
  assert.deepEqual(counts, { rows: 1201, created: 1200, members: 1200, refused: 1, stopped: false })
  assert.deepEqual(results.map(({ line, problem }) => [line, problem.field, problem.code]), [[1202, '/email', 'invalid_argument']])
  assert.deepEqual(seen.map((at) => at.rows), [500, 1000, 1201])
  assert.deepEqual(seen.at(-1), { rows: 1201, bytes: file.length, bytesTotal: file.length })
  await t.close()
})

test('false stops, and what is in stays', async () => {
  const t = await platform()
  const stopped = await t.users.importFile(rows(600), { ...options, onProgress: () => false })
  assert.deepEqual([stopped.rows, stopped.members, stopped.stopped], [500, 500, true])
  const whole = await t.users.importFile(new Uint8Array(Buffer.from(rows(600))), options)
  assert.deepEqual([whole.members, whole.refused, whole.stopped], [100, 500, false])
  await t.close()
})

test('what the function throws, whatever it is, the promise rejects with', async () => {
  const t = await platform()
  for (const thrown of [new Error('enough'), 'enough', undefined]) {
    const onProgress = () => {
      throw thrown
    }
    const caught = await t.users.importFile(rows(600), { ...options, onProgress }).then(
      () => assert.fail('it was not thrown'),
      (error) => ({ error }),
    )
    assert.equal(caught.error, thrown)
  }
  assert.equal((await t.users.exportCsv({ account: 'acme' })).rows, 502)
  await t.close()
})

test('all or nothing', async () => {
  const t = await platform()
  const done = await t.users.importFile(`${rows(10)}nobody`, { ...options, atomic: true })
  assert.deepEqual([done.rows, done.members, done.refused], [11, 0, 1])
  await assert.rejects(t.users.importFile(rows(1001), { ...options, atomic: true }), { code: 'invalid_argument', field: '/atomic' })
  await t.close()
})

test('what is no file of users is refused', async () => {
  const t = await platform()
  const before = await t.store.stateHash()
  const refused = async (file, given, expected) => {
    const error = await t.users.importFile(file, given).then(() => assert.fail(`${file} was taken`), (error) => error)
    assert.ok(error instanceof InvalidArgument, error.stack)
    assert.deepEqual([error.code, error.field ?? error.details.line], expected)
  }
  await refused('', options, ['csv_invalid', '/csv'])
  await refused('email,colour\n', options, ['csv_invalid', '/csv'])
  await refused(Uint8Array.of(0xff), options, ['csv_invalid', '/csv'])
  await refused('email\n\ud800', options, ['invalid_argument', '/csv'])
  for (const file of [5, null, undefined, ['email'], {}, new ArrayBuffer(5)]) await refused(file, options, ['invalid_argument', '/csv'])
  await refused('email\n', undefined, ['invalid_argument', ''])
  await refused('email\n', { ...options, roles: 'x' }, ['invalid_argument', '/roles'])
  await refused('email\n', { ...options, onProgress: 5 }, ['invalid_argument', '/onProgress'])
  await refused('email\n', { ...options, atomic: 'yes' }, ['invalid_argument', '/atomic'])
  await refused('email\n', { role: 'sender' }, ['invalid_argument', ''])
  await assert.rejects(t.users.importFile(rows(1), { account: 'nobody' }), NotFound)
  assert.deepEqual(await t.store.stateHash(), before)
  await t.close()
  await assert.rejects(t.users.importFile(rows(1), options), HandleUnusable)
})

test('every actor imports what they may', async () => {
  const t = await platform()
  const olga = t.acting({ user: 'olga', account: 'acme' })
  assert.equal((await olga.users.importFile(rows(1), options)).members, 1)
  await assert.rejects(t.acting({ user: 'ann', account: 'acme' }).users.importFile(rows(1), options), Refused)
  await assert.rejects(t.operating({ user: 'ann' }).users.importFile(rows(1), options), { code: 'not_found', details: { kind: 'operator', id: 'ann', rows_done: 0 } })
  await t.close()
})

test('what comes out goes in again', async () => {
  const t = await platform()
  await t.members.add({ account: 'acme', email: '+eve@acme.example', firstName: '=1+1', lastName: "'=Eve, \"E\"", role: 'sender' })
  const { csv } = await t.users.exportCsv({ account: 'acme' })
  const other = await platform()
  const done = await other.users.importCsv({ account: 'acme', csv })
  assert.deepEqual([done.members, done.refused], [1, 2])
  assert.equal((await other.users.exportCsv({ account: 'acme' })).csv, csv)
  await t.close()
  await other.close()
})

test('a process that ends in the middle of an import ends, and so does a worker', async () => {
  const { execFile } = await import('node:child_process')
  const { promisify } = await import('node:util')
  const { Worker } = await import('node:worker_threads')
  const code = (leave) => `
    import { open } from 'tenantry'
    const t = await open(':memory:')
    await t.accounts.create({ id: 'acme', name: 'Acme', owner: { user: 'olga', email: 'o@acme.example' } })
    const rows = 'email\\n' + Array.from({ length: 2000 }, (_, row) => 'u' + row + '@acme.example').join('\\n')
    t.users.importFile(rows, { account: 'acme', role: 'editor', onProgress: () => { ${leave} } })
    setTimeout(() => process.exit(0), 200)`
  for (const leave of ['process.exit(0)', 'setImmediate(process.exit)', 'while (true);']) {
    if (leave.startsWith('while')) {
      const module = code(leave).replace("'tenantry'", `'${import.meta.resolve('tenantry')}'`)
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(module)}`))
      await new Promise((resolve) => setTimeout(resolve, 1000))
      await worker.terminate()
      continue
    }
    const arguments_ = ['--input-type=module', '-e', code(leave)]
    const { stderr } = await promisify(execFile)(process.execPath, arguments_, { cwd: new URL('.', import.meta.url), timeout: 60_000 })
    assert.equal(stderr, '')
  }
})
