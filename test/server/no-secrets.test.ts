// Everything that lets somebody in is used, correctly and wrongly, in a real process that logs as much as it can. Then
// its log, the whole database and all other answers are searched for each secret.
import { request as httpRequest } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import pg from 'pg'
import { type Test, test } from 'tap'
import { freePort } from '../../db/embedded.ts'
import { hashToken, randomToken } from '../../server/secrets.ts'
import { createDatabase } from '../support/database.ts'
import { startIssuer, type TestIssuer } from '../support/issuer.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'
import { smtpError, startSmtpServer, type TestSmtpServer } from '../support/smtp-server.ts'

const OPERATOR_TOKEN = 'operator-token-of-this-test-0123456789'
const SECRET_KEY = 'secret-key-of-this-test-0123456789-abcdef'
const SMTP_PASSWORD = 'smtp-pass-Walnut-2718'
const PASSWORDS = {
  first: 'First-Glacier-Walnut-31',
  second: 'Second-Glacier-Walnut-32',
  wrong: 'Wrong-Glacier-Walnut-33',
  weak: 'Pw-34xz',
  broken: 'Broken-Glacier-Walnut-35',
  bare: 'BareGlacierWalnut36',
  provisioned: 'Idp-Glacier-Walnut-37',
  patched: 'Patched-Glacier-Walnut-38',
  filtered: 'Filtered-Glacier-Walnut-39',
  failing: 'Failing-Glacier-Walnut-40'
}

interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** The cookies that were set, as `name=value; name=value`. */
  cookies: string
}

class Client {
  readonly service: RunningProcess
  /** All answers, and the secrets that each was meant to return. */
  readonly answers: { what: string; text: string; gives: string[] }[] = []

  constructor(service: RunningProcess) {
    this.service = service
  }

  async send(
    host: string,
    method: string,
    path: string,
    options: { headers?: Record<string, string>; body?: string; gives?: (answer: Answer) => string[] } = {}
  ): Promise<Answer> {
    const name = host === '' ? 'localhost' : `${host}.localhost`
    const headers = { host: `${name}:${this.service.port}`, ...options.headers }
    const answer = await new Promise<Answer>((done, failed) => {
      const outgoing = httpRequest(
        { port: this.service.port, host: '127.0.0.1', method, path, headers },
        (incoming) => {
          readText(incoming).then((text) => {
            const set = incoming.headers['set-cookie'] ?? []
            const cookies = set.map((line) => line.split(';', 1)[0]!).join('; ')
            done({ status: incoming.statusCode!, headers: incoming.headers, text, cookies })
          }, failed)
        }
      )
      outgoing.on('error', failed).end(options.body)
    })
    const gives = options.gives?.(answer) ?? []
    this.answers.push({
      what: `${method} ${path.split('?', 1)[0]}`,
      text: answer.text + JSON.stringify(answer.headers),
      gives
    })
    return answer
  }

  trpc(
    host: string,
    procedure: string,
    input: unknown,
    by: { cookie?: string; token?: string } = {},
    gives?: (answer: Answer) => string[]
  ) {
    const headers = {
      'content-type': 'application/json',
      ...(by.cookie && { cookie: by.cookie }),
      ...(by.token && { authorization: `Bearer ${by.token}` })
    }
    return this.send(host, 'POST', `/trpc/${procedure}`, { headers, body: JSON.stringify(input), gives })
  }

  scim(token: string, method: string, path: string, body?: string, gives?: (answer: Answer) => string[]) {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' }
    return this.send('acme', method, `/scim/v2${path}`, { headers, body, gives })
  }
}

