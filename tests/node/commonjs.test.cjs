'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const tenantry = require('tenantry')

test('require gives the same package as import', async () => {
  const module = await import('tenantry')
  assert.deepEqual(Object.keys(module).sort(), Object.keys(tenantry).sort())
  for (const name of Object.keys(tenantry)) assert.equal(module[name], tenantry[name], name)
})

test('a store works', async () => {
  const t = await tenantry.open(':memory:')
  await t.roles.create({ id: 'sender', name: 'Sender' })
  await assert.rejects(t.roles.create({ id: 'sender', name: 'Sender' }), tenantry.Conflict)
  await t.close()
})
