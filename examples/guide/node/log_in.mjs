// Log-in: a password or another proof, a session, a second factor, a forgotten password.
import assert from 'node:assert/strict'
import { LimitReached, open, TenantryError } from 'tenantry'

const t = await open(':memory:')
await t.roles.create({ id: 'sender', name: 'Sender', allow: [{ permission: 'campaigns.send' }, { permission: 'self' }] })
await t.accounts.create({ id: 'acme', name: 'Acme', owner: { user: 'olga', email: 'olga@acme.example' } })
await t.members.add({ account: 'acme', user: 'ann', email: 'ann@acme.example', role: 'sender' })

// ANCHOR: log_in
/** The status of the answer, and the token or the reason. */
async function logIn(email, password, code, ip) {
  try {
    const session = await t.sessions.create({ email, password, code, device: 'Firefox on Linux', ip })
    // The token is shown this once. The browser keeps it, in a cookie that scripts cannot read.
    return [200, session.token]
  } catch (error) {
    if (!(error instanceof TenantryError) || error.class === 'store') throw error
    // There were too many wrong attempts: `login_delayed`. The time is for your log, or for a kind message.
    if (error instanceof LimitReached) return [429, `${error.code} until ${error.details.retry_at_ms}`]
    // `second_factor_required`: show a field for the code, and ask again with the password and the code.
    return [401, error.code]
  }
}
// ANCHOR_END: log_in

// ANCHOR: password
// The host sets a password, or the user follows a link (below).
await t.passwords.set({ user: 'ann', password: 'seven green lamps on a shelf' })
// ANCHOR_END: password
let [status, token] = await logIn('Ann@Acme.example', 'seven green lamps on a shelf', undefined, '203.0.113.7')
assert.equal(status, 200)
assert.deepEqual(await logIn('ann@acme.example', 'another password than hers', undefined, '203.0.113.7'), [401, 'login_refused'])
assert.deepEqual(await logIn('nobody@acme.example', 'another password than hers', undefined, '203.0.113.8'), [401, 'login_refused'])

// ANCHOR: check
const proof = await t.sessions.check({ token, account: 'acme', ip: '203.0.113.7' })
assert.equal(proof.user, 'ann')
// ANCHOR_END: check

// ANCHOR: vouch
// After a single sign-on, the host says who it is, and tenantry asks for no password.
await t.sessions.create({ user: 'ann', device: 'Single sign-on', ip: '203.0.113.7' })
// ANCHOR_END: vouch

// ANCHOR: forgot
// Answer the person first: the time of this call could tell whether somebody has the address.
await t.passwords.forgot({ email: 'ann@acme.example' })
// The worker of the outbox mails the link. Its token works once.
const { messages } = await t.outbox.read()
const link = messages.find(({ kind }) => kind === 'password_reset')
const changed = await t.passwords.set({ token: link.token, password: 'nine blue chairs in a row' })
assert.equal(changed.sessionsEnded, 2)
// ANCHOR_END: forgot
assert.deepEqual(await logIn('ann@acme.example', 'seven green lamps on a shelf', undefined, '203.0.113.9'), [401, 'login_refused'])
;[status, token] = await logIn('ann@acme.example', 'nine blue chairs in a row', undefined, '203.0.113.9')
assert.equal(status, 200)

// ANCHOR: devices
const me = t.inSession({ token })
const { sessions } = await me.sessions.list({ user: 'ann' })
assert.deepEqual(sessions.map(({ device }) => device), ['Firefox on Linux'])
// Sign out here, or everywhere.
await t.sessions.end({ token })
await t.sessions.endAll({ user: 'ann' })
// ANCHOR_END: devices
await assert.rejects(t.sessions.check({ token }), { code: 'session_invalid' })
await t.close()
