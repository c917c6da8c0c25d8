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

/** Open the store in this folder, or in the file of `'sqlite:PATH'`, or a new store in memory for `':memory:'`. */
export function open(path: string, options?: OpenOptions): Promise<Tenantry>

/**
 * Have a function called with what happens to the stores of this process (opening and closing, what was recovered, what is
 * slow or fails), in the place of the one before; `null` ends that. It is called from the event loop, and no call of the
 * library waits for it; while it does not come to it, 1,100 events wait, and the rest is counted and told. No secret, no
 * address and no name of a person is in an event. It keeps no process alive. Workers share one function: the last that was
 * set.
 *
 *     setLogger(({ level, message, fields }) => console.error(level, message, fields))
 */
export function setLogger(take: ((event: LogEvent) => void) | null, options?: LogOptions): void

export interface LogOptions {
  /** The least grave events that are told; `info` by default. */
  level?: LogEvent['level'] | undefined
}

/** Something that has happened to a store. */
export interface LogEvent {
  /** When, in unix milliseconds. */
  atMs: number
  /** How grave it is. */
  level: 'error' | 'warn' | 'info' | 'debug'
  /** Which part of the library tells it, such as `tenantry.store` or `tenantry.operations`. */
  target: string
  /** What has happened, as a sentence. */
  message: string
  /** What belongs to it, such as `operation`, `took_ms` and `code`. */
  fields: Record<string, string | number | boolean>
}

export interface OpenOptions {
  /** With `full` (the default), a write is answered when it is on the disk; with `relaxed`, the next sync brings it there. */
  durability?: 'full' | 'relaxed' | undefined
  /** How much memory the store may use as a cache, in MiB. */
  cacheMib?: Integer | undefined
  /** Whether a missing store is created (the default) or refused. */
  create?: boolean | undefined
  /**
   * How long to wait while another process has the store open, in milliseconds (0 to 600,000; 0 by default); after that,
   * the call is refused with `store_locked`.
   */
  lockWaitMs?: Integer | undefined
  /**
   * From how long on an operation, a commit, a sync or a wait for a lock is logged as slow (`setLogger`), in milliseconds (0
   * to 600,000; 1,000 by default); with 0, none is.
   */
  slowMs?: Integer | undefined
  /**
   * Only for a store in PostgreSQL: how long one question to the database may take, in milliseconds (100 to 60,000; 5,000
   * by default); after that, the call is refused with `store_unreachable`.
   */
  storeTimeoutMs?: Integer | undefined
  /**
   * Only for a store in PostgreSQL: how often the database is asked what other processes have committed, in milliseconds
   * (20 to 1,000; 100 by default).
   */
  pollMs?: Integer | undefined
  /**
   * Only for a store in PostgreSQL: how long checks and sends from memory go on when the database does not answer, in
   * milliseconds (ten times `pollMs` to 600,000; 5,000 by default).
   */
  staleMs?: Integer | undefined
  /** What the platform's licence includes: `standard` (the default), or `commercial`, which includes everything. */
  edition?: 'standard' | 'commercial' | undefined
  /**
   * The key from which tokens are derived, as 64 hexadecimal digits; when absent, the store keeps a key in a file beside
   * its data; in PostgreSQL it is required. A store must always be opened with the key with which it was created.
   */
  tokenKey?: string | undefined
  /**
   * Keys with which passwords are mixed before they are hashed. The first key is for new hashes; the others are for the
   * hashes that were made with them, until their users log in. Without its pepper, no password is accepted.
   */
  peppers?: Pepper[] | undefined
  /** For tests: the time at which a manual clock starts, which only `clock.set` moves; in unix milliseconds. */
  manualClockMs?: Integer | undefined
  /** For tests, with a manual clock: a seed that makes the generated ids the same in every run. */
  seed?: Integer | undefined
}

/** A key with which passwords are mixed, and which is not in the store. */
export interface Pepper {
  /** Its name, which the store keeps with each hash; it must never be used again for another key. */
  id: string
  /** The key, as 64 hexadecimal digits. */
  key: string
}

/** What kind of messages a sender is prepared for; each kind needs a sender of its own. */
export interface SenderOptions {
  /** The channel; e-mail when absent. */
  channel?: Channel | undefined
  /** What kind of messages they are, such as their campaign. */
  message?: MessageInput | undefined
}

