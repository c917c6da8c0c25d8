// The types, as the compiler of a user sees them: as ESM, as CommonJS, for a bundler, and without Node's types.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const modules = join(here, '../../bindings/node/node_modules')

const NODE = ['--module', 'nodenext', '--types', 'node', '--typeRoots', join(modules, '@types')]
const KINDS = [
  ['ESM', 'mts', NODE],
  ['CommonJS', 'cts', NODE],
  ['a bundler', 'mts', ['--module', 'esnext', '--moduleResolution', 'bundler', '--types', '']],
]

let folder
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenantry-'))
  await symlink(join(here, '../../node_modules'), join(folder, 'node_modules'))
})
after(() => rm(folder, { recursive: true }))

/** The lines of the file that the compiler refuses. */
async function refused(name, kind, options) {
  const file = join(folder, `${name}.${kind}`)
  await copyFile(join(here, `${name}.ts`), file)
  const strict = ['--strict', '--noEmit', '--exactOptionalPropertyTypes', '--isolatedModules', '--target', 'es2022']
  const tsc = [join(modules, 'typescript/bin/tsc'), '--pretty', 'false', ...strict, ...options, file]
  const output = await new Promise((resolve) => execFile(process.execPath, tsc, { cwd: folder }, (_, stdout) => resolve(stdout)))
  const lines = output.split('\n').filter((line) => /^\S/.test(line))
  return new Map(
    lines.map((line) => {
      const [, at] = line.match(new RegExp(`^${name}\\.${kind}\\((\\d+),\\d+\\): error TS`)) ?? assert.fail(output)
      return [Number(at), line]
    }),
  )
}

for (const [what, kind, options] of KINDS) {
  test(`good programs are accepted, as ${what}`, async () => {
    assert.deepEqual([...(await refused('types-good', kind, options)).values()], [])
  })

  test(`bad programs are refused, as ${what}`, async () => {
    const source = await readFile(join(here, 'types-bad.ts'), 'utf8')
    const expected = source.split('\n').flatMap((line, at) => (line.endsWith('// error') ? [at + 1] : []))
    const found = await refused('types-bad', kind, options)
    assert.ok(expected.length > 20)
    assert.deepEqual([...found.keys()].sort((a, b) => a - b), expected, [...found.values()].join('\n'))
  })
}
