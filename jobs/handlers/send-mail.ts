// send-mail: sends queued mails, many at once, and records the outcome.
import { setTimeout } from 'node:timers/promises'
import type { JobResult } from 'pg-boss'
import { inTenant } from '../../db/connect.ts'
import { isUnavailable } from '../../db/failures.ts'
import {
  type LinkState,
  type MailOutcome,
  type MailToSend,
  readLinkStates,
  readMailsToSend,
  settleMails
} from '../../db/mails.ts'
import { retryRaces } from '../../db/races.ts'
import type { Deps } from '../../server/deps.ts'
import type { Templates } from '../../server/mail/render.ts'
import type { MailTransport } from '../../server/mail/transport.ts'
import { MailError } from '../../server/mail/types.ts'
import { hashToken } from '../../server/secrets.ts'
import { inSpan, type SpanOptions } from '../../server/tracing.ts'
import type { JobPayloads } from '../queue.ts'
import { writeMail } from './write-mail.ts'

interface SendMailDeps extends Pick<Deps, 'config' | 'counters' | 'db' | 'log' | 'now' | 'sealer' | 'tracing'> {
  readonly templates: Templates
  readonly transport: Pick<MailTransport, 'send'>
  /** Aborted when the process cannot wait any longer for mails that are being sent. */
  readonly signal: AbortSignal
}

interface SendMailJob {
  id: string
  data: JobPayloads['send-mail']
}

const MAX_ERROR_LENGTH = 500

/**
 * Sends the mails of a batch concurrently; a tenant's mails are read together.
 * @returns `failed` for each job that is to be retried
 */
export async function sendMails(deps: SendMailDeps, jobs: readonly SendMailJob[]): Promise<JobResult[]> {
  const byTenant = Map.groupBy(jobs, ({ data }) => data.tenantId)
  const results = await Promise.all(
    [...byTenant].map(([tenantId, ofTenant]) =>
      sendOfTenant(deps, tenantId, ofTenant).catch((error: unknown): JobResult[] => {
        // the mails of other tenants have been sent, and must not be sent again with these
        deps.log.error({ err: error, job: 'send-mail', tenantId }, 'send-mail failed')
        return ofTenant.map(({ id }) => ({ id, ...DATABASE_FAILED }))
      })
    )
  )
  return results.flat()
}

async function sendOfTenant(deps: SendMailDeps, tenantId: number, jobs: readonly SendMailJob[]): Promise<JobResult[]> {
  const mails = await readMailsToSend(
    deps.db,
    tenantId,
    jobs.map(({ data }) => data.mailId)
  )
  const letters = mails.filter(({ state }) => state === 'queued').map((mail) => openLetter(deps, mail))
  const links = await readLinks(deps, tenantId, letters)
  const traces = new Map(jobs.map(({ data }) => [data.mailId, data.traceparent]))
  const settle = inGroups((outcomes: MailOutcome[]) => writeDown(deps, tenantId, outcomes))
  const sending = letters.map(async (letter): Promise<[string, Omit<JobResult, 'id'>]> => {
    const outcome = await inSpan(deps.tracing, 'send mail', spanOf(letter, traces.get(letter.mail.id)), () =>
      attempt(deps, letter, links.get(letter.linkKey))
    )
    try {
      await settle(outcome)
    } catch (error) {
      deps.log.error({ err: error, job: 'send-mail', tenantId, mailId: outcome.id }, 'send-mail failed')
      return [outcome.id, DATABASE_FAILED]
    }
    count(deps, letter.mail, outcome)
    return [outcome.id, outcome.state === 'queued' ? failure(outcome.error) : { status: 'completed' }]
  })
  const results = new Map(await Promise.all(sending))
  return jobs.map(({ id, data }) => ({ id, ...(results.get(data.mailId) ?? { status: 'completed' }) }))
}

const failure = (message: string | null): Omit<JobResult, 'id'> => ({ status: 'failed', output: { message } })
const DATABASE_FAILED = failure('The database failed')

/** How long to keep trying to record a sent mail while the database is away: otherwise it would be sent again. */
const MAX_WAIT_MS = 60_000
const WAIT_MS = 250

