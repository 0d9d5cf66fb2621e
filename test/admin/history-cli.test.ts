// `muster history` and `muster undo`, run as processes.
import { test } from 'tap'
import { OPERATOR_TOKEN, startApp } from '../support/app.ts'
import { openHistory } from '../support/history.ts'
import { musterOn } from '../support/process.ts'

test('muster history shows changes, and muster undo takes them back', async (t) => {
  const app = await startApp(t, { env: { BASE_DOMAIN: 'localhost' } })
  const url = await app.app.listen({ host: '127.0.0.1', port: 0 })
  const acme = await openHistory(t, 'acme', app)
  const { scim, connectionId } = await acme.connect('Okta')
  const since = new Date(app.clock.now().getTime() - 60_000).toISOString()
  const { id } = await scim.createUser({ userName: 'pat@acme.test', title: 'Engineer' })
  await scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }])
  const muster = musterOn(url, 'acme', OPERATOR_TOKEN)
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
