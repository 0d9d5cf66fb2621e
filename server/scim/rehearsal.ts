// Tries requests at the real edge without their effects: in a sandbox, through the routes that HTTP reaches.
import Fastify, { type FastifyInstance, type InjectOptions, LogController } from 'fastify'
import pLimit from 'p-limit'
import { v7 as uuidv7 } from 'uuid'
import { listAuditEvents } from '../../db/audit-log.ts'
import { inTenant } from '../../db/connect.ts'
import type { Role, ScimProfile } from '../../db/schema.ts'
import { findConnectionDetails } from '../../db/scim-connections.ts'
import { insertConnection, insertScimToken } from '../../db/scim-tokens.ts'
import { findShadow } from '../../db/shadows.ts'
import { MAX_BODY_BYTES } from '../config.ts'
import type { Deps } from '../deps.ts'
import { conflict } from '../errors.ts'
import { SCIM_TOKEN_PREFIX, scimBaseUrl } from '../provisioning/scim-tokens.ts'
import { runInSandbox, type Sandboxed } from '../sandbox.ts'
import { hashToken, randomToken } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'
import type { Exchange, WireEntry } from '../wire-log/entry.ts'
import { REDACTED } from '../wire-log/redact.ts'
import type { AcceptanceInput, AcceptanceReport, Rehearsal, Replayed } from '../wire-log/rehearsal.ts'
import { readConversations } from './acceptance/conversations.ts'
import type { Ask, Conversation, Reply } from './acceptance/exchange.ts'
import { type PlayedStep, playConversation, withHints } from './acceptance/run.ts'
import { ROUTER_OPTIONS } from './limits.ts'
import { LENIENCES } from './profiles.ts'
import { scimRoutes } from './routes.ts'

/** Each takes a connection of the pool, and holds locks. */
const MAX_AT_ONCE = 2
const CONVERSATION_MS = 20_000
const REPLAY_MS = 10_000
/** How many audit events are searched for those of one request. */
const MAX_CHANGES = 1_000

/** What to try with: a connection's settings, on a connection of its own that nobody else sees. */
interface Trial {
  readonly profile: ScimProfile
  readonly highestRole: Role
}

export function createRehearsal(deps: Deps): Rehearsal {
  const limit = pLimit(MAX_AT_ONCE)

  const play = (tenant: Tenant, conversation: Conversation, trial: Trial): Promise<PlayedStep[]> =>
    limit(() =>
      runInSandbox(deps, { timeMs: CONVERSATION_MS }, async (sandboxed) => {
        const run = uuidv7().slice(-12)
        // a new connection sees only its own resources, so existing ones neither help nor hinder
        const stage = await openStage(seeingOwn(sandboxed, tenant), tenant, { ...trial, name: `trial ${run}` })
        try {
          return await playConversation(conversation, { ...stage, run })
        } finally {
          await stage.close()
        }
      })
    )

  async function runAcceptance(tenant: Tenant, { as, connection }: AcceptanceInput): Promise<AcceptanceReport> {
    const conversations = readConversations(as === 'auto' ? 'other' : as).filter(({ profiles }) =>
      profiles.includes(as)
    )
    const played: AcceptanceReport['conversations'][number][] = []
    for (const conversation of conversations) {
      const steps = await play(tenant, conversation, connection)
      const hasFailed = steps.some(({ outcome }) => outcome !== 'passed')
      const others =
        hasFailed && connection.profile !== as
          ? await play(tenant, conversation, { ...connection, profile: as })
          : undefined
      played.push({
        title: conversation.title,
        steps: withHints(steps, others, { as, profile: connection.profile })
      })
    }
    return { conversations: played }
  }

  async function replay(tenant: Tenant, entry: WireEntry): Promise<Replayed> {
    const body = bodyToReplay(entry)
    const connection =
      entry.connectionId === null
        ? undefined
        : await findConnectionDetails(deps.db, tenant.id, entry.connectionId, deps.now())
    if (entry.connectionId !== null && !connection) throw notReplayable('its connection was removed')
    return limit(() =>
      runInSandbox(deps, { timeMs: REPLAY_MS }, async (sandboxed) => {
        // without a connection, it was an administrator's API token
        const own = { name: `trial ${uuidv7()}`, profile: 'auto', highestRole: 'administrator' } as const
        const stage = await openStage(sandboxed.deps, tenant, connection ?? own)
        const jobsBefore = sandboxed.jobs.length
        try {
          const reply = await stage.ask({
            method: entry.method,
            url: entry.url.replace(/^\/scim\/v2/, ''),
            headers: { 'content-type': null, ...entry.headers },
            body
          })
          const jobs = sandboxed.jobs.slice(jobsBefore)
          // a connection in shadow mode changes its shadow
          const shadow = connection && (await findShadow(sandboxed.deps.db, tenant.id, connection.id))
          const changedId = shadow?.shadow_id ?? tenant.id
          return await toReplayed({ ...sandboxed, jobs }, changedId, reply, stage.noted.at(-1))
        } finally {
          await stage.close()
        }
      })
    )
  }

  return { runAcceptance, replay, leniences: LENIENCES }
}

