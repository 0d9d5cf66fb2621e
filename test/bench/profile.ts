// Shows what PostgreSQL spends its time on while the workloads run.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Db } from '../../db/connect.ts'

export interface Profile {
  /** Resets the counters. */
  begin(): Promise<void>
  /** Writes the statements that took the most time, and the changes of each table, to `statements-N.txt`. */
  end(): Promise<void>
}

const STATEMENTS = 25

type Statement = Record<'calls' | 'mean_ms' | 'total_ms' | 'wal_bytes' | 'wal_pages' | 'query', string>
type Table = Record<'name' | 'inserted' | 'updated' | 'hot' | 'deleted', string>

export async function startProfile(db: Db, folder: string): Promise<Profile> {
  await sql.raw('create extension if not exists pg_stat_statements').execute(db)
  let count = 0
  return {
    async begin() {
      await sql.raw('select pg_stat_statements_reset(), pg_stat_reset()').execute(db)
    },
    async end() {
      const statements = await sql<Statement>`
        select calls, round(mean_exec_time::numeric, 3) as mean_ms, round(total_exec_time::numeric) as total_ms, query,
          round(wal_bytes / calls) as wal_bytes, round(wal_fpi::numeric / calls, 2) as wal_pages
        from pg_stat_statements order by total_exec_time desc limit ${STATEMENTS}`.execute(db)
      const tables = await sql<Table>`
        select relname as name, n_tup_ins as inserted, n_tup_upd as updated, n_tup_hot_upd as hot, n_tup_del as deleted
        from pg_stat_user_tables where n_tup_ins + n_tup_upd + n_tup_del > 0 order by 1`.execute(db)
      const text = [
        ...statements.rows.map(
          (row) =>
            `${row.total_ms} ms in ${row.calls} calls of ${row.mean_ms} ms, each ${row.wal_bytes} bytes of WAL ` +
            `with ${row.wal_pages} whole pages\n${row.query}\n`
        ),
        ...tables.rows.map(
          (row) =>
            `${row.name}: ${row.inserted} inserted, ${row.updated} updated (${row.hot} in place), ${row.deleted} deleted`
        )
      ]
      writeFileSync(join(folder, `statements-${++count}.txt`), text.join('\n'))
    }
  }
}
