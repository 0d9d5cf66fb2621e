import { test } from 'tap'
import { startApp } from '../support/app.ts'

test('/metrics tells of requests by route, the pool, the caches and the queue', async (t) => {
  const { inject, deps, query } = await startApp(t)
  await query('nobody', 'auth.me')
  await deps.queue.enqueue(deps.db, 'clean-up', [{}])
  const answer = await inject('', { url: '/metrics' })
  t.equal(answer.statusCode, 200)
  t.match(answer.headers['content-type'], 'text/plain')
  for (const line of [
    /muster_http_request_duration_seconds_count\{method="GET",route="\/trpc\/:path",status="404"\} 1/,
    /muster_database_connections\{state="idle"\} \d+/,
    /muster_tenant_cache_lookups\{result="miss"\} 1/,
    /muster_queue_jobs\{job="clean-up",state="created"\} 1/,
    /muster_queue_oldest_job_age_seconds\{job="clean-up"\} /,
    /process_resident_memory_bytes \d+/
  ]) {
    t.match(answer.body, line)
  }
  t.notMatch(answer.body, 'nobody', 'and names nobody')
})
