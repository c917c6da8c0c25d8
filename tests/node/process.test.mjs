// What one process does to the store: workers, exits, collected objects.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { open } from 'tenantry'
import { platform, START_MS } from './platform.mjs'

const run = promisify(execFile)
const here = new URL('.', import.meta.url)

async function inFolder(work) {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-'))
  try {
    await work(join(folder, 'accounts.db'))
  } finally {
    await rm(folder, { recursive: true })
  }
}

const worker = (code, workerData) =>
  new Promise((resolve, reject) => {
    const module = `import { workerData, parentPort } from 'node:worker_threads'; import { open } from 'tenantry'; ${code}`
    const url = new URL(`data:text/javascript,${encodeURIComponent(module.replace("'tenantry'", `'${import.meta.resolve('tenantry')}'`))}`)
    const thread = new Worker(url, { workerData })
    let message
    thread.on('message', (value) => (message = value))
    thread.on('error', reject)
    thread.on('exit', (status) => (status === 0 ? resolve(message) : reject(new Error(`the worker ended with ${status}`))))
  })

test('a worker shares the store', () =>
  inFolder(async (path) => {
    const t = await platform(path)
    const code = `
      const t = await open(workerData.path, { manualClockMs: workerData.start })
      const granted = t.admit({ account: 'acme', count: 6 })
      await t.roles.create({ id: 'from-worker', name: 'From the worker' })
      parentPort.postMessage(granted)
      await t.close()`
    assert.equal(await worker(code, { path, start: START_MS }), true)
    assert.equal((await t.roles.get({ role: 'from-worker' })).name, 'From the worker')
    assert.equal(t.decide({ account: 'acme', count: 6 }).remaining, 4)
    await t.close()
  }))

test('workers that end in the middle leave the store whole', () =>
  inFolder(async (path) => {
    const t = await platform(path)
    const code = `
      const t = await open(workerData.path, { manualClockMs: workerData.start })
      for (let n = 0; n < 50; n++) t.roles.create({ id: workerData.name + '-' + n, name: 'Role' }).catch(() => {})
      process.exit(0)`
    await Promise.all([1, 2, 3, 4].map((n) => worker(code, { path, start: START_MS, name: `w${n}` })))
    assert.equal((await t.store.verify()).whole, true)
    await t.close()
  }))

test('leaving with work under way does not crash, and the store opens again', () =>
  inFolder(async (path) => {
    const code = `
      import { open } from 'tenantry'
      const t = await open(${JSON.stringify(path)})
      for (let n = 0; n < 200; n++) t.roles.create({ id: 'r-' + n, name: 'Role' }).catch(() => {})
      setTimeout(() => process.exit(0), 5)`
    const { stderr } = await run(process.execPath, ['--input-type=module', '-e', code], { cwd: here })
    assert.equal(stderr, '')
    const t = await open(path, { create: false })
    assert.equal((await t.store.verify()).whole, true)
    await t.close()
  }))

test('another process gets store_locked, with the pid of the first', () =>
  inFolder(async (path) => {
    const t = await platform(path)
    const code = `
      import { open } from 'tenantry'
      console.log(JSON.stringify(await open(${JSON.stringify(path)}).catch((error) => error)))`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { cwd: here })
    const error = JSON.parse(stdout)
    assert.equal(error.code, 'store_locked')
    assert.equal(error.details.pid, process.pid)
    await t.close()
  }))

test('handles that are forgotten are freed, and their store can be opened again', () =>
  inFolder(async (path) => {
    const code = `
      import { open } from 'tenantry'
      async function use() {
        const t = await open(${JSON.stringify(path)})
        for (let n = 0; n < 2000; n++) t.access({ account: 'acme', user: 'ann', permission: 'campaigns.send' })
      }
      const t = await open(${JSON.stringify(path)})
      await t.accounts.create({ id: 'acme', name: 'Acme', owner: { user: 'olga', email: 'o@acme.example' } })
      await t.close()
      for (let n = 0; n < 20; n++) {
        await use()
        globalThis.gc()
        await new Promise(setImmediate)
      }`
    await run(process.execPath, ['--expose-gc', '--input-type=module', '-e', code], { cwd: here })
    const t = await open(path)
    assert.equal((await t.accounts.get({ account: 'acme' })).name, 'Acme')
    await t.close()
  }))
