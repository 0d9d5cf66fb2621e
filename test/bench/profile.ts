// Where PostgreSQL's time goes while the workloads run, for whoever looks for something to improve.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Db } from '../../db/connect.ts'

export interface Profile {
  /** Forgets what was counted so far. */
  begin(): Promise<void>
  /** Writes the statements that took the most time since to `statements-N.txt`. */
  end(): Promise<void>
}

const STATEMENTS = 25

export async function startProfile(db: Db, folder: string): Promise<Profile> {
  await sql.raw('create extension if not exists pg_stat_statements').execute(db)
  let count = 0
  return {
    async begin() {
      await sql.raw('select pg_stat_statements_reset()').execute(db)
    },
    async end() {
      const { rows } = await sql<{ calls: string; mean_ms: string; total_ms: string; query: string }>`
        select calls, round(mean_exec_time::numeric, 3) as mean_ms, round(total_exec_time::numeric) as total_ms, query
        from pg_stat_statements order by total_exec_time desc limit ${STATEMENTS}`.execute(db)
      const text = rows.map((row) => `${row.total_ms} ms in ${row.calls} calls of ${row.mean_ms} ms\n${row.query}\n`)
      writeFileSync(join(folder, `statements-${++count}.txt`), text.join('\n'))
    }
  }
}
