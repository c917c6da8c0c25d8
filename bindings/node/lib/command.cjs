#!/usr/bin/env node
'use strict'

// The command `tenantry`: `npx tenantry` where the package is installed.

const { runCommand } = require('./native.cjs')

process.exitCode = runCommand(['tenantry', ...process.argv.slice(2)])
