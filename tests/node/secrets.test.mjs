// S18: passwords and tokens are in no error, nothing that `inspect` shows, and no file.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { open } from 'tenantry'

const CANARY = '27182818284590452353'
const PASSWORD = `a password with ${CANARY}`

function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) yield* files(path)
    else yield path
  }
}

test('no secret is shown', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-secrets-'))
  const t = await open(join(folder, 'store'))
  await t.accounts.create({ id: 'acme', name: 'Acme', owner: { user: 'olga', email: 'olga@acme.example' } })
  await t.passwords.set({ user: 'olga', password: PASSWORD })
  const { token } = await t.sessions.create({ email: 'olga@acme.example', password: PASSWORD })
  const secrets = [CANARY, token.slice(-40)]
  const shown = [inspect(t, { depth: 9 }), inspect(t.sessions), inspect(await t.sessions.check({ token })), inspect(await t.sessions.list({ user: 'olga' }))]
  let failures = 0
  const wrong = [BigInt(CANARY), -BigInt(CANARY), [PASSWORD], { x: PASSWORD }, { [CANARY]: 1 }, CANARY.repeat(20), Buffer.from(PASSWORD), `${PASSWORD}\0`, `${PASSWORD}\ud800`, Symbol(PASSWORD), PASSWORD]
  for (const value of wrong) {
    const acts = [
      () => t.sessions.create({ email: 'olga@acme.example', password: value === PASSWORD ? `${PASSWORD}!` : value }),
      () => t.sessions.create({ email: 'nobody@acme.example', password: value }),
      () => t.sessions.create({ user: 'olga', password: value, nonsense: value }),
      () => t.sessions.check({ token: value }),
      () => t.sessions.renew({ token: value, password: value }),
      () => t.passwords.set({ token: value, password: value }),
      () => t.invitations.accept({ token: value }),
      () => t.users.confirmEmail({ token: value }),
    ]
    for (const act of acts) {
      const error = await (async () => act())().then((answer) => assert.fail(`${inspect(answer)} for ${typeof value}`), (error) => error)
      failures++
      shown.push(String(error), error.message, inspect(error, { depth: 9, showHidden: true }), JSON.stringify(error))
    }
  }
  assert.equal(failures, wrong.length * 8)
  await t.close()
  for (const secret of secrets) {
    for (const text of shown) assert.ok(!text.includes(secret), text)
    for (const path of files(folder)) assert.ok(!readFileSync(path).includes(secret), path)
  }
  rmSync(folder, { recursive: true })
})
