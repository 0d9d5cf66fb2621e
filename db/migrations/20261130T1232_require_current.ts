// For changes that are computed from what was read before, without a lock: where that is not so any more they fail, with
// everything that was written together with them. Additive: the version before does not call it.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(FUNCTION).execute(db)
}

const FUNCTION = `
  create function require_current(holds boolean) returns boolean language plpgsql as $$
  begin
    if holds is not true then
      raise exception 'what this was computed from has changed meanwhile' using errcode = 'MB409';
    end if;
    return true;
  end $$;`
