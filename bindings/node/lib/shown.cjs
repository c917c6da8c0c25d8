'use strict'

const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/**
 * Makes `inspect` and `console.log` show what this object is: the store, whether it is open, and for whom the object is.
 * What is passed is shown, so no secret may be.
 */
function shownAs(object, store, subject = {}) {
  const name = object.constructor.name
  const show = (depth, options, inspect) => {
    if (depth < 0) return options.stylize(`[${name}]`, 'special')
    const given = Object.entries(subject).filter(([, value]) => value !== undefined)
    return `${name} ${inspect({ path: store.path, ...Object.fromEntries(given), state: store.state }, options)}`
  }
  Object.defineProperty(object, INSPECT, { value: show })
}

/** What may be shown of the address of a store: of a database on a server neither the user nor the password. */
function shownPath(path) {
  if (!/^postgres(ql)?:/.test(path)) return path
  const { protocol, host, pathname, searchParams } = new URL(path)
  return `${protocol}//${host}${pathname}?schema=${searchParams.get('schema') ?? 'tenantry'}`
}

module.exports = { shownAs, shownPath }
