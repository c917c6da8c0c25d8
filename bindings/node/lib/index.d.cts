/// <reference lib="esnext.disposable" />
import type {
  AccessOperations,
  Channel,
  Decision,
  Integer,
  MessageInput,
  Operations,
  OutboxDelivery,
  OutboxOperations,
  OutboxTakeRequest,
  UserImport,
  UsersOperations,
} from './generated.cjs'

export * from './error.cjs'
export * from './generated.cjs'

/** The version of the package. */
export const version: string

/** Open the store in this folder, or a fresh one in memory for `':memory:'`. */
export function open(path: string, options?: OpenOptions): Promise<Tenantry>

export interface OpenOptions {
  /** `full` (default) answers a write when it is on the disk; `relaxed` leaves that to the next sync. */
  durability?: 'full' | 'relaxed' | undefined
  /** How much memory the store may use as a cache. */
  cacheMib?: Integer | undefined
  /** Whether a store that is not there is made (default), or refused. */
  create?: boolean | undefined
  /**
   * How long to wait for a process that has the store open (0, which is the default, to 600,000); after that it is
   * `store_locked`.
   */
  lockWaitMs?: Integer | undefined
  /** What the platform's licence includes: `standard` (default), or `commercial`, which is everything. */
  edition?: 'standard' | 'commercial' | undefined
  /**
   * The key that tokens are derived with, as 64 hexadecimal digits; when absent, the store keeps one in a file beside
   * its data. A store is always opened with the key that it was made with.
   */
  tokenKey?: string | undefined
  /**
   * Keys that passwords are mixed with before they are hashed: the first for new hashes, the others for those that were
   * made with them, until their users log in. Without its pepper nobody's password is right.
   */
  peppers?: Pepper[] | undefined
  /** For tests: a clock that only `clock.set` moves, and where it begins. */
  manualClockMs?: Integer | undefined
  /** For tests, with a manual clock: makes generated ids repeat. */
  seed?: Integer | undefined
}

/** A key that passwords are mixed with, which the store does not have. */
export interface Pepper {
  /** Its name, which the store keeps beside each hash: never used again for another key. */
  id: string
  /** The key, as 64 hexadecimal digits. */
  key: string
}

/** What a sender is prepared for: one sender for each. */
export interface SenderOptions {
  /** By e-mail when absent. */
  channel?: Channel | undefined
  /** What the messages are, such as their campaign. */
  message?: MessageInput | undefined
}

/** Who acts. That it is them is the host's assertion. */
export interface Actor {
  user: string
  /** The account that they act in. */
  account: string
  /** Where they come from. */
  ip?: string | undefined
}

/** Which operator acts. That it is them is the host's assertion. */
export interface Operator {
  user: string
  /** Where they come from. */
  ip?: string | undefined
}

/** How a file of users is imported. */
export interface ImportOptions {
  /** The account that rows go to which name none. */
  account: string
  /** The role for rows that name none; absent, the default role of the account. */
  role?: string | undefined
  /** Whether one bad row keeps all of them out: only for files of at most 1,000 rows and 900 KiB. */
  atomic?: boolean | undefined
  /**
   * Called after each part. `false` stops the import, and so does an exception, which the promise rejects with: what
   * was imported until then stays.
   */
  onProgress?: ((progress: ImportProgress) => boolean | void) | undefined
}

/** How far an import is. */
export interface ImportProgress {
  /** The rows that were read. */
  rows: number
  /** The bytes of the file that were read. */
  bytes: number
  /** All bytes of the file. */
  bytesTotal: number
}

/** Imports whole files of users. */
export interface UserImporter {
  /**
   * Import users from the content of a CSV file of any size, as bytes or as text: `importCsv`, part by part, each part
   * of 500 rows with a commit of its own.
   */
  importFile(file: ArrayBufferView | string, options: ImportOptions): Promise<UserImport>
}

/** Waiting for messages of the outbox. */
export interface OutboxWaiter {
  /**
   * Wait until there is a message after the one of this number (0), and answer the number of the last one; undefined when
   * the time (for ever) is over before. It needs no thread of the pool, and keeps the process alive until it settles, as a
   * timer or a socket does. Closing the store ends it with `HandleUnusable`.
   */
  wait(options?: { after?: Integer | undefined; timeoutMs?: Integer | undefined }): Promise<number | undefined>
  /**
   * What there is for a consumer, for ever: `take`, again and again, and waiting where there is nothing. It keeps the process
   * alive, and ends when the store is closed. Acknowledge each with `ack`: what is not comes again.
   *
   *     for await (const { message } of t.outbox.messages({ consumer: 'mailer' })) {
   *       await send(message)
   *       await t.outbox.ack({ consumer: 'mailer', numbers: [message.number] })
   *     }
   */
  messages(options: OutboxTakeRequest): AsyncGenerator<OutboxDelivery, void, undefined>
}

/** Operations, and how any of them is called by its name. */
interface Caller extends Operations {
  /** The operations `users.*`, and the import of whole files. */
  readonly users: UsersOperations & UserImporter
  /** Run any operation by its name, with request and answer in the names of the catalogue (`display_name`). */
  call(operation: string, request?: object): Promise<unknown>
}

/** Whether a user holds a permission in an account. */
export interface Check {
  account: string
  user: string
  permission: string
}

