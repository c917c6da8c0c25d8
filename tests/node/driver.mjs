// Runs a conformance scenario through the typed API: reads commands from standard input, prints one JSON line for each.
//
//   open <path> <options>        call <actor> <operation> <request>      close
//   admit <account> <user or -> <count> <options>      check <account> <user> <permission>
//
// separated by tabs, JSON as on the wire. Requests are given the names of JavaScript and answers the names of the wire.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { open, TenantryError } from 'tenantry'

const require = createRequire(import.meta.url)
const { encode } = require('../../bindings/node/lib/codec.cjs')
const { OPERATIONS, TYPES } = require('../../bindings/node/lib/generated.cjs')

let store
let prepared
let admissions = 0

/** What runs operations as this actor. */
function callerOf(kind, who) {
  if (kind === 'system') return store
  if (kind === 'operator') return store.operating(who)
  if (kind === 'api_key') return store.withApiKey(who)
  return kind === 'session' ? store.inSession(who) : store.acting(who)
}

const commands = {
  async open(path, options) {
    const { cache_mib: cacheMib, lock_wait_ms: lockWaitMs, token_key: tokenKey, clock, ...others } = JSON.parse(options || '{}')
    const { store_timeout_ms: storeTimeoutMs, poll_ms: pollMs, stale_ms: staleMs, slow_ms: slowMs, ...same } = others
    const forServers = { storeTimeoutMs, pollMs, staleMs, slowMs }
    store = await open(path, { ...same, ...forServers, cacheMib, lockWaitMs, tokenKey, manualClockMs: clock?.manual_ms })
    prepared = new Map()
    return {}
  },

  async call(actor, operation, request) {
    const { kind = 'system', ...who } = JSON.parse(actor || '{}')
    const caller = callerOf(kind, who)
    const wire = JSON.parse(request || '{}')
    const types = OPERATIONS[operation]
    if (types === undefined) return caller.call(operation, wire)
    const [namespace, method] = operation.split('.').map(camel)
    const typed = javascript(types.request, wire)
    const refused = outcome(() => encode(types.request, typed)).error
    if (refused === undefined) return encode(types.answer, await caller[namespace][method](typed))

    // JavaScript refuses it before the core sees it, in words of its own: the core must refuse the same.
    const { code, field } = refused
    await assert.rejects(caller[namespace][method](typed), { code, field })
    const answer = await caller.call(operation, wire).catch((error) => error)
    assert.deepEqual({ code: answer.code, field: answer.field }, { code, field })
    throw answer
  },

  async admit(account, user, count, options) {
    const who = user === '-' ? { account } : { account, user }
    const byIds = options === '' && ++admissions % 2 === 0
    const decision = byIds
      ? store.decide({ ...who, count: Number(count) })
      : once(`${account}\t${user}\t${options}`, () => {
          const { acting, ...said } = javascript(OPERATIONS['sending.admit'].request, JSON.parse(options || '{}'))
          return acting === undefined ? store.sender({ ...who, ...said }) : store.acting({ ...who, ...acting }).sender(said)
        }).decide(Number(count))
    return encode(OPERATIONS['sending.admit'].answer, decision)
  },

  async check(account, user, permission) {
    const question = { account, user, permission }
    const byIds = outcome(() => store.allowed(question))
    const handle = outcome(() => once(`${account}\t${user}\t${permission}`, () => store.access(question)).allowed())
    assert.deepEqual(handle, byIds, 'a prepared check and one by ids disagree')
    if (byIds.error) throw byIds.error
    return { allowed: byIds.ok }
  },

  async close() {
    await store.close()
    return {}
  },
}

/** Handles are prepared once: they must see every later change. */
function once(key, prepare) {
  if (!prepared.has(key)) prepared.set(key, prepare())
  return prepared.get(key)
}

function outcome(action) {
  try {
    return { ok: action() }
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
    return { error }
  }
}

function camel(name) {
  return name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())
}

/** A request of the wire in the names of JavaScript; what does not fit its type stays, to be refused. */
function javascript(type, value) {
  if (typeof value !== 'object' || value === null || Array.isArray(type) !== Array.isArray(value)) return value
  if (Array.isArray(type)) return value.map((each) => javascript(type[0], each))
  const names = new Map(Object.entries(TYPES[type] ?? {}).map(([name, [wire, of]]) => [wire, [name, of]]))
  return Object.fromEntries(
    Object.entries(value).map(([wire, each]) => {
      const [name, of] = names.get(wire) ?? [wire, 'text']
      return [name, javascript(of, each)]
    }),
  )
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...args] = line.split('\t')
  const answer = await commands[command](...args).then(
    (ok) => ({ ok }),
    (error) => {
      if (error instanceof TenantryError) return { error }
      throw error
    },
  )
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
