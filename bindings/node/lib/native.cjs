'use strict'

const { CATALOGUE_HASH } = require('./generated.cjs')
const { file, packageName } = require('./native-file.cjs')

function load() {
  try {
    return require(file())
  } catch (cause) {
    throw new Error(
      `Tenantry cannot load its native library for this platform, the package ${packageName}; install tenantry on this platform ` +
        'with its optional dependencies, if there is such a package (in a checkout: `npm run build` in bindings/node).',
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