/** Whether an account, or a user in it, may send so many messages (1) now. */
export interface Admission {
  account: string
  user?: string | undefined
  count?: Integer | undefined
}

/** A store that is open. Its operations run as `system`: the host itself. */
export interface Tenantry extends Caller {
  /** The operations `outbox.*`, and waiting for messages. */
  readonly outbox: OutboxOperations & OutboxWaiter
  /** Operations on what users may do; called, it prepares a permission check. */
  readonly access: AccessOperations & ((subject: { account: string; user: string; permission: string }) => Access)
  /** The same operations, run as this user in this account. */
  acting(actor: Actor): Acting
  /** The same operations, run as this operator of the platform. */
  operating(operator: Operator): Operating
  /** The same operations, run as whoever logged in and got this token; each call looks again whether it still counts. */
  inSession(session: { token: string; account?: string | undefined; ip?: string | undefined }): InSession
  /** The same operations, run as the program that got this token; each call looks again whether it still counts. */
  withApiKey(key: { token: string; ip?: string | undefined }): WithApiKey
  /**
   * Prepare the admission of messages of an account, or of a user in it. Keep the result: that is what is fast. The host
   * sends: where the user comes from is not looked at, as it is with `acting(...).sender()`.
   */
  sender(subject: { account: string; user?: string | undefined } & SenderOptions): Sender
  /** Whether the user holds the permission in the account now. What is not in memory yet is read from the disk. */
  allowed(question: Check): boolean
  /** The same where memory alone can tell, at once; `null` where the disk would be needed. */
  tryAllowed(question: Check): boolean | null
  /** The same, of which the event loop never waits for the disk. */
  allowedAsync(question: Check): Promise<boolean>
  /**
   * Ask to send `count` messages (1) now: true when all of them are granted, and then they are charged. Where memory
   * alone cannot tell, the event loop waits for the disk: a server calls `admitAsync`.
   */
  admit(question: Admission): boolean
  /** The same as `admit`, answered with the whole decision. */
  decide(question: Admission): Decision
  /** The same as `admit` where memory alone can tell, at once; `null`, with nothing charged, where the disk would be needed. */
  tryAdmit(question: Admission): boolean | null
  /** The same as `tryAdmit`, answered with the whole decision. */
  tryDecide(question: Admission): Decision | null
  /** The same as `admit`, of which the event loop never waits for the disk: another thread does, where memory cannot tell. */
  admitAsync(question: Admission): Promise<boolean>
  /** The same as `admitAsync`, answered with the whole decision. */
  decideAsync(question: Admission): Promise<Decision>
  /** Give back what was not spent and close; every later call throws `HandleUnusable`. Closing twice is fine. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A user acting in an account: the same operations, each refused unless the user may do it. */
export interface Acting extends Caller {
  /** Operations on what users may do; called, it prepares a check of one of this user's permissions. */
  readonly access: AccessOperations & ((permission: string) => Access)
  /**
   * Prepare the admission of this user's messages. Keep the result: that is what is fast. It counts as coming from `ip`:
   * where an allow-list lets nobody in from there, every send is `ip_not_allowed`.
   */
  sender(options?: SenderOptions): Sender
}

/** An operator of the platform: the same operations, each refused unless the operator may do it. */
export interface Operating extends Caller {}

/** Whoever a session belongs to: the same operations, each refused once the session has ended. */
export interface InSession extends Caller {}

/** A program that acts with an API key: the same operations, as far as the key and its user may call them. */
export interface WithApiKey extends Caller {
  /**
   * Prepare the admission of this program's messages. Keep the result: that is what is fast. The token is looked at here,
   * once; every later change counts: of lists, of the key, its end.
   */
  sender(options?: SenderOptions): Promise<Sender>
}

/** A prepared permission check: it sees every later change. */
export interface Access {
  /** Whether the user holds the permission now. What is not in memory yet is read from the disk. */
  allowed(): boolean
  /** The same where memory alone can tell, at once; `null` where the disk would be needed. */
  tryAllowed(): boolean | null
  /** The same, of which the event loop never waits for the disk. */
  allowedAsync(): Promise<boolean>
}

/** A prepared admission: it sees every later change. */
export interface Sender {
  /**
   * Ask to send `count` messages (1) now: true when all of them are granted, and then they are charged. Where memory
   * alone cannot tell, the event loop waits for the disk: a server calls `admitAsync`.
   */
  admit(count?: Integer): boolean
  /** The same as `admit`, answered with the whole decision. */
  decide(count?: Integer): Decision
  /** The same as `admit` where memory alone can tell, at once; `null`, with nothing charged, where the disk would be needed. */
  tryAdmit(count?: Integer): boolean | null
  /** The same as `tryAdmit`, answered with the whole decision. */
  tryDecide(count?: Integer): Decision | null
  /** The same as `admit`, of which the event loop never waits for the disk: another thread does, where memory cannot tell. */
  admitAsync(count?: Integer): Promise<boolean>
  /** The same as `admitAsync`, answered with the whole decision. */
  decideAsync(count?: Integer): Promise<Decision>
  /** The decision of the latest `admit`, `decide`, `tryAdmit` or `tryDecide` of this object. */
  last(): Decision | undefined
}
