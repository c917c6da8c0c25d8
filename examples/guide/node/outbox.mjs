// The outbox: what the host sends and does for tenantry.
import assert from 'node:assert/strict'
import { open } from 'tenantry'

const t = await open(':memory:')
await t.accounts.create({ id: 'acme', name: 'Acme', owner: { user: 'olga', email: 'olga@acme.example' } })
const olga = t.acting({ user: 'olga', account: 'acme' })
await olga.invitations.create({ addresses: 'bob@acme.example, cat@acme.example', role: 'editor' })
const sent = []

// ANCHOR: mail
/** One message. Whoever is invited, or asks for a new password, gets a link with the token. */
async function deliver({ kind, to, token }) {
  if (kind === 'invitation' && token !== undefined && to !== undefined) {
    sent.push(`${to}: https://mail.example/accept?token=${token}`)
  }
  // A message without a token, of a kind that you do not mail, or without an address needs no mail.
}
// ANCHOR_END: mail

// ANCHOR: work
/** What a worker does again and again. `t.outbox.messages({ consumer })` also waits for the next message. */
async function work(consumer) {
  const { messages } = await t.outbox.take({ consumer, holdMs: 60_000 })
  for (const { message } of messages) {
    const settled = { consumer, numbers: [message.number] }
    try {
      await deliver(message)
    } catch {
      await t.outbox.retry({ ...settled, afterMs: 30_000 })
      continue
    }
    await t.outbox.ack(settled)
  }
}
// ANCHOR_END: work

await work('mailer')
assert.deepEqual(sent.map((mail) => mail.split(':')[0]), ['bob@acme.example', 'cat@acme.example'])

// ANCHOR: accept
// Bob follows his link. Whoever has the link reads the mail of that address.
const token = sent[0].split('token=')[1]
const offer = await t.invitations.lookUp({ token })
assert.deepEqual([offer.email, offer.accounts[0].name], ['bob@acme.example', 'Acme'])
const accepted = await t.invitations.accept({ token, firstName: 'Bob' })
await t.passwords.set({ user: accepted.user, password: 'seven green lamps on a shelf' })
// ANCHOR_END: accept
assert.equal((await t.members.get({ account: 'acme', user: accepted.user })).role, 'editor')

// ANCHOR: look_after
// Once a day: what could not be delivered after ten times, and what every consumer has done.
assert.deepEqual((await t.outbox.dead({ consumer: 'mailer' })).messages, [])
await work('mailer')
while ((await t.outbox.clear()).more);
// ANCHOR_END: look_after
assert.deepEqual((await t.outbox.read()).messages, [])
await t.close()
