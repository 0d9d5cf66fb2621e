// Takes a whole tenant out of one database and into another: for a move, a copy, or a restore of one tenant.
import { sql } from 'kysely'
import { type AddressClaim, claimAddresses } from '../../db/addresses.ts'
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { violatedConstraint } from '../../db/failures.ts'
import { indexUnlisted } from '../../db/family-names.ts'
import { notifyChange } from '../../db/listen.ts'
import { listMigrations } from '../../db/migrate.ts'
import type { TenantRow, TenantSettings } from '../../db/schema.ts'
import { noteNames } from '../../db/search-index.ts'
import {
  beginSnapshot,
  insertTransferRows,
  raiseSequences,
  readTransferRows,
  readTransferTables,
  type TransferTable,
  UnfitRow,
  withoutCredentials
} from '../../db/tenant-transfer.ts'
import { findTenantById, insertTenant, nextTenantId, updateTenant } from '../../db/tenants.ts'
import type { Deps } from '../deps.ts'
import { type AppError, conflict, notFound } from '../errors.ts'
import type { Actor } from './actor.ts'
import { forgetTenant } from './forgetting.ts'
import { FILE_VERSION, FileWriter, invalidFile, type RowGroup, readFile } from './tenant-file.ts'
import { enqueueImported } from './tenant-transfer-jobs.ts'
import { readSubdomain } from './tenants.ts'

type TransferDeps = Pick<Deps, 'db' | 'listener' | 'now' | 'queue'>

/**
 * A tenant as JSON lines (tenant-file.ts), in pieces of up to 1,000 rows: as it was at one moment, however long reading
 * takes. Hashes of passwords and tokens are included, so that people and identity providers can go on; sealed values
 * stay sealed and need the same SECRET_KEY where they arrive. The audit log records the export.
 * @param options.credentials false leaves out passwords, tokens, links and sealed values
 */
export async function* exportTenant(
  deps: TransferDeps,
  tenant: TenantRow,
  actor: Actor,
  options: { credentials: boolean }
): AsyncGenerator<string> {
  const now = deps.now()
  await inTenant(deps.db, tenant.id, (trx) => noteTransfer(trx, tenant, actor, 'tenant.exported', options, now))
  const migration = await newestMigration(deps)
  const all = await readTransferTables(deps.db)
  const pieces = new Pieces()
  const reading = inTenant(deps.db, tenant.id, async (trx) => {
    await beginSnapshot(trx, tenant.id)
    const found = await findTenantById(trx, tenant.id)
    if (!found) throw notFound(`Tenant ${tenant.subdomain}`)
    const writer = new FileWriter()
    const { subdomain, name, state, settings, created_at } = found
    const facts = { subdomain, name, state, settings: { ...settings }, createdAt: created_at.toISOString() }
    const head = { exportedAt: now.toISOString(), migration, credentials: options.credentials, tenant: facts }
    await pieces.put(writer.head({ muster: 'tenant', version: FILE_VERSION, ...head }))
    for (const table of options.credentials ? all : withoutCredentials(all)) {
      for await (const rows of readTransferRows(trx, tenant.id, table)) await pieces.put(writer.rows(table.name, rows))
    }
    await pieces.put(writer.foot())
  })
  yield* pieces.until(reading)
}

/** Hands pieces from a transaction to their reader, one at a time. A reader that leaves ends the transaction. */
class Pieces {
  private readonly stream = new TransformStream<string, string>()
  private readonly writer = this.stream.writable.getWriter()

  put(piece: string): Promise<void> {
    return this.writer.write(piece)
  }

  async *until(work: Promise<void>): AsyncGenerator<string> {
    const ended = work.then(
      () => this.writer.close(),
      (error: unknown) => this.writer.abort(error)
    )
    // the reader hears of it by the stream
    ended.catch(() => {})
    yield* this.stream.readable
    await work
  }
}

/**
 * Makes a tenant from a file, in one transaction. Ids and history stay; mails and events that waited are sent.
 * @param source the file's bytes
 * @param options.subdomain in place of the file's
 * @throws AppError invalid `invalidTenantFile`, `invalidSubdomain`, `subdomainReserved`; conflict `subdomainTaken`,
 *   `emailInOtherTenant`
 */
