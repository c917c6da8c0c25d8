'use strict'

// Translates requests and answers between the names of JavaScript and those of the wire. TYPES lists the fields of each
// object as `camelName: [wire_name, type]`; a type is a word, a name in TYPES, or `[type]` for a list.

const { ERROR_CLASSES, ERRORS, TYPES: CATALOGUE_TYPES } = require('./generated.cjs')
const { nearest } = require('./nearest.cjs')

const MAX_INTEGER = Number.MAX_SAFE_INTEGER
const MAX_DEPTH = 100

const TYPES = {
  ...CATALOGUE_TYPES,
  Actor: { user: ['user', 'text'], account: ['account', 'text'], ip: ['ip', 'text'] },
  ActingOperator: { user: ['user', 'text'], ip: ['ip', 'text'] },
  ImportOptions: { account: ['account', 'text'], role: ['role', 'text'], atomic: ['atomic', 'bool'] },
  SenderOptions: { channel: ['channel', 'text'], message: ['message', 'MessageInput'] },
  Pepper: { id: ['id', 'text'], key: ['key', 'text'] },
  OpenOptions: {
    durability: ['durability', 'text'],
    cacheMib: ['cache_mib', 'integer'],
    create: ['create', 'bool'],
    lockWaitMs: ['lock_wait_ms', 'integer'],
    slowMs: ['slow_ms', 'integer'],
    storeTimeoutMs: ['store_timeout_ms', 'integer'],
    pollMs: ['poll_ms', 'integer'],
    staleMs: ['stale_ms', 'integer'],
    edition: ['edition', 'text'],
    tokenKey: ['token_key', 'text'],
    peppers: ['peppers', ['Pepper']],
    seed: ['seed', 'integer'],
  },
}

/** The exception for an error as JSON. */
function errorFrom(text) {
  let error
  try {
    error = JSON.parse(text)
  } catch {
    // It is not from the core: napi itself failed, and the text says how.
    return newError('internal', null, text)
  }
  return new ERROR_CLASSES[error.class](error)
}

function newError(code, field, message) {
  return new ERROR_CLASSES[ERRORS[code].class]({ code, ...ERRORS[code], message, field, details: {} })
}

/** The start of a text that was given and may be long. */
function short(text) {
  return text.length > 64 ? `${text.slice(0, 63)}…` : text
}

function invalid(field, what) {
  const name = field === '' ? 'The request' : `\`${short(field.slice(1))}\``
  return newError('invalid_argument', field, `${name} ${what}.`)
}

function wrongType(field, expected, value) {
  const given = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
  return invalid(field, `must be ${expected}, not \`${given}\``)
}

function integer(value, field) {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw wrongType(field, 'an integer', value)
  const number = Number(value)
  // A BigInt above 2^53 may round to 2^53, which is out of range as well.
  if (!Number.isInteger(number) || number < 0 || number > MAX_INTEGER) {
    throw invalid(field, `must be an integer from 0 to ${MAX_INTEGER}, and is ${number}`)
  }
  return number
}

function text(value, field) {
  if (typeof value !== 'string') throw wrongType(field, 'text', value)
  if (!value.isWellFormed()) throw invalid(field, 'must be valid Unicode, without lone surrogates')
  return value
}

function plainObject(value, field) {
  if (Object.prototype.toString.call(value) !== '[object Object]') throw wrongType(field, 'a plain object', value)
  return value
}

function list(value, field) {
  if (!Array.isArray(value)) throw wrongType(field, 'an array', value)
  return value
}

function child(field, name) {
  return `${field}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** The value as it goes over the wire; throws `invalid_argument` for a value that JSON would change or lose. */
function encode(type, value, field = '') {
  switch (type) {
    case 'bool':
      if (typeof value !== 'boolean') throw wrongType(field, 'true or false', value)
      return value
    case 'integer':
      return integer(value, field)
    case 'limit':
      if (value === 'unlimited') return value
      if (typeof value === 'string') throw wrongType(field, 'an integer or `unlimited`', value)
      return integer(value, field)
    case 'text':
      return text(value, field)
    case 'json':
      return json(value, field, 0)
  }
  if (Array.isArray(type)) return Array.from(list(value, field), (each, at) => encode(type[0], each, child(field, at)))
  const wire = {}
  for (const [name, each] of Object.entries(plainObject(value, field))) {
    if (each === undefined) continue
    if (!Object.hasOwn(TYPES[type], name)) unknown(field, name, Object.keys(TYPES[type]))
    const [wireName, of] = TYPES[type][name]
    wire[wireName] = encode(of, each, child(field, wireName))
  }
  return wire
}

/** Refuses a name that is none of these. */
function unknown(field, name, known) {
  const meant = nearest(name, known)
  throw invalid(child(field, name), `is no field here; ${meant === undefined ? 'leave it out' : `perhaps \`${meant}\` is meant`}`)
}

/** Any JSON, in the form of the wire; the core judges what it means. */
function json(value, field, depth) {
  if (depth > MAX_DEPTH) throw invalid('', `must not be nested deeper than ${MAX_DEPTH} levels`)
  switch (typeof value) {
    case 'boolean':
      return value
    case 'string':
      return text(value, field)
    case 'number':
      if (!Number.isFinite(value)) throw invalid(field, `must be a number that JSON has, and is ${value}`)
      return value
    case 'bigint':
      return integer(value, field)
  }
  if (value === null) return value
  if (Array.isArray(value)) return Array.from(value, (each, at) => json(each, child(field, at), depth + 1))
  return Object.fromEntries(
    Object.entries(plainObject(value, field))
      .filter(([, each]) => each !== undefined)
      .map(([name, each]) => [text(name, field), json(each, child(field, name), depth + 1)]),
  )
}

/** A value that came over the wire, with the names of JavaScript. */
function decode(type, value) {
  if (Array.isArray(type)) return value.map((each) => decode(type[0], each))
  if (!Object.hasOwn(TYPES, type)) return value
  const decoded = {}
  for (const [name, [wireName, of]] of Object.entries(TYPES[type])) {
    if (Object.hasOwn(value, wireName)) decoded[name] = decode(of, value[wireName])
  }
  return decoded
}

module.exports = { decode, encode, errorFrom, integer, invalid, plainObject, text, unknown, wrongType }
