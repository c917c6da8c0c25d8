import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { InvalidArgument, open } from 'tenantry'
import { platform } from './platform.mjs'

const native = createRequire(import.meta.url)('../../bindings/node/lib/native.cjs')

const MIB = 1 << 20
const COUNTS = [-1, 1.5, NaN, Infinity, -Infinity, 2 ** 53, 2n ** 53n, -1n, 10n ** 400n, '1', '', null, true, {}, [], [1], Symbol('1')]

function nested(depth) {
  let value = []
  for (let level = 1; level < depth; level++) value = [value]
  return value
}

let t, gate
before(async () => {
  t = await platform()
  gate = t.sender({ account: 'acme', user: 'ann' })
})
after(() => t.close())

/** Runs the table; afterwards the store is what it was. */
async function refused(cases) {
  const before = await t.store.stateHash()
  for (const [what, act, field, code = 'invalid_argument'] of cases) {
    const error = await (async () => act())().then(
      (answer) => assert.fail(`${what} was accepted: ${JSON.stringify(answer)}`),
      (error) => error,
    )
    assert.ok(error instanceof InvalidArgument, `${what}: ${error.stack}`)
    assert.equal(error.code, code, what)
    if (field !== undefined) assert.equal(error.field, field, `${what}: ${error.message}`)
  }
  assert.deepEqual(await t.store.stateHash(), before)
}

const create = (request) => t.packages.create({ id: 'bad', name: 'Bad', ...request })

test('requests that cannot be right', () =>
  refused([
    ['an unknown operation', () => t.call('accounts.explode', {}), undefined, 'unknown_operation'],
    ['an operation that is a name of Object', () => t.call('constructor', {}), undefined, 'unknown_operation'],
    ['an operation with a lone surrogate', () => t.call('accounts.\ud800', {}), '/operation'],
    ['an unknown field', () => create({ colour: 'red' }), '/colour'],
    ['an unknown field within', () => create({ limits: { emailPerDay: 1 } }), '/limits/emailPerDay'],
    ['an unknown field on the wire', () => t.call('packages.create', { id: 'bad', name: 'Bad', colour: 1 }), '/colour'],
    ['a name of Object', () => create({ toString: 'red' }), '/toString'],
    ['a missing field', () => t.packages.create({ id: 'bad' })],
    ['a wrong type', () => create({ name: 5 }), '/name'],
    ['a wrong type on the wire', () => t.call('packages.create', { name: 5 }), '/name'],
    ['null', () => create({ id: null }), '/id'],
    ['no object', () => t.packages.create('bad'), ''],
    ['an array', () => t.packages.create([]), ''],
    ['a Map', () => create({ limits: new Map([['email_per_day', 1]]) }), '/limits'],
    ['a function', () => create({ name: () => 'Bad' }), '/name'],
    ['an array with a hole', () => t.roles.create({ name: 'Bad', deny: ['campaigns.send', , 'x'] }), '/deny/1'],
    ['an object for an array', () => t.roles.create({ name: 'Bad', deny: { 0: 'campaigns.send' } }), '/deny'],
    ['a lone surrogate', () => create({ name: 'Bad \ud800' }), '/name'],
    ['a lone surrogate in a key', () => t.call('packages.create', { 'na\ud800me': 'Bad' })],
    ['a lone surrogate on the wire', () => t.call('packages.create', { name: '\udc00' }), '/name'],
    ['100,000 arrays deep', () => t.call('packages.create', { name: nested(100_000) }), ''],
    ['40 arrays deep', () => t.call('packages.create', { name: nested(40) }), ''],
    ['2 MiB of text', () => create({ name: 'x'.repeat(2 * MIB) })],
    ['a lone surrogate in a path', () => open('\ud800.db'), '/path'],
    ['a zero byte in a path', () => open('a\0b'), '/path'],
    ['an unknown option', () => open(':memory:', { cache: 1 }), '/cache'],
    ['a cache of no size', () => open(':memory:', { cacheMib: 0 }), '/cache_mib'],
    ['a durability that there is not', () => open(':memory:', { durability: 'some' }), '/durability'],
    ['an actor without a user', () => t.acting({ account: 'acme' }), '/user'],
    ['an actor who is nobody', () => t.acting(undefined), ''],
    ['an actor of a kind', () => t.acting({ user: 'ann', account: 'acme', kind: 'system' }), '/kind'],
    ['an operator without a name', () => t.operating({}), '/user'],
    ['an operator in an account', () => t.operating({ user: 'ann', account: 'acme' }), '/account'],
    ['an actor with a bad address', () => t.acting({ user: 'ann', account: 'acme', ip: 'here' }).store.info(), '/actor/ip'],
    ['a question about nothing', () => t.admit(), ''],
    ['a misspelt question', () => t.admit({ account: 'acme', usr: 'ann' }), '/usr'],
    ['a user that is null', () => t.admit({ account: 'acme', user: null }), '/user'],
    ['an account with a lone surrogate', () => t.sender({ account: '\udfff' }), '/account'],
    ['a permission with a lone surrogate', () => t.allowed({ account: 'acme', user: 'ann', permission: '\ud800' }), '/permission'],
  ]))

test('numbers that are no counts, in management', () =>
  refused(
    COUNTS.filter((count) => count !== '').flatMap((count) => [
      [`a limit of ${String(count)}`, () => create({ limits: { email_per_day: count } }), '/limits/email_per_day'],
      [`a page of ${String(count)}`, () => t.packages.list({ limit: count }), '/limit'],
      [`a clock of ${String(count)}`, () => t.clock.set({ nowMs: count }), '/now_ms'],
    ]),
  ))

test('numbers that are no counts, on the hot path', () =>
  refused(
    COUNTS.flatMap((count) => [
      [`a prepared count of ${String(count)}`, () => gate.admit(count), '/count'],
      [`a decided count of ${String(count)}`, () => gate.decide(count), '/count'],
      [`a count by ids of ${String(count)}`, () => t.admit({ account: 'acme', count }), '/count'],
    ]),
  ))

test('the native side takes no bad number either', async () => {
  const store = await native.open(':memory:', '{}')
  await store.call('', 'accounts.create', '{"id":"acme","name":"Acme","owner":{"user":"olga","email":"o@acme.example"}}')
  const sender = store.sender('acme', undefined, '')
  for (const count of [-1, 1.5, NaN, Infinity, 2 ** 53]) {
    assert.equal(JSON.parse(sender.admit(count)).code, 'invalid_argument', String(count))
    assert.equal(JSON.parse(store.admit('acme', undefined, count)).code, 'invalid_argument', String(count))
  }
  for (const count of ['1', null, undefined, 1n, {}]) assert.throws(() => sender.admit(count), String(count))
  assert.equal(sender.last(), null)
  await store.close()
})

test('text that is no request, past the JavaScript side', async () => {
  const store = await native.open(':memory:', '')
  const before = await store.call('', 'store.state_hash', '')
  for (const request of ['{', '[]', 'null', '{"name":"\\ud800"}', '['.repeat(100_000), `{"name":"${'x'.repeat(2 * MIB)}"}`, '{"name":"a"} x']) {
    const error = await store.call('', 'roles.create', request).catch((error) => JSON.parse(error.message))
    assert.equal(error.code, 'invalid_argument', request.slice(0, 40))
  }
  const error = await store.call('{"kind":"king"}', 'store.info', '{}').catch((error) => JSON.parse(error.message))
  assert.equal(error.code, 'invalid_argument')
  assert.equal(await store.call('', 'store.state_hash', ''), before)
  await store.close()
})
