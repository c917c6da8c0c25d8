// An HTTP API that takes messages, on Fastify: each is decided, and charged for all of its recipients, before it is queued.
//
//   node host.mjs accounts 3000
import Fastify from 'fastify'
import { open, TenantryError } from 'tenantry'

/** For how many programs what was prepared is kept. */
const KEPT = 10_000

const MESSAGE = {
  type: 'object',
  required: ['to', 'subject', 'text'],
  properties: {
    to: { type: 'array', minItems: 1, maxItems: 1000, items: { type: 'string', maxLength: 254 } },
    subject: { type: 'string' },
    text: { type: 'string' },
  },
}

const [address = 'accounts', port = '3000'] = process.argv.slice(2)
const t = await open(address, { create: false })
const app = Fastify()
const programs = new Map()

/**
 * The program that asks. Its token is checked the first time; what is prepared then sees every later change, such as the
 * deletion of the key, by itself.
 */
async function programOf({ ip, headers }) {
  const token = headers.authorization?.match(/^Bearer (\S+)$/)?.[1] ?? ''
  const name = `${ip} ${token}`
  if (!programs.has(name)) {
    const { account } = await t.apiKeys.check({ token, ip })
    const actor = t.withApiKey({ token, ip })
    const program = { account, actor, sender: await actor.sender() }
    if (programs.size >= KEPT) programs.delete(programs.keys().next().value)
    programs.set(name, program)
  }
  return programs.get(name)
}

/** The decision for so many messages. A request that has a key of its own counts once, however often it is repeated. */
async function decided(request, count) {
  const { account, actor, sender } = await programOf(request)
  const key = request.headers['idempotency-key']
  return key === undefined ? sender.decideAsync(count) : actor.sending.admit({ account, count, key })
}

app.post('/messages', { schema: { body: MESSAGE } }, async (request, reply) => {
  const { granted, remaining, refusal } = await decided(request, request.body.to.length)
  if (refusal === undefined) {
    // A real host puts the message into its queue here; when that fails, `sending.refund` gives back what was charged.
    return reply.code(202).send({ granted, remaining })
  }
  const { code, limit, retryAtMs, httpStatus } = refusal
  if (retryAtMs !== undefined) reply.header('retry-after', Math.max(1, Math.ceil((retryAtMs - Date.now()) / 1000)))
  return reply.code(httpStatus).send({ code, limit: limit?.name, retryAtMs })
})

app.setErrorHandler((error, request, reply) => {
  if (!(error instanceof TenantryError)) return reply.send(error)
  const { code, field, message, httpStatus } = error
  // A text that cannot be a token is one that is wrong.
  return reply.code(field === '/token' ? 401 : httpStatus).send({ code, message })
})

app.addHook('onClose', () => t.close())
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())

await app.listen({ host: '127.0.0.1', port: Number(port) })
console.log(`listening on port ${app.server.address().port}`)
