// A change that the audit log must show.
import type { ActorKind } from '../../db/schema.ts'
import type { Inviting } from '../invitations/acme.ts'
import type { TrpcAnswer } from '../support/app.ts'
import type { Scim } from '../support/scim.ts'

export interface World extends Inviting {
  scim: Scim
}

export interface AuditCase {
  /** The actions that the log must show. */
  actions: string[]
  by?: ActorKind
  /** What must exist before. */
  prepare?: (world: World) => Promise<unknown>
  /** @param prepared the result of `prepare` */
  // biome-ignore lint/suspicious/noExplicitAny: each case knows what it has prepared
  run: (world: World, prepared: any) => Promise<TrpcAnswer | { status: number }>
}
