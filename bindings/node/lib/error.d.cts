import type { ErrorClass, ErrorCode, Retry } from './generated.cjs'

/** The base class of everything that tenantry throws. */
export class TenantryError extends Error {
  protected constructor()
  /** The stable code, such as `rev_conflict`. */
  readonly code: ErrorCode
  /** The stable number of the code. */
  readonly number: number
  /** The class of the error; each of them is a subclass of this one as well. */
  readonly class: ErrorClass
  /** Whether the same request can succeed later. */
  readonly retry: Retry
  /** The status of HTTP with which a host answers its own client, from 400 to 599. */
  readonly httpStatus: number
  /**
   * The reply of SMTP with which a host answers its own client, such as `450 4.7.1`: the reply code and the enhanced status
   * code, to which the host adds a text.
   */
  readonly smtpReply: string
  /** The JSON pointer of the field that is wrong, with the names of the catalogue (`display_name`). */
  readonly field: string | null
  /** What explains the error, with the names of the catalogue. */
  readonly details: Readonly<Record<string, unknown>>
  /** The error in the form that every language gets. */
  toJSON(): object
}
