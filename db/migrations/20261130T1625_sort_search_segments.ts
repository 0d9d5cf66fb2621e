// Segments of the search may be slices: users who follow one another in the list by name, so that a page looks into few of
// them, however many users there are. Sweeps over the whole list make them, one slice after the other. Additive: the
// version before runs beside it, and takes slices for segments like the others.
//
// - sweep: the number of the segment that it began with. Segments with lower numbers are of no use once it is over.
// - from_name, from_id; until_name, until_id: its users are those behind the one (null: from the first one on), up to and
//   with the other (null: to the last one).
// - names: how they sort, in order; a posting's slots say where in it its ordinals are.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      alter table search_segments
        add column sweep bigint,
        add column from_name text collate "C",
        add column from_id uuid,
        add column until_name text collate "C",
        add column until_id uuid,
        add column names text[] collate "C"`)
    .execute(db)
  await sql.raw('alter table search_postings add column slots smallint[]').execute(db)
}