export async function importTenant(
  deps: TransferDeps,
  actor: Actor,
  source: AsyncIterable<Buffer | string>,
  options: { subdomain?: string } = {}
): Promise<{ tenant: TenantRow; rows: Record<string, number> }> {
  const { head, groups } = await readFile(source)
  if (head.migration > (await newestMigration(deps))) {
    throw invalidFile('It comes from a newer version: update this installation first')
  }
  const subdomain = readSubdomain(options.subdomain ?? head.tenant.subdomain)
  const now = deps.now()
  const id = await nextTenantId(deps.db)
  const tables = await readTransferTables(deps.db)
  try {
    const imported = await inTenant(deps.db, id, async (trx) => {
      const { name, settings, createdAt } = head.tenant
      await insertTenant(trx, { id, subdomain, name, settings: settings as TenantSettings }, new Date(createdAt))
      const rows: Record<string, number> = {}
      for await (const group of groups) {
        await insertTransferRows(trx, id, tableOf(tables, group.table), group.rows).catch((error) =>
          explain(error, group)
        )
        rows[group.table] = (rows[group.table] ?? 0) + group.rows.length
      }
      await raiseSequences(trx, id, tables)
      await indexUnlisted(trx, id)
      await noteNames(id, sql`select id from users where tenant_id = ${id}`).execute(trx)
      await enqueueImported(deps, trx, id)
      const tenant = await updateTenant(trx, id, { state: head.tenant.state }, now)
      await noteTransfer(trx, tenant, actor, 'tenant.imported', { exportedAt: head.exportedAt }, now)
      await notifyChange(trx, { kind: 'tenant', subdomain })
      return { tenant, rows }
    })
    forgetTenant(deps, subdomain)
    return imported
  } catch (error) {
    if (error instanceof AddressTaken) throw await conflictOf(deps, id, error.claims)
    if (violatedConstraint(error) !== 'tenants_subdomain_key') throw error
    throw conflict(`The subdomain ${subdomain} is taken`, 'subdomainTaken')
  }
}

/** One of these addresses belongs to another tenant. */
class AddressTaken extends Error {
  readonly claims: readonly AddressClaim[]

  constructor(claims: readonly AddressClaim[]) {
    super('An address is taken')
    this.claims = claims
  }
}

const NAMED = 10

/** Row-level security hides other tenants' addresses, so the database's error names none: each is tried again. */
async function conflictOf({ db }: TransferDeps, tenantId: number, claims: readonly AddressClaim[]): Promise<AppError> {
  let taken: string[] = []
  const undo = new Error('only tried')
  await inTenant(db, tenantId, async (trx) => {
    const held = await claimAddresses(trx, tenantId, claims)
    taken = claims.map(({ address_key }) => address_key).filter((key) => !held.has(key))
    throw undo
  }).catch((error: unknown) => {
    if (error !== undo) throw error
  })
  const named = taken.slice(0, NAMED).join(', ') || 'An address'
  const more = taken.length > NAMED ? ` and ${taken.length - NAMED} more` : ''
  return conflict(`${named}${more}: taken by another tenant, so nothing was imported`, 'emailInOtherTenant')
}

async function newestMigration({ db }: TransferDeps): Promise<string> {
  const applied = (await listMigrations(db)).filter(({ state }) => state === 'applied')
  return applied.at(-1)?.name ?? ''
}

function tableOf(tables: readonly TransferTable[], name: string): TransferTable {
  const found = tables.find((table) => table.name === name)
  if (!found) throw invalidFile(`There is no table ${name} here`)
  return found
}

/** @throws AppError for errors that the file's content can cause */
function explain(error: unknown, group: RowGroup): never {
  if (violatedConstraint(error) === 'addresses_pkey') throw new AddressTaken(group.rows as unknown as AddressClaim[])
  const { code, detail, message } = error as { code?: string; detail?: string; message: string }
  // class 22: a value does not fit its type; class 23: rows contradict one another
  if (error instanceof UnfitRow || /^2[23]/.test(code ?? '')) {
    throw invalidFile(`${message}${detail ? ` (${detail})` : ''}`)
  }
  throw error
}

const noteTransfer = (
  trx: Trx,
  tenant: TenantRow,
  actor: Actor,
  action: string,
  after: Record<string, unknown>,
  now: Date
) =>
  insertAuditEvents(trx, tenant.id, actor, now, [
    { action, targetType: 'tenant', targetId: null, targetName: tenant.subdomain, after }
  ])
