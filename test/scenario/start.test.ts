// What the two commands promise: demo data once, secrets kept, data kept over a restart, bad settings refused.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { createClient } from '../../client/index.ts'
import { fetchOf } from '../../client/transport-node.ts'
import { runCli, startProcess } from '../support/process.ts'

test('npm start', { timeout: 120_000 }, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'muster-start-'))
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))

  const service = await startProcess(t, { DATA_DIR: dataDir })
  const printed = service.output()
  t.match(printed, /http:\/\/acme\.localhost:\d+\/\S+/, 'a sign-in link for the administrator is printed')
  t.match(printed, /http:\/\/acme\.localhost:\d+\/scim\/v2/, 'and the SCIM base URL')
  const scimToken = /mst_scim_[\w-]+/.exec(printed)?.[0]
  t.ok(scimToken, 'and a SCIM token')
  t.match(printed, /http:\/\/localhost:\d+\/mailbox/, 'and the mailbox')

  const link = /http:\/\/acme\.localhost:\d+\/auth\/link\?code=[\w-]+/.exec(printed)![0]
  const signIn = await fetchOf()(link, { redirect: 'manual' })
  t.match(signIn.headers.get('set-cookie'), /HttpOnly/i)
  const again = await fetchOf()(link, { redirect: 'manual' })
  t.equal(again.headers.get('set-cookie'), null, 'the link works once')

  const users = await fetchOf()(`http://acme.localhost:${service.port}/scim/v2/Users`, {
    headers: { authorization: `Bearer ${scimToken}` }
  })
  t.equal(users.status, 200)

  const tokenFile = join(dataDir, 'operator-token')
  t.equal(statSync(tokenFile).mode & 0o777, 0o600)
  const operatorToken = readFileSync(tokenFile, 'utf8').trim()

  t.test('the command line works with what the service left', async (t) => {
    const created = await runCli(service, [
      'tenant',
      'create',
      'hooli',
      '--name',
      'Hooli',
      '--admin',
      'gavin@hooli.test',
      '--json'
    ])
    t.equal(created.status, 0, created.stderr)
    t.match(JSON.parse(created.stdout), { tenant: { subdomain: 'hooli', name: 'Hooli' } })
    const token = await runCli(service, ['scim-token', 'create', '--tenant', 'hooli', '--name', 'okta', '--json'])
    t.match(JSON.parse(token.stdout), {
      token: /^mst_scim_/,
      baseUrl: `http://hooli.localhost:${service.port}/scim/v2`
    })
    const invited = await runCli(service, [
      'invite',
      '--tenant',
      'hooli',
      '--role',
      'responder',
      'a@x.test,b@x.test',
      '--json'
    ])
    t.same(JSON.parse(invited.stdout).counts, { invited: 2 })
    const listed = await runCli(service, ['user', 'list', '--tenant', 'hooli', '--json'])
    t.equal(JSON.parse(listed.stdout).items.length, 3)
    const taken = await runCli(service, ['tenant', 'create', 'hooli', '--name', 'Hooli', '--json'])
    t.match(taken, { status: 1, stdout: '', stderr: /subdomainTaken/ })
    t.match(await runCli(service, ['tenant', 'create']), { status: 2, stdout: '' })
    t.match(await runCli(service, ['user', 'list', '--tenant', 'hooli'], { MUSTER_URL: 'nonsense' }), { status: 2 })
    t.match(
      (await runCli(service, ['user', 'list', '--tenant', 'hooli'])).stdout,
      /gavin@hooli\.test/,
      'a table for people'
    )
    const { findings } = JSON.parse((await runCli(service, ['doctor', '--json'])).stdout)
    const found = findings.find(({ check }: { check: string }) => check === 'database')
    t.match(found, { state: 'ok', found: /^PostgreSQL / }, 'the doctor finds the embedded database')
  })

  t.test('data and secrets are kept over a restart, and demo data are not made again', async (t) => {
    t.equal(await service.stop(), 0, 'SIGTERM ends it with status 0')
    const restarted = await startProcess(t, { DATA_DIR: dataDir })
    t.notMatch(restarted.output(), /mst_scim_/)
    const operator = createClient({ url: `http://localhost:${restarted.port}`, token: operatorToken })
    const { items } = await operator.tenants.list.query({})
    t.same(items.map(({ subdomain }) => subdomain).sort(), ['acme', 'hooli'])

    // a killed process leaves a PostgreSQL, which the next start takes over
    restarted.child.kill('SIGKILL')
    await once(restarted.child, 'exit')
    const again = await startProcess(t, { DATA_DIR: dataDir })
    const after = createClient({ url: `http://localhost:${again.port}`, token: operatorToken })
    t.equal((await after.tenants.list.query({})).items.length, 2)
    await t.rejects(startProcess(t, { DATA_DIR: dataDir }), {
      message:
        /status 1: Muster did not start: The database in \S+ is in use by process \d+: stop that, or set DATA_DIR\s*$/
    })
  })
})

test('bad settings stop the start with one line that names all of them', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['server/main.ts'], {
    cwd: join(import.meta.dirname, '../..'),
    env: { PATH: process.env.PATH, PORT: 'x', RUN: 'some', SMTP_URL: 'http://x', OPERATOR_TOKEN: 'short' },
    encoding: 'utf8'
  })
  t.equal(status, 1)
  t.equal(stderr.trim().split('\n').length, 1)
  for (const name of ['PORT', 'RUN', 'SMTP_URL', 'OPERATOR_TOKEN']) t.match(stderr, name)
})