test('no secret is in the log, in the database or in an answer not meant to return it', {
  timeout: 120_000
}, async (t) => {
  const { client, db, smtp, issuer, service, databasePassword } = await start(t)
  const secrets = new Map<string, string>([
    ...Object.entries(PASSWORDS).map(([name, value]) => [`the ${name} password`, value] as const),
    ['the operator token', OPERATOR_TOKEN],
    ['the secret key', SECRET_KEY],
    ['the SMTP password', SMTP_PASSWORD],
    ['the Google client secret', issuer.clientSecret]
  ])
  if (databasePassword) secrets.set('the database password', databasePassword)
  const keep = (name: string, value: string | null | undefined): string => {
    if (!value) throw new Error(`There is no ${name}`)
    secrets.set(name, value)
    return value
  }
  const cookiesOf = ({ cookies }: Answer) => cookies.split('; ').map((cookie) => cookie.slice(cookie.indexOf('=') + 1))
  const keepCookies = (name: string, answer: Answer): string => {
    for (const [index, value] of cookiesOf(answer).entries()) if (value) keep(`${name} ${index}`, value)
    return answer.cookies
  }
  const linkIn = async (address: string, count: number) => {
    const { parsed } = (await smtp.mailsTo(address, count)).at(-1)!
    return /token=([\w-]{43})/.exec(parsed.text ?? '')![1]!
  }

  await client.trpc(
    '',
    'tenants.create',
    { subdomain: 'acme', name: 'Acme', admin: 'ada@acme.test' },
    { token: OPERATOR_TOKEN }
  )
  await client.trpc('', 'tenants.list', {}, { token: `${OPERATOR_TOKEN}-wrong` })
  const operator = await client.trpc('', 'operator.signIn', { token: OPERATOR_TOKEN }, {}, cookiesOf)
  const operatorCookie = keepCookies('the operator’s session', operator)
  await client.trpc('', 'operator.signIn', { token: `${OPERATOR_TOKEN}-wrong` })
  await client.trpc('', 'tenants.suspend', { subdomain: 'nobody' }, { cookie: operatorCookie })
  await client.trpc('', 'operator.signOut', {}, { cookie: operatorCookie })

  // an invitation, looked at, refused and accepted
  const invitation = keep('the invitation’s token', await linkIn('ada@acme.test', 1))
  await client.send('acme', 'GET', `/accept?token=${invitation}`)
  await client.send(
    'acme',
    'GET',
    `/trpc/invitations.preview?input=${encodeURIComponent(JSON.stringify({ token: invitation }))}`
  )
  t.equal((await client.trpc('acme', 'invitations.preview', { token: invitation })).status, 200)
  const accept = (password: string, profile: object) =>
    client.trpc('acme', 'invitations.accept', { token: invitation, password, profile }, {}, cookiesOf)
  t.equal((await accept(PASSWORDS.weak, { displayName: 'Ada' })).status, 400)
  t.equal((await accept(PASSWORDS.first, { displayName: 'Ada', shoeSize: 43 })).status, 400)
  const accepted = await accept(PASSWORDS.first, { displayName: 'Ada' })
  t.equal(accepted.status, 200)
  keepCookies('the first session', accepted)
  t.equal((await accept(PASSWORDS.first, { displayName: 'Ada' })).status, 409)

  // sign-ins: wrong, broken, by the wrong method, right
  const signIn = (password: string) =>
    client.trpc('acme', 'auth.signIn', { email: 'ada@acme.test', password }, {}, cookiesOf)
  t.equal((await signIn(PASSWORDS.wrong)).status, 401)
  const json = { 'content-type': 'application/json' }
  for (const [url, body] of [
    ['/trpc/auth.signIn', `{"email":"ada@acme.test","password":"${PASSWORDS.broken}`],
    ['/trpc/auth.signIn', `{"email":"ada@acme.test","password":${PASSWORDS.bare}}`],
    [`/trpc/auth.signIn?batch=1`, `{"0":{"password":"${PASSWORDS.broken}"}}`]
  ] as const) {
    t.equal(
      (await client.send('acme', 'POST', url, { headers: json, body, gives: () => [PASSWORDS.broken, PASSWORDS.bare] }))
        .status >= 400,
      true
    )
  }
  const query = encodeURIComponent(JSON.stringify({ email: 'ada@acme.test', password: PASSWORDS.first }))
  t.equal((await client.send('acme', 'GET', `/trpc/auth.signIn?input=${query}`)).status, 405)
  const signedIn = await signIn(PASSWORDS.first)
  let cookie = keepCookies('the second session', signedIn)
  t.equal((await client.trpc('acme', 'auth.sessions', undefined, { cookie })).status >= 200, true)
  t.equal((await client.trpc('', 'tenants.list', {}, { cookie })).status, 405)

  // a reset of a password
  await client.trpc('acme', 'auth.requestPasswordReset', { email: 'ada@acme.test' })
  const reset = keep('the reset’s token', await linkIn('ada@acme.test', 2))
  await client.send('acme', 'GET', `/reset?token=${reset}`)
  const setPassword = (password: string) =>
    client.trpc('acme', 'auth.resetPassword', { token: reset, password }, {}, cookiesOf)
  t.equal((await setPassword(PASSWORDS.weak)).status, 400)
  const wasReset = await setPassword(PASSWORDS.second)
  t.equal(wasReset.status, 200)
  cookie = keepCookies('the session of the reset', wasReset)
  t.equal((await setPassword(PASSWORDS.second)).status, 409)
  const change = { currentPassword: PASSWORDS.wrong, newPassword: PASSWORDS.second }
  t.equal((await client.trpc('acme', 'auth.changePassword', change, { cookie })).status, 403)

  // a sign-in link
  const code = keep('the sign-in code', randomToken())
  const { rows: admins } = await db.query("select tenant_id, id from users where email_key = 'ada@acme.test'")
  const { tenant_id: tenantId, id: adaId } = admins[0]
  await db.query(
    "insert into one_time_codes (tenant_id, code_hash, purpose, user_id, expires_at) values ($1, $2, 'link', $3, now() + '1 h')",
    [tenantId, hashToken(code), adaId]
  )
  const wrongCode = keep('a wrong sign-in code', randomToken())
  t.equal((await client.send('acme', 'GET', `/auth/link?code=${wrongCode}`)).status, 401)
  const byLink = await client.send('acme', 'GET', `/auth/link?code=${code}`, { gives: cookiesOf })
  t.equal(byLink.status, 303)
  cookie = keepCookies('the session of the link', byLink)

  // API tokens and SCIM tokens
  const tokenOf = ({ text }: Answer): string => JSON.parse(text).result.data.token
  const giveToken = (answer: Answer) => [tokenOf(answer)]
  const apiToken = keep(
    'the API token',
    tokenOf(await client.trpc('acme', 'apiTokens.create', { name: 'backend' }, { cookie }, giveToken))
  )
  t.equal(
    (await client.trpc('acme', 'invitations.create', { invites: [{ email: 'ben@acme.test' }] }, { token: apiToken }))
      .status,
    200
  )
  await client.trpc('', 'tenants.list', {}, { token: apiToken })
  await client.trpc('acme', 'auth.signOut', {}, { token: keep('a wrong API token', `mst_api_${randomToken()}`) })
  const scimToken = keep(
    'the SCIM token',
    tokenOf(await client.trpc('acme', 'scimTokens.create', { name: 'idp' }, { cookie }, giveToken))
  )
  await client.scim(keep('a wrong SCIM token', `mst_scim_${randomToken()}`), 'GET', '/Users')
  await client.send('acme', 'GET', `/scim/v2/Users?access_token=${scimToken}`)

  // an identity provider's requests, complete and broken
  const user = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"cleo@acme.test","password":`
  const made = await client.scim(scimToken, 'POST', '/Users', `${user}"${PASSWORDS.provisioned}"}`)
  t.equal(made.status, 201)
  t.equal((await client.scim(scimToken, 'POST', '/Users', `${user}"${PASSWORDS.provisioned}"}`)).status, 409)
  t.equal((await client.scim(scimToken, 'POST', '/Users', `${user}${PASSWORDS.bare}}`)).status, 400)
  t.equal((await client.scim(scimToken, 'POST', '/Users', `${user}"${PASSWORDS.broken}`)).status, 400)
  t.equal((await client.scim(scimToken, 'POST', '/Users', `${user}{"x":"${PASSWORDS.broken}"}}`)).status, 400)
  const patch = (path: string, value: string) =>
    `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"${path}","value":"${value}"}]}`
  const { id } = JSON.parse(made.text)
  t.equal((await client.scim(scimToken, 'PATCH', `/Users/${id}`, patch('password', PASSWORDS.patched))).status, 200)
  await client.scim(scimToken, 'PATCH', `/Users/${id}`, patch(`password[value eq \\"${PASSWORDS.filtered}\\"]`, 'x'))
  const filter = encodeURIComponent(`password eq "${PASSWORDS.filtered}"`)
  t.equal((await client.scim(scimToken, 'GET', `/Users?filter=${filter}`)).status, 400)

  await signInWithGoogle(client, issuer, keep)

  // faults of ours while passwords and tokens are handled
  await db.query("alter table user_credentials add constraint nothing_fits check (password_hash = '') not valid")
  await db.query('alter table scim_tokens rename to scim_tokens_gone')
  const failing = { currentPassword: PASSWORDS.second, newPassword: PASSWORDS.failing }
  t.equal((await client.trpc('acme', 'auth.changePassword', failing, { cookie })).status, 500)
  const stranger = keep('a SCIM token that nobody looked up', `mst_scim_${randomToken()}`)
  t.equal((await client.scim(stranger, 'GET', '/Users')).status, 500)
  await db.query('alter table scim_tokens_gone rename to scim_tokens')
  await client.trpc('acme', 'auth.signOut', {}, { cookie })

  const { rows: stored } = await dump(db)
  t.equal(await service.stop(), 0)
  const log = service.output()
  t.match(log, /nothing_fits/, 'faults are in the log')
  t.match(log, /"path":"\/auth\/google\/callback"/, 'and every request')
  t.match(log, /535|authentication failed/i, 'and the refusal of the mail server')
  t.notMatch(log, /\$2[aby]\$\d\d\$/, 'no hash of a password either')
  t.ok(secrets.size >= 30, `${secrets.size} secrets`)
  const database = JSON.stringify(stored)
  for (const [name, secret] of secrets) {
    for (const form of formsOf(secret)) {
      t.notOk(log.includes(form), `${name} is not in the log`)
      t.notOk(database.includes(form), `${name} is not in the database`)
      for (const { what, text, gives } of client.answers) {
        if (text.includes(form) && !gives.includes(secret)) t.fail(`${name} is in the answer to ${what}`, { text })
      }
    }
  }
})

