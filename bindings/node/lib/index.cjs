'use strict'

const { decode, encode, errorFrom, integer, invalid, plainObject, text, unknown, wrongType } = require('./codec.cjs')
const { TenantryError } = require('./error.cjs')
const { ERROR_CLASSES, OPERATIONS, Operations } = require('./generated.cjs')
const native = require('./native.cjs')
const { shownAs } = require('./shown.cjs')

const SYSTEM = ''

/** Opens the store in this folder, or in the file of `'sqlite:PATH'`, or a new store in memory for `':memory:'`. */
async function open(path, options = {}) {
  const place = text(path, '/path')
  const { manualClockMs, ...others } = plainObject(options, '')
  const wire = encode('OpenOptions', others)
  if (manualClockMs !== undefined) wire.clock = { manual_ms: integer(manualClockMs, '/clock/manual_ms') }
  const store = await answered(native.open(place, JSON.stringify(wire)))
  return new Tenantry(Object.assign(store, { path: native.shownPath(place), state: 'open' }))
}

/** The operations, as one actor runs them: the host itself, or whom the actor names. */
class Caller extends Operations {
  #store
  #actor

  constructor(store, actor, shown) {
    const wire = actor === undefined ? SYSTEM : JSON.stringify(actor)
    super((operation, request) => run(store, wire, operation, request))
    this.#store = store
    this.#actor = wire
    shownAs(this, store, shown)
    this.users.importFile = (file, options) => importFile(store, wire, file, options)
  }

  call(operation, request = {}) {
    return send(this.#store, this.#actor, operation, request)
  }
}

const LEVELS = ['error', 'warn', 'info', 'debug']
let logs = false

/** Has a function called with what happens to the stores of this process; `null` ends that. */
function setLogger(take, options = {}) {
  if (take !== null && typeof take !== 'function') throw wrongType('/take', 'a function or null', take)
  const { level = 'info' } = named(options, 'level')
  if (!LEVELS.includes(level)) throw invalid('/level', `must be one of ${LEVELS.join(', ')}`)
  native.setLogger(take && ((event) => take(logged(JSON.parse(event)))), level)
  logs = take !== null
}

function logged({ at_ms: atMs, ...others }) {
  return { atMs, ...others }
}

/** Closes a store; what was logged until then has arrived before the promise settles. */
async function closed(store) {
  try {
    await answered(store.close())
  } finally {
    if (logs) {
      await native.flushLog()
      await new Promise(setImmediate)
    }
  }
}

/** An open store. Its operations run as `system`, which is the host itself. */
class Tenantry extends Caller {
  #store
  #closing

  constructor(store) {
    super(store)
    this.#store = store
    this.outbox.wait = (options) => waitForMessages(store, options)
    this.outbox.messages = (options) => messages(this.outbox, options)
    this.access = callable(this.access, (subject) => {
      const { account, user, permission } = named(subject, 'account', 'user', 'permission')
      return new Access(store, { account: text(account, '/account'), user: text(user, '/user'), permission: text(permission, '/permission') })
    })
  }

