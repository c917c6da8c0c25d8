'use strict'

const { existsSync } = require('node:fs')
const { join } = require('node:path')

/** The C library of this system: glibc and musl need different native libraries. */
function libc() {
  if (process.platform === 'win32') return '-msvc'
  if (process.platform !== 'linux') return ''
  const { excludeNetwork } = process.report
  // Names of hosts would be looked up.
  process.report.excludeNetwork = true
  const { glibcVersionRuntime } = process.report.getReport().header
  process.report.excludeNetwork = excludeNetwork
  return glibcVersionRuntime === undefined ? '-musl' : '-gnu'
}

const platform = `${process.platform}-${process.arch}${libc()}`

/** Where a checkout has the native library of this platform. */
const built = join(__dirname, `../tenantry.${platform}.node`)

/** The package that holds it where tenantry was installed. */
const packageName = `tenantry-${platform}`

/** The native library: that of the checkout, else that of the package. */
const file = () => (existsSync(built) ? built : require.resolve(packageName))

module.exports = { built, file, packageName }
