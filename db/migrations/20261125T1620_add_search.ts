// Search by parts of names, however many users there are. Additive; the version before knows nothing of it: whom it makes
// or renames while both run may be missed by searches among many users until they are renamed again.
//
// Under row-level security only leak-proof operators choose rows by an index, and no operator on arrays or trigrams is
// one. So the index is rows that equality and ranges find:
// - search_postings: for each three characters (gram; fewer where a word ends) the users of a segment in whose names or
//   addresses they stand, as ordinals, and how they sort: a rank is the first 16 bytes of the name that is shown. Who is
//   found by them is compared with the search itself: a posting may be out of date, but none is missing.
// - search_segments: users that were indexed together, some thousands.
// - search_pending: users whose names are not in the index yet, noted by whatever makes or renames them, a row for each
//   time. Rows are only added and deleted: nobody who renames waits for somebody who indexes, or is overlooked.
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      create sequence search_place_seq;
      create table search_pending (
        tenant_id int not null,
        place bigint not null default nextval('search_place_seq'),
        user_id uuid not null,
        constraint search_pending_pkey primary key (tenant_id, place)
      );
      create table search_segments (
        tenant_id int not null,
        segment bigint not null,
        users int not null,
        ordinals bigint[] not null,
        constraint search_segments_pkey primary key (tenant_id, segment) include (users)
      );
      create table search_postings (
        tenant_id int not null,
        gram text collate "C" not null,
        segment bigint not null,
        -- how many ordinals there are, so that they can be counted without being read
        users int not null,
        ordinals bigint[] not null,
        ranks uuid[] not null,
        constraint search_postings_pkey primary key (tenant_id, gram, segment) include (users)
      );
      create index search_postings_segment_idx on search_postings (tenant_id, segment, gram);
      -- the owner is to see everybody for a moment
      alter table users no force row level security;
      insert into search_pending (tenant_id, user_id) select tenant_id, id from users order by tenant_id, ordinal;
      alter table users force row level security;`)
    .execute(db)
  await isolateTenants(db, ['search_pending', 'search_segments', 'search_postings'])
}
