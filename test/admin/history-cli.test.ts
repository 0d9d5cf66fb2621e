// `muster history` and `muster undo`, each a process of its own.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'tap'
import { OPERATOR, startApp } from '../support/app.ts'
import { openHistory } from '../support/history.ts'

test('muster history and muster undo', async (t) => {
  const app = await startApp(t, { env: { BASE_DOMAIN: 'localhost' } })
  const url = await app.app.listen({ host: '127.0.0.1', port: 0 })
  const acme = await openHistory(t, 'acme', app)
  const { scim, connectionId } = await acme.connect('Okta')
  const since = new Date(app.clock.now().getTime() - 60_000).toISOString()
  const { id } = await scim.createUser({ userName: 'pat@acme.test', title: 'Engineer' })
  await scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }])
  const muster = (...args: string[]) =>
    promisify(execFile)(process.execPath, ['client/cli/main.ts', ...args, '--tenant', 'acme'], {
      env: {
        PATH: process.env['PATH'],
        MUSTER_URL: url.replace('127.0.0.1', 'localhost'),
        OPERATOR_TOKEN: OPERATOR.token,
        NO_COLOR: '1'
      }
    }).then(
      ({ stdout }) => ({ status: 0, stdout, stderr: '' }),
      ({ code, stdout, stderr }) => ({ status: code as number, stdout: stdout as string, stderr: stderr as string })
    )
  const stateOf = async () => (await acme.query('users.get', { userId: id })).data.user.state

  const history = await muster('history', 'user', 'pat@acme.test')
  t.equal(history.stderr, '')
  t.match(history.stdout, /Okta +│ user\.deactivated.*Okta +│ user\.created/s)
  const of = JSON.parse((await muster('history', 'connection', connectionId, '--since', since, '--json')).stdout)
  const [deactivated] = of.items
  t.equal(of.items.length, 2)

  const preview = await muster('undo', '--event', deactivated.id, '--dry-run')
  t.match(preview.stdout, /It would change 1 users, 0 groups and 0 memberships, and refuse 0.*state/s)
  t.equal(await stateOf(), 'deactivated')
  const undone = JSON.parse((await muster('undo', '--event', deactivated.id, '--json')).stdout)
  t.match(undone, { counts: { users: 1, refused: 0 } })
  t.equal(await stateOf(), 'active')
  t.match((await muster('undo', '--event', undone.undoId)).stdout, /Undo this with: muster undo --event/)
  t.equal(await stateOf(), 'deactivated')
  await muster('undo', '--connection', connectionId, '--since', since)
  t.equal(await stateOf(), 'removed')

  t.match(await muster('undo'), { status: 2, stderr: /Name one of/ })
  t.match(await muster('undo', '--user', id), { status: 2, stderr: /--at/ })
})
