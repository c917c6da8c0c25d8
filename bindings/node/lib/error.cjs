'use strict'

/** The base class of everything that tenantry throws; there is a generated subclass for each class of errors. */
class TenantryError extends Error {
  constructor(error) {
    super(error.message)
    this.code = error.code
    this.number = error.number
    this.class = error.class
    this.retry = error.retry
    this.httpStatus = error.http_status
    this.smtpReply = error.smtp_reply
    this.field = error.field
    this.details = error.details
  }

  get name() {
    return this.constructor.name
  }

  toJSON() {
    const { code, number, class: kind, retry, httpStatus, smtpReply, message, field, details } = this
    return { code, number, class: kind, retry, http_status: httpStatus, smtp_reply: smtpReply, message, field, details }
  }
}

module.exports = { TenantryError }
