// A service in a container: it opens the store of its volume, and closes it when it is asked to end.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'tenantry'

const folder = await mkdtemp(join(tmpdir(), 'tenantry-guide-'))
process.env.TENANTRY_STORE = join(folder, 'accounts')
await (await open(process.env.TENANTRY_STORE)).close()
// Somebody ends the service after a moment, as `docker stop` does.
setTimeout(() => process.kill(process.pid, 'SIGTERM'), 300)

// ANCHOR: serve
// With `create` off, a volume that is not mounted is an error, and not an empty platform. The one before may still be closing.
const t = await open(process.env.TENANTRY_STORE, { create: false, lockWaitMs: 30_000 })
const server = createServer((request, response) => response.end()).listen(0, '127.0.0.1')
const signal = await new Promise((resolve) => {
  for (const name of ['SIGTERM', 'SIGINT']) process.once(name, resolve)
})
await new Promise((resolve) => server.close(resolve))
// What was drawn ahead and not used is given back.
await t.close()
// ANCHOR_END: serve
assert.equal(signal, 'SIGTERM')
await assert.rejects(t.store.info(), { code: 'closed' })
await rm(folder, { recursive: true })

// ANCHOR: missing
await assert.rejects(open(process.env.TENANTRY_STORE, { create: false }), { code: 'store_missing' })
// ANCHOR_END: missing
