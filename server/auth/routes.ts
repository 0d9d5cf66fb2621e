// GET /auth/link on a tenant's host: signs in by a one-time code and redirects to the page.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { countingRefusals } from '../counters.ts'
import type { Deps } from '../deps.ts'
import { unauthenticated } from '../errors.ts'
import { placeOf } from '../tenancy.ts'
import { limitWrongTokens } from './limits.ts'
import { consumeOneTimeCode } from './one-time-code.ts'
import { startSession } from './session.ts'

export async function authRoutes(app: FastifyInstance, { deps }: { deps: Deps }): Promise<void> {
  app.addHook('onClose', () => deps.auth.background.close())

  // a HEAD request or a prefetch does not use the link up
  app.head('/auth/link', async (_request, reply) => reply.code(204).send())
  app.get('/auth/link', { exposeHeadRoute: false }, async (request, reply) => {
    if (/prefetch|preview/i.test(String(request.headers['sec-purpose'] ?? request.headers.purpose ?? ''))) {
      return reply.code(204).send()
    }
    return countingRefusals(deps.counters, 'link', () => signInByLink(deps, request, reply))
  })
}

async function signInByLink(deps: Deps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const tenant = await deps.tenancy.getTenant(placeOf(request.host, deps.config.public.baseDomain))
  const { code } = request.query as { code?: unknown }
  const { userId } = await limitWrongTokens(
    deps,
    request.ip,
    async () => {
      const found = await consumeOneTimeCode(deps, tenant.id, { purpose: 'link', code: String(code ?? '') })
      if (!found) throw unauthenticated('This sign-in link was used already, or has expired', 'signInLinkInvalid')
      return found
    },
    () => true
  )
  await startSession(deps, tenant, userId, { request, reply, method: 'link' })
  return reply.redirect('/', 303)
}