/** Forms of a secret: plain, in a URL, in basic authentication, and as `bytea`. */
const formsOf = (secret: string): string[] => [
  ...new Set([
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    Buffer.from(secret).toString('hex')
  ])
]

async function start(t: Test) {
  const url = await createDatabase(t)
  const db = new pg.Client({ connectionString: url })
  await db.connect()
  t.teardown(() => db.end())
  // an empty database gets a first link and a token, which are printed for the demo
  await db.query(
    "insert into tenants (subdomain, name, created_at, updated_at) values ('other', 'Other', now(), now())"
  )
  let attempts = 0
  const smtp: TestSmtpServer = await startSmtpServer(t, {
    authOptional: false,
    authMethods: ['PLAIN', 'LOGIN'],
    onAuth({ password }, _session, done) {
      // refuses the first time, like a mail server that is being set up
      if (++attempts === 1 || password !== SMTP_PASSWORD) return done(smtpError(535, 'authentication failed'))
      return done(null, { user: 'muster' })
    }
  })
  const port = await freePort()
  const issuer = await startIssuer(t, `http://localhost:${port}/auth/google/callback`)
  const service = await startProcess(t, {
    PORT: String(port),
    DATABASE_URL: url,
    LOG_LEVEL: 'trace',
    OPERATOR_TOKEN,
    SECRET_KEY,
    SMTP_URL: smtp.url.replace('smtp://', `smtp://muster:${SMTP_PASSWORD}@`),
    MAIL_FROM: 'Muster <muster@muster.test>',
    GOOGLE_CLIENT_ID: issuer.clientId,
    GOOGLE_CLIENT_SECRET: issuer.clientSecret,
    GOOGLE_ISSUER: issuer.url
  })
  return { client: new Client(service), db, smtp, issuer, service, databasePassword: new URL(url).password }
}