async function writeDown({ db, signal }: SendMailDeps, tenantId: number, outcomes: MailOutcome[]): Promise<void> {
  const deadline = performance.now() + MAX_WAIT_MS
  for (;;) {
    try {
      await retryRaces(() => inTenant(db, tenantId, (trx) => settleMails(trx, tenantId, outcomes)))
      return
    } catch (error) {
      if (!isUnavailable(error) || signal.aborted || performance.now() > deadline) throw error
      await setTimeout(WAIT_MS)
    }
  }
}

/**
 * Writes each item as soon as nothing else is being written, together with those that arrived meanwhile: if the process
 * is killed, as little as possible was done but not recorded.
 */
function inGroups<T>(write: (items: T[]) => Promise<void>): (item: T) => Promise<void> {
  let next: { items: T[]; written: Promise<void> } | undefined
  let last: Promise<unknown> = Promise.resolve()
  return (item) => {
    if (!next) {
      const items: T[] = []
      const written = last.then(() => {
        next = undefined
        return write(items)
      })
      last = written.catch(() => {})
      next = { items, written }
    }
    next.items.push(item)
    return next.written
  }
}

/** The mail belongs to the trace of the request that asked for it. */
const spanOf = ({ mail }: Letter, parent: string | undefined): SpanOptions => ({
  parent,
  attributes: { 'muster.mail_id': mail.id, 'muster.template': mail.template }
})

/** A mail that waits for its suspended tenant was not tried, and is not counted. */
function count({ counters }: SendMailDeps, { template }: MailToSend, { state, attempts }: MailOutcome): void {
  if (state !== 'queued') counters.noteMail(template, state)
  else if (attempts > 0) counters.noteMail(template, 'retried')
}

/** A mail with its token in the clear. */
interface Letter {
  mail: MailToSend
  /** Undefined if none of our SECRET_KEYs opens it. */
  token: string | undefined
  tokenHash: Buffer
  linkKey: string
}

function openLetter({ sealer }: SendMailDeps, mail: MailToSend): Letter {
  const token = mail.token_sealed ? sealer.open('mail', mail.token_sealed) : undefined
  const tokenHash = hashToken(token ?? '')
  return { mail, token, tokenHash, linkKey: tokenHash.toString('hex') }
}

async function readLinks(deps: SendMailDeps, tenantId: number, letters: readonly Letter[]) {
  if (letters.length === 0) return new Map<string, LinkState>()
  const links = await readLinkStates(
    deps.db,
    tenantId,
    letters.map(({ tokenHash }) => tokenHash)
  )
  return new Map(links.map((link) => [link.token_hash.toString('hex'), link]))
}

async function attempt(deps: SendMailDeps, { mail, token }: Letter, link: LinkState | undefined): Promise<MailOutcome> {
  const outcome = (state: MailOutcome['state'], error: string | null = null, attempts = 0): MailOutcome => ({
    id: mail.id,
    state,
    sent_at: state === 'sent' ? deps.now() : null,
    error: error?.slice(0, MAX_ERROR_LENGTH) ?? null,
    attempts
  })
  if (!mail.notice) {
    if (token === undefined)
      return outcome('failed', 'The link was sealed with a SECRET_KEY that is gone: send it again')
    if (!link?.is_open || link.expires_at <= deps.now()) return outcome('cancelled')
  }
  if (mail.tenant_state === 'suspended') return outcome('queued', 'The tenant is suspended')
  try {
    const message = writeMail(deps, mail, link && { token: token!, expiresAt: link.expires_at })
    await untilAborted(deps.transport.send(message), deps.signal)
    return outcome('sent', null, 1)
  } catch (error) {
    const isPermanent = error instanceof MailError && error.permanent
    deps.log.warn({ err: error, job: 'send-mail', mailId: mail.id, isPermanent }, 'send-mail failed')
    return outcome(isPermanent ? 'failed' : 'queued', describe(error), 1)
  }
}

/** The mail server's response if there is one; of our own errors, only that there was one. */
const describe = (error: unknown): string =>
  error instanceof MailError ? (error.response ?? error.message) : 'The mail could not be handed over'

/** Rejects once aborted; the work goes on, but nobody waits for it. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(new MailError('The process stopped while sending', { permanent: false }))
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', abort))
}
