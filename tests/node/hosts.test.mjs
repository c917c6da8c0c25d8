// The hosts of examples/hosts that are written in JavaScript, each a process of its own on the loopback interface, asked by
// real clients for 10,000 messages: exactly the limit of 7,000 is granted.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { open } from 'tenantry'
import { setUp } from '../../examples/hosts/setup.mjs'

const run = promisify(execFile)
const hosts = fileURLToPath(new URL('../../examples/hosts/', import.meta.url))
const require = createRequire(join(hosts, 'setup.mjs'))
const { createTransport } = require('nodemailer')

const ASKED = 10_000
const LIMIT = 7_000

/** Works in an empty folder, with a program of a new platform in the store of this name; answers what was used then. */
async function platform(name, work) {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-hosts-'))
  try {
    const address = name(folder)
    await work({ folder, address, ...(await setUp(address, { limit: LIMIT })) })
    const t = await open(address, { create: false })
    const { windows } = await t.usage.get({ account: 'acme' })
    await t.close()
    return windows.find(({ limit }) => limit === 'email_per_day').used
  } finally {
    await rm(folder, { recursive: true })
  }
}

const inFolder = (folder) => join(folder, 'accounts')
const inFile = (folder) => `sqlite:${join(folder, 'accounts.db')}`

/** Runs a host until the work is done; it has to end by itself when it is told to. */
async function running(program, options, work) {
  const host = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  let told = ''
  for (const stream of [host.stdout, host.stderr]) stream.setEncoding('utf8').on('data', (text) => (told += text))
  const ended = new Promise((resolve) => host.once('close', (code, signal) => resolve(code ?? signal)))
  const said = async (what) => {
    for (;;) {
      const found = told.match(what)
      if (found) return found
      if (host.exitCode !== null || host.signalCode !== null) assert.fail(`the host ended: ${told}`)
      await sleep(20)
    }
  }
  try {
    await work(said)
    host.kill('SIGINT')
    assert.equal(await ended, 0, told)
  } finally {
    host.kill('SIGKILL')
  }
}

/** Sends are 1 to 19 messages each, 10,000 in all. */
function* sizes() {
  for (let left = ASKED, size = 1; left > 0; size = (size % 19) + 1) {
    yield Math.min(size, left)
    left -= Math.min(size, left)
  }
}

