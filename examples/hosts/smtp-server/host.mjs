// An SMTP server that takes messages for delivery, on smtp-server: each is decided, and charged for all of its recipients, at
// the end of DATA. A program logs in with its API key as the password.
//
//   node host.mjs accounts 2525
import { SMTPServer } from 'smtp-server'
import { open, StoreFailure, TenantryError } from 'tenantry'

const [address = 'accounts', port = '2525'] = process.argv.slice(2)
const t = await open(address, { create: false })

/** An SMTP reply other than 250, such as `450 4.7.1`, with a text. */
function reply(smtpReply, text) {
  const [code, enhanced] = smtpReply.split(' ')
  return Object.assign(new Error(`${enhanced} ${text}`), { responseCode: Number(code) })
}

/** The reply that goes with the refusal, and when it helps to try again. */
function refused({ code, limit, retryAtMs, smtpReply }) {
  const reason = limit === undefined ? code : `${code} (${limit.name} is ${limit.value})`
  return reply(smtpReply, retryAtMs === undefined ? reason : `${reason}; try again at ${new Date(retryAtMs).toISOString()}`)
}

/** What goes wrong is told the client as something that passes: it keeps the message and tries again. */
function failed(error) {
  if (!(error instanceof StoreFailure)) console.error(error)
  return reply('451 4.3.0', 'local problem, try again later')
}

const server = new SMTPServer({
  // It listens on the loopback interface only. A real host has a certificate, and leaves out these two.
  disabledCommands: ['STARTTLS'],
  allowInsecureAuth: true,
  authMethods: ['PLAIN', 'LOGIN'],
  maxRecipients: 1000,
  size: 25 << 20,

  async onAuth({ password }, { remoteAddress }, callback) {
    try {
      // Prepared once for the connection. It sees every later change by itself, such as the deletion of the key.
      callback(null, { user: await t.withApiKey({ token: password, ip: remoteAddress }).sender() })
    } catch (error) {
      const isRefused = error instanceof TenantryError && error.smtpReply.startsWith('5')
      callback(isRefused ? reply('535 5.7.8', error.code) : failed(error))
    }
  },

  onData(stream, session, callback) {
    // A real host writes the message into its queue while it comes, and lets it go once the decision is there.
    stream.resume()
    stream.once('end', async () => {
      if (stream.sizeExceeded) return callback(reply('552 5.3.4', 'the message is too big'))
      try {
        const { refusal } = await session.user.decideAsync(session.envelope.rcptTo.length)
        callback(refusal && refused(refusal), '2.0.0 queued')
      } catch (error) {
        callback(failed(error))
      }
    })
  },
})

server.on('error', (error) => console.error(error.message))
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close(() => t.close()))

server.listen(Number(port), '127.0.0.1', () => console.log(`listening on port ${server.server.address().port}`))
