// Plays a conversation and reports for each step, in words, whether it worked and what to do if not.
import type { ScimProfile } from '../../../db/schema.ts'
import type { Exchange as Noted } from '../../wire-log/entry.ts'
import { explain } from '../../wire-log/explain.ts'
import type { AcceptanceStep, Played } from '../../wire-log/rehearsal.ts'
import { LENIENCES, type Lenience } from '../profiles.ts'
import { type Ask, type Conversation, type Exchange, NothingSaved, playExchange } from './exchange.ts'

/** Where a conversation is sent to. */
export interface Stage {
  readonly ask: Ask
  readonly baseUrl: string
  /** Letters and digits unique to this run. */
  readonly run: string
  /** The requests that the edge has noted so far. */
  readonly noted: readonly Noted[]
}

/** A step without its hint yet. */
export interface PlayedStep extends Omit<AcceptanceStep, 'hint'> {
  readonly error: Noted['error']
}

/** Maximum number of characters shown of a body. */
const MAX_SHOWN = 4_000

export async function playConversation(conversation: Conversation, stage: Stage): Promise<PlayedStep[]> {
  const saved: Record<string, unknown> = {
    baseUrl: stage.baseUrl,
    domain: `trial-${stage.run}.test`,
    run: `trial-${stage.run}`
  }
  const steps: PlayedStep[] = []
  for (const exchange of conversation.exchanges) steps.push(await playStep(exchange, saved, stage))
  return steps
}

async function playStep(exchange: Exchange, saved: Record<string, unknown>, stage: Stage): Promise<PlayedStep> {
  const before = stage.noted.length
  try {
    const { request, reply, expect, problems } = await playExchange(exchange, saved, stage.ask)
    const noted = stage.noted.slice(before)
    return {
      id: exchange.id,
      title: exchange.says,
      outcome: problems.length === 0 ? 'passed' : 'failed',
      sent: { method: request.method, path: `/scim/v2${request.url}`, body: shown(request.body) },
      got: { status: reply.status, body: shown(reply.body ?? (reply.text || undefined)) },
      expected: expectedOf(expect),
      problems,
      leniences: noted[0]?.leniences ?? [],
      error: noted.find(({ error }) => error)?.error
    }
  } catch (error) {
    if (!(error instanceof NothingSaved)) throw error
    return {
      id: exchange.id,
      title: exchange.says,
      outcome: 'skipped',
      sent: null,
      got: null,
      expected: expectedOf(exchange.expect),
      problems: [],
      leniences: [],
      error: undefined
    }
  }
}

const expectedOf = ({ status, body }: Exchange['expect']): AcceptanceStep['expected'] => ({
  statuses: [status].flat(),
  body: shown(body)
})

function shown(body: unknown): string | null {
  if (body === undefined) return null
  const text = typeof body === 'string' ? body : JSON.stringify(body, null, 2)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}\n…` : text
}

const NAMES: Record<Played, string> = {
  entra: 'Microsoft Entra ID',
  okta: 'Okta',
  onelogin: 'OneLogin',
  jumpcloud: 'JumpCloud',
  google: 'Google',
  auto: 'The client'
}

/**
 * Says what to do about each step that did not pass.
 * @param others the same steps played with the identity provider's own profile, where the connection has another one
 */
export function withHints(
  steps: readonly PlayedStep[],
  others: readonly PlayedStep[] | undefined,
  { as, profile }: { as: Played; profile: ScimProfile }
): AcceptanceStep[] {
  let hasFailed = false
  return steps.map(({ error, ...step }, index) => {
    const hint = hintOf({ ...step, error }, others?.[index], { as, profile, hasFailed })
    hasFailed ||= step.outcome === 'failed'
    return { ...step, hint }
  })
}

function hintOf(
  step: PlayedStep,
  other: PlayedStep | undefined,
  { as, profile, hasFailed }: { as: Played; profile: ScimProfile; hasFailed: boolean }
): string | null {
  if (step.outcome === 'passed') return null
  if (step.outcome === 'skipped') return 'Not tried: an earlier step that it builds on failed.'
  if (other?.outcome === 'passed') {
    const needed = other.leniences.map(({ lenience }) => LENIENCES[lenience as Lenience])
    if (needed.length > 0) {
      return `${NAMES[as]} needs what the profile “${profile}” does not take: ${needed.join('; ')}. Set the profile of the connection to “${as}” or “auto”.`
    }
    if (hasFailed) return 'It follows from an earlier step that failed.'
    return `It works with the profile “${as}”: set the profile of the connection to it, or to “auto”.`
  }
  const explanation = step.got && explain({ status: step.got.status, ...step.error })
  if (explanation) return `${explanation.means} ${explanation.change}`
  return 'The answer is not the one that the identity provider needs. Tell whoever runs the service.'
}
