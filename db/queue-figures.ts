// How full the queue is, for /metrics and `muster doctor`.
import { sql } from 'kysely'
import type { Db } from './connect.ts'

export interface QueueFigure {
  name: string
  state: 'created' | 'retry' | 'active' | 'failed'
  count: number
  /** How long the job that waits longest has been due; null if none waits. */
  age_seconds: number | null
}

/** @param names the queues; each gets a row for each state, even with 0 jobs */
export async function readQueueFigures(db: Db, names: readonly string[]): Promise<QueueFigure[]> {
  // the states as pg-boss's partial index names them, so that finished jobs are not read
  const { rows } = await sql<QueueFigure>`
    select q.name, s.state, count(j.id)::int as count,
      extract(epoch from now() - min(j.start_after) filter (
        where j.state in ('created', 'retry') and j.start_after <= now()))::float as age_seconds
    from unnest(${[...names]}::text[]) q (name)
    cross join unnest(array['created', 'retry', 'active', 'failed']) s (state)
    left join (
      select id, name, state, start_after from pgboss.job where state in ('created', 'retry', 'active', 'failed')
    ) j on j.name = q.name and j.state::text = s.state
    group by q.name, s.state order by q.name, s.state`.execute(db)
  return rows
}

/** Seconds since a worker last updated the queue's clock (every 30 seconds); undefined if none ever did. */
export async function secondsSinceWorker(db: Db): Promise<number | undefined> {
  const { rows } = await sql<{ seconds: number | null }>`
    select extract(epoch from now() - cron_on)::float as seconds from pgboss.version`.execute(db)
  return rows[0]?.seconds ?? undefined
}
