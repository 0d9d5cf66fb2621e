// GET /audit.csv and /audit.jsonl on a tenant's host: the whole log, or what its filter leaves, newest first. It is
// streamed page by page as the client reads, and never in memory as a whole.
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type AuditLogQuery, type AuditRow, listAuditEvents } from '../../db/audit-log.ts'
import { authenticate } from '../auth/authenticate.ts'
import type { Deps } from '../deps.ts'
import { unauthenticated } from '../errors.ts'
import { requireAdministrator, requireSetUp } from '../provisioning/actor.ts'
import { placeOf } from '../tenancy.ts'
import { auditFilter, toAuditEvent } from './audit-shapes.ts'
import { toCsv } from './csv.ts'
import { readQuery } from './input-errors.ts'
import { searchInput } from './paging.ts'

/** The filter of audit.list as a query string; `bom=true` adds the mark by which spreadsheets recognise UTF-8. */
const exportQuery = auditFilter.extend({ search: searchInput, bom: z.literal('true').optional() })

type Format = 'csv' | 'jsonl'
const TYPES: Record<Format, string> = { csv: 'text/csv; charset=utf-8', jsonl: 'application/jsonl' }

export async function auditExportRoutes(app: FastifyInstance, { deps }: { deps: Deps }): Promise<void> {
  for (const format of ['csv', 'jsonl'] as const) {
    app.get(`/audit.${format}`, (request, reply) => exportAudit(deps, request, reply, format))
  }
}

async function exportAudit(deps: Deps, request: FastifyRequest, reply: FastifyReply, format: Format) {
  const tenant = await deps.tenancy.getTenant(placeOf(request.host, deps.config.public.baseDomain))
  const actor = await authenticate(deps, request, tenant)
  if (!actor) throw unauthenticated('Sign in first')
  requireSetUp(actor)
  requireAdministrator(actor, 'export the audit log')
  const { bom, ...filter } = readQuery(exportQuery, request.query)
  const day = deps.now().toISOString().slice(0, 10)
  return reply
    .type(TYPES[format])
    .header('cache-control', 'no-store')
    .header('content-disposition', `attachment; filename="audit-log-${tenant.subdomain}-${day}.${format}"`)
    .send(Readable.from(exportLines(deps, tenant.id, filter, { format, hasMark: bom !== undefined })))
}

const ROWS_AT_ONCE = 1_000

async function* exportLines(
  { db }: Deps,
  tenantId: number,
  filter: Omit<AuditLogQuery, 'limit' | 'after'>,
  { format, hasMark }: { format: Format; hasMark: boolean }
): AsyncGenerator<string> {
  if (format === 'csv') yield (hasMark ? '\ufeff' : '') + toCsv([COLUMNS])
  let after: string | undefined
  do {
    const rows = await listAuditEvents(db, tenantId, { ...filter, after, limit: ROWS_AT_ONCE })
    if (rows.length > 0) yield format === 'csv' ? toCsv(rows.map(csvLine)) : rows.map(jsonLine).join('')
    after = rows.length === ROWS_AT_ONCE ? rows.at(-1)!.id : undefined
  } while (after)
}

/** As audit.list shows it, but with values of any length. */
function jsonLine(row: AuditRow): string {
  const whole = (json: string | null) => (json === null ? null : JSON.parse(json))
  return `${JSON.stringify({ ...toAuditEvent(row), before: whole(row.before), after: whole(row.after) })}\n`
}

const COLUMNS = [
  'at',
  'action',
  'actorKind',
  'actorId',
  'actorName',
  'targetType',
  'targetId',
  'targetName',
  'ip',
  'requestId',
  'before',
  'after',
  'id'
]

const csvLine = (row: AuditRow) => [
  row.at.toISOString(),
  row.action,
  row.actor_kind,
  row.actor_id,
  row.actor_name,
  row.target_type,
  row.target_id,
  row.target_name,
  row.ip,
  row.request_id,
  row.before,
  row.after,
  row.id
]