/** The user who acts; the host vouches for their identity. */
export interface Actor {
  user: string
  /** The account in which they act. */
  account: string
  /** The address from which they come. */
  ip?: string | undefined
}

/** The operator who acts; the host vouches for their identity. */
export interface Operator {
  user: string
  /** The address from which they come. */
  ip?: string | undefined
}

/** How to import a file of users. */
export interface ImportOptions {
  /** The account of the rows that name none. */
  account: string
  /** The role for rows that name none; the default role of the account when absent. */
  role?: string | undefined
  /** Whether one bad row keeps all rows out; possible only for files of at most 1,000 rows and 900 KiB. */
  atomic?: boolean | undefined
  /**
   * Called after each part. The answer `false` stops the import, and so does an exception, with which the promise is
   * rejected. What was imported until then stays.
   */
  onProgress?: ((progress: ImportProgress) => boolean | void) | undefined
}

/** How far an import has come. */
export interface ImportProgress {
  /** How many rows were read. */
  rows: number
  /** How many bytes of the file were read. */
  bytes: number
  /** How many bytes the file has. */
  bytesTotal: number
}

/** Imports whole files of users. */
export interface UserImporter {
  /**
   * Import users from the content of a CSV file of any size, as bytes or as text. It runs `importCsv` for one part of the
   * file after the other; each part has 500 rows, and is a commit of its own.
   */
  importFile(file: ArrayBufferView | string, options: ImportOptions): Promise<UserImport>
}

/** Waiting for messages of the outbox. */
export interface OutboxWaiter {
  /**
   * Wait until there is a message after the one of this number (0 by default). The answer is the number of the last
   * message, or undefined when the time (for ever by default) has passed. It needs no thread of the pool, and keeps the
   * process alive until it settles, as a timer or a socket does. Closing the store ends the wait with `HandleUnusable`.
   */
  wait(options?: { after?: Integer | undefined; timeoutMs?: Integer | undefined }): Promise<number | undefined>
  /**
   * The messages for a consumer, without an end: it calls `take` again and again, and waits when there is no message. It
   * keeps the process alive, and ends when the store is closed. Acknowledge each message with `ack`; otherwise it is given
   * again.
   *
   *     for await (const { message } of t.outbox.messages({ consumer: 'mailer' })) {
   *       await send(message)
   *       await t.outbox.ack({ consumer: 'mailer', numbers: [message.number] })
   *     }
   */
  messages(options: OutboxTakeRequest): AsyncGenerator<OutboxDelivery, void, undefined>
}

/** The operations, each as a method, and `call`, which runs any of them by its name. */
interface Caller extends Operations {
  /** The operations `users.*`, and the import of whole files. */
  readonly users: UsersOperations & UserImporter
  /** Run any operation by its name; the request and the answer have the names of the catalogue (`display_name`). */
  call(operation: string, request?: object): Promise<unknown>
}

/** The question whether a user holds a permission in an account. */
export interface Check {
  account: string
  user: string
  permission: string
}

/** The question whether an account, or a user in it, may send so many messages (1 by default) now. */
export interface Admission {
  account: string
  user?: string | undefined
  count?: Integer | undefined
}

