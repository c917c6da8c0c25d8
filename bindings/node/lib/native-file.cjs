'use strict'

const { join } = require('node:path')

const libc = { linux: '-gnu', win32: '-msvc' }[process.platform] ?? ''

/** Where the native library of this platform lies. */
exports.file = join(__dirname, `../tenantry.${process.platform}-${process.arch}${libc}.node`)
