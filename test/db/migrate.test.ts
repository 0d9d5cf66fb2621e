import { sql } from 'kysely'
import { test } from 'tap'
import type { Db } from '../../db/connect.ts'
import { migrate, SERVER_ROLE } from '../../db/migrate.ts'
import { createDatabase, openDatabase } from '../support/database.ts'

test('processes that start at the same time all find the database ready', async (t) => {
  const url = await createDatabase(t)
  const results = await Promise.all(Array.from({ length: 6 }, () => migrate(url)))
  t.same(
    results.map(({ serverRole }) => serverRole),
    results.map(() => SERVER_ROLE)
  )
})

test('the server’s role may not change the audit log at any moment of a start', async (t) => {
  const { owner, url } = await openDatabase(t)
  const rights = async (db: Db) =>
    (
      await sql<{ right: string }>`
        select r as right from unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as r
        where has_table_privilege(${SERVER_ROLE}, 'audit_events', r)`.execute(db)
    ).rows.map(({ right }) => right)
  // notes the rights after each statement that grants or revokes some
  for (const statement of [
    'create schema watch',
    'create table watch.seen (tag text, can_change boolean)',
    `create function watch.note() returns event_trigger language plpgsql as $$ begin
       insert into watch.seen select tg_tag, has_table_privilege('${SERVER_ROLE}', 'public.audit_events', 'update, delete');
     end $$`,
    `create event trigger watch on ddl_command_end when tag in ('GRANT', 'REVOKE') execute function watch.note()`
  ]) {
    await sql.raw(statement).execute(owner)
  }
  await migrate(url)
  const { rows } = await sql<{ tag: string; can_change: boolean }>`select * from watch.seen`.execute(owner)
  t.ok(rows.some(({ tag }) => tag === 'GRANT'))
  t.strictSame(
    rows.filter(({ can_change }) => can_change),
    []
  )
  t.strictSame(await rights(owner), ['select', 'insert'])

  t.test('a right that was left is taken away', async (t) => {
    await sql.raw(`grant update, delete, truncate on audit_events to ${SERVER_ROLE}`).execute(owner)
    await migrate(url)
    t.strictSame(await rights(owner), ['select', 'insert'])
  })
})
