// Compares tables and functions on the workers of a cluster with those on the coordinator.
import { sql } from 'kysely'
import type { Db } from '../../db/connect.ts'

interface NodeState {
  policies: unknown
  tables: unknown
  functions: unknown
}

/** Policies, rights and owners of distributed tables, and functions: all nodes must agree on them. */
export async function readNodes(owner: Db): Promise<{ coordinator: NodeState; workers: NodeState[] }> {
  const { rows: tables } = await sql<{ name: string }>`
    select logicalrelid::regclass::text as name from pg_dist_partition where partmethod = 'h' or repmodel = 't'`.execute(
    owner
  )
  const names = tables.map(({ name }) => name)
  const { rows: here } = await sql<{ state: string }>`${sql.raw(stateOf('tablename', names))}`.execute(owner)
  // a shard is named like its table, with a number at the end
  const onWorkers = stateOf("regexp_replace(tablename, '_[0-9]{6,}$', '')", names)
  const { rows: there } = await sql<{ result: string }>`
    select result from run_command_on_workers(${onWorkers})`.execute(owner)
  return {
    coordinator: JSON.parse(here[0]!.state) as NodeState,
    workers: there.map(({ result }) => JSON.parse(result) as NodeState)
  }
}

const stateOf = (ownName: string, tables: readonly string[]) => `
  select json_build_object(
    'policies', (select json_agg(p order by p.name) from (
      select distinct ${ownName} as name, permissive, roles::text, cmd, qual, with_check from pg_policies) p),
    'tables', (select json_agg(c order by c.name) from (
      select distinct ${ownName} as name, relrowsecurity, relforcerowsecurity, relowner::regrole, relacl::text
      from (select *, relname as tablename from pg_class) named
      where relkind = 'r' and relnamespace = 'public'::regnamespace) c
      where c.name = any('{${tables}}')),
    'functions', (select json_agg(f order by f.name) from (
      select oid::regprocedure::text as name, proowner::regrole, proacl::text, prosecdef, prosrc, proconfig
      from pg_proc p where pronamespace = 'public'::regnamespace
        and not exists (select from pg_depend where objid = p.oid and deptype = 'e')) f)
  )::text as state`
