// Compiled as ESM and as CommonJS: all of this must be accepted.
import tenantry, {
  open,
  Conflict,
  InvalidArgument,
  setLogger,
  TenantryError,
  version,
  type Access,
  type Account,
  type Acting,
  type Admission,
  type Check,
  type Decision,
  type ErrorCode,
  type ImportProgress,
  type LimitName,
  type LogEvent,
  type Operating,
  type PackagesCreateRequest,
  type Sender,
  type Tenantry,
  type UserImport,
} from 'tenantry'

export async function main(): Promise<string> {
  setLogger(({ level, fields }: LogEvent) => console.error(level, fields.took_ms), { level: 'warn' })
  setLogger(null)
  await using t: Tenantry = await open('accounts.db', { cacheMib: 64, slowMs: 500, durability: 'relaxed', edition: 'commercial', seed: undefined })
  await t.roles.create({ name: 'Sender', allow: [{ permission: 'campaigns.send', scope: 'own' }] })
  const request: PackagesCreateRequest = { name: 'Small', limits: { email_per_day: 10n, email_per_hour: 'unlimited' } }
  await t.packages.create(request)
  const me: Acting = t.acting({ user: 'ann', account: 'acme', ip: '203.0.113.7' })
  const account: Account = await me.accounts.get({ account: 'acme' })
  const created: number = account.createdAtMs
  const day: number | 'unlimited' | undefined = account.limits.email_per_day
  const name: LimitName = 'email_per_month'
  await t.limits.set({ account: 'acme', limit: name, value: created })
  await t.packages.list()
  await t.clock.get()

  const operator: Operating = t.operating({ user: 'otto' })
  await operator.accounts.get({ account: 'acme' })
  const opens: typeof open = tenantry.open
  const same: tenantry.Operating = operator
  await operator.users.edit({ user: 'ann', firstName: 'Ann', notifications: { sound: false } })
  const done: UserImport = await me.users.importFile('email\n', { account: 'acme', onProgress: (at: ImportProgress) => at.rows < 1000 })
  await t.users.importFile(new Uint8Array(5), { account: 'acme', role: 'viewer', atomic: done.stopped, onProgress: ({ bytes }) => void bytes })
  await t.users.exportCsv({ account: 'acme' })

  const gate: Sender = me.sender()
  const decision: Decision = gate.admit(1n) ? gate.decide() : (gate.last() ?? t.decide({ account: 'acme' }))
  const why: ErrorCode | string | undefined = decision.refusal?.code
  const access: Access = me.access('campaigns.send')
  const other: Access = t.access({ account: 'acme', user: 'ann', permission: 'campaigns.send' })
  const { allowed } = await me.access.check({ account: 'acme', user: 'ann', permission: 'campaigns.send' })
  const host: Sender = t.sender({ account: 'acme' })
  const known: boolean = gate.tryAdmit() ?? (await gate.admitAsync(2n))
  const tried: Decision | null = gate.tryDecide() ?? t.tryDecide({ account: 'acme', count: 2 })
  const later: Decision = tried ?? (known ? await gate.decideAsync() : await t.decideAsync({ account: 'acme', user: 'ann' }))
  const check: Check = { account: 'acme', user: 'ann', permission: 'campaigns.send' }
  const may: boolean = access.tryAllowed() ?? t.tryAllowed(check) ?? ((await access.allowedAsync()) && (await t.allowedAsync(check)))
  const more: Admission = { account: 'acme', count: later.granted }
  const all: boolean[] = [allowed, access.allowed(), other.allowed(), host.admit(), t.admit({ account: 'acme', count: 2 }), may, await t.admitAsync(more)]

  try {
    const answer: unknown = await t.call('accounts.get', { account: 'acme' })
    return `${version} ${tenantry.version} ${opens.name} ${String(same)} ${String(answer)} ${day} ${why} ${all.length}`
  } catch (error) {
    if (error instanceof Conflict) return `${error.class satisfies 'conflict'} ${error.code}`
    if (error instanceof InvalidArgument) return error.field ?? error.message
    if (error instanceof TenantryError && error.retry === 'again') return JSON.stringify(error.details)
    throw error
  }
}
