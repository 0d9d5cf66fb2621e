// Row-level security, the same for every table with a tenant. For migrations.
import { type Kysely, sql } from 'kysely'

/** Forces row-level security on tables with a tenant_id: a statement sees only the tenant in `app.tenant`, if any. */
export async function isolateTenants(db: Kysely<unknown>, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    await sql
      .raw(`
        alter table ${table} enable row level security;
        alter table ${table} force row level security;
        create policy tenant_isolation on ${table}
          using (tenant_id = nullif(current_setting('app.tenant', true), '')::int)
          with check (tenant_id = nullif(current_setting('app.tenant', true), '')::int);`)
      .execute(db)
  }
}
