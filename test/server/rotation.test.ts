// SECRET_KEY is rotated: what the old key sealed is valid under a new key in front of it. Also what real processes log.
import { test } from 'tap'
import { createClient } from '../../client/index.ts'
import { fetchOf } from '../../client/transport-node.ts'
import { OPERATOR_TOKEN } from '../support/app.ts'
import { createDatabase } from '../support/database.ts'
import { startProcess } from '../support/process.ts'
import { startSmtpServer } from '../support/smtp-server.ts'

const OLD = 'old-secret-key-0123456789-0123456789'
const NEW = 'new-secret-key-0123456789-0123456789'

test('a SECRET_KEY is replaced while mails wait and people are signed in', async (t) => {
  const smtp = await startSmtpServer(t)
  const env = {
    DATABASE_URL: await createDatabase(t),
    OPERATOR_TOKEN,
    SMTP_URL: smtp.url,
    MAIL_FROM: 'muster@muster.test'
  }
  const before = await startProcess(t, { ...env, RUN: 'server', SECRET_KEY: OLD })
  const link = /http:\/\/acme\.localhost:\d+\/auth\/link\?code=[\w-]+/.exec(before.output())![0]
  const signedIn = await fetchOf()(link, { redirect: 'manual' })
  const cookie = signedIn.headers
    .getSetCookie()
    .map((text) => text.split(';')[0])
    .join('; ')
  const acme = createClient({ url: `http://acme.localhost:${before.port}`, token: OPERATOR_TOKEN })
  await acme.invitations.create.mutate({ invites: [{ email: 'dan@x.test' }] })
  await fetchOf()(`http://acme.localhost:${before.port}/scim/v2/Users?filter=secret`)
  await fetchOf()(`http://localhost:${before.port}/nowhere?token=secret`)
  t.equal(await before.stop(), 0)
  t.equal(smtp.mails.length, 0, 'nobody has sent the mail yet')

  const after = await startProcess(t, { ...env, PORT: String(before.port), SECRET_KEY: `${NEW},${OLD}` })
  const [mail] = await smtp.mailsTo('dan@x.test')
  const token = /accept\?token=([\w-]+)/.exec(mail!.parsed.text ?? '')![1]!
  const url = `http://acme.localhost:${after.port}`
  const anybody = createClient({ url })
  t.match(await anybody.invitations.preview.query({ token }), { email: 'dan@x.test' }, 'its link works')
  const me = await fetchOf()(`${url}/trpc/auth.me`, { headers: { cookie } })
  t.match(await me.json(), { result: { data: { user: { email: 'ada@acme.test' } } } }, 'the session is still one')

  t.test('each line of a request has its id and tenant, and no secret', async (t) => {
    const lines = before
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
    const completed = lines.filter(({ msg }) => msg === 'request completed')
    t.ok(completed.length > 3)
    for (const { reqId, req, responseTime } of completed) {
      t.match(reqId, /^[0-9a-f-]{36}$/)
      t.equal(req.id, reqId)
      t.type(responseTime, 'number')
    }
    const of = (path: string) => completed.find(({ req }) => req.path === path)
    t.match(of('/scim/v2/Users'), { tenant: 'acme', res: { statusCode: 401 } })
    t.match(of('/trpc/invitations.create'), { tenant: 'acme', res: { statusCode: 200 } })
    t.match(of('/nowhere'), { tenant: undefined, res: { statusCode: 404 } })
    for (const secret of [OPERATOR_TOKEN, OLD, 'secret', cookie.split('=')[1]!, /code=([\w-]+)/.exec(link)![1]!]) {
      t.notOk(lines.some((line) => JSON.stringify(line).includes(secret)))
    }
  })
})
