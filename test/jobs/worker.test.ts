import { sql } from 'kysely'
import { test } from 'tap'
import { giveUpMails } from '../../jobs/handlers/give-up-mail.ts'
import { sendMails } from '../../jobs/handlers/send-mail.ts'
import { compileTemplates } from '../../server/mail/render.ts'
import { MailError } from '../../server/mail/types.ts'
import { startSmtpServer } from '../support/smtp-server.ts'
import { startMailing } from './acme.ts'

test('a worker that is asked to stop', async (t) => {
  t.test('finishes what it is sending and leaves the rest in the queue', async (t) => {
    const isReceiving = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const smtp = await startSmtpServer(t, {
      async onRcptTo(_address, _session, done) {
        isReceiving.resolve()
        await goOn.promise
        done()
      }
    })
    const acme = await startMailing(t, { smtpUrl: smtp.url, isWorker: false })
    await acme.invite(['dan@x.test'])
    const stop = await acme.work()
    await isReceiving.promise
    const stopped = stop()
    await acme.invite(['late@x.test'])
    goOn.resolve()
    await stopped
    t.match(await acme.mailIs('dan@x.test', 'sent'), { attempts: 1 })
    t.match(await acme.mailIs('late@x.test', 'queued'), { attempts: 0 })
    await acme.work()
    await acme.mailIs('late@x.test', 'sent')
    t.equal(smtp.mails.length, 2)
  })

  t.test('stops waiting for a mail server that does not answer; the mail is tried again', async (t) => {
    const acme = await startMailing(t, { isWorker: false })
    await acme.invite(['stuck@x.test'])
    const { id } = await acme.mailIs('stuck@x.test', 'queued')
    const stopping = new AbortController()
    const transport = {
      send() {
        stopping.abort()
        return new Promise<never>(() => {})
      }
    }
    const deps = { ...acme.deps, transport, templates: await compileTemplates(), signal: stopping.signal }
    const results = await sendMails(deps, [{ id: 'job', data: { tenantId: acme.acmeId, mailId: id } }])
    t.match(results, [{ id: 'job', status: 'failed' }])
    t.match(await acme.mailIs('stuck@x.test', 'queued'), { attempts: 1, error: 'The process stopped while sending' })
  })
})

