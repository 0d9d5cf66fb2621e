// Who sends a request: the operator, an API token's owner, or a session's user.
import type { FastifyRequest } from 'fastify'
import type { Deps } from '../deps.ts'
import { unauthenticated } from '../errors.ts'
import type { Actor } from '../provisioning/actor.ts'
import { isSameSecret } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'

/**
 * @returns undefined where the request names nobody
 * @throws AppError unauthenticated where it names somebody whom we do not know (any longer)
 */
export async function authenticate(
  deps: Deps,
  request: FastifyRequest,
  _tenant: Tenant | undefined
): Promise<Actor | undefined> {
  const { authorization } = request.headers
  if (authorization === undefined) return undefined
  const token = /^bearer +(\S+)$/i.exec(authorization)?.[1]
  if (token && isSameSecret(token, deps.operatorToken)) {
    return {
      kind: 'operator',
      id: null,
      name: 'operator',
      role: 'administrator',
      requestId: request.id,
      ip: request.ip
    }
  }
  throw unauthenticated('The token is not valid')
}
