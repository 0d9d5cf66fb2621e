// Method + path -> handler, one line each, below /scim/v2.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Deps } from '../deps.ts'
import type { WireLog } from '../wire-log/wire-log.ts'
import { readBodies } from './body.ts'
import { bulk } from './bulk.ts'
import type { ScimAnswer, ScimHandler } from './context.ts'
import { getResourceType, getSchema, getServiceProviderConfig, listResourceTypes, listSchemas } from './discovery.ts'
import { type Access, createEntrance } from './entrance.ts'
import { createErrorTally } from './error-tally.ts'
import { errorOf } from './errors.ts'
import {
  createGroup,
  deleteGroup,
  getGroup,
  groupSource,
  listGroups,
  patchGroup,
  replaceGroup,
  searchGroups
} from './groups.ts'
import { noteHeld } from './held.ts'
import { inCanonicalCase } from './list-query.ts'
import { createMe, deleteMe, getMe, patchMe, replaceMe } from './me.ts'
import { sendAnswer, sendError } from './respond.ts'
import { rootSearch } from './search.ts'
import { createUser, deleteUser, getUser, listUsers, patchUser, replaceUser, searchUsers, userSource } from './users.ts'
import { noteAnswer, noteRefusal } from './wire.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** HEAD is allowed where GET is. */
const OTHER_METHODS = ['HEAD', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'] as const

const root = rootSearch([userSource, groupSource])

export const ROUTES: readonly [method: Method, path: string, handler: ScimHandler, access?: Access][] = [
  ['GET', '/ServiceProviderConfig', getServiceProviderConfig, 'public'],
  ['GET', '/ResourceTypes', listResourceTypes, 'public'],
  ['GET', '/ResourceTypes/:id', getResourceType, 'public'],
  ['GET', '/Schemas', listSchemas, 'public'],
  ['GET', '/Schemas/:id', getSchema, 'public'],
  ['GET', '/', root.get],
  ['POST', '/.search', root.post],
  ['GET', '/Users', listUsers],
  ['POST', '/Users', createUser],
  ['POST', '/Users/.search', searchUsers],
  ['GET', '/Users/:id', getUser],
  ['PUT', '/Users/:id', replaceUser],
  ['PATCH', '/Users/:id', patchUser],
  ['DELETE', '/Users/:id', deleteUser],
  ['GET', '/Groups', listGroups],
  ['POST', '/Groups', createGroup],
  ['POST', '/Groups/.search', searchGroups],
  ['GET', '/Groups/:id', getGroup],
  ['PUT', '/Groups/:id', replaceGroup],
  ['PATCH', '/Groups/:id', patchGroup],
  ['DELETE', '/Groups/:id', deleteGroup],
  ['POST', '/Bulk', bulk],
  ['GET', '/Me', getMe, 'me'],
  ['POST', '/Me', createMe, 'me'],
  ['PUT', '/Me', replaceMe, 'me'],
  ['PATCH', '/Me', patchMe, 'me'],
  ['DELETE', '/Me', deleteMe, 'me']
]

interface ScimRoutesOptions {
  readonly deps: Deps
  /** Notes every exchange; its owner closes it. */
  readonly wireLog: Pick<WireLog, 'isOn' | 'note'>
}

export async function scimRoutes(app: FastifyInstance, { deps, wireLog }: ScimRoutesOptions): Promise<void> {
  const tally = createErrorTally(deps)
  readBodies(app)
  app.setErrorHandler((error, request, reply) => {
    if (request.scim) {
      tally.note(request.scim, error)
      noteRefusal(wireLog, request, reply, error)
    }
    return sendError(error, request, reply)
  })
  app.decorateRequest('scim', undefined)

  const entrance = createEntrance(deps, wireLog)
  app.addHook('onClose', () => Promise.all([entrance.close(), tally.close()]))
  app.addHook('onRequest', (request, _reply, done) =>
    entrance.enterAtOnce(request) ? done() : entrance.enter(request)
  )
  for (const [method, path, handler, access] of ROUTES) {
    app.route({
      method,
      url: path,
      config: { scimAccess: access ?? 'token' },
      handler: (request, reply) => answer(handler, request, reply, wireLog)
    })
  }
  refuseOtherMethods(app)
}

async function answer(
  handler: ScimHandler,
  request: FastifyRequest,
  reply: FastifyReply,
  wireLog: ScimRoutesOptions['wireLog']
): Promise<FastifyReply> {
  const context = request.scim!
  let answered: ScimAnswer
  try {
    answered = await handler(context, {
      id: (request.params as { id?: string }).id ?? '',
      query: inCanonicalCase(request.query as Record<string, unknown>),
      body: request.body,
      ifMatch: request.headers['if-match'],
      ifNoneMatch: request.headers['if-none-match']
    })
  } catch (error) {
    return noteHeld(context, error)
  }
  const { applied } = context.leniency
  if (applied.length > 0) context.log.info({ leniences: applied }, 'SCIM request needed leniency')
  noteAnswer(wireLog, request, reply, answered, applied)
  return sendAnswer(reply, answered)
}

/** An existing path answers 405 to methods that it does not take (RFC 9110 §15.5.6). */
function refuseOtherMethods(app: FastifyInstance): void {
  for (const path of new Set(ROUTES.map(([, routePath]) => routePath))) {
    const taken = ROUTES.filter(([, routePath]) => routePath === path).map(([method]) => method)
    const { body } = errorOf(405, `This path takes ${taken.join(', ')}`)
    const isTaken = (method: string) => taken.some((one) => one === method || (one === 'GET' && method === 'HEAD'))
    app.route({
      method: OTHER_METHODS.filter((method) => !isTaken(method)),
      url: path,
      config: { scimAccess: 'public' },
      handler: (_request, reply) => sendAnswer(reply.header('allow', taken.join(', ')), { status: 405, body })
    })
  }
}
