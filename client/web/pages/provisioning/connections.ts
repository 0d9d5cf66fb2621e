// A tenant's tokens, grouped by their identity provider.
import type { Outputs } from '../../api.ts'
import { counted, peopleInWords } from '../../counted.ts'
import type { Tone } from '../../parts/state-badge.tsx'

export type Token = Outputs['scimTokens']['list']['items'][number]

export type Errors = Outputs['scimTokens']['errors']['connections'][number]

export interface Connection {
  readonly id: string
  readonly name: string
  readonly profile: Token['profile']
  readonly highestRole: Token['highestRole']
  /** Whether it is in shadow mode. */
  readonly isShadow: boolean
  /** Newest first. */
  readonly live: readonly Token[]
  readonly ended: readonly Token[]
  readonly lastUsedAt: string | null
  /** In the last day; undefined where there were none. */
  readonly errors: Errors | undefined
}

/** Working ones first, each group ordered by newest token. */
export function connectionsOf(tokens: readonly Token[], errors: readonly Errors[], nowMs: number): Connection[] {
  const byId = Map.groupBy(tokens, (token) => token.connectionId)
  const connections = [...byId].map(([id, own]) => {
    const { name, profile, highestRole, shadow: isShadow } = own[0]!
    return {
      id,
      name,
      profile,
      highestRole,
      isShadow,
      live: own.filter((token) => isLive(token, nowMs)),
      ended: own.filter((token) => !isLive(token, nowMs)),
      lastUsedAt: own.reduce<string | null>((latest, { lastUsedAt }) => later(latest, lastUsedAt), null),
      errors: errors.find(({ connectionId }) => connectionId === id)
    }
  })
  return connections.sort((one, other) => Number(other.live.length > 0) - Number(one.live.length > 0))
}

export const isLive = ({ revoked, expiresAt }: Token, nowMs: number) =>
  !revoked && (expiresAt === null || Date.parse(expiresAt) > nowMs)

const later = (one: string | null, other: string | null) => ((one ?? '') > (other ?? '') ? one : other)

const DAY_MS = 86_400_000
const EXPIRES_SOON_DAYS = 14

export interface Status {
  readonly tone: Tone
  readonly label: string
}

export function statusOf({ live, lastUsedAt, errors }: Connection, nowMs: number): Status {
  if (live.length === 0) return { tone: 'bad', label: 'No working token' }
  // after a rotation the previous token still works
  if (lastUsedAt !== null && live.length > 1 && live[0]!.lastUsedAt === null) {
    return { tone: 'wait', label: 'New token not used yet' }
  }
  if (lastUsedAt === null) return { tone: 'wait', label: 'Waiting for its first request' }
  if (nowMs - Date.parse(lastUsedAt) > DAY_MS) return { tone: 'quiet', label: 'Quiet for over a day' }
  return errors ? { tone: 'wait', label: 'Connected, with errors' } : { tone: 'good', label: 'Connected' }
}

/** Whether the connection is about to lose its last token. */
export const expiresSoon = ({ live }: Connection, nowMs: number) =>
  live.length > 0 &&
  live.every(({ expiresAt }) => expiresAt !== null && Date.parse(expiresAt) - nowMs < EXPIRES_SOON_DAYS * DAY_MS)

interface Owned {
  readonly users: number
  readonly groups: number
  readonly memberships: number
}

/** `12 people, 3 groups and 40 memberships` */
export const ownedInWords = ({ users, groups, memberships }: Owned): string =>
  `${peopleInWords(users)}, ${counted(groups, 'group', 'groups')} and ${counted(memberships, 'membership', 'memberships')}`
