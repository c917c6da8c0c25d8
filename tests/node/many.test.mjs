// Several processes with one store in SQLite sell exactly the limit.
import assert from 'node:assert/strict'
import cluster from 'node:cluster'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { open } from 'tenantry'

const LIMIT = 1000

test('a cluster of four', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-many-'))
  try {
    const path = `sqlite:${join(folder, 'accounts.db')}`
    const t = await open(path)
    await t.packages.create({ id: 'small', name: 'Small', limits: { email_per_day: LIMIT } })
    await t.accounts.create({ id: 'acme', name: 'Acme', package: 'small', owner: { user: 'olga', email: 'olga@acme.example' } })
    // The primary goes on beside its workers.
    cluster.setupPrimary({ exec: fileURLToPath(new URL('many-worker.mjs', import.meta.url)), args: [path, String(LIMIT)] })
    const granted = await Promise.all(
      Array.from({ length: 4 }, () => {
        const worker = cluster.fork()
        return new Promise((resolve, reject) => {
          worker.once('message', resolve)
          worker.once('exit', (code) => reject(new Error(`a worker ended with ${code}`)))
        })
      }),
    )
    assert.equal(granted.reduce((sum, one) => sum + one, 0), LIMIT)
    assert.equal(t.admit({ account: 'acme' }), false)
    await t.close()
  } finally {
    await rm(folder, { recursive: true })
  }
})
