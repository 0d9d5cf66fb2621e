import { test } from 'tap'
import { startMailing } from '../jobs/acme.ts'
import { OPERATOR_TOKEN, SECRET_KEY, startApp } from '../support/app.ts'
import { createDatabase } from '../support/database.ts'
import { insertPeople } from '../support/people.ts'
import { startProcess } from '../support/process.ts'
import { insertTenant } from '../support/tenants.ts'

test('/metrics counts requests by route, and describes the pool, the caches and the queue', async (t) => {
  const { inject, deps, query, clock } = await startApp(t)
  await query('nobody', 'auth.me')
  await query('nobody', 'auth.me,users.list')
  await query('nobody', 'secret.thing')
  await inject('acme', { url: '/scim/v2/Users/018f0000-0000-7000-8000-000000000001' })
  const queuedAt = performance.now()
  await deps.queue.enqueue(deps.db, 'clean-up', [{}])
  clock.stop()
  const answer = await inject('', { url: '/metrics' })
  t.equal(answer.statusCode, 200)
  t.match(answer.headers['content-type'], 'text/plain')
  for (const line of [
    /muster_http_request_duration_seconds_count\{method="GET",route="\/trpc\/auth\.me",status="404"\} 1/,
    /muster_http_request_duration_seconds_count\{method="GET",route="\/trpc\/batch",status="404"\} 1/,
    /muster_http_request_duration_seconds_count\{method="GET",route="\/trpc\/:path",status="404"\} 1/,
    /muster_http_request_duration_seconds_count\{method="GET",route="\/scim\/v2\/Users\/:id",status="404"\} 1/,
    /muster_database_connections\{state="idle"\} \d+/,
    /muster_database_connections\{state="max"\} 16/,
    /muster_cache_lookups_total\{cache="tenants",result="miss"\} \d/,
    /muster_cache_lookups_total\{cache="principals",result="hit"\} 0/,
    /muster_cache_lookups_total\{cache="scimTokens",result="hit"\} 0/,
    /muster_queue_jobs\{job="clean-up",state="created"\} 1/,
    /muster_queue_jobs\{job="send-mail",state="retry"\} 0/,
    /muster_queue_oldest_job_age_seconds\{job="send-mail"\} 0$/m,
    /process_resident_memory_bytes \d+/
  ]) {
    t.match(answer.body, line)
  }
  const age = Number(/muster_queue_oldest_job_age_seconds\{job="clean-up"\} (\S+)/.exec(answer.body)?.[1])
  t.ok(age > 0 && age <= (performance.now() - queuedAt) / 1_000, 'since it was put there')
  for (const asked of ['nobody', '018f0000', 'secret']) t.notMatch(answer.body, asked, 'and names nobody')

  await deps.queue.enqueue(deps.db, 'clean-up', [{}])
  const queued = async () =>
    /job="clean-up",state="created"\} (\d)/.exec((await inject('', { url: '/metrics' })).body)?.[1]
  t.equal(await queued(), '1', 'the queue is asked rarely')
  clock.advance({ seconds: 5 })
  t.equal(await queued(), '2')
})

test('/metrics counts refused sign-ins and exceeded limits', async (t) => {
  const { inject, owner, mutate, query } = await startApp(t, { env: { SCIM_REQUESTS_PER_SECOND: '1' } })
  const tenantId = await insertTenant(owner, 'acme')
  await insertPeople(owner, tenantId, [{ email: 'ada@acme.test', role: 'administrator' }])
  const signIn = () => mutate('acme', 'auth.signIn', { email: 'ada@acme.test', password: 'wrong' })
  for (let attempt = 0; attempt < 10; attempt++) t.equal((await signIn()).status, 401)
  t.equal((await signIn()).status, 429)
  await inject('acme', { url: '/auth/link?code=x' })
  await query('acme', 'users.list', {}, { token: 'mst_api_x' })
  const { body } = await inject('', { url: '/metrics' })
  t.match(body, 'muster_sign_in_failures_total{method="password",reason="invalidCredentials"} 10')
  t.match(body, 'muster_sign_in_failures_total{method="link",reason="signInLinkInvalid"} 1')
  t.match(body, 'muster_rate_limit_hits_total{limit="sign-in-address"} 1')
  t.match(body, 'muster_http_refused_total{status="401"} 12')
  t.match(body, 'muster_http_refused_total{status="429"} 1')
})

test('/metrics counts mails that were sent', async (t) => {
  const acme = await startMailing(t)
  await acme.invite(['dan@x.test', 'eva@x.test'])
  await acme.mailIs('dan@x.test', 'sent')
  await acme.mailIs('eva@x.test', 'sent')
  await acme.queueIsEmpty()
  const { body } = await acme.inject('', { url: '/metrics' })
  t.match(body, 'muster_mails_total{template="invitation",result="sent"} 2')
})

test('A worker serves its state on PORT, or on another port if a server has that', async (t) => {
  const env = { DATABASE_URL: await createDatabase(t), SECRET_KEY, OPERATOR_TOKEN }
  const server = await startProcess(t, { ...env, RUN: 'server' })
  const worker = await startProcess(t, { ...env, RUN: 'worker' })
  const get = (port: number, path: string) => fetch(`http://127.0.0.1:${port}${path}`)
  t.equal((await get(worker.port, '/healthz')).status, 200)
  const metrics = await (await get(worker.port, '/metrics')).text()
  t.match(metrics, /muster_queue_jobs\{job="send-mail",state="created"\} 0/)
  t.match(metrics, 'muster_database_connections')
  t.equal((await get(worker.port, '/scim/v2/Users')).status, 404, 'and nothing else')

  const second = await startProcess(t, { ...env, RUN: 'worker', PORT: String(server.port) })
  const port = Number(/"port":(\d+),"msg":"worker started"/.exec(second.output())?.[1])
  t.not(port, server.port)
  t.equal((await get(port, '/readyz')).status, 200)
  t.equal(await second.stop(), 0)
})
