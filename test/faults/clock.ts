// The clock jumps far ahead and far back while everything runs: what was promised stays, and the process continues.
import assert from 'node:assert/strict'
import { connect } from '../../db/connect.ts'
import { migrate, SERVER_ROLE } from '../../db/migrate.ts'
import { prepareQueue } from '../../jobs/queue.ts'
import { OPERATOR, startApp } from '../support/app.ts'
import type { Teardown } from '../support/process.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { holdInvariants } from './invariants.ts'
import type { Scenario } from './scenario.ts'
import { persist } from './traffic.ts'

const YEAR_HOURS = 365 * 24

export const clockJumps: Scenario = {
  fault: 'clock jumps ahead by a year, back by two, ahead again',
  async play(stage, { users }) {
    const { url, owner } = stage.cluster
    const closers: (() => unknown)[] = []
    const t: Teardown = { teardown: (work) => void closers.push(work) }
    try {
      await migrate(url, () => prepareQueue(url))
      const db = connect({ url, role: SERVER_ROLE })
      const app = await startApp(t, {
        database: { db, owner, url },
        isWorker: true,
        env: { SMTP_URL: stage.mail.url, MAIL_FROM: 'Muster <muster@muster.test>', SCIM_REQUESTS_PER_SECOND: '0' }
      })
      closers.unshift(() => db.destroy())
      const tenant = await addTenant(app, 'clock')
      const okta = await scimClient(app, tenant)
      const made: { id: string; version: string }[] = []
      const create = async (prefix: string) => {
        const names = Array.from({ length: Math.ceil(users / 20) }, (_, index) => `${prefix}${index}@clock.test`)
        const answers = await Promise.all(names.map((userName) => okta.createUser({ userName })))
        made.push(...answers.map(({ id, meta }) => ({ id, version: meta.version })))
      }
      const invite = (email: string, resend = false) =>
        app.mutate('clock', 'invitations.create', { invites: [{ email }], resend }, OPERATOR)
      const mailsTo = (email: string) => stage.mail.taken.filter(({ to }) => to === email).length
      const gets = async (email: string, count: number) =>
        persist(
          async () => mailsTo(email),
          (mails) => mails >= count
        )
      const results = async (email: string, resend?: boolean) =>
        (await invite(email, resend)).data?.results.map(({ result }: { result: string }) => result)

      await create('now')
      assert.deepEqual(await results('guest@clock.test'), ['invited'])
      await gets('guest@clock.test', 1)

      app.clock.advance({ hours: YEAR_HOURS })
      await create('ahead')
      assert.deepEqual(await results('guest@clock.test'), ['resent'], 'the invitation has expired')
      await gets('guest@clock.test', 2)

      app.clock.advance({ hours: -2 * YEAR_HOURS })
      await create('back')
      assert.deepEqual(await results('guest@clock.test'), ['alreadyInvited'])
      assert.deepEqual(await results('guest@clock.test', true), ['resent'])
      await gets('guest@clock.test', 3)
      const changed = await okta.patch(`/Users/${made[0]!.id}`, [{ op: 'replace', path: 'title', value: 'Countess' }])
      assert.equal(changed.status, 200)
      assert.notEqual(changed.body.meta.version, made[0]!.version, 'a change is seen by its version, whatever the time')
      const shown = await app.query('clock', 'invitations.list', {}, OPERATOR)
      assert.equal(shown.data.items.length, 1)

      app.clock.advance({ hours: YEAR_HOURS })
      const began = performance.now()
      await create('again')
      const recoveryMs = performance.now() - began
      assert.deepEqual(await results('late@clock.test'), ['invited'])
      await gets('late@clock.test', 1)
      await persist(
        async () => (await owner.selectFrom('mails').select('id').where('state', '=', 'queued').execute()).length,
        (queued) => queued === 0
      )
      await holdInvariants(owner)
      const answers = await Promise.all(made.map(({ id }) => okta.get(`/Users/${id}`)))
      const mails = stage.mail.taken.length
      return {
        acknowledged: made.length + 4,
        kept: answers.filter(({ status }) => status === 200).length + mails,
        recoveryMs,
        note: 'invitations expire and are renewed by what the clock says; ids, versions and the queue do not depend on it (the time is that of the last creates)'
      }
    } finally {
      for (const closer of closers.reverse()) await closer()
    }
  }
}