/** An open store. Its operations run as `system`, which is the host itself. */
export interface Tenantry extends Caller {
  /** The operations `outbox.*`, and waiting for messages. */
  readonly outbox: OutboxOperations & OutboxWaiter
  /** The operations on what users may do; calling it prepares a permission check. */
  readonly access: AccessOperations & ((subject: { account: string; user: string; permission: string }) => Access)
  /** The same operations, run as this user in this account. */
  acting(actor: Actor): Acting
  /** The same operations, run as this operator of the platform. */
  operating(operator: Operator): Operating
  /** The same operations, run as the user to whom this session token belongs; each call checks the token again. */
  inSession(session: { token: string; account?: string | undefined; ip?: string | undefined }): InSession
  /** The same operations, run as the program to which this API key belongs; each call checks the token again. */
  withApiKey(key: { token: string; ip?: string | undefined }): WithApiKey
  /**
   * Prepare the sending of messages by an account, or by a user in it. Keep the result, because asking it is fast. The
   * host sends, so the address of the user is not checked; `acting(...).sender()` checks it.
   */
  sender(subject: { account: string; user?: string | undefined } & SenderOptions): Sender
  /**
   * Whether the user holds the permission in the account now. What is not in memory is read from the disk. The answer is
   * no for a user who is no member; an account or a permission that does not exist is an error (`not_found`,
   * `permission_unknown`).
   */
  allowed(question: Check): boolean
  /** Like `allowed`, but the answer is `null` when it is not in memory and would need the disk. */
  tryAllowed(question: Check): boolean | null
  /** Like `allowed`, but the event loop never waits for the disk. */
  allowedAsync(question: Check): Promise<boolean>
  /**
   * Ask to send `count` messages (1 by default) now. The answer is true when all of them are granted; they are charged
   * then. When the decision needs the disk, the event loop waits for it, so a server should call `admitAsync`.
   */
  admit(question: Admission): boolean
  /** Like `admit`, but the answer is the whole decision. */
  decide(question: Admission): Decision
  /** Like `admit`, but the answer is `null`, and nothing is charged, when the decision would need the disk. */
  tryAdmit(question: Admission): boolean | null
  /** Like `tryAdmit`, but the answer is the whole decision. */
  tryDecide(question: Admission): Decision | null
  /** Like `admit`, but another thread waits for the disk when it is needed, and never the event loop. */
  admitAsync(question: Admission): Promise<boolean>
  /** Like `admitAsync`, but the answer is the whole decision. */
  decideAsync(question: Admission): Promise<Decision>
  /**
   * Close the store, and give back what was drawn ahead and not used. Every later call throws `HandleUnusable`; closing
   * twice is allowed.
   */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A user who acts in an account: the same operations, each of which is refused unless the user may do it. */
export interface Acting extends Caller {
  /** The operations on what users may do; calling it prepares a check of one of this user's permissions. */
  readonly access: AccessOperations & ((permission: string) => Access)
  /**
   * Prepare the sending of messages by this user. Keep the result, because asking it is fast. The user comes from `ip`: if
   * an allow-list does not contain it, every send is refused with `ip_not_allowed`.
   */
  sender(options?: SenderOptions): Sender
}

/** An operator of the platform: the same operations, each of which is refused unless the operator may do it. */
export interface Operating extends Caller {}

/** The user of a session: the same operations, each of which is refused after the session has ended. */
export interface InSession extends Caller {}

/** A program that acts with an API key: the same operations, as far as the key and its user may call them. */
export interface WithApiKey extends Caller {
  /**
   * Prepare the sending of messages by this program. Keep the result, because asking it is fast. The token is checked here,
   * once. Every later change of the allow-lists and of the key counts, and so does its expiry.
   */
  sender(options?: SenderOptions): Promise<Sender>
}

/** A prepared permission check, which sees every later change. */
export interface Access {
  /** Whether the user holds the permission now. What is not in memory is read from the disk. */
  allowed(): boolean
  /** Like `allowed`, but the answer is `null` when it is not in memory and would need the disk. */
  tryAllowed(): boolean | null
  /** Like `allowed`, but the event loop never waits for the disk. */
  allowedAsync(): Promise<boolean>
}

/** A prepared sender, which sees every later change. */
export interface Sender {
  /**
   * Ask to send `count` messages (1 by default) now. The answer is true when all of them are granted; they are charged
   * then. When the decision needs the disk, the event loop waits for it, so a server should call `admitAsync`.
   */
  admit(count?: Integer): boolean
  /** Like `admit`, but the answer is the whole decision. */
  decide(count?: Integer): Decision
  /** Like `admit`, but the answer is `null`, and nothing is charged, when the decision would need the disk. */
  tryAdmit(count?: Integer): boolean | null
  /** Like `tryAdmit`, but the answer is the whole decision. */
  tryDecide(count?: Integer): Decision | null
  /** Like `admit`, but another thread waits for the disk when it is needed, and never the event loop. */
  admitAsync(count?: Integer): Promise<boolean>
  /** Like `admitAsync`, but the answer is the whole decision. */
  decideAsync(count?: Integer): Promise<Decision>
  /** The decision of the latest `admit`, `decide`, `tryAdmit` or `tryDecide` of this object. */
  last(): Decision | undefined
}
