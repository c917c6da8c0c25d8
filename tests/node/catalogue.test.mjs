import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as tenantry from 'tenantry'

const require = createRequire(import.meta.url)
const { CATALOGUE_HASH, OPERATIONS } = require('../../bindings/node/lib/generated.cjs')
const { built } = require('../../bindings/node/lib/native-file.cjs')
const catalogue = JSON.parse(await readFile(new URL('../../include/tenantry.json', import.meta.url), 'utf8'))

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())

function methods(owner) {
  const found = []
  for (const [namespace, operations] of Object.entries(owner)) {
    const own = typeof operations === 'function' ? Object.keys(operations) : Object.getOwnPropertyNames(Object.getPrototypeOf(operations))
    for (const name of own) if (name !== 'constructor') found.push(`${namespace}.${name}`)
  }
  return found.sort()
}

test('the methods are the operations of the catalogue, both ways', async () => {
  const t = await tenantry.open(':memory:')
  const names = catalogue.operations.map((operation) => operation.name)
  assert.deepEqual(Object.keys(OPERATIONS).sort(), names.toSorted())
  const expected = names.map((name) => name.split('.').map(camel).join('.')).sort()
  assert.deepEqual(methods(t), expected)
  assert.deepEqual(methods(t.acting({ user: 'ann', account: 'acme' })), expected)
  assert.deepEqual(methods(t.operating({ user: 'ann' })), expected)
  await t.close()
})

test('every class of errors is exported', () => {
  for (const name of ['InvalidArgument', 'NotFound', 'Conflict', 'Refused', 'LimitReached', 'WrongState', 'StoreFailure', 'HandleUnusable', 'InternalError']) {
    assert.ok(tenantry[name].prototype instanceof tenantry.TenantryError, name)
  }
})

test('a package whose halves do not fit does not load, and says what to do', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-'))
  const generated = join(folder, 'lib/generated.cjs')
  await cp(fileURLToPath(new URL('../../bindings/node/lib', import.meta.url)), join(folder, 'lib'), { recursive: true })
  assert.throws(() => require(join(folder, 'lib/index.cjs')), /cannot load its native library .*npm run build/)
  await symlink(built, join(folder, basename(built)))
  assert.equal(typeof require(join(folder, 'lib/index.cjs')).open, 'function')

  const text = await readFile(generated, 'utf8')
  await writeFile(generated, text.replace(CATALOGUE_HASH, CATALOGUE_HASH.replaceAll(/./g, '0')))
  for (const loaded of Object.keys(require.cache)) if (loaded.startsWith(folder)) delete require.cache[loaded]
  assert.throws(() => require(join(folder, 'lib/index.cjs')), /different versions; .*cargo xtask codegen/)
  await rm(folder, { recursive: true })
})