const notReplayable = (why: string) => conflict(`This request cannot be sent again: ${why}`, 'notReplayable')

const WITH_BODY = new Set(['POST', 'PUT', 'PATCH'])

/** @returns JSON text with random values in place of redacted ones; undefined for no body */
function bodyToReplay({ method, url, kind, request, requestCut }: WireEntry): string | undefined {
  if (kind === null) throw notReplayable('nobody knows whose token it came with')
  if (url.includes(REDACTED)) throw notReplayable('its query was not kept')
  if (requestCut !== undefined) throw notReplayable('its body was too long to be kept whole')
  if (request === undefined) {
    if (WITH_BODY.has(method)) throw notReplayable('its body was not kept')
    return undefined
  }
  return JSON.stringify(request).replaceAll(JSON.stringify(REDACTED), () => JSON.stringify(randomToken()))
}

async function toReplayed(
  { deps, jobs }: Sandboxed,
  tenantId: number,
  reply: Reply,
  noted: Exchange | undefined
): Promise<Replayed> {
  const events = await listAuditEvents(deps.db, tenantId, { limit: MAX_CHANGES })
  return {
    status: reply.status,
    body: reply.text || null,
    durationMs: noted?.durationMs ?? 0,
    leniences: noted?.leniences ?? [],
    error: noted?.error && { reason: noted.error.reason, scimType: noted.error.scimType },
    changes: events
      .filter((event) => event.request_id !== null && event.request_id === noted?.requestId)
      .reverse()
      .map((event) => ({
        action: event.action,
        targetType: event.target_type,
        targetId: event.target_id,
        targetName: event.target_name,
        before: event.before && JSON.parse(event.before),
        after: event.after && JSON.parse(event.after)
      })),
    mails: jobs.filter(({ name }) => name === 'send-mail').length
  }
}

/** The same tenant, except that its tokens see only their own resources. */
function seeingOwn({ deps }: Sandboxed, tenant: Tenant): Deps {
  const narrowed: Tenant = { ...tenant, settings: { ...tenant.settings, scimScope: 'own' } }
  return { ...deps, tenancy: { ...deps.tenancy, getTenant: async () => narrowed } }
}

/** An existing connection, or one to create for the trial. */
type TrialConnection = { readonly id: string } | (Trial & { readonly name: string })

/** Inserts only the rows, without the locks and audit events of a lasting token. @returns the token */
function insertToken(deps: Deps, tenant: Tenant, connection: TrialConnection): Promise<string> {
  const now = deps.now()
  const token = SCIM_TOKEN_PREFIX + randomToken()
  return inTenant(deps.db, tenant.id, async (trx) => {
    const connectionId =
      'id' in connection ? connection.id : await insertConnection(trx, tenant.id, connection, null, now)
    const id = uuidv7({ msecs: now.getTime() })
    await insertScimToken(trx, tenant.id, { id, connectionId, tokenHash: hashToken(token), expiresAt: null, now })
    return token
  })
}

/** Opens the edge on sandboxed deps, with a token for it. */
async function openStage(deps: Deps, tenant: Tenant, connection: TrialConnection) {
  const token = await insertToken(deps, tenant, connection)
  const noted: Exchange[] = []
  const app = Fastify({
    loggerInstance: deps.log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    genReqId: () => uuidv7(),
    routerOptions: ROUTER_OPTIONS
  })
  const wireLog = { isOn: () => true, note: (exchange: Exchange) => void noted.push(exchange) }
  await app.register(scimRoutes, { prefix: '/scim/v2', deps, wireLog })
  const host = `${tenant.subdomain}.${deps.config.public.baseDomain}`
  return {
    baseUrl: scimBaseUrl(deps.config, tenant.subdomain),
    noted,
    ask: askOf(app, { host, authorization: `Bearer ${token}` }),
    close: () => app.close()
  }
}

const askOf =
  (app: FastifyInstance, always: Record<string, string>): Ask =>
  async ({ method, url, headers = {}, body }) => {
    const sent: Record<string, string | null> = {
      ...always,
      ...(body !== undefined && { 'content-type': 'application/scim+json' }),
      ...lowerCased(headers)
    }
    const response = await app.inject({
      method: method as InjectOptions['method'],
      url: `/scim/v2${url}`,
      headers: Object.fromEntries(Object.entries(sent).filter(([, value]) => value !== null)) as Record<string, string>,
      ...(body !== undefined && { payload: typeof body === 'string' ? body : JSON.stringify(body) })
    })
    const text = response.payload
    return {
      status: response.statusCode,
      headers: response.headers,
      body: text === '' ? undefined : response.json(),
      text
    }
  }

const lowerCased = <T>(headers: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
