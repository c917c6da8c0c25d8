// The programs of examples/guide/node, which the guide shows in parts, run and say nothing of what is wrong.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const folder = fileURLToPath(new URL('../../examples/guide/node/', import.meta.url))
const programs = (await readdir(folder)).filter((name) => name.endsWith('.mjs'))

test('there are programs', () => assert.ok(programs.length >= 8))

for (const program of programs) {
  test(program, async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'tenantry-guide-'))
    try {
      const { stderr } = await run(process.execPath, [join(folder, program)], { cwd, timeout: 120_000 })
      assert.equal(stderr, '')
      assert.deepEqual(await readdir(cwd), [], 'it leaves files behind')
    } finally {
      await rm(cwd, { recursive: true })
    }
  })
}
