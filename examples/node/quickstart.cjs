// The same package from CommonJS: may this user do that, and how much of the limits is used?
//
//   node quickstart.cjs
'use strict'

const { open } = require('tenantry')

async function main() {
  const t = await open(':memory:')
  await t.roles.create({ id: 'sender', name: 'Sender', allow: [{ permission: 'campaigns.send' }] })
  await t.accounts.create({ id: 'acme', name: 'Acme', owner: { user: 'olga', email: 'olga@acme.example' }, limits: { email_per_hour: 100 } })
  await t.members.add({ account: 'acme', user: 'ann', email: 'ann@acme.example', role: 'sender' })

  for (const permission of ['campaigns.send', 'accounts.close']) {
    console.log(`ann, ${permission}: ${t.allowed({ account: 'acme', user: 'ann', permission })}`)
  }
  console.log(`25 messages: ${t.admit({ account: 'acme', user: 'ann', count: 25 })}`)
  const { windows } = await t.usage.get({ account: 'acme' })
  const ofMail = windows.filter(({ limit }) => limit.startsWith('email'))
  for (const { limit, used, value } of ofMail) console.log(`${limit}: ${used} of ${value}`)
  await t.close()
}

main()