  acting(actor) {
    const { account, user, ip } = encode('Actor', actor)
    return new Acting(this.#store, { account: text(account, '/account'), user: text(user, '/user'), ip })
  }

  operating(operator) {
    const { user, ip } = encode('ActingOperator', operator)
    return new Operating(this.#store, { user: text(user, '/user'), ip })
  }

  inSession(session) {
    const { token, account, ip } = named(session, 'token', 'account', 'ip')
    return new InSession(this.#store, {
      token: text(token, '/token'),
      account: optionalText(account, '/account'),
      ip: optionalText(ip, '/ip'),
    })
  }

  withApiKey(key) {
    const { token, ip } = named(key, 'token', 'ip')
    return new WithApiKey(this.#store, { token: text(token, '/token'), ip: optionalText(ip, '/ip') })
  }

  sender(subject) {
    const { account, user, ...options } = plainObject(subject, '')
    return new Sender(this.#store, { account: text(account, '/account'), user: optionalText(user, '/user') }, options)
  }

  allowed(question) {
    const { account, user, permission } = named(question, 'account', 'user', 'permission')
    return result(this.#store.allowed(text(account, '/account'), text(user, '/user'), text(permission, '/permission')))
  }

  tryAllowed(question) {
    return result(this.#store.tryAllowed(...checked(question)))
  }

  async allowedAsync(question) {
    const asked = checked(question)
    return result(this.#store.tryAllowed(...asked)) ?? answered(this.#store.allowedLater(...asked))
  }

  admit(question) {
    const { account, user, count = 1 } = named(question, 'account', 'user', 'count')
    return result(this.#store.admit(text(account, '/account'), optionalText(user, '/user'), integer(count, '/count')))
  }

  decide(question) {
    this.admit(question)
    return this.#store.last()
  }

  tryAdmit(question) {
    const { account, user, count = 1 } = named(question, 'account', 'user', 'count')
    return result(this.#store.tryAdmit(text(account, '/account'), optionalText(user, '/user'), integer(count, '/count')))
  }

  tryDecide(question) {
    return this.tryAdmit(question) === null ? null : this.#store.last()
  }

  async admitAsync(question) {
    return this.tryAdmit(question) ?? isGranted(await this.#decideLater(question))
  }

  async decideAsync(question) {
    return this.tryDecide(question) ?? this.#decideLater(question)
  }

  #decideLater({ account, user, count = 1 }) {
    return answered(this.#store.decideLater(account, user, count))
  }

  close() {
    this.#store.state = 'closed'
    return (this.#closing ??= closed(this.#store))
  }

  async [Symbol.asyncDispose]() {
    await this.close()
  }
}

/** A user who acts in an account: the same operations, each of which is refused unless the user may do it. */
class Acting extends Caller {
  #store
  #user

  constructor(store, user) {
    super(store, { kind: 'user', ...user }, user)
    this.#store = store
    this.#user = user
    this.access = callable(
      this.access,
      (permission) => new Access(store, { account: user.account, user: user.user, permission: text(permission, '/permission') }),
    )
  }

  sender(options = {}) {
    const { account, user, ip } = this.#user
    return new Sender(this.#store, { account, user }, options, { ip })
  }
}

/** An operator of the platform: the same operations, each of which is refused unless the operator may do it. */
class Operating extends Caller {
  constructor(store, operator) {
    super(store, { kind: 'operator', ...operator }, operator)
  }
}

/** The user of a session: the same operations, each of which is refused after the session has ended. */
class InSession extends Caller {
  constructor(store, session) {
    const { account, ip } = session
    super(store, { kind: 'session', ...session }, { account, ip })
  }
}

/** A program that acts with an API key: the same operations, as far as the key and its user may call them. */
class WithApiKey extends Caller {
  #store
  #key

  constructor(store, key) {
    const { ip } = key
    super(store, { kind: 'api_key', ...key }, { ip })
    this.#store = store
    this.#key = key
  }

  async sender(options = {}) {
    const { ip } = this.#key
    const { account, user, api_key } = await send(this.#store, SYSTEM, 'api_keys.check', this.#key)
    return new Sender(this.#store, { account, user }, options, { ip, api_key })
  }
}

/** A prepared permission check. */
class Access {
  #access

  constructor(store, subject) {
    const { account, user, permission } = subject
    this.#access = result(store.access(account, user, permission))
    shownAs(this, store, subject)
  }

  allowed() {
    return result(this.#access.allowed())
  }

  tryAllowed() {
    return result(this.#access.tryAllowed())
  }

  async allowedAsync() {
    return this.tryAllowed() ?? answered(this.#access.allowedLater())
  }
}

/** A prepared sender. */
class Sender {
  #sender

  constructor(store, subject, options, acting) {
    const { account, user } = subject
    const wire = JSON.stringify({ ...encode('SenderOptions', options), acting })
    this.#sender = result(store.sender(account, user, wire))
    shownAs(this, store, { ...subject, channel: options.channel ?? 'email' })
  }

  admit(count = 1) {
    return result(this.#sender.admit(integer(count, '/count')))
  }

  decide(count = 1) {
    this.admit(count)
    return this.#sender.last()
  }

  tryAdmit(count = 1) {
    return result(this.#sender.tryAdmit(integer(count, '/count')))
  }

  tryDecide(count = 1) {
    return this.tryAdmit(count) === null ? null : this.#sender.last()
  }

  async admitAsync(count = 1) {
    return this.tryAdmit(count) ?? isGranted(await answered(this.#sender.decideLater(count)))
  }

  async decideAsync(count = 1) {
    return this.tryDecide(count) ?? answered(this.#sender.decideLater(count))
  }

  last() {
    return this.#sender.last() ?? undefined
  }
}

/** The result of a synchronous native function; a text is always an error as JSON. */
function result(answer) {
  if (typeof answer === 'string') throw errorFrom(answer)
  return answer
}

/** The result of a native promise; the exception is made here, where the stack has the caller's frames. */
async function answered(promise) {
  try {
    return await promise
  } catch (error) {
    throw errorFrom(error.message)
  }
}

/** Runs one operation of the catalogue, with the names of JavaScript. */
async function run(store, actor, operation, request = {}) {
  const { request: type, answer } = OPERATIONS[operation]
  const wire = JSON.stringify(encode(type, request))
  return decode(answer, JSON.parse(await answered(store.call(actor, operation, wire))))
}

/** Runs any operation, in the form of the wire. */
async function send(store, actor, operation, request) {
  const wire = JSON.stringify(encode('json', request))
  return JSON.parse(await answered(store.call(actor, text(operation, '/operation'), wire)))
}

/** The stores into which files are imported now, one entry for each import. A process that ends must not wait for them. */
const importing = new Set()
process.on('exit', () => importing.forEach(({ store }) => store.leave()))

/** Runs `users.importCsv` for a file of any size, with its content as bytes or as text. */
async function importFile(store, actor, file, options) {
  const { onProgress, ...others } = plainObject(options, '')
  const given = JSON.stringify(encode('ImportOptions', others))
  if (!ArrayBuffer.isView(file) && typeof file !== 'string') throw wrongType('/csv', 'bytes or text', file)
  const csv = typeof file === 'string' ? Buffer.from(text(file, '/csv')) : new Uint8Array(file.buffer, file.byteOffset, file.byteLength)
  if (onProgress !== undefined && typeof onProgress !== 'function') throw wrongType('/onProgress', 'a function', onProgress)
  let failed = false
  let thrown
  const tell = (rows, bytes, bytesTotal) => {
    try {
      return onProgress({ rows, bytes, bytesTotal }) !== false
    } catch (error) {
      failed = true
      thrown = error
      return false
    }
  }
  const under = { store }
  importing.add(under)
  const answer = await answered(store.importUsers(actor, given, csv, onProgress && tell))
    .catch((error) => {
      if (!failed) throw error
    })
    .finally(() => importing.delete(under))
  if (failed) throw thrown
  return decode('UserImport', JSON.parse(answer))
}

/** The largest number that every language has. */
const LONGEST_MS = Number.MAX_SAFE_INTEGER

/** The number of the last message, as soon as there is one after this one; undefined when the time has passed. */
async function waitForMessages(store, options = {}) {
  const { after = 0, timeoutMs = LONGEST_MS } = named(options, 'after', 'timeoutMs')
  const numbers = [integer(after, '/after'), integer(timeoutMs, '/timeoutMs')]
  const last = await answered(
    new Promise((resolve, reject) => {
      store.outboxWait(...numbers, (last, error) => (error ? reject(new Error(error)) : resolve(last)))
    }),
  )
  return last ?? undefined
}

/** The messages for a consumer, without an end; it ends when the store is closed. */
async function* messages(outbox, options) {
  for (;;) {
    try {
      const taken = await outbox.take(options)
      yield* taken.messages
      if (taken.messages.length > 0) continue
      // The clock of a store may be moved by hand, and a consumer that is full waits for others to acknowledge.
      const waits = taken.retryAtMs !== undefined || taken.full
      const leftMs = Math.max(1, Math.min((taken.retryAtMs ?? Infinity) - Date.now(), 1000))
      await outbox.wait({ after: taken.full ? LONGEST_MS : taken.takenTo, timeoutMs: waits ? leftMs : LONGEST_MS })
    } catch (error) {
      if (error.code === 'closed') return
      throw error
    }
  }
}

/** The arguments of a synchronous question; an unknown name is a mistake, and is never ignored. */
function named(question, first, second, third) {
  for (const name in plainObject(question, '')) {
    if (name !== first && name !== second && name !== third) unknown('', name, [first, second, third].filter(Boolean))
  }
  return question
}

/** The ids of a permission check. */
function checked(question) {
  const { account, user, permission } = named(question, 'account', 'user', 'permission')
  return [text(account, '/account'), text(user, '/user'), text(permission, '/permission')]
}

function isGranted(decision) {
  return decision.refusal === undefined
}

function optionalText(value, field) {
  return value === undefined ? undefined : text(value, field)
}

/** The operations of a namespace, as a function that can be called as well. */
function callable(namespace, call) {
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(namespace))) {
    if (name !== 'constructor') call[name] = namespace[name].bind(namespace)
  }
  return call
}

const errors = Object.fromEntries(Object.values(ERROR_CLASSES).map((each) => [each.name, each]))

module.exports = { ...errors, TenantryError, open, setLogger, version: native.version() }
module.exports.default = module.exports
