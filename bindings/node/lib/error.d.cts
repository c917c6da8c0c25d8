import type { ErrorClass, ErrorCode, Retry } from './generated.cjs'

/** The base of all that tenantry throws. */
export class TenantryError extends Error {
  protected constructor()
  /** The stable code, such as `rev_conflict`. */
  readonly code: ErrorCode
  /** The stable number of the code. */
  readonly number: number
  /** The kind of error: each is a class of its own as well. */
  readonly class: ErrorClass
  /** Whether the same request can succeed later. */
  readonly retry: Retry
  /** The JSON pointer of the field that is wrong, in the names of the catalogue (`display_name`). */
  readonly field: string | null
  /** What explains the error, in the names of the catalogue. */
  readonly details: Readonly<Record<string, unknown>>
  /** The error as every language sees it. */
  toJSON(): object
}
