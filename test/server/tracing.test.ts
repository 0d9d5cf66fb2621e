// Traces of the real process, sent to a real collector; without a collector, nothing of it is loaded.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { fetchOf } from '../../client/transport-node.ts'
import { OPERATOR_TOKEN, SECRET_KEY } from '../support/app.ts'
import { createDatabase } from '../support/database.ts'
import { type ReceivedSpan, startOtlpReceiver } from '../support/otlp-receiver.ts'
import { startProcess } from '../support/process.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'
const settings = async (t: Parameters<typeof createDatabase>[0]) => ({
  DATABASE_URL: await createDatabase(t),
  SECRET_KEY,
  OPERATOR_TOKEN
})

test('a trace leads from a request over its statements to the mail that it caused', async (t) => {
  const collector = await startOtlpReceiver(t)
  const env = { ...(await settings(t)), OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_SERVICE_NAME: 'muster-test' }
  const service = await startProcess(t, env)
  const acme = `http://acme.localhost:${service.port}`
  const invited = await fetchOf()(`${acme}/trpc/invitations.create`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${OPERATOR_TOKEN}`,
      'content-type': 'application/json',
      traceparent: `00-${TRACE}-${CALLER}-01`
    },
    body: JSON.stringify({ invites: [{ email: 'dan@x.test' }] })
  })
  t.equal(invited.status, 200)

  const ofTrace = (name: string) => (span: ReceivedSpan) => span.traceId === TRACE && span.name === name
  const [request] = await collector.spans(ofTrace('POST /trpc/invitations.create'))
  t.match(request, {
    kind: 2,
    parentSpanId: CALLER,
    service: 'muster-test',
    isError: false,
    attributes: {
      'http.route': '/trpc/invitations.create',
      'http.response.status_code': 200,
      'server.address': `acme.localhost:${service.port}`,
      'muster.request_id': /^[0-9a-f-]{36}$/
    }
  })
  const statements = await collector.spans((span) => span.traceId === TRACE && span.kind === 3)
  const own = statements.filter(({ parentSpanId }) => parentSpanId === request!.spanId)
  t.ok(own.length > 3)
  t.ok(own.some(({ attributes }) => /insert into pgboss\.job/i.test(String(attributes['db.query.text']))))

  const [mail] = await collector.spans(ofTrace('send mail'))
  t.match(mail, { kind: 5, parentSpanId: request!.spanId, attributes: { 'muster.template': 'invitation' } })
  const jobs = await collector.spans(({ name }) => name === 'job send-mail')
  const batch = jobs.find(({ spanId }) => spanId === mail!.links[0]?.spanId)
  t.ok(batch, 'and is linked to the batch that it was sent with')
  t.not(batch?.traceId, TRACE)

  const token = /mst_scim_[\w-]+/.exec(service.output())![0]
  const authorization = { authorization: `Bearer ${token}` }
  const { Resources } = (await (await fetchOf()(`${acme}/scim/v2/Users`, { headers: authorization })).json()) as {
    Resources: { id: string }[]
  }
  await fetchOf()(`${acme}/scim/v2/Users/${Resources[0]!.id}`, { headers: authorization })
  const [read] = await collector.spans(({ name }) => name === 'GET /scim/v2/Users/:id')
  t.equal(read!.parentSpanId, undefined, 'without a header a trace begins here')
  const looked = await collector.spans(({ parentSpanId }) => parentSpanId === read!.spanId)
  t.ok(looked.length > 0, 'a look-up that goes out with others has its request’s span')

  await fetch(`http://127.0.0.1:${service.port}/healthz`)
  t.equal(await service.stop(), 0)
  for (const secret of ['dan@x.test', token, OPERATOR_TOKEN, Resources[0]!.id, '/healthz']) {
    t.notMatch(collector.text(), secret, 'a trace names nobody')
  }
})

test('a collector that is away disturbs nothing', async (t) => {
  const service = await startProcess(t, { ...(await settings(t)), OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
  const answer = await fetchOf()(`http://acme.localhost:${service.port}/trpc/settings.get`)
  t.equal(answer.status, 200)
  t.equal(await service.stop(), 0)
})

test('without OTEL_EXPORTER_OTLP_ENDPOINT nothing of OpenTelemetry’s SDK is loaded', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-coverage-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const service = await startProcess(t, { ...(await settings(t)), NODE_V8_COVERAGE: folder })
  await service.stop()
  const loaded = readdirSync(folder).flatMap((file) =>
    (JSON.parse(readFileSync(join(folder, file), 'utf8')) as { result: { url: string }[] }).result.map(({ url }) => url)
  )
  t.ok(
    loaded.some((url) => url.endsWith('/server/boot.ts')),
    'what was loaded is known'
  )
  // prom-client loads the API, which does nothing without the SDK
  t.same(
    loaded.filter((url) => /opentelemetry/.test(url) && !url.includes('/@opentelemetry/api/')),
    []
  )
})
