// settings.*: what a tenant decides for itself, who sees it, and what is refused.
import { test } from 'tap'
import { OPERATOR, startApp } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { insertTenant } from '../support/tenants.ts'

test('settings', async (t) => {
  const app = await startApp(t)
  const tenantId = await insertTenant(app.owner, 'acme')
  const [adaId, benId] = (await insertPeople(app.owner, tenantId, [
    { email: 'ada@acme.test', role: 'administrator' },
    { email: 'ben@acme.test', role: 'manager' }
  ])) as [string, string]
  const ada = { cookie: await signInAs(app.owner, tenantId, adaId) }
  const ben = { cookie: await signInAs(app.owner, tenantId, benId) }
  const update = (input: object, caller: object = ada) => app.mutate('acme', 'settings.update', input, caller)

  t.test('shows everybody the public part and administrators everything', async (t) => {
    const open = { name: 'acme', subdomain: 'acme', logoUrl: null, googleSignIn: false, passwordMinLength: 8 }
    for (const caller of [{}, ben]) {
      t.same((await app.query('acme', 'settings.get', undefined, caller)).data, {
        settings: { ...open, administration: null }
      })
    }
    t.same((await app.query('acme', 'settings.get', undefined, ada)).data.settings, {
      ...open,
      administration: {
        senderName: null,
        invitationTtlHours: 168,
        allowedDomains: [],
        wantsGoogle: true,
        canGoogle: false,
        secondFactor: null,
        scimScope: 'all',
        scimWelcomeMail: false,
        wireLogDays: 30,
        auditRetentionDays: null,
        removedUserRetentionDays: null,
        mailRetentionDays: null,
        brake: {}
      }
    })
  })

  t.test('lets an administrator change them, and logs only the changed ones', async (t) => {
    const { data } = await update({
      name: 'Acme Ltd',
      logoUrl: 'https://acme.test/logo.png',
      senderName: 'Acme people',
      invitationTtlHours: 0.5,
      allowedDomains: ['Acme.test', 'bücher.example', 'acme.TEST'],
      googleSignIn: false,
      passwordMinLength: 12,
      scimScope: 'own',
      scimWelcomeMail: true,
      wireLogDays: 7,
      auditRetentionDays: 365,
      removedUserRetentionDays: 30,
      mailRetentionDays: 1
    })
    t.match(data.settings, {
      name: 'Acme Ltd',
      logoUrl: 'https://acme.test/logo.png',
      passwordMinLength: 12,
      administration: {
        senderName: 'Acme people',
        invitationTtlHours: 0.5,
        allowedDomains: ['acme.test', 'xn--bcher-kva.example'],
        wantsGoogle: false,
        scimScope: 'own',
        scimWelcomeMail: true,
        wireLogDays: 7,
        auditRetentionDays: 365,
        removedUserRetentionDays: 30,
        mailRetentionDays: 1
      }
    })
    t.equal((await app.query('acme', 'settings.get')).data.settings.name, 'Acme Ltd')
    await update({ passwordMinLength: 14, googleSignIn: false })
    const log = await app.query('acme', 'audit.list', { limit: 1 }, ada)
    t.match(log.data.items[0], { action: 'tenant.settingsChanged', actorId: adaId, targetName: 'acme' })
    t.same(log.data.items[0].before, { passwordMinLength: 12 })
    t.same(log.data.items[0].after, { passwordMinLength: 14 })
  })

  t.test('resets a setting to its default with null', async (t) => {
    const { data } = await update({ logoUrl: null, senderName: null, allowedDomains: null, passwordMinLength: null })
    t.match(data.settings, { logoUrl: null, passwordMinLength: 8 })
    t.match(data.settings.administration, { senderName: null, allowedDomains: EMPTY })
  })

  t.test('changes nothing if the values are the same', async (t) => {
    const before = await app.query('acme', 'audit.list', {}, ada)
    await update({ name: 'Acme Ltd', scimScope: 'own' })
    await update({})
    t.same((await app.query('acme', 'audit.list', {}, ada)).data, before.data)
  })

  t.test('refuses a bad setting by name, and changes nothing', async (t) => {
    const before = await app.query('acme', 'settings.get', undefined, ada)
    for (const [name, value] of [
      ['name', ''],
      ['name', 'a\nb'],
      ['logoUrl', 'http://acme.test/logo.png'],
      ['logoUrl', 'javascript:alert(1)'],
      ['logoUrl', 'https://user:secret@acme.test/logo.png'],
      ['logoUrl', 'logo.png'],
      ['senderName', 'x\r\nBcc: eve@x.test'],
      ['invitationTtlHours', 0],
      ['invitationTtlHours', -1],
      ['invitationTtlHours', 10_000],
      ['invitationTtlHours', '24'],
      ['allowedDomains', ['@acme.test']],
      ['allowedDomains', ['acme']],
      ['allowedDomains', 'acme.test'],
      ['googleSignIn', 'yes'],
      ['passwordMinLength', 7],
      ['passwordMinLength', 129],
      ['passwordMinLength', 9.5],
      ['scimScope', 'some'],
      ['subdomain', 'other'],
      ['state', 'suspended']
    ] as const) {
      const { status, error } = await update({ [name]: value })
      t.equal(status, 400, `${name} ${value}`)
      t.match(error?.message, name)
    }
    t.same((await app.query('acme', 'settings.get', undefined, ada)).data, before.data)
  })

  t.test('lets only administrators and the operator change settings', async (t) => {
    t.match(await update({ name: 'X' }, ben), { status: 403, error: { reason: 'administratorOnly' } })
    t.match(await update({ name: 'X' }, {}), { status: 401 })
    t.equal((await update({ name: 'Acme' }, OPERATOR)).data.settings.name, 'Acme')
  })

  t.test('keeps both of two changes at the same time', async (t) => {
    await Promise.all([update({ senderName: 'Both' }), update({ invitationTtlHours: 24 }), update({ name: 'Two' })])
    const { settings } = (await app.query('acme', 'settings.get', undefined, ada)).data
    t.match(settings, { name: 'Two', administration: { senderName: 'Both', invitationTtlHours: 24 } })
  })
})