test('send-mail', async (t) => {
  const acme = await startMailing(t, { isWorker: false })
  const templates = await compileTemplates()
  const { signal } = new AbortController()
  const mailTo = async (email: string, invite = acme.invite) => {
    await invite([email])
    return (await acme.mailIs(email, 'queued')).id
  }
  const job = (mailId: string, tenantId = acme.acmeId) => ({ id: `job of ${mailId}`, data: { tenantId, mailId } })
  const sent: string[] = []
  const transport = {
    async send({ to }: { to: string }) {
      if (to.startsWith('bad')) throw new MailError('Refused', { permanent: true })
      if (to.startsWith('odd')) throw new Error('password=hunter2')
      sent.push(to)
      return { messageId: '' }
    }
  }
  const deps = { ...acme.deps, transport, templates, signal }

  t.test('sends once, however often its job runs', async (t) => {
    const id = await mailTo('once@x.test')
    for (let run = 0; run < 2; run++) t.match(await sendMails(deps, [job(id)]), [{ status: 'completed' }])
    t.same(sent.splice(0), ['once@x.test'])
  })

  t.test('does nothing if the mail or its tenant is gone', async (t) => {
    const id = await mailTo('gone@x.test')
    const nowhere = '01900000-0000-7000-8000-000000000000'
    const jobs = [job(nowhere), job(id, acme.globexId), job(id, 999_999)]
    t.match(
      await sendMails(deps, jobs),
      jobs.map(({ id }) => ({ id, status: 'completed' }))
    )
    t.same(sent, [])
  })

  t.test('handles each mail of a batch by itself', async (t) => {
    const ids = []
    for (const email of ['good1@x.test', 'bad@x.test', 'odd@x.test', 'good2@x.test']) ids.push(await mailTo(email))
    const results = await sendMails(
      deps,
      ids.map((id) => job(id))
    )
    t.same(
      results.map(({ status }) => status),
      ['completed', 'completed', 'failed', 'completed']
    )
    t.same(sent.splice(0).sort(), ['good1@x.test', 'good2@x.test'])
    t.match(await acme.mailIs('bad@x.test', 'failed'), { error: 'Refused' })
    const odd = await acme.mailIs('odd@x.test', 'queued')
    t.equal(odd.error, 'The mail could not be handed over', 'and what went wrong with us is for the log')
  })

  t.test('is not disturbed in one tenant by a failure in another', async (t) => {
    const id = await mailTo('fine@x.test')
    t.equal(await acme.inviteElsewhere('broken@x.test'), 'invited')
    const elsewhere = await acme.owner
      .selectFrom('mails')
      .select('id')
      .where('to_address', '=', 'broken@x.test')
      .executeTakeFirstOrThrow()
    await sql`alter table mails add constraint broken check (tenant_id <> ${sql.lit(acme.globexId)} or state <> 'sent')`.execute(
      acme.owner
    )
    const results = await sendMails(deps, [job(elsewhere.id, acme.globexId), job(id)])
    await sql`alter table mails drop constraint broken`.execute(acme.owner)
    t.match(results, [{ status: 'failed', output: { message: 'The database failed' } }, { status: 'completed' }])
    t.match(await acme.mailIs('fine@x.test', 'sent'), { attempts: 1 })
  })

  t.test('leaves a mail sent that was cancelled while it left', async (t) => {
    const id = await mailTo('crossing@x.test')
    const crossing = {
      async send() {
        await acme.owner.updateTable('mails').set({ state: 'cancelled' }).where('id', '=', id).execute()
        return { messageId: '' }
      }
    }
    await sendMails({ ...deps, transport: crossing }, [job(id)])
    t.match(await acme.mailIs('crossing@x.test', 'sent'), { attempts: 1 })
  })

  t.test('does not queue a mail again that was cancelled while it failed', async (t) => {
    const id = await mailTo('stopped@x.test')
    const crossing = {
      async send(): Promise<never> {
        await acme.owner.updateTable('mails').set({ state: 'cancelled' }).where('id', '=', id).execute()
        throw new MailError('Later', { permanent: false })
      }
    }
    await sendMails({ ...deps, transport: crossing }, [job(id)])
    t.match(await acme.mailIs('stopped@x.test', 'cancelled'), { attempts: 0 })
  })
})

test('give-up-mail', async (t) => {
  const acme = await startMailing(t, { isWorker: false })
  await acme.invite(['silent@x.test', 'spoken@x.test', 'sent@x.test'])
  await acme.inviteElsewhere('there@x.test')
  const mails = await acme.owner.selectFrom('mails').select(['id', 'tenant_id', 'to_address']).execute()
  await acme.owner.updateTable('mails').set({ error: '451 Later' }).where('to_address', '=', 'spoken@x.test').execute()
  await acme.owner.updateTable('mails').set({ state: 'sent' }).where('to_address', '=', 'sent@x.test').execute()
  await giveUpMails(
    acme.deps,
    mails.map(({ id, tenant_id }) => ({ data: { tenantId: tenant_id, mailId: id } }))
  )

  t.test('marks mails as failed, with the last reason if there is one', async (t) => {
    t.match(await acme.mailIs('silent@x.test', 'failed'), {
      error: 'No attempt to send it came to an end',
      token_sealed: null
    })
    t.match(await acme.mailIs('spoken@x.test', 'failed'), { error: '451 Later', token_sealed: null })
    t.match(await acme.mailIs('there@x.test', 'failed'), { token_sealed: null })
  })
  t.test('leaves sent mails alone', async (t) => {
    t.match(await acme.mailIs('sent@x.test', 'sent'), { error: null })
  })
})
