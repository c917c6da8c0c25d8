'use strict'

const { CATALOGUE_HASH } = require('./generated.cjs')
const { file } = require('./native-file.cjs')

function load() {
  try {
    return require(file)
  } catch (cause) {
    throw new Error(
      `Tenantry cannot load its native library for ${process.platform} ${process.arch}, ${file}; ` +
        'install the package on this platform (in a checkout: `npm run build` in bindings/node).',
      { cause },
    )
  }
}

const native = load()
if (native.catalogueHash() !== CATALOGUE_HASH) {
  throw new Error(
    'The JavaScript files of tenantry and its native library come from different versions; install the package anew ' +
      '(in a checkout: `cargo xtask codegen`, then `npm run build` in bindings/node).',
  )
}

module.exports = native
