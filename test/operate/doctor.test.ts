import { sql } from 'kysely'
import { test } from 'tap'
import { examine } from '../../server/operate/doctor.ts'
import { checkClock } from '../../server/operate/doctor-database.ts'
import { checkDns } from '../../server/operate/doctor-network.ts'
import { startMailing } from '../jobs/acme.ts'
import { OPERATOR_TOKEN, SECRET_KEY } from '../support/app.ts'
import { createDatabase } from '../support/database.ts'
import { runMuster } from '../support/process.ts'
import { smtpError, startSmtpServer } from '../support/smtp-server.ts'

test('muster doctor', async (t) => {
  const acme = await startMailing(t, { isWorker: false })
  await acme.invite(['dan@x.test'])
  const smtp = await startSmtpServer(t, {
    authOptional: false,
    allowInsecureAuth: true,
    onAuth({ username, password }, _session, done) {
      if (username === 'muster' && password === 'right') done(null, { user: username })
      else done(smtpError(535, 'Who are you?'))
    }
  })
  const smtpUrl = (password: string) => smtp.url.replace('://', `://muster:${password}@`)
  const env = {
    DATABASE_URL: acme.url,
    SECRET_KEY,
    OPERATOR_TOKEN,
    SMTP_URL: smtpUrl('right'),
    MAIL_FROM: 'muster@muster.test'
  }
  const findings = async (change: Record<string, string> = {}) =>
    Object.fromEntries((await examine({ ...env, ...change })).map(({ check, ...finding }) => [check, finding]))

  t.test('finds that no worker runs, and says what to do', async (t) => {
    const found = await findings()
    t.match(found['queue'], {
      state: 'failed',
      found: /^No worker has been heard of ever; 1 job waits$/,
      mend: /RUN=worker/
    })
    const { queue: _, ...others } = found
    for (const [check, { state }] of Object.entries(others)) t.equal(state, 'ok', check)
    t.same(Object.keys(found), [
      'settings',
      'database',
      'rights',
      'migrations',
      'clock',
      'queue',
      'secret key',
      'mail',
      'dns'
    ])
    const { status, stdout, stderr } = await runMuster(['doctor', '--json'], env)
    t.same([status, stderr], [1, ''])
    t.match(JSON.parse(stdout), { isHealthy: false, findings: [{ check: 'settings', state: 'ok', mend: null }] })
  })

  t.test('warns of unencrypted connections if the service is open to the world', async (t) => {
    const plain = {
      DATABASE_URL: env.DATABASE_URL,
      PUBLIC_SCHEME: 'https',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c.test'
    }
    t.match((await findings(plain))['settings'], { state: 'warning', found: /OTLP_ENDPOINT must/, mend: /REQUIRE_TLS/ })
    t.equal((await findings({ PUBLIC_SCHEME: 'https' }))['settings']?.state, 'ok')
  })

  t.test('finds a job that nobody takes although a worker runs', async (t) => {
    await sql`update pgboss.version set cron_on = now()`.execute(acme.owner)
    await sql`update pgboss.job set start_after = now() - interval '10 minutes' where name = 'send-mail'`.execute(
      acme.owner
    )
    t.match((await findings())['queue'], { state: 'failed', found: /has waited for 10 min; 1 job waits/ })
  })

  t.test('ends with status 0 once a worker works', async (t) => {
    await acme.work()
    await acme.mailIs('dan@x.test', 'sent')
    await acme.queueIsEmpty()
    const { status, stdout, stderr } = await runMuster(['doctor'], env)
    t.same([status, stderr], [0, ''], stdout)
    t.match(stdout, /✓ queue: A worker lives; 0 jobs wait/)
    t.match(stdout, /✓ mail: 127\.0\.0\.1 takes mail from muster/)
    t.match(stdout, /✓ dns: localhost needs no DNS/)
  })

  t.test('finds a mail server that refuses us or cannot be reached', async (t) => {
    t.match((await findings({ SMTP_URL: smtpUrl('wrong') }))['mail'], {
      state: 'failed',
      found: /Who are you\?/,
      mend: /SMTP_URL/
    })
    t.match((await findings({ SMTP_URL: 'smtp://127.0.0.1:1' }))['mail'], { state: 'failed', found: /ECONNREFUSED/ })
    t.match((await findings({ SMTP_URL: '' }))['mail'], { state: 'ok', found: /mailbox/ })
  })

  t.test('finds a SECRET_KEY that was replaced instead of extended', async (t) => {
    await sql`update mails set state = 'queued', token_sealed = ${acme.deps.sealer.seal('mail', 'x')}`.execute(
      acme.owner
    )
    const other = 'another-secret-key-0123456789-abcdef'
    t.match((await findings({ SECRET_KEY: other }))['secret key'], { state: 'failed', mend: /SECRET_KEY=new,old/ })
    t.match((await findings({ SECRET_KEY: `${other},${SECRET_KEY}` }))['secret key'], { state: 'ok', found: /2 keys/ })
  })

  t.test('finds a wrong clock', async (t) => {
    t.match(await checkClock(acme.owner), { state: 'ok' })
    t.match(await checkClock(acme.owner, () => Date.now() - 10_000), { state: 'warning', found: /10\.?\d* s off|9\.9/ })
    t.match(await checkClock(acme.owner, () => Date.now() + 3_600_000), { state: 'failed', mend: /NTP/ })
  })

  t.test('finds a base domain that does not resolve', async (t) => {
    t.match(await checkDns('nothing.invalid'), { state: 'failed', found: 'nothing.invalid does not resolve' })
  })

  t.test('finds unusable settings and databases, and then checks nothing else', async (t) => {
    t.match(await examine({ ...env, PORT: 'x' }), [{ check: 'settings', state: 'failed', found: /PORT/ }])
    const gone = await findings({ DATABASE_URL: 'postgres://127.0.0.1:1/muster' })
    t.match(gone['database'], { state: 'failed', found: /ECONNREFUSED/, mend: /DATABASE_URL/ })
    t.notOk('queue' in gone)
    const empty = await findings({ DATABASE_URL: await createDatabase(t, 'template0') })
    t.match(empty['migrations'], { state: 'failed', found: /create_tables/, mend: /muster db migrate/ })
    const none = Object.fromEntries((await examine({ DATA_DIR: '/nowhere' })).map((found) => [found.check, found]))
    t.match(none['database'], { state: 'failed', found: /embedded/ })
  })
})
