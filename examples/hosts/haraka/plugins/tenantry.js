'use strict'
// tenantry in Haraka: each message of a program that has logged in is decided, and charged for all of its recipients, at the
// end of DATA. A program logs in with its API key as the password.

const DSN = require('haraka-dsn')
const { open, TenantryError } = require('tenantry')

exports.register = function () {
  this.inherits('auth/auth_base')
  this.blankout_password = true
}

/** The store of this process: it is opened once, at the start, or by a client that comes before that. */
exports.store = function () {
  return (this.opening ??= open(this.config.get('tenantry.ini').main.store, { create: false }))
}

exports.hook_init_child = function (next) {
  this.store().then(
    () => next(),
    (error) => next(DENY, error.message),
  )
}

/** The master of a cluster takes no messages. */
exports.hook_init_master = function (next) {
  if (server.cluster) next()
  else this.hook_init_child(next)
}

/** What a worker has drawn ahead and not used comes back for the others. */
exports.shutdown = async function () {
  try {
    await (await this.opening)?.close()
  } catch (error) {
    this.logerror(error.message)
  }
}

exports.hook_capabilities = function (next, connection) {
  if (connection.tls.enabled || connection.remote.is_local) {
    connection.notes.allowed_auth_methods = ['PLAIN', 'LOGIN']
    connection.capabilities.push('AUTH PLAIN LOGIN')
  }
  next()
}

exports.check_plain_passwd = async function (connection, user, token, answer) {
  try {
    const t = await this.store()
    // Prepared once for the connection. It sees every later change by itself, such as the deletion of the key.
    connection.notes.tenantry = await t.withApiKey({ token, ip: connection.remote.ip }).sender()
    answer(true)
  } catch (error) {
    const isRefused = error instanceof TenantryError && error.smtpReply.startsWith('5')
    answer(false, isRefused ? `5.7.8 ${error.code}` : { code: 454, message: `4.7.0 ${this.failed(connection, error)}` })
  }
}

exports.hook_data_post = async function (next, connection) {
  const { notes, transaction } = connection
  if (notes.tenantry === undefined) return next()
  try {
    const { refusal } = await notes.tenantry.decideAsync(transaction.rcpt_to.length)
    if (refusal === undefined) next()
    else next(refusal.retryAtMs === undefined ? DENY : DENYSOFT, reply(refusal))
  } catch (error) {
    next(DENYSOFT, DSN.create(451, this.failed(connection, error), 3, 0))
  }
}

/** What goes wrong is told the client as something that passes: it keeps the message and tries again. */
exports.failed = function (connection, error) {
  connection.logerror(this, error.message)
  return 'local problem, try again later'
}

/** The reply that goes with the refusal, such as `450 4.7.1`, and when it helps to try again. */
function reply({ code, limit, retryAtMs, smtpReply }) {
  const reason = limit === undefined ? code : `${code} (${limit.name} is ${limit.value})`
  const text = retryAtMs === undefined ? reason : `${reason}; try again at ${new Date(retryAtMs).toISOString()}`
  const [, basic, subject, detail] = smtpReply.match(/^(\d+) \d\.(\d)\.(\d)$/)
  return DSN.create(Number(basic), text, Number(subject), Number(detail))
}