/** Does this for each, so many at a time. */
async function each(all, atOnce, work) {
  const next = all[Symbol.iterator]()
  const one = async () => {
    for (let { done, value } = next.next(); !done; { done, value } = next.next()) await work(value)
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}

/** Sends mails over pooled connections; answers for how many messages a 250 came, and all other replies. */
async function mailed(port, token) {
  const auth = { user: 'shop', pass: token }
  const mailer = createTransport({ pool: true, maxConnections: 8, maxMessages: Infinity, host: '127.0.0.1', port, ignoreTLS: true, auth })
  const [granted, replies] = [[], new Set()]
  const raw = 'Subject: Spring\r\n\r\nHello.\r\n'
  await each(sizes(), 16, async (size) => {
    const to = Array.from({ length: size }, (_, at) => `reader${at}@there.example`)
    try {
      await mailer.sendMail({ envelope: { from: 'ann@acme.example', to }, raw })
      granted.push(size)
    } catch (error) {
      replies.add(error.response)
    }
  })
  mailer.close()
  return { granted: granted.reduce((sum, one) => sum + one, 0), replies: [...replies] }
}

/** What a client without a right key is told. */
async function loggedIn(port, token) {
  const mailer = createTransport({ host: '127.0.0.1', port, ignoreTLS: true, auth: { user: 'shop', pass: token } })
  return mailer.verify().catch((error) => error.response)
}

const FULL = /^450 4\.7\.1 quota_exceeded \(email_per_day is 7000\); try again at \d{4}-\d\d-\d\dT00:00:00\.000Z$/

test('fastify: 10,000 requests', async () => {
  const used = await platform(inFolder, async ({ address, token }) => {
    await running([join(hosts, 'fastify/host.mjs'), address, '0'], {}, async (said) => {
      const [, port] = await said(/listening on port (\d+)/)
      const agent = new Agent({ keepAlive: true, maxSockets: 32 })
      const post = async (to, headers = {}) => {
        const content = { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers }
        const asked = request({ agent, port, method: 'POST', path: '/messages', headers: content })
        asked.end(JSON.stringify({ to, subject: 'Spring', text: 'Hello.' }))
        const [response] = await once(asked, 'response')
        return [response.statusCode, await json(response), response.headers['retry-after']]
      }
      const to = (size) => Array(size).fill('reader@there.example')
      assert.deepEqual(await post([]).then(([status]) => status), 400)
      assert.deepEqual(await post(to(1), { authorization: 'Bearer wrong' }).then(([status, { code }]) => [status, code]), [401, 'api_key_invalid'])
      // The same request, sent again: it counts once.
      const repeated = { 'idempotency-key': 'order-1' }
      const first = await post(to(5), repeated)
      assert.deepEqual(first, [202, { granted: 5, remaining: LIMIT - 5 }, undefined])
      assert.deepEqual(await post(to(5), repeated), first)

      const answers = { 202: 0, 429: 0 }
      await each(Array(ASKED), 32, async () => {
        const [status] = await post(to(1))
        answers[status]++
      })
      assert.deepEqual(answers, { 202: LIMIT - 5, 429: ASKED - LIMIT + 5 })
      const [status, { code, limit, retryAtMs }, retryAfter] = await post(to(1))
      assert.deepEqual([status, code, limit], [429, 'quota_exceeded', 'email_per_day'])
      assert.ok(Math.abs(Number(retryAfter) - (retryAtMs - Date.now()) / 1000) < 5)
      assert.deepEqual(await post(to(1000)).then(([status]) => status), 429)
      agent.destroy()
    })
  })
  assert.equal(used, LIMIT)
})

test('smtp-server: 10,000 messages', async () => {
  const used = await platform(inFolder, async ({ address, token }) => {
    await running([join(hosts, 'smtp-server/host.mjs'), address, '0'], {}, async (said) => {
      const [, port] = await said(/listening on port (\d+)/)
      assert.equal(await loggedIn(port, 'wrong'), '535 5.7.8 api_key_invalid')
      const { granted, replies } = await mailed(port, token)
      assert.equal(granted, LIMIT)
      assert.equal(replies.length, 1)
      assert.match(replies[0], FULL)
    })
  })
  assert.equal(used, LIMIT)
})

test('haraka, two workers: 10,000 messages', async () => {
  const used = await platform(inFile, async ({ folder, address, token }) => {
    const port = await freePort()
    const haraka = require.resolve('Haraka/bin/haraka')
    await run(process.execPath, [haraka, '-i', folder])
    await cp(join(hosts, 'haraka'), folder, { recursive: true })
    await writeFile(join(folder, 'config/tenantry.ini'), `store=${address}\n`)
    await writeFile(join(folder, 'config/smtp.ini'), `listen=127.0.0.1:${port}\nnodes=2\ngraceful_shutdown=true\n`)
    await writeFile(join(folder, 'config/plugins'), 'tenantry\nqueue/discard\n')
    await writeFile(join(folder, 'config/log.ini'), 'level=notice\n')
    const env = { ...process.env, YES_REALLY_DO_DISCARD: '1' }
    await running([haraka, '-c', folder], { env }, async (said) => {
      await said(/worker 1 listening[^]*worker 2 listening|worker 2 listening[^]*worker 1 listening/)
      assert.equal(await loggedIn(port, 'wrong'), '535 5.7.8 api_key_invalid')
      const { granted, replies } = await mailed(port, token)
      assert.equal(granted, LIMIT)
      for (const reply of replies) assert.match(reply, FULL)
    })
  })
  assert.equal(used, LIMIT)
})

/** A port that nobody listens on now. */
async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}
