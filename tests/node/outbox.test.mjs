// Waiting for messages of the outbox, and carrying them out (R-OUT-1).
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { HandleUnusable, InvalidArgument } from 'tenantry'
import { platform } from './platform.mjs'

const run = promisify(execFile)
const tell = (t, campaign) => t.campaigns.stop({ account: 'acme', campaign })

test('waiting ends with the commit of a message, and takes no thread of the pool', async () => {
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
})

test('closing ends waiting', async () => {
  const t = await platform()
  const waiting = assert.rejects(t.outbox.wait(), HandleUnusable)
  await t.close()
  await waiting
})

test('messages come until they are acknowledged, and end when the store is closed', async () => {
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
})

/** Runs a program of which nothing but the outbox keeps the process alive; answers what it printed and how it ended. */
async function alone(code, timeout = 30_000) {
  const program = `
    import { open } from '${import.meta.resolve('tenantry')}'
    const t = await open(':memory:')
    const owner = { user: 'olga', email: 'olga@acme.example' }
    await t.accounts.create({ id: 'acme', name: 'Acme', owner })
    const later = (ms, work) => setTimeout(work, ms).unref()
    ${code}`
  try {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { timeout })
    return { code: 0, lines: stdout.trim().split('\n') }
  } catch (error) {
    return { code: error.code, lines: error.stdout.trim().split('\n') }
  }
}

test('waiting is work enough for a process', async () => {
  const waited = await alone(`
    const began = Date.now()
    console.log(await t.outbox.wait({ timeoutMs: 700 }))
    console.log(Date.now() - began >= 690)`)
  assert.deepEqual(waited, { code: 0, lines: ['undefined', 'true'] })
})

test('messages are work enough for a process, until the store is closed', async () => {
  const seen = await alone(`
    later(400, () => t.campaigns.stop({ account: 'acme', campaign: 'spring' }))
    later(1200, () => t.close())
    for await (const { message } of t.outbox.messages({ consumer: 'mailer' })) {
      console.log(message.campaign)
      await t.outbox.ack({ consumer: 'mailer', numbers: [message.number] })
    }
    console.log('ended')`)
  assert.deepEqual(seen, { code: 0, lines: ['spring', 'ended'] })
})

test('nothing that is over keeps a process alive', async () => {
  const over = await alone(`
    const told = t.outbox.wait()
    await t.campaigns.stop({ account: 'acme', campaign: 'spring' })
    await told
    await t.outbox.wait({ after: 1, timeoutMs: 20 })
    const closed = t.outbox.wait({ after: 1 }).catch((error) => error.code)
    await t.close()
    console.log(await closed)`)
  assert.deepEqual(over, { code: 0, lines: ['closed'] })
})

test('who leaves leaves, and so does a worker, while somebody waits', async () => {
  const began = Date.now()
  const left = await alone(`
    t.outbox.wait().then(() => console.log('never'))
    console.log('leaves')
    later(100, () => process.exit(7))`)
  assert.deepEqual(left, { code: 7, lines: ['leaves'] })
  const ended = await alone(`
    import { Worker } from 'node:worker_threads'
    const waits = "import { parentPort } from 'node:worker_threads'; import('${import.meta.resolve('tenantry')}').then(async ({ open }) => {" +
      "const t = await open(':memory:'); t.outbox.wait(); parentPort.postMessage('waits') })"
    const worker = new Worker(waits, { eval: true })
    worker.on('message', async (word) => {
      console.log(word, await worker.terminate())
    })`)
  assert.deepEqual(ended, { code: 0, lines: ['waits 1'] })
  assert.ok(Date.now() - began < 20_000)
})
