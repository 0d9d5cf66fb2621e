// GET /.well-known/jwks.json on a tenant's host: the public keys of its security event tokens (RFC 7517 §5).
import type { FastifyInstance } from 'fastify'
import { listPublicKeys } from '../../db/event-streams.ts'
import type { Deps } from '../deps.ts'
import { placeOf } from '../tenancy.ts'

export async function jwksRoutes(app: FastifyInstance, { deps }: { deps: Deps }): Promise<void> {
  app.get('/.well-known/jwks.json', async (request, reply) => {
    const tenant = await deps.tenancy.getTenant(placeOf(request.host, deps.config.public.baseDomain))
    const keys = await listPublicKeys(deps.db, tenant.id)
    return reply.type('application/jwk-set+json').header('cache-control', 'public, max-age=300').send({ keys })
  })
}
