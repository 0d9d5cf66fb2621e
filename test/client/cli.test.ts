// Calls every command of `muster` against one server. With --json standard output is one JSON value and nothing else.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { inTenant } from '../../db/connect.ts'
import { beginSecondFactor, confirmSecondFactor } from '../../db/second-factors.ts'
import { appRouter } from '../../server/admin/router.ts'
import { OPERATOR_TOKEN } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import { signInAs } from '../support/people.ts'
import { clientOf, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { BULK_REQUEST, USER } from '../support/urns.ts'
import { buildProgram, called, json, leavesOf, muster, ON_ACME, serve, used } from './muster.ts'
import { NO_COMMAND } from './no-command.ts'

test('muster', async (t) => {
  const app = await serve(t)
  const folder = mkdtempSync(join(tmpdir(), 'muster-cli-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))

  t.test('tenant creates, lists, shows, renames, suspends, resumes and removes', async (t) => {
    const created = await json(t, 'tenant create', 'acme', '--name', 'Acme', '--admin', 'ada@acme.test')
    t.match(created, {
      tenant: { subdomain: 'acme', name: 'Acme', state: 'active' },
      invitation: { email: 'ada@acme.test' }
    })
    await json(t, 'tenant create', 'globex', '--name', 'Globex')
    const { items, nextCursor } = await json(t, 'tenant list')
    t.same(
      items.map(({ subdomain }: { subdomain: string }) => subdomain),
      ['acme', 'globex']
    )
    t.equal(nextCursor, null)
    t.equal((await json(t, 'tenant list', '--search', 'glob')).items.length, 1)
    t.match(await json(t, 'tenant show', 'globex'), { tenant: { name: 'Globex' }, counts: { users: 0 } })
    t.match(await json(t, 'tenant rename', 'globex', 'Globex Ltd'), { tenant: { name: 'Globex Ltd' } })
    t.match(await json(t, 'tenant suspend', 'globex'), { tenant: { state: 'suspended' } })
    t.match(await json(t, 'tenant resume', 'globex'), { tenant: { state: 'active' } })
    await json(t, 'tenant suspend', 'globex')
    t.match(await json(t, 'tenant remove', 'globex', '--confirm', 'globex'), { tenant: { subdomain: 'globex' } })
    const unconfirmed = await muster('tenant', 'remove', 'acme', '--json')
    t.match(unconfirmed, { status: 2, stdout: '', stderr: /--confirm acme/ })
    t.match(await muster('tenant', 'list'), { status: 0, stdout: /subdomain.*\n.*\n.*acme/, stderr: '' })
  })

  t.test('settings shows and changes what a tenant has set', async (t) => {
    t.match(await json(t, 'settings show', ...ON_ACME), { settings: { name: 'Acme', passwordMinLength: 8 } })
    const changed = await json(
      t,
      'settings update',
      ...ON_ACME,
      ...['--name', 'Acme Ltd', '--invitation-ttl-hours', '48', '--allowed-domains', 'acme.test, x.test'],
      ...['--scim-welcome-mail', 'on', '--second-factor', 'everybody', '--brake', 'on', '--brake-people', '30']
    )
    t.match(changed.settings, {
      name: 'Acme Ltd',
      administration: {
        invitationTtlHours: 48,
        allowedDomains: ['acme.test', 'x.test'],
        scimWelcomeMail: true,
        secondFactor: 'everybody',
        brake: { off: false, people: 30 }
      }
    })
    const brake = await json(t, 'settings update', ...ON_ACME, '--brake-percent', '5', '--brake-people', 'default')
    t.same(brake.settings.administration.brake, { off: false, percent: 5 }, 'what is not named stays')
    t.match((await muster('settings', 'show', ...ON_ACME)).stdout, /allowedDomains\s+│ acme\.test, x\.test/)
    const back = await json(
      t,
      'settings update',
      ...ON_ACME,
      ...['--name', 'Acme', '--invitation-ttl-hours', 'default', '--allowed-domains', 'default'],
      ...['--second-factor', 'default', '--brake', 'default', '--brake-percent', 'default']
    )
    t.match(back.settings.administration, { allowedDomains: EMPTY, secondFactor: null })
    t.same(back.settings.administration.brake, {})
    t.equal(back.settings.administration.invitationTtlHours, 168)
    for (const wrong of [[], ['--scim-scope', 'some'], ['--wire-log-days', 'long'], ['--google-sign-in', 'maybe']]) {
      t.match(await muster('settings', 'update', ...ON_ACME, ...wrong), { status: 2, stdout: '' }, wrong.join(' '))
    }
  })

  t.test('invite and invitation send, list, resend and revoke', async (t) => {
    const invited = await json(
      t,
      'invite',
      ...ON_ACME,
      '--role',
      'manager',
      'Ben <ben@acme.test>, cleo@acme.test',
      'nonsense'
    )
    t.same(invited.counts, { invited: 2, invalidEmail: 1 })
    t.match(invited.results, [{ email: 'ben@acme.test' }, { email: 'cleo@acme.test' }, { result: 'invalidEmail' }])
    const { items } = await json(t, 'invitation list', ...ON_ACME)
    t.equal(items.length, 3)
    const { invitationId } = invited.results[0]
    t.match(await json(t, 'invitation resend', ...ON_ACME, invitationId), { invitation: { id: invitationId } })
    t.match(await json(t, 'invitation revoke', ...ON_ACME, invitationId), { invitation: { state: 'revoked' } })
    const again = await muster('invitation', 'revoke', ...ON_ACME, invitationId, '--json')
    t.match(again, { status: 1, stdout: '', stderr: /\(\w+\)\n$/ }, 'the stable reason stands behind the text')
  })

  t.test('user finds people by id or address, and changes them', async (t) => {
    const { id } = await app.owner
      .selectFrom('tenants')
      .select('id')
      .where('subdomain', '=', 'acme')
      .executeTakeFirstOrThrow()
    const scim = await scimClient(app, { id, subdomain: 'acme' })
    const { id: userId } = await scim.createUser({ userName: 'dan@acme.test', displayName: 'Dan' })
    t.match(await json(t, 'user list', ...ON_ACME, '--search', 'dan'), {
      items: [{ id: userId, email: 'dan@acme.test' }]
    })
    t.equal((await json(t, 'user list', ...ON_ACME, '--limit', '1')).items.length, 1)
    const shown = await json(t, 'user get', ...ON_ACME, 'DAN@acme.test')
    const { data } = await app.query('acme', 'users.get', { userId }, { token: OPERATOR_TOKEN })
    t.same(shown, data, 'exactly what the service answers')
    const { status } = await scim.post('/Bulk', {
      schemas: [BULK_REQUEST],
      Operations: Array.from({ length: 230 }, (_, n) => ({
        method: 'POST',
        path: '/Users',
        bulkId: `b${n}`,
        data: { schemas: [USER], userName: `${n}.dan@acme.test`, displayName: 'Aaron' }
      }))
    })
    t.equal(status, 200)
    const found = await json(t, 'user get', ...ON_ACME, 'dan@acme.test')
    t.equal(found.user.id, userId, 'among any number whose address ends as this one')
    t.match(await muster('user', 'update', ...ON_ACME, userId), { status: 2, stderr: /Name what shall change/ })
    t.match(await json(t, 'user update', ...ON_ACME, userId, '--time-zone', 'Europe/Zurich'), {
      user: { timeZone: 'Europe/Zurich' }
    })
    t.match(await json(t, 'user set-role', ...ON_ACME, 'dan@acme.test', 'manager'), { user: { role: 'manager' } })
    t.match(await json(t, 'user lock', ...ON_ACME, userId), { user: { locked: true } })
    t.match(await json(t, 'user unlock', ...ON_ACME, userId), { user: { locked: false } })
    t.match(await json(t, 'user release', ...ON_ACME, userId), { user: { source: 'invitation' } })
    t.match(await muster('user', 'reset-second-factor', ...ON_ACME, userId), { status: 1, stderr: /noSecondFactor/ })
    await inTenant(app.db, id, async (trx) => {
      const secretSealed = Buffer.from('sealed')
      await beginSecondFactor(trx, id, userId, secretSealed, new Date())
      await confirmSecondFactor(trx, id, userId, { secretSealed, step: 1, recoveryHashes: [], now: new Date() })
    })
    t.match(await json(t, 'user reset-second-factor', ...ON_ACME, userId), { user: { id: userId } })
    t.match(await json(t, 'user deactivate', ...ON_ACME, userId), { user: { state: 'deactivated' } })
    t.match(await json(t, 'user activate', ...ON_ACME, userId), { user: { state: 'active' } })
    await json(t, 'user deactivate', ...ON_ACME, userId)
    t.match(await json(t, 'user remove', ...ON_ACME, userId), { user: { state: 'removed' } })
    t.match(await muster('user', 'get', ...ON_ACME, 'nobody@x.test'), { status: 1, stderr: /Nobody in this tenant/ })
    t.match(await muster('user', 'set-role', ...ON_ACME, userId, 'king'), { status: 2, stdout: '', stderr: /king/ })
  })

  t.test('group and group-roles manage groups and the roles that they give', async (t) => {
    const { group } = await json(t, 'group create', ...ON_ACME, 'Dispatch')
    const added = await json(t, 'group add', ...ON_ACME, group.id, 'ada@acme.test', 'cleo@acme.test')
    t.match(added, { group: { memberCount: 2 } })
    t.match(await json(t, 'group drop', ...ON_ACME, group.id, 'ada@acme.test'), { group: { memberCount: 1 } })
    t.match(await json(t, 'group list', ...ON_ACME), { items: [{ displayName: 'Dispatch', memberCount: 1 }] })
    t.match(await json(t, 'group rename', ...ON_ACME, group.id, 'Dispatchers'), {
      group: { displayName: 'Dispatchers' }
    })
    t.match(await json(t, 'group show', ...ON_ACME, group.id), { group: { memberCount: 1 }, childGroups: EMPTY })
    t.match(await muster('group', 'show', ...ON_ACME, group.id), { status: 0, stdout: /name\s+│ Dispatchers/ })
    t.match(await json(t, 'group members', ...ON_ACME, group.id), { items: [{ email: 'cleo@acme.test' }] })
    const { group: staffed } = await json(t, 'group create', ...ON_ACME, 'Staffed', 'ada@acme.test')
    t.equal(staffed.memberCount, 1)
    await json(t, 'group remove', ...ON_ACME, staffed.id)
    await json(t, 'group rename', ...ON_ACME, group.id, 'Dispatch')
    t.match(await json(t, 'group release', ...ON_ACME, group.id), { group: { source: 'manual' } })
    const mapping = `${group.id}=administrator`
    t.match(await json(t, 'group-roles preview', ...ON_ACME, mapping), { total: 1, changes: [{ to: 'administrator' }] })
    t.match(await json(t, 'group-roles update', ...ON_ACME, mapping), { people: 1, changed: { total: 1 } })
    t.match(await json(t, 'group-roles show', ...ON_ACME), {
      mapping: [{ displayName: 'Dispatch', role: 'administrator' }]
    })
    t.equal((await muster('group-roles', 'preview', ...ON_ACME, 'nonsense')).status, 2)
    t.match(await json(t, 'group-roles update', ...ON_ACME), { mapping: EMPTY, changed: { lowered: 1 } })
    t.same(await json(t, 'group remove', ...ON_ACME, group.id), { groupId: group.id })
  })

  t.test('scim-token, connection, brake and conflict manage identity providers', async (t) => {
    const made = await json(t, 'scim-token create', ...ON_ACME, '--name', 'okta', '--profile', 'okta')
    t.match(made, {
      token: /^mst_scim_/,
      baseUrl: /^http:\/\/acme\.localhost:\d+\/scim\/v2$/,
      scimToken: { name: 'okta' }
    })
    const { id, connectionId } = made.scimToken
    const listed = await json(t, 'scim-token list', ...ON_ACME)
    t.ok(listed.items.some((item: { id: string }) => item.id === id))
    const rotated = await json(t, 'scim-token rotate', ...ON_ACME, id, '--overlap-hours', '1')
    t.not(rotated.token, made.token)
    await json(t, 'scim-token revoke', ...ON_ACME, id)
    t.match(await json(t, 'connection list', ...ON_ACME), { items: Array })
    t.same(await json(t, 'connection errors', ...ON_ACME), { connections: [] })
    t.match(await json(t, 'connection show', ...ON_ACME, connectionId), { connection: { name: 'okta' } })
    t.match(await json(t, 'connection update', ...ON_ACME, connectionId, '--name', 'Okta'), {
      connection: { name: 'Okta' }
    })
    const people = await muster('scim-token', 'create', ...ON_ACME, '--name', 'entra')
    t.match(people, { status: 0, stdout: /not shown again[\s\S]*Token\s+mst_scim_/ })

    await scimClient(app, await addTenant(app, 'initech'))
    t.match(await json(t, 'scim test', ...ON_ACME, '--as', 'okta', '--connection', connectionId), Object)
    t.match(await json(t, 'brake status', ...ON_ACME), { connections: Array })
    t.match(await json(t, 'brake status', ...ON_ACME, connectionId), { brake: { connectionId }, held: EMPTY })
    await json(t, 'connection update', ...ON_ACME, connectionId, '--brake', 'off')
    t.match(await muster('brake', 'status', ...ON_ACME, connectionId), { stdout: /^The brake is off: whatever/ })
    await json(t, 'connection update', ...ON_ACME, connectionId, '--brake', 'default')
    for (const [command, answer] of [
      ['release', { carriedOut: 0 }],
      ['reject', { rejected: 0 }],
      ['lift', { lifted: 0 }]
    ] as const) {
      t.match(await json(t, `brake ${command}`, ...ON_ACME, connectionId), answer)
    }
    const okta = clientOf(app, { id: 0, subdomain: 'acme' }, rotated.token)
    await okta.post('/Users', { schemas: [USER], userName: 'ada@acme.test' })
    const { items: conflicts } = await json(t, 'conflict list', ...ON_ACME)
    t.match(conflicts, [{ reason: 'roleAbove', sent: { userName: 'ada@acme.test' } }])
    const [{ id: conflictId, candidates }] = conflicts
    for (const decision of ['ignore', 'apart', 'adopt']) {
      const whom = decision === 'adopt' ? [candidates[0].id] : []
      t.match(await json(t, `conflict ${decision}`, ...ON_ACME, conflictId, ...whom), { conflict: { decision } })
    }
    const shown = await muster('conflict', 'list', ...ON_ACME, '--state', 'decided')
    t.match(shown, { status: 0, stdout: /ada@acme\.test/ })
    const { body: kept } = await okta.post('/Users', { schemas: [USER], userName: 'kept', displayName: 'Kept' })
    const managed = await muster('user', 'get', ...ON_ACME, kept.id)
    t.match(managed, { status: 0, stdout: /displayName\s*│\s*Okta/ }, 'who manages what is told')
    t.match(await json(t, 'connection remove', ...ON_ACME, connectionId, '--keep'), { released: { users: 1 } })
    t.match(await json(t, 'connection removed', ...ON_ACME), { items: [{ id: connectionId, users: 1 }] })
    const { stdout } = await muster('user', 'get', ...ON_ACME, kept.id)
    t.match(stdout, /Okta, which was removed/)
    t.match(await json(t, 'connection release', ...ON_ACME, connectionId), { released: { users: 1 } })
  })

  t.test('scim-schema and api-token list, make and remove', async (t) => {
    const file = join(folder, 'schema.json')
    const urn = 'urn:acme:scim:1.0:User'
    writeFileSync(file, JSON.stringify({ id: urn, name: 'Acme', attributes: [{ name: 'badge', type: 'string' }] }))
    t.match(await json(t, 'scim-schema create', ...ON_ACME, file), { scimSchema: { urn, resourceType: 'User' } })
    t.match(await json(t, 'scim-schema list', ...ON_ACME), { items: [{ urn }] })
    t.match(await json(t, 'scim-schema remove', ...ON_ACME, urn), { scimSchema: { urn } })
    t.match(await muster('scim-schema', 'create', ...ON_ACME, join(folder, 'none')), { status: 2, stdout: '' })

    const user = await app.owner
      .selectFrom('users')
      .select(['id', 'tenant_id'])
      .where('email', '=', 'ada@acme.test')
      .executeTakeFirstOrThrow()
    await app.owner.updateTable('users').set({ state: 'active' }).where('id', '=', user.id).execute()
    const cookie = await signInAs(app.owner, user.tenant_id, user.id)
    const { data } = await app.mutate('acme', 'apiTokens.create', { name: 'backend' }, { cookie })
    const listed = await json(t, 'api-token list', ...ON_ACME, '--user', 'ada@acme.test')
    t.match(listed, { items: [{ id: data.apiToken.id, name: 'backend' }] })
    t.match(await json(t, 'api-token revoke', ...ON_ACME, data.apiToken.id), { apiToken: { name: 'backend' } })
  })

  t.test('connection shadow leads from a first copy to going live', async (t) => {
    const made = await json(t, 'scim-token create', ...ON_ACME, '--name', 'shadowy', '--shadow')
    const { connectionId } = made.scimToken
    const acme = { id: 0, subdomain: 'acme' }
    await clientOf(app, acme, made.token).createUser({ userName: 'shadowy@acme.test' })
    const { counts } = await json(t, 'connection shadow show', ...ON_ACME, connectionId)
    t.match(counts, { users: { create: 1 }, conflicts: 0 })
    const listed = await json(t, 'connection shadow list', ...ON_ACME, connectionId, '--only', 'create')
    t.match(listed.items, [{ name: 'shadowy@acme.test', effect: 'create' }])
    const [{ id }] = await json(t, 'user list', ...ON_ACME, '--limit', '1').then(({ items }) => items)
    for (const whose of ['provider', 'rest'])
      await json(t, 'connection shadow decide', ...ON_ACME, connectionId, id, whose)
    t.match(await json(t, 'connection shadow refresh', ...ON_ACME, connectionId), { users: 0 })
    t.match(await muster('connection', 'shadow', 'show', ...ON_ACME, connectionId), { stdout: /create\s.*1/ })
    t.match(await muster('connection', 'shadow', 'go-live', ...ON_ACME, connectionId), { status: 2, stderr: /--yes/ })
    t.match(await json(t, 'connection shadow go-live', ...ON_ACME, connectionId, '--yes'), { counts })
    t.match(await json(t, 'connection shadow open', ...ON_ACME, connectionId), { shadow: { connectionId } })
    await json(t, 'connection shadow discard', ...ON_ACME, connectionId)
  })

  t.test('wire-log finds, shows and replays requests', async (t) => {
    const { token } = await json(t, 'scim-token create', ...ON_ACME, '--name', 'watched')
    await app.inject('acme', { url: '/scim/v2/Users', headers: { authorization: `Bearer ${token}` } })
    let items: { id: string }[] = []
    while (items.length === 0) items = (await json(t, 'wire-log list', ...ON_ACME, '--limit', '1')).items
    t.match(await json(t, 'wire-log show', ...ON_ACME, items[0]!.id), { entry: { id: items[0]!.id } })
    t.match(await json(t, 'wire-log replay', ...ON_ACME, items[0]!.id), Object)
  })

  t.test('event-stream manages webhooks and security event tokens', async (t) => {
    const url = 'https://hooks.example/muster'
    const made = await json(t, 'event-stream create', ...ON_ACME, '--name', 'hook', '--url', url, '--events', 'user.*')
    t.match(made, { stream: { name: 'hook', kind: 'webhook', eventTypes: ['user.*'] }, secret: String })
    const { id } = made.stream
    t.match(await json(t, 'event-stream show', ...ON_ACME, id), { stream: { id, url } })
    t.match(await json(t, 'event-stream list', ...ON_ACME), { items: [{ id, url }] })
    t.match(await json(t, 'event-stream update', ...ON_ACME, id, '--state', 'paused'), { stream: { state: 'paused' } })
    t.match(await muster('event-stream', 'update', ...ON_ACME, id), { status: 2, stderr: /Name what shall change/ })
    t.not((await json(t, 'event-stream rotate-secret', ...ON_ACME, id)).secret, made.secret)
    await json(t, 'event-stream update', ...ON_ACME, id, '--state', 'enabled')
    await json(t, 'event-stream test', ...ON_ACME, id)
    t.match(await json(t, 'event-stream deliveries', ...ON_ACME, id), { items: Array, nextCursor: null })
    t.match(await json(t, 'event-stream replay', ...ON_ACME, id), { count: 0 })
    await json(t, 'event-stream remove', ...ON_ACME, id)

    const tokens = ['--name', 'siem', '--kind', 'set', '--url', url, '--authorization', 'Bearer one']
    const { id: siem } = (await json(t, 'event-stream create', ...ON_ACME, ...tokens)).stream
    const to = (host: string, ...more: string[]) => [...ON_ACME, siem, '--url', `https://${host}/`, ...more]
    t.match(await muster('event-stream', 'update', ...to('a.example')), {
      status: 1,
      stderr: /for https:\/\/hooks\.example alone.*authorizationRequired/
    })
    t.match(await json(t, 'event-stream update', ...to('a.example', '--authorization', 'Bearer two')), {
      stream: { url: 'https://a.example/', hasAuthorization: true }
    })
    t.match(await json(t, 'event-stream update', ...ON_ACME, siem, '--name', 'other'), {
      stream: { name: 'other', hasAuthorization: true }
    })
    t.match(await json(t, 'event-stream update', ...to('b.example', '--no-authorization')), {
      stream: { url: 'https://b.example/', hasAuthorization: false }
    })
    await json(t, 'event-stream remove', ...ON_ACME, siem)
  })

  t.test('audit lists and exports events', async (t) => {
    t.equal((await muster('audit', ...ON_ACME, '--limit', '3', '--json')).stdout.split('\n').length, 2)
    const { stdout } = await muster('audit', ...ON_ACME, '--action', 'user.locked', '--json')
    t.match(JSON.parse(stdout), { items: [{ action: 'user.locked', actorKind: 'operator' }] })
    const file = join(folder, 'audit.csv')
    t.same(await json(t, 'audit export', ...ON_ACME, '--output', file), { file })
    t.match(readFileSync(file, 'utf8'), /^at,action,[\s\S]*user\.locked/)
    t.equal(statSync(file).mode & 0o777, 0o600)
    const lines = await muster('audit', 'export', ...ON_ACME, '--format', 'jsonl', '--action', 'user.locked')
    t.match(lines, { status: 0, stderr: '' })
    t.match(JSON.parse(lines.stdout), { action: 'user.locked' })
    t.match(await muster('audit', 'export', ...ON_ACME, '--json'), { status: 2, stdout: '', stderr: /--output/ })
    t.match(await muster('audit', 'export', '--tenant', 'nobody'), {
      status: 1,
      stdout: '',
      stderr: /\(unknownTenant\)/
    })
    t.match(await muster('audit', 'export', ...ON_ACME, '--format', 'xml'), { status: 2, stdout: '' })
  })

  t.test('tenant export and import move a tenant', async (t) => {
    const file = join(folder, 'acme.jsonl')
    const exported = await json(t, 'tenant export', 'acme', '--output', file)
    t.match(exported, { file, rows: Number })
    t.equal(readFileSync(file, 'utf8').trimEnd().split('\n').length, exported.rows + 2)
    t.equal(statSync(file).mode & 0o777, 0o600)
    const printed = await muster('tenant', 'export', 'acme', '--without-credentials')
    t.match(printed.stdout, /"credentials":false/)
    t.match(await muster('tenant', 'export', 'nobody', '-o', join(folder, 'x')), { status: 1, stderr: /not found/ })
    t.match(await muster('tenant', 'import', file, '--json'), { status: 1, stdout: '', stderr: /\(subdomainTaken\)/ })
    t.match(await muster('tenant', 'import', join(folder, 'none')), { status: 2, stderr: /There is no file/ })
    await muster('tenant', 'suspend', 'acme')
    await muster('tenant', 'remove', 'acme', '--confirm', 'acme')
    t.match(await json(t, 'tenant import', file), { tenant: { subdomain: 'acme' }, rows: { users: Number } })
    t.match(await json(t, 'user get', ...ON_ACME, 'cleo@acme.test'), { user: { role: 'manager' } })
  })

  t.test('each command is called here or has tests of its own', async (t) => {
    // these need no server: test/operate
    for (const command of ['db migrate', 'db status', 'doctor']) used.add(command)
    // test/admin/history-cli.test.ts
    for (const command of ['history user', 'history group', 'history connection', 'undo']) used.add(command)
    t.same(leavesOf(buildProgram()).toSorted(), [...used].toSorted())
  })

  t.test('each procedure has a command that calls it, or a reason for having none', (t) => {
    const history = ['history.user', 'history.group', 'history.connection', 'history.preview', 'history.undo']
    const covered = [...called, ...history, ...Object.values(NO_COMMAND).flat()]
    t.same(Object.keys(appRouter._def.procedures).toSorted(), [...new Set(covered)].toSorted())
    t.end()
  })
})
