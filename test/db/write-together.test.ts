// Statements that are written together: one exchange, one transaction, and values as given.
import { sql } from 'kysely'
import { test } from 'tap'
import { connect } from '../../db/connect.ts'
import { violatedConstraint } from '../../db/failures.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { isOutdated, prepare, requireCurrent, writeTogether } from '../../db/prepared.ts'
import { columnSet, columnsOf } from '../../db/rows.ts'
import { openDatabase } from '../support/database.ts'
import { insertTenant } from '../support/tenants.ts'

const TYPES = { urn: 'text', definition: 'json', created_at: 'timestamptz' }
const insertSchemas = prepare(
  (p) => sql`
    insert into scim_schemas (tenant_id, urn, resource_type, definition, created_at)
    select ${p['tenantId']}::int, urn, 'User', definition, created_at from ${columnSet('given', TYPES, p)} returning urn`
)
const countSchemas = prepare((p) => sql`select count(*) from scim_schemas where tenant_id = ${p['tenantId']}`)
const requireSchemas = prepare((p) =>
  requireCurrent(sql`(select count(*) from scim_schemas where tenant_id = ${p['tenantId']}) = ${p['count']}::int`)
)

const AT = new Date('2027-01-01T12:00:00.123Z')
const TEXTS = ['plain', '', 'NULL', 'a "quoted" one', 'back\\slash', '{a,b}', "it's", 'line\nbreak', 'Zoë 😀', '\u001e']
const schemasOf = (texts: readonly string[]) =>
  texts.map((text) => ({ urn: `urn:${text}`, definition: JSON.stringify({ text }), created_at: AT }))

for (const isCitus of [false, true]) {
  test(isCitus ? 'statements with the tenant set in a block' : 'statements of one exchange', async (t) => {
    const { url, owner } = await openDatabase(t)
    const db = connect({ url, role: SERVER_ROLE, poolSize: 1, isCitus })
    t.teardown(() => db.destroy())
    const acme = await insertTenant(owner, 'acme')
    const globex = await insertTenant(owner, 'globex')
    const write = (tenantId: number, texts: readonly string[]) =>
      insertSchemas(db, { tenantId, ...columnsOf(TYPES, schemasOf(texts)) })
    const stored = () =>
      owner.selectFrom('scim_schemas').select(['tenant_id', 'urn', 'definition', 'created_at']).orderBy('urn').execute()

    t.test('see what those before them did, and return their own rows', async (t) => {
      const answers = await writeTogether(db, acme, [
        write(acme, TEXTS),
        countSchemas(db, { tenantId: acme }),
        write(acme, ['further']),
        countSchemas(db, { tenantId: acme })
      ])
      t.same(answers, [
        TEXTS.map((text) => [`urn:${text}`]),
        [[String(TEXTS.length)]],
        [['urn:further']],
        [[String(TEXTS.length + 1)]]
      ])
      t.same(
        (await stored()).map(({ definition }) => JSON.parse(definition).text).sort(),
        [...TEXTS, 'further'].sort(),
        'values come as they were given'
      )
      t.same(new Set((await stored()).map(({ created_at }) => created_at.getTime())), new Set([AT.getTime()]))
    })

    t.test('change nothing if one of them fails, and leave the connection as it was', async (t) => {
      const before = await stored()
      const refused = await writeTogether(db, acme, [write(acme, ['new']), write(acme, ['plain'])]).catch((e) => e)
      t.equal(violatedConstraint(refused), 'scim_schemas_pkey')
      const outdated = await writeTogether(db, acme, [
        write(acme, ['new']),
        requireSchemas(db, { tenantId: acme, count: 1 })
      ]).catch((e) => e)
      t.ok(isOutdated(outdated))
      t.notOk(isOutdated(refused))
      t.same(await stored(), before)
      await writeTogether(db, acme, [requireSchemas(db, { tenantId: acme, count: before.length })])
    })

    t.test('see and write only their own tenant', async (t) => {
      t.same(await writeTogether(db, globex, [countSchemas(db, { tenantId: acme })]), [[['0']]])
      await t.rejects(writeTogether(db, globex, [write(acme, ['strange'])]), /row-level security/)
      const { rows } = await sql`select from scim_schemas`.execute(db)
      t.same(rows, [], 'and leave no tenant behind')
    })
  })
}
