// node build.mjs [PROFILE]
// Builds the native library with a profile of Cargo.toml (`release` when none is named), puts it where lib/native.cjs looks for it, and makes `import 'tenantry'` work in the
// tests and examples of this checkout.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const root = join(folder, '../..')
const cargo = (...args) => execFileSync(process.env.CARGO ?? 'cargo', args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })

const profile = process.argv[2] ?? 'release'
cargo('build', '--profile', profile, '-p', 'tenantry-node')
const { target_directory: target } = JSON.parse(cargo('metadata', '--format-version', '1', '--no-deps'))
const library = { linux: 'libtenantry_node.so', darwin: 'libtenantry_node.dylib', win32: 'tenantry_node.dll' }[process.platform]
const { built: file } = await import('./lib/native-file.cjs')

// Renamed into place: a process that has the old library mapped keeps it whole.
copyFileSync(join(target, profile, library), `${file}.new`)
renameSync(`${file}.new`, file)

mkdirSync(join(root, 'node_modules'), { recursive: true })
rmSync(join(root, 'node_modules/tenantry'), { recursive: true, force: true })
symlinkSync('../bindings/node', join(root, 'node_modules/tenantry'), 'dir')
