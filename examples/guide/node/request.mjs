// A request: who calls, what they may do, and what a refusal is in HTTP.
import assert from 'node:assert/strict'
import { open, TenantryError } from 'tenantry'

const t = await open(':memory:')
await t.accounts.create({ id: 'acme', name: 'Acme', owner: { user: 'olga', email: 'olga@acme.example' } })
await t.members.add({ account: 'acme', user: 'ann', email: 'ann@acme.example', role: 'author' })
const { token } = await t.sessions.create({ user: 'ann' })

// ANCHOR: status
const STATUS = { invalid: 422, not_found: 404, conflict: 409, state: 409, refused: 403, limit: 429 }

/** Whoever has no valid token logs in again; what is wrong with the store is nobody's business but yours. */
function statusOf({ code, class: kind }) {
  return ['session_invalid', 'api_key_invalid'].includes(code) ? 401 : (STATUS[kind] ?? 503)
}
// ANCHOR_END: status

// ANCHOR: rename
/** `PATCH /accounts/acme/groups/g1`: tenantry checks the token, the address and the permission. */
async function renameGroup(token, account, group, name, ip) {
  const me = t.inSession({ token, account, ip })
  try {
    return [200, (await me.groups.rename({ account, group, name })).name]
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
    return [statusOf(error), error.code]
  }
}
// ANCHOR_END: rename

const { id: sales } = await t.groups.create({ account: 'acme', name: 'Sales' })
assert.deepEqual(await renameGroup(token, 'acme', sales, 'Support', '203.0.113.7'), [403, 'permission_denied'])
assert.ok([401, 422].includes((await renameGroup('nonsense', 'acme', sales, 'Support', '203.0.113.7'))[0]))
// A change of the role acts on the next request.
await t.members.setRole({ account: 'acme', user: 'ann', role: 'administrator' })
assert.deepEqual(await renameGroup(token, 'acme', sales, 'Support', '203.0.113.7'), [200, 'Support'])

// ANCHOR: own
// For your own code: may this user do that here?
const proof = await t.sessions.check({ token, account: 'acme', ip: '203.0.113.7' })
if (await t.allowedAsync({ account: 'acme', user: proof.user, permission: 'templates.edit' })) {
  // show the button
}
// ANCHOR_END: own
assert.ok(t.allowed({ account: 'acme', user: 'ann', permission: 'templates.edit' }))

// ANCHOR: prepared
// The same question for many requests: prepare it once. It sees every later change.
const mayEdit = t.access({ account: 'acme', user: 'ann', permission: 'templates.edit' })
assert.ok(await mayEdit.allowedAsync())
await t.members.setRole({ account: 'acme', user: 'ann', role: 'response_only' })
assert.ok(!(await mayEdit.allowedAsync()))
// ANCHOR_END: prepared

// ANCHOR: explain
// Why not? For your staff, and for whoever gives out roles.
const why = await t.access.explain({ account: 'acme', user: 'ann', permission: 'templates.edit' })
assert.ok(!why.allowed)
for (const { kind, subject } of why.steps) console.log(kind, subject)
// ANCHOR_END: explain

// ANCHOR: key
// A program calls with an API key: it may do what the key allows and its user may do.
const made = await t.apiKeys.create({ account: 'acme', user: 'olga', name: 'Shop', permissions: [{ permission: 'contacts.view' }] })
const program = t.withApiKey({ token: made.token, ip: '203.0.113.9' })
// ANCHOR_END: key
await assert.rejects(program.groups.rename({ account: 'acme', group: sales, name: 'Taken over' }), { code: 'permission_denied' })
await t.close()
