// Errors of `muster` go to standard error, and the exit status says of what kind they are.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { freePort } from '../../db/embedded.ts'
import { OPERATOR_TOKEN } from '../support/app.ts'
import { runMuster } from '../support/process.ts'
import { addTenant } from '../support/tenants.ts'
import { muster, ON_ACME, serve } from './muster.ts'

test('muster that is used wrongly, or whose service does not answer', async (t) => {
  const app = await serve(t)
  await addTenant(app, 'acme')

  t.test('impossible usage ends with status 2 and help on standard error', async (t) => {
    for (const args of [
      ['nonsense'],
      ['user'],
      ['user', 'list'],
      ['user', 'list', '--tenant', 'not/a/name'],
      ['user', 'list', ...ON_ACME, '--limit', '0'],
      ['user', 'list', ...ON_ACME, '--state', 'gone'],
      ['invitation', 'list', ...ON_ACME, '--state', 'gone'],
      ['scim-token', 'rotate', ...ON_ACME, 'x', '--overlap-hours', 'some'],
      ['event-stream', 'rotate-secret', ...ON_ACME, 'x', '--overlap-hours', '-1'],
      ['event-stream', 'deliveries', ...ON_ACME, 'x', '--limit', 'all'],
      ['user', 'list', ...ON_ACME, '--nonsense'],
      ['scim-token', 'create', ...ON_ACME],
      ['scim-token', 'create', ...ON_ACME, '--name', 'x', '--expires', 'soon']
    ]) {
      const { status, stdout, stderr } = await muster(...args)
      t.same([status, stdout], [2, ''], args.join(' '))
      t.ok(stderr.length > 0, args.join(' '))
    }
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))
    t.same(await muster('--version'), { status: 0, stdout: `${version}\n`, stderr: '' })
    t.match(await muster('--help'), { status: 0, stdout: /Usage: muster[\s\S]*Environment:/, stderr: '' })
  })

  t.test('a service that cannot be reached or refuses ends with status 1', async (t) => {
    const settings = { ...process.env }
    t.teardown(() => Object.assign(process.env, settings))
    process.env.OPERATOR_TOKEN = 'wrong-operator-token-0123456789-abcdef'
    t.match(await muster('tenant', 'list', '--json'), { status: 1, stdout: '', stderr: /\(unauthenticated\)/ })
    process.env.MUSTER_URL = `http://localhost:${await freePort()}`
    t.match(await muster('tenant', 'list'), { status: 1, stdout: '', stderr: /cannot be reached/ })
    for (const address of ['192.0.2.1', '127.0.0.2', '[::1]']) {
      process.env.MUSTER_URL = `http://${address}:3000`
      const { status, stderr } = await muster('user', 'list', ...ON_ACME)
      t.equal(status, 2)
      t.ok(stderr.includes(`domain, not the address ${address}`), stderr)
    }
    process.env.MUSTER_URL = 'nonsense'
    t.match(await muster('tenant', 'list'), { status: 2, stdout: '', stderr: /MUSTER_URL/ })
  })

  t.test('a service on this machine may be named by its address', async (t) => {
    const url = process.env.MUSTER_URL!
    t.teardown(() => {
      process.env.MUSTER_URL = url
    })
    process.env.MUSTER_URL = `http://127.0.0.1:${new URL(url).port}`
    t.match(await muster('user', 'list', ...ON_ACME, '--json'), { status: 0, stderr: '' })
    t.match(await muster('tenant', 'list', '--json'), { status: 0, stderr: '' })
  })

  t.test('a process ends with the same status', async (t) => {
    const env = { MUSTER_URL: process.env.MUSTER_URL!, OPERATOR_TOKEN }
    t.match(await runMuster(['tenant', 'list', '--json'], env), { status: 0, stdout: /^\{.*\}\n$/, stderr: '' })
    t.match(await runMuster(['tenant', 'list'], { ...env, OPERATOR_TOKEN: '', DATA_DIR: t.testdir() }), { status: 2 })
  })
})

test('a reader that stops early, such as head, ends a command without an error', async (t) => {
  const child = spawn(process.execPath, ['client/cli/main.ts', '--help'], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'pipe', 'pipe']
  })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk))
  const [status] = await once(child, 'close')
  t.match({ status, stderr }, { status: 0, stderr: '' })
})
