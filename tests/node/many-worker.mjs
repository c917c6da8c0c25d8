// One process of a cluster: sends until the limit is reached, and says how many it could.
import { open } from 'tenantry'

const [path, tries] = process.argv.slice(2)
const t = await open(path, { create: false })
let granted = 0
for (let at = 0; at < Number(tries); at++) {
  if (await t.admitAsync({ account: 'acme' })) granted += 1
}
await t.close()
process.send(granted, () => process.exit(0))
