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

module.exports = { shownAs }
