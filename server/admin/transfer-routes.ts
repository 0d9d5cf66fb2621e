// The operator's API for whole tenants, on the base domain: GET …/export streams a file out, POST …/import takes one in.
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { authenticateBearer } from '../auth/authenticate.ts'
import { publicUrl } from '../config.ts'
import type { Deps } from '../deps.ts'
import { AppError, forbidden, invalid, tooLarge, unauthenticated } from '../errors.ts'
import type { Actor } from '../provisioning/actor.ts'
import { exportTenant, importTenant } from '../provisioning/tenant-transfer.ts'
import { getTenant } from '../provisioning/tenants.ts'
import { placeOf } from '../tenancy.ts'
import { readQuery } from './input-errors.ts'

/** How long an import may take; a million rows take some minutes. */
const IMPORT_MS = 6 * 3_600_000

const TENANT_FILE_TYPE = 'application/jsonl'

const exportQuery = z.strictObject({ credentials: z.enum(['true', 'false']).default('true') })
const importQuery = z.strictObject({ subdomain: z.string().max(63).optional() })

export async function transferRoutes(app: FastifyInstance, { deps }: { deps: Deps }): Promise<void> {
  app.get('/operator/tenants/:subdomain/export', async (request, reply) => {
    const actor = await requireOperator(deps, request)
    const { credentials } = readQuery(exportQuery, request.query)
    const tenant = await getTenant(deps, request.params as { subdomain: string })
    reply.header('cache-control', 'no-store').type(TENANT_FILE_TYPE)
    reply.header('content-disposition', `attachment; filename="${tenant.subdomain}.jsonl"`)
    return reply.send(Readable.from(exportTenant(deps, tenant, actor, { credentials: credentials === 'true' })))
  })

  // streamed, so that it is never in memory as a whole
  app.addContentTypeParser([TENANT_FILE_TYPE, 'application/gzip'], (_request, payload, done) => done(null, payload))
  app.post('/operator/tenants/import', async (request, reply) => {
    const actor = await requireOperator(deps, request)
    const { subdomain } = readQuery(importQuery, request.query)
    if (!(request.body instanceof Readable)) throw invalid(`Send the file as ${TENANT_FILE_TYPE} or application/gzip`)
    // the database takes longer than a connection may be idle
    if (request.raw.socket instanceof Socket) request.raw.socket.setTimeout(IMPORT_MS)
    const isZipped = request.headers['content-type']?.startsWith('application/gzip') ?? false
    const { importMaxMb } = deps.config
    const { tenant, rows } = await withSpooled({ body: request.body, isZipped, importMaxMb }, (source) =>
      importTenant(deps, actor, source, { subdomain })
    )
    const { id, name, state } = tenant
    const facts = { id, subdomain: tenant.subdomain, name, state, url: publicUrl(deps.config, tenant.subdomain) }
    return reply.send({ tenant: facts, rows })
  })
}

/**
 * Spools the body to a file until it is complete: a request must arrive within seconds, and the database takes longer.
 */
async function withSpooled<T>(
  { body, isZipped, importMaxMb }: { body: Readable; isZipped: boolean; importMaxMb: number },
  work: (source: Readable) => Promise<T>
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-import-'))
  try {
    const file = join(folder, 'tenant')
    await pipeline(body, atMost(importMaxMb, 'at the end'), createWriteStream(file, { mode: 0o600 }))
    const source = createReadStream(file)
    return await work(isZipped ? unzip(source, importMaxMb) : source)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function unzip(source: Readable, maxMb: number): Readable {
  const unzipped = atMost(maxMb, 'at once')
  // whoever reads the last stream gets the error of any of them
  pipeline(source, createGunzip(), unzipped).catch(() => {})
  return unzipped
}

/**
 * Passes on what it is given, and fails where that exceeds the limit.
 * @param when at once, or at the end: a client that is cut off while it sends does not learn why
 */
function atMost(megabytes: number, when: 'at once' | 'at the end'): Transform {
  const error = tooLarge(`A tenant's file has at most ${megabytes} MB here, also unpacked: see IMPORT_MAX_MB`)
  let left = megabytes * 1_000_000
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      left -= chunk.length
      if (left >= 0) done(null, chunk)
      else done(when === 'at once' ? error : null)
    },
    flush: (done) => done(left >= 0 ? null : error)
  })
}

/** @throws AppError unauthenticated, forbidden `operatorOnly`, not_found `wrongHost` on a tenant's host */
async function requireOperator(deps: Deps, request: FastifyRequest): Promise<Actor> {
  if (placeOf(request.host, deps.config.public.baseDomain).kind !== 'base') {
    throw new AppError('not_found', 'This path is on the base domain', { reason: 'wrongHost' })
  }
  const { authorization } = request.headers
  if (authorization === undefined) throw unauthenticated('The operator token is missing')
  const actor = await authenticateBearer(deps, request, undefined, authorization)
  if (actor.kind !== 'operator') throw forbidden('Only the operator may do this', 'operatorOnly')
  return actor
}
