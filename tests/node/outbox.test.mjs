// Waiting for messages of the outbox, and carrying them out (R-OUT-1).
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { HandleUnusable, InvalidArgument } from 'tenantry'
import { platform } from './platform.mjs'

const run = promisify(execFile)
const tell = (t, campaign) => t.campaigns.stop({ account: 'acme', campaign })

/** What waits keeps no process alive: here the test does. */
async function alive(work) {
  const timer = setInterval(() => {}, 1000)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

test('waiting ends with the commit of a message, and takes no thread of the pool', () =>
  alive(async () => {
    const t = await platform()
    assert.equal(await t.outbox.wait({ timeoutMs: 0 }), undefined)
    // More than there are threads in the pool, and calls go on.
    const waiting = Array.from({ length: 10 }, () => t.outbox.wait({ timeoutMs: 60_000 }))
    await tell(t, 'spring')
    assert.deepEqual(await Promise.all(waiting), Array(10).fill(1))
    assert.equal(await t.outbox.wait({ after: 1, timeoutMs: 20 }), undefined)
    await assert.rejects(t.outbox.wait({ after: -1 }), InvalidArgument)
    await assert.rejects(t.outbox.wait({ until: 1 }), InvalidArgument)
    await t.close()
  }))

test('closing ends waiting', () =>
  alive(async () => {
    const t = await platform()
    const waiting = assert.rejects(t.outbox.wait(), HandleUnusable)
    await t.close()
    await waiting
  }))

test('messages come until they are acknowledged, and end when the store is closed', () =>
  alive(async () => {
    const t = await platform()
    await tell(t, 'one')
    await tell(t, 'two')
    const seen = []
    for await (const { message, deliveries } of t.outbox.messages({ consumer: 'mailer', holdMs: 1000 })) {
      seen.push([message.campaign, deliveries])
      if (message.campaign === 'two' && deliveries === 1) {
        // Nobody acknowledges it, and its time is over.
        await t.clock.set({ nowMs: (await t.clock.get()).nowMs + 1000 })
        continue
      }
      await t.outbox.ack({ consumer: 'mailer', numbers: [message.number] })
      if (message.campaign === 'two') setTimeout(() => tell(t, 'three'), 50)
      if (message.campaign === 'three') await t.close()
    }
    assert.deepEqual(seen, [['one', 1], ['two', 1], ['two', 2], ['three', 1]])
  }))

test('a process ends while somebody waits', async () => {
  const code = `
    import { open } from '${import.meta.resolve('tenantry')}'
    const t = await open(':memory:')
    t.outbox.wait().then(() => console.log('never'))
    console.log('waits')`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { timeout: 30_000 })
  assert.equal(stdout.trim(), 'waits')
})
