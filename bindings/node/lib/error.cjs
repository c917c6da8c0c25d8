'use strict'

/** The base of all that tenantry throws; the generated subclasses are one for each class of errors. */
class TenantryError extends Error {
  constructor(error) {
    super(error.message)
    this.code = error.code
    this.number = error.number
    this.class = error.class
    this.retry = error.retry
    this.field = error.field
    this.details = error.details
  }

  get name() {
    return this.constructor.name
  }

  toJSON() {
    const { code, number, class: kind, retry, message, field, details } = this
    return { code, number, class: kind, retry, message, field, details }
  }
}

module.exports = { TenantryError }
