// tRPC over HTTP. A single query, the most common call, bypasses tRPC's adapter, which creates fetch API objects for
// each request and answer and so costs more than the query. Everything else uses the adapter.
import { getTRPCErrorFromUnknown } from '@trpc/server'
import { type FastifyTRPCPluginOptions, fastifyRequestHandler } from '@trpc/server/adapters/fastify'
import { getHTTPStatusCodeFromError } from '@trpc/server/http'
import { getErrorShape } from '@trpc/server/shared'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type AppRouter, appRouter } from './admin/router.ts'
import type { Context } from './admin/trpc.ts'

interface TrpcRoutesOptions {
  createContext(request: FastifyRequest, reply: FastifyReply): Promise<Context>
}

const MAX_BATCH = 50
/** Queries with a secret as input, which a POST body keeps out of histories and logs on the way. */
const ALSO_BY_POST = new Set(['invitations.preview'])

export async function trpcRoutes(app: FastifyInstance, { createContext }: TrpcRoutesOptions): Promise<void> {
  const adapterOptions: FastifyTRPCPluginOptions<AppRouter>['trpcOptions'] = {
    router: appRouter,
    maxBatchSize: MAX_BATCH,
    createContext: ({ req, res }) => createContext(req, res),
    onError: ({ error, path, req }) => {
      if (error.code === 'INTERNAL_SERVER_ERROR') req.log.error({ err: error.cause ?? error, path }, 'tRPC failed')
    }
  }
  // the adapter parses bodies itself
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  app.addHook('onRequest', (request, reply, done) => {
    // no cache on the way may keep one person's answer, nor the browser for its next user
    reply.header('cache-control', 'no-store')
    if (!TAKEN.has(request.method)) {
      const { path = '' } = request.params as { path?: string }
      return done(notTaken(reply, TYPES.get(path)))
    }
    done(isJsonOrNone(request.headers['content-type']) ? undefined : notJson())
  })

  app.all<{ Params: { path: string } }>('/:path', async (request, reply) => {
    const { path } = request.params
    const query = loneQuery(request, path)
    if (!query) {
      const allowMethodOverride = ALSO_BY_POST.has(path)
      return fastifyRequestHandler({ ...adapterOptions, allowMethodOverride, req: request, res: reply, path })
    }
    reply.header('vary', 'trpc-accept, accept').header('content-type', 'application/json')
    let context: Context | undefined
    try {
      context = await createContext(request, reply)
      const data = await query.procedure({
        ctx: context,
        path,
        getRawInput: async () => query.input,
        type: 'query',
        signal: undefined,
        batchIndex: 0
      })
      return reply.send(JSON.stringify({ result: { data } }))
    } catch (cause) {
      const error = getTRPCErrorFromUnknown(cause)
      adapterOptions.onError?.({ error, path, req: request, ctx: context, input: query.input, type: 'query' })
      const told = {
        config: appRouter._def._config,
        error,
        type: 'query',
        path,
        input: query.input,
        ctx: context
      } as const
      return reply.code(getHTTPStatusCodeFromError(error)).send(JSON.stringify({ error: getErrorShape(told) }))
    }
  })
}

/** tRPC would also read forms and files, which no procedure takes and which other sites' pages may send here. */
const isJsonOrNone = (type: string | undefined): boolean =>
  type === undefined || /^application\/json\s*(;|$)/i.test(type)

/** HEAD is GET without the body. */
const TAKEN = new Set(['GET', 'HEAD', 'POST'])

/** tRPC itself would blame the media type. @param type the procedure's; undefined for several, or none */
function notTaken(reply: FastifyReply, type: string | undefined): Error {
  const allowed = type === undefined ? 'GET, POST' : type === 'mutation' ? 'POST' : 'GET'
  reply.header('allow', allowed)
  return Object.assign(new Error(`This path takes ${allowed}`), { statusCode: 405 })
}

const notJson = () => Object.assign(new Error('Send application/json'), { statusCode: 415 })

type Procedure = (call: {
  ctx: Context
  path: string
  getRawInput(): Promise<unknown>
  type: 'query'
  signal: undefined
  batchIndex: number
}) => Promise<unknown>

const PROCEDURES = Object.entries(appRouter._def.procedures as unknown as Record<string, { _def: { type: string } }>)
const TYPES = new Map(PROCEDURES.map(([path, { _def }]) => [path, _def.type]))
const QUERIES = new Map(
  PROCEDURES.filter(([, procedure]) => procedure._def.type === 'query').map(([path, procedure]) => [
    path,
    procedure as unknown as Procedure
  ])
)
/** Other parameters that the adapter understands; a request with one of them goes through it. */
const OTHER_PARAMETERS = ['batch', 'connectionParams']

/** The single query that a request asks for; undefined where it asks for something else, or in an unusual way. */
function loneQuery(request: FastifyRequest, path: string): { procedure: Procedure; input: unknown } | undefined {
  if (request.method !== 'GET') return undefined
  const { headers } = request
  const procedure = QUERIES.get(path)
  const parameters = request.query as Record<string, unknown>
  if (!procedure || headers['trpc-accept'] !== undefined || headers.accept?.includes('jsonl')) return undefined
  if (OTHER_PARAMETERS.some((name) => parameters[name] !== undefined)) return undefined
  const { input } = parameters
  if (input === undefined || input === '') return { procedure, input: undefined }
  if (typeof input !== 'string') return undefined
  try {
    return { procedure, input: JSON.parse(input) }
  } catch {
    return undefined
  }
}
