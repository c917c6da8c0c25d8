// Several processes of one machine share a store in SQLite: together they sell a limit once.
import assert from 'node:assert/strict'
import cluster from 'node:cluster'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'tenantry'

// ANCHOR: worker
/** One of several processes, such as a worker of a cluster. Each opens the store for itself. */
async function worker(store) {
  const t = await open(store, { create: false })
  const gate = t.sender({ account: 'acme' })
  let granted = 0
  for (let message = 0; message < 400; message++) granted += Number(await gate.admitAsync())
  await t.close()
  return granted
}
// ANCHOR_END: worker

async function primary(folder) {
  const store = `sqlite:${join(folder, 'accounts.db')}`
  const t = await open(store)
  await t.packages.create({ id: 'starter', name: 'Starter', limits: { email_per_day: 1000 } })
  await t.accounts.create({ id: 'acme', name: 'Acme', package: 'starter', owner: { user: 'olga', email: 'olga@acme.example' } })
  const run = () =>
    new Promise((resolve, reject) => {
      const child = cluster.fork({ STORE: store })
      child.once('message', resolve)
      child.once('exit', (code) => reject(new Error(`a worker ended with ${code}`)))
    })
  const granted = await Promise.all([run(), run(), run()])
  assert.equal(granted.reduce((sum, one) => sum + one, 0), 1000)

  // ANCHOR: change
  // What one process changes, the next call in any other sees.
  await t.accounts.hold({ account: 'acme', reason: 'billing' })
  assert.equal(await run(), 0)
  // ANCHOR_END: change
  await t.close()
}

if (cluster.isPrimary) {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-guide-'))
  try {
    await primary(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
} else {
  const granted = await worker(process.env.STORE)
  process.send(granted, () => process.exit(0))
}
