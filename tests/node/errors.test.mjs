import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as tenantry from 'tenantry'
import { open, TenantryError } from 'tenantry'
import { platform } from './platform.mjs'

test('an error has its class, its code and what explains it', async () => {
  const t = await platform()
  const error = await t.accounts.get({ account: 'nobody' }).catch((error) => error)
  assert.ok(error instanceof tenantry.NotFound && error instanceof TenantryError && error instanceof Error)
  assert.equal(error.name, 'NotFound')
  assert.equal(error.code, 'not_found')
  assert.equal(error.class, 'not_found')
  assert.equal(error.retry, 'never')
  assert.equal(error.number, 3)
  assert.equal(error.httpStatus, 404)
  assert.equal(error.smtpReply, '550 5.7.1')
  assert.equal(error.details.id, 'nobody')
  const { code, ...rest } = error.toJSON()
  assert.deepEqual(Object.keys(rest), ['number', 'class', 'retry', 'http_status', 'smtp_reply', 'message', 'field', 'details'])
  assert.deepEqual([code, rest.http_status, rest.smtp_reply], ['not_found', 404, '550 5.7.1'])
  assert.equal(JSON.parse(JSON.stringify(error)).message, error.message)
  await t.close()
})

test('each refusal has the class of its kind', async () => {
  const t = await platform()
  const ann = t.acting({ user: 'ann', account: 'acme' })
  const refusals = [
    [tenantry.InvalidArgument, 'unknown_operation', () => t.call('accounts.explode')],
    [tenantry.NotFound, 'not_found', () => t.roles.get({ role: 'none' })],
    [tenantry.Conflict, 'id_taken', () => t.roles.create({ id: 'sender', name: 'Sender' })],
    [tenantry.Conflict, 'rev_conflict', () => t.roles.edit({ role: 'sender', name: 'S', expectedRev: 9 })],
    [tenantry.Refused, 'permission_denied', () => ann.accounts.close({ account: 'acme' })],
    [tenantry.StoreFailure, 'store_missing', () => open('/nowhere/accounts.db', { create: false })],
  ]
  for (const [kind, code, act] of refusals) {
    await assert.rejects(act, (error) => error instanceof kind && error.code === code, code)
  }
  await t.close()
})

test('what JavaScript refuses by itself has all that an error has', async () => {
  const t = await platform()
  await assert.rejects(t.accounts.get({ account: 5 }), { code: 'invalid_argument', httpStatus: 400, smtpReply: '501 5.5.4' })
  await t.close()
})

test('after closing everything answers closed', async () => {
  const t = await platform()
  const me = t.acting({ user: 'ann', account: 'acme' })
  const [gate, access] = [me.sender(), me.access('campaigns.send')]
  await t.close()
  const question = { account: 'acme', user: 'ann' }
  const closed = { name: 'HandleUnusable', code: 'closed', retry: 'reopen' }
  await assert.rejects(t.store.info(), { ...closed, httpStatus: 503, smtpReply: '451 4.3.0' })
  await assert.rejects(me.call('store.info'), closed)
  assert.throws(() => gate.admit(), closed)
  assert.throws(() => gate.decide(), closed)
  assert.throws(() => access.allowed(), closed)
  assert.throws(() => me.sender(), closed)
  assert.throws(() => t.admit(question), closed)
  assert.throws(() => t.allowed({ ...question, permission: 'campaigns.send' }), closed)
})

test('the stack of a rejection leads to the caller', async () => {
  const t = await platform()
  async function theCaller() {
    await t.accounts.get({ account: 'nobody' })
  }
  const error = await theCaller().catch((error) => error)
  assert.match(error.stack, /theCaller/)
  await t.close()
})

test('a promise never throws before it is there', async () => {
  const t = await platform()
  for (const begin of [() => open(5), () => t.accounts.get(null), () => t.call(5), () => t.call('store.info', [])]) {
    const promise = begin()
    await assert.rejects(promise, tenantry.InvalidArgument)
  }
  await t.close()
})
