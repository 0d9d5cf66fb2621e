// What administrators can ask the protocol's edge to try without effect. Implemented by server/scim and passed to the
// administrators' edges, since the two do not import each other.
import type { Role, ScimProfile } from '../../db/schema.ts'
import type { Tenant } from '../tenancy.ts'
import type { AppliedLenience, WireEntry } from './entry.ts'

/** Whose exchanges are played; `auto` stands for clients without a profile of their own. */
export const PLAYED = ['entra', 'okta', 'onelogin', 'jumpcloud', 'google', 'auto'] as const
export type Played = (typeof PLAYED)[number]

export interface Rehearsal {
  /**
   * Plays an identity provider's exchanges against a tenant, and rolls them back.
   * @throws AppError unavailable where somebody else holds what they need, or they take too long
   */
  runAcceptance(tenant: Tenant, given: AcceptanceInput): Promise<AcceptanceReport>
  /** Sends a stored request again, and rolls back its effects. @throws AppError conflict `notReplayable` */
  replay(tenant: Tenant, entry: WireEntry): Promise<Replayed>
  /** What each lenience accepts, in words. */
  readonly leniences: Readonly<Record<string, string>>
}

export interface AcceptanceInput {
  readonly as: Played
  /** The settings of the connection to try. */
  readonly connection: { readonly profile: ScimProfile; readonly highestRole: Role }
}

export interface AcceptanceReport {
  readonly conversations: readonly { readonly title: string; readonly steps: readonly AcceptanceStep[] }[]
}

export interface AcceptanceStep {
  /** The id in the acceptance list, such as E19. */
  readonly id: string
  readonly title: string
  /** skipped: an earlier step that it builds on failed. */
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** The request; null where it could not be built. */
  readonly sent: { readonly method: string; readonly path: string; readonly body: string | null } | null
  readonly got: { readonly status: number; readonly body: string | null } | null
  readonly expected: { readonly statuses: readonly number[]; readonly body: string | null }
  /** What differs, such as `active: true instead of false`. */
  readonly problems: readonly string[]
  readonly leniences: readonly AppliedLenience[]
  /** What to do; null for nothing. */
  readonly hint: string | null
}

export interface Replayed {
  readonly status: number
  /** JSON text. */
  readonly body: string | null
  readonly durationMs: number
  readonly leniences: readonly AppliedLenience[]
  readonly error: WireEntry['error']
  /** What it would change: the audit events that it wrote. */
  readonly changes: readonly ReplayedChange[]
  /** Mails that it would send. */
  readonly mails: number
}

export interface ReplayedChange {
  readonly action: string
  readonly targetType: string
  readonly targetId: string | null
  readonly targetName: string | null
  readonly before: unknown
  readonly after: unknown
}