/** All four redirects, with each of their secrets; then the same again, which is refused. */
async function signInWithGoogle(
  client: Client,
  issuer: TestIssuer,
  keep: (name: string, value: string | null | undefined) => string
) {
  const valuesOf = ({ headers, cookies }: Answer) => [
    ...new URL(String(headers.location)).searchParams.values(),
    ...cookies.split('; ').map((cookie) => cookie.slice(cookie.indexOf('=') + 1))
  ]
  const go = (url: URL | string, cookie = '') => {
    const { hostname, pathname, search } = new URL(url)
    const host = hostname === 'localhost' ? '' : hostname.replace('.localhost', '')
    return client.send(host, 'GET', pathname + search, { headers: { cookie }, gives: valuesOf })
  }
  const begun = await go('http://acme.localhost/auth/google')
  const browser = begun.cookies
  keep('the browser’s cookie', browser.split('=')[1])
  const ticketUrl = new URL(String(begun.headers.location))
  keep('the ticket', ticketUrl.searchParams.get('ticket'))
  const started = await go(ticketUrl)
  const page = new URL(String(started.headers.location))
  keep('the state', page.searchParams.get('state'))
  keep('the nonce', page.searchParams.get('nonce'))
  const callback = await issuer.visit(page.href)
  keep('Google’s code', callback.searchParams.get('code'))
  const handedOver = await go(callback, started.cookies)
  const finish = new URL(String(handedOver.headers.location))
  keep('the code of the hand-over', finish.searchParams.get('code'))
  const finished = await go(finish, browser)
  keep('the session of Google', /muster_session=([\w-]+)/.exec(finished.cookies)?.[1])
  await go(callback, started.cookies)
  await go(finish, browser)
}

/** All rows of all tables of ours, as text. */
async function dump(db: pg.Client): Promise<{ rows: unknown[] }> {
  const { rows: tables } = await db.query<{ name: string }>(`
    select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'`)
  const rows: unknown[] = []
  for (const { name } of tables) rows.push(...(await db.query(`select r::text from ${name} r`)).rows)
  return { rows }
}
