import { test } from 'tap'
import { ConfigError, loadConfig, loadOwnerUrl, publicUrl } from '../../server/config.ts'

const SECRET = 'x'.repeat(32)

test('loadConfig', async (t) => {
  t.test('has the documented defaults', async (t) => {
    const config = loadConfig({})
    t.match(config, {
      http: { host: '127.0.0.1', port: 3000, trustProxy: 0, maxInFlight: 1_000 },
      public: { baseDomain: 'localhost', scheme: 'http', port: 3000 },
      invitationTtlHours: 168,
      bcryptCost: 12,
      run: 'all',
      logLevel: 'info'
    })
    t.equal(config.database.url, undefined, 'the embedded database')
    t.equal(config.google, undefined)
    t.throws(() => Object.assign(config.http, { port: 1 }), 'and is frozen, all the way down')
  })

  const bad: [name: string, env: Record<string, string>, problem: RegExp][] = [
    ['a port that is no number', { PORT: 'http' }, /PORT must be a whole number from 0 to 65535, not "http"/],
    ['a port out of range', { PORT: '70000' }, /PORT/],
    ['a base domain with a scheme', { BASE_DOMAIN: 'https://x.test' }, /BASE_DOMAIN must be a host name/],
    ['a scheme that is neither', { PUBLIC_SCHEME: 'ftp' }, /PUBLIC_SCHEME must be one of http, https/],
    ['a database URL of another kind', { DATABASE_URL: 'mysql://x', SECRET_KEY: SECRET }, /DATABASE_URL must be a URL/],
    ['a direct URL alone', { DATABASE_DIRECT_URL: 'postgres://h/d' }, /DATABASE_URL is missing/],
    ['a direct URL of another kind', { DATABASE_DIRECT_URL: 'http://h/d' }, /DATABASE_DIRECT_URL must be a URL/],
    ['a database without a secret', { DATABASE_URL: 'postgres://h/d' }, /SECRET_KEY is missing/],
    [
      'a database with commas for a secret',
      { DATABASE_URL: 'postgres://h/d', SECRET_KEY: ',' },
      /SECRET_KEY is missing/
    ],
    ['commas for a secret', { SECRET_KEY: ' , ,' }, /SECRET_KEY is missing/],
    ['a short secret', { SECRET_KEY: 'short' }, /SECRET_KEY has 5 characters, needs 32/],
    ['a short secret among several', { SECRET_KEY: `${SECRET},short` }, /SECRET_KEY has 5 characters/],
    ['a short operator token', { OPERATOR_TOKEN: 'short' }, /OPERATOR_TOKEN has 5 characters/],
    ['mail without a sender', { SMTP_URL: 'smtp://h' }, /MAIL_FROM is missing/],
    ['a sender with a header in it', { MAIL_FROM: 'a@b.test\r\nBcc: c@d.test' }, /MAIL_FROM must be an address/],
    ['half of Google', { GOOGLE_CLIENT_ID: 'id' }, /GOOGLE_CLIENT_SECRET is missing/],
    ['a lifetime of nothing', { INVITATION_TTL_HOURS: '0' }, /INVITATION_TTL_HOURS/],
    ['a lifetime that is no number', { INVITATION_TTL_HOURS: 'week' }, /INVITATION_TTL_HOURS must be a number/],
    ['a role of the process that there is not', { RUN: 'both' }, /RUN must be one of all, server, worker/],
    ['a switch that is neither on nor off', { TRUST_PROXY: 'maybe' }, /TRUST_PROXY must be true or false/],
    ['a crowd that is no number', { MAX_REQUESTS_IN_FLIGHT: 'many' }, /MAX_REQUESTS_IN_FLIGHT must be a whole number/],
    ['a short token of the metrics', { METRICS_TOKEN: 'short' }, /METRICS_TOKEN has 5 characters, needs 32/],
    ['a host with a scheme', { WEBHOOK_HOSTS: 'https://x.test' }, /WEBHOOK_HOSTS must hold host names/],
    ['a star in the middle of a host', { WEBHOOK_HOSTS: 'a.*.test' }, /WEBHOOK_HOSTS must hold host names/],
    [
      'a list of breached passwords that is no URL',
      { BREACHED_PASSWORDS_URL: 'hibp' },
      /BREACHED_PASSWORDS_URL must be/
    ],
    ['a secret that is given twice', { SECRET_KEY: SECRET, SECRET_KEY_FILE: '/x' }, /SECRET_KEY_FILE are both set/],
    [
      'a secret’s file that is not there',
      { OPERATOR_TOKEN_FILE: '/nowhere' },
      /OPERATOR_TOKEN_FILE cannot be read \(ENOENT\)/
    ],
    ['a level that pino lacks', { LOG_LEVEL: 'loud' }, /LOG_LEVEL/]
  ]
  t.test('trusts as many proxies as there are', async (t) => {
    const hops = (text: string) => loadConfig({ TRUST_PROXY: text }).http.trustProxy
    t.same(['', 'off', 'true', '1', '2'].map(hops), [0, 0, 1, 1, 2])
    t.throws(() => hops('11'), { message: /TRUST_PROXY must be a whole number from 0 to 10/ })
  })

  for (const [name, env, problem] of bad) {
    t.test(`refuses ${name}`, async (t) => {
      t.throws(() => loadConfig(env), { message: problem })
    })
  }

  t.test('reports all problems together and repeats no secret', async (t) => {
    try {
      loadConfig({ PORT: 'x', RUN: 'x', DATABASE_URL: 'nonsense://user:hunter2@h', SECRET_KEY: SECRET })
      t.fail('should have thrown')
    } catch (error) {
      t.ok(error instanceof ConfigError)
      const { message } = error as Error
      for (const setting of ['PORT', 'RUN', 'DATABASE_URL']) t.match(message, setting)
      t.notMatch(message, 'hunter2')
    }
  })

  t.test('reads secrets from files, as secret stores provide them', async (t) => {
    const folder = t.testdir({ key: `${SECRET}\n`, url: 'postgres://h/d\n', empty: '\n', short: 'short' })
    const config = loadConfig({ SECRET_KEY_FILE: `${folder}/key`, DATABASE_URL_FILE: `${folder}/url` })
    t.same([config.secretKeys, config.database.url], [[SECRET], 'postgres://h/d'])
    t.equal(loadOwnerUrl({ DATABASE_URL_FILE: `${folder}/url` }), 'postgres://h/d')
    t.throws(() => loadConfig({ METRICS_TOKEN_FILE: `${folder}/empty` }), { message: /names an empty file/ })
    t.throws(() => loadConfig({ OPERATOR_TOKEN_FILE: `${folder}/short` }), {
      message: /OPERATOR_TOKEN has 5 characters/
    })
    t.throws(() => loadOwnerUrl({ DATABASE_URL_FILE: `${folder}/none` }), { message: /cannot be read/ })
  })

  t.test('makes the demo tenant unless told not to, or if TLS is required', async (t) => {
    t.equal(loadConfig({}).isDemo, true)
    t.equal(loadConfig({ DEMO: 'false' }).isDemo, false)
    t.equal(loadConfig({ PUBLIC_SCHEME: 'https' }).isDemo, true)
    t.equal(loadConfig({ PUBLIC_SCHEME: 'https', REQUIRE_TLS: 'true' }).isDemo, false)
    t.equal(loadConfig({ PUBLIC_SCHEME: 'https', REQUIRE_TLS: 'true', DEMO: 'true' }).isDemo, true)
  })

  t.test('names with REQUIRE_TLS each connection that others could read', async (t) => {
    const world = {
      REQUIRE_TLS: 'true',
      PUBLIC_SCHEME: 'https',
      DATABASE_URL: 'postgres://db.test/d?sslmode=verify-full',
      SECRET_KEY: SECRET,
      SMTP_URL: 'smtp://mail.test',
      MAIL_FROM: 'a@b.test'
    }
    const config = loadConfig(world)
    t.equal(config.mail.requiresTls, true, 'a mail server without STARTTLS is refused when it is spoken to')
    t.equal(loadConfig({ ...world, SMTP_URL: 'smtp://127.0.0.1:25' }).mail.requiresTls, false)
    t.doesNotThrow(() => loadConfig({ ...world, DATABASE_URL: 'postgres://127.0.0.1/d' }), 'nobody is on the way there')
    t.doesNotThrow(() => loadConfig({ ...world, DATABASE_URL: 'postgres:///d?host=/run/postgresql' }))
    const plain: Record<string, string>[] = [
      { PUBLIC_SCHEME: 'http' },
      { DATABASE_URL: 'postgres://db.test/d' },
      { DATABASE_URL: 'postgres://db.test/d?sslmode=no-verify' },
      { DATABASE_DIRECT_URL: 'postgres://db.test/d' },
      { MIGRATE_DATABASE_URL: 'postgres://db.test/d?sslmode=disable' },
      { SMTP_URL: 'smtp://mail.test?ignoreTLS=true' },
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.test:4318' },
      { BREACHED_PASSWORDS_URL: 'http://pwned.test/range/' },
      { GOOGLE_CLIENT_ID: 'x', GOOGLE_CLIENT_SECRET: 'y', GOOGLE_ISSUER: 'http://issuer.test' }
    ]
    for (const change of plain) {
      const name = Object.keys(change).at(-1)!
      t.throws(() => loadConfig({ ...world, ...change }), { message: new RegExp(`^${name} must`) }, name)
      t.doesNotThrow(() => loadConfig({ ...world, ...change, REQUIRE_TLS: 'false' }))
    }
    const webhooks = { WEBHOOKS_TO_PRIVATE_ADDRESSES: 'true' }
    t.equal(loadConfig({ ...world, ...webhooks }).events.isHttpAllowed, false)
    t.equal(loadConfig(webhooks).events.isHttpAllowed, true)
  })

  t.test('prepares statements, but not behind a pooler unless told to', async (t) => {
    const prepares = (env: Record<string, string>) =>
      loadConfig({ DATABASE_URL: 'postgres://h/d', SECRET_KEY: SECRET, ...env }).database.preparedStatements
    const pooled = { DATABASE_DIRECT_URL: 'postgres://h2/d' }
    t.same([prepares({}), prepares(pooled)], [true, false])
    t.equal(prepares({ ...pooled, DATABASE_PREPARED_STATEMENTS: 'true' }), true)
  })

  t.test('accepts fractions of hours and several secrets, and treats an empty value as missing', async (t) => {
    const config = loadConfig({ INVITATION_TTL_HOURS: '0.5', SECRET_KEY: `${SECRET}, ${SECRET}y`, SMTP_URL: '' })
    t.equal(config.invitationTtlHours, 0.5)
    t.same(config.secretKeys, [SECRET, `${SECRET}y`])
    t.equal(config.mail.smtpUrl, undefined)
  })
})

test('publicUrl leaves out the scheme’s default port', async (t) => {
  const url = (env: Record<string, string>, subdomain?: string) =>
    publicUrl(loadConfig({ BASE_DOMAIN: 'muster.test', ...env }), subdomain)
  t.equal(url({}, 'acme'), 'http://acme.muster.test:3000')
  t.equal(url({ PUBLIC_PORT: '80' }, 'acme'), 'http://acme.muster.test')
  t.equal(url({ PUBLIC_SCHEME: 'https', PUBLIC_PORT: '443' }), 'https://muster.test')
  t.equal(url({ PUBLIC_SCHEME: 'https', PUBLIC_PORT: '80' }), 'https://muster.test:80')
})
