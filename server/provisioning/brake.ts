// The brake against mass deprovisioning limits how much a connection may take away within an hour. A change is counted
// at the end of its transaction. Where a permit is missing, the whole transaction is rolled back: nobody loses access,
// and nothing is half done. A transaction of its own then records what was held, for administrators to release or
// reject (brake-release.ts).
import { type CompiledQuery, type RawBuilder, sql } from 'kysely'
import { insertAuditEvents } from '../../db/audit.ts'
import {
  type BrakeLimits,
  type BrakeOutcome,
  type Deprovisioning,
  type EndedMemberships,
  forgetHeld,
  type HeldTogether,
  noteHeld,
  REJECTED,
  readLeft,
  settleBrake,
  takeMemberPermits,
  takeUserPermits
} from '../../db/brakes.ts'
import { type Db, inTenant, type Trx } from '../../db/connect.ts'
import { notifyChange } from '../../db/listen.ts'
import { retryRaces } from '../../db/races.ts'
import type { BrakeSettings, UserRow } from '../../db/schema.ts'
import { requirePermits } from '../../db/scim-user-writes.ts'
import type { Deps } from '../deps.ts'
import { AppError } from '../errors.ts'
import type { Actor } from './actor.ts'
import { forgetCredentials } from './forgetting.ts'
import { notifyAdministrators } from './notices.ts'

const DEFAULT_BRAKE: BrakeLimits = { percent: 10, people: 20 }

/** A connection's limits: its own settings, else the tenant's, else the defaults; undefined where the brake is off. */
export function brakeLimits(tenant: BrakeSettings | undefined, connection: BrakeSettings): BrakeLimits | undefined {
  const { off, percent, people } = { ...DEFAULT_BRAKE, ...tenant, ...connection }
  return off ? undefined : { percent, people }
}

/** A change was held or rejected, and with it its whole request. */
export class HeldBack extends AppError {
  readonly held: HeldTogether

  constructor(connectionName: string, limits: BrakeLimits, held: HeldTogether, outcome: BrakeOutcome) {
    if (outcome === REJECTED) {
      super('forbidden', REJECTED_TEXT, { reason: 'rejectedByAdministrator' })
    } else {
      super('rate_limited', heldText(connectionName, limits), { reason: 'heldByBrake', retryAfterSeconds: outcome })
    }
    this.held = held
  }
}

const REJECTED_TEXT =
  'An administrator has rejected this: the person or membership stays as it is. The administrator can lift that, and ' +
  'so does a request for the opposite'

const heldText = (connectionName: string, { percent, people }: BrakeLimits) =>
  `Held by the brake against mass deprovisioning: ${connectionName} may deactivate, remove or take out of groups at ` +
  `most ${percent} % of the active users within an hour (${people} at least). An administrator has been told and ` +
  'decides; nothing was changed, and a later try may succeed'

/** The brake that applies to the actor. */
export const brakeOf = ({ scim }: Actor): Omit<Deprovisioning, 'kind'> | undefined =>
  scim?.brake && { connectionId: scim.connectionId, limits: scim.brake }

/** Who changes something, and in which transaction. */
interface BrakedChange {
  readonly trx: Trx
  readonly tenantId: number
  readonly actor: Actor
  readonly now: Date
}

/**
 * Counts a person whom the transaction has deactivated or removed. Send it with the last statements.
 * @param user as before the change
 * @throws HeldBack
 */
export const countUser = (
  change: BrakedChange,
  kind: 'deactivate' | 'remove',
  user: Pick<UserRow, 'id' | 'state'>
): Promise<void> => takeFor(change, kind, [user], isActive(user) ? 1 : 0)

/**
 * As countUser, for several people, maybe of several connections; none of the connections has anything held yet.
 * @throws HeldBack where any of them is held; it does not say which
 */
export async function countUsers(
  change: Omit<BrakedChange, 'actor'>,
  people: readonly { readonly user: Pick<UserRow, 'id' | 'state'>; readonly actor: Actor }[]
): Promise<void> {
  const leaving = people.filter(({ user }) => isActive(user)).length
  await Promise.all(
    byConnection(people).map((own) =>
      takeFor(
        { ...change, actor: own[0]!.actor },
        'deactivate',
        own.map(({ user }) => user),
        leaving
      )
    )
  )
}

/**
 * The same count as statements, for people who are written together. Send them as the last ones that lock; they fail
 * where anybody is held.
 */
export function permitsOf(
  db: Db,
  tenantId: number,
  people: readonly { readonly user: Pick<UserRow, 'id' | 'state'>; readonly actor: Actor }[],
  now: Date
): CompiledQuery[] {
  const leaving = people.filter(({ user }) => isActive(user)).length
  return byConnection(people).flatMap((own) => {
    const brake = brakeOf(own[0]!.actor)
    const ids = own.map(({ user }) => user.id)
    return brake ? [requirePermits(db, tenantId, { ...brake, kind: 'deactivate' }, { ids, leaving }, now)] : []
  })
}

/** In one order: two transactions never wait for each other. */
function byConnection<Person extends { readonly actor: Actor }>(people: readonly Person[]): Person[][] {
  const groups = [...Map.groupBy(people, ({ actor }) => actor.scim?.connectionId ?? '')]
  return groups.sort(([one], [other]) => (one < other ? -1 : 1)).map(([, own]) => own)
}

const isActive = ({ state }: Pick<UserRow, 'state'>) => state === 'active'

async function takeFor(
  { trx, tenantId, actor, now }: BrakedChange,
  kind: 'deactivate' | 'remove',
  users: readonly Pick<UserRow, 'id'>[],
  leaving: number
): Promise<void> {
  const brake = brakeOf(actor)
  if (!brake) return
  const ids = users.map(({ id }) => id)
  const outcome = await takeUserPermits(trx, tenantId, { ...brake, kind }, { ids, leaving }, now)
  if (outcome === 0) return
  throw new HeldBack(actor.name, brake.limits, { kind, userIds: ids, childIds: [], groupId: null }, outcome)
}

/**
 * Counts everybody whom the transaction has taken out of a group. Send it with the last statements.
 * @throws HeldBack
 */
export async function countMembers(
  { trx, tenantId, actor, now }: BrakedChange,
  kind: 'leave' | 'removeGroup',
  ended: EndedMemberships
): Promise<void> {
  const brake = brakeOf(actor)
  if (!brake) return
  const outcome = await takeMemberPermits(trx, tenantId, { ...brake, kind }, ended, now)
  if (outcome === 0) return
  const { groupId } = ended
  const left = kind === 'leave' ? await readLeft(trx, tenantId, ended) : { userIds: [], childIds: [] }
  throw new HeldBack(actor.name, brake.limits, { kind, ...left, groupId }, outcome)
}

interface BrakeWriter {
  readonly deps: Pick<Deps, 'db' | 'listener' | 'queue'>
  readonly tenant: { readonly id: number }
  readonly actor: Actor
  readonly now: Date
}

/**
 * Records what was held, after the transaction that tried it. Administrators get one mail for each mass deprovisioning.
 * A change that was rejected, or released meanwhile, is not recorded.
 */
export async function recordHeld(
  { deps, tenant: { id: tenantId }, actor, now }: BrakeWriter,
  { held, reason }: HeldBack
): Promise<void> {
  const connectionId = actor.scim?.connectionId
  if (connectionId === undefined || reason !== 'heldByBrake') return
  const isNew = await retryRaces(() => noteInTransaction(deps, tenantId, actor, connectionId, held, now))
  if (isNew) forgetCredentials(deps, tenantId)
}

class Released extends Error {}

async function noteInTransaction(
  { db, queue }: BrakeWriter['deps'],
  tenantId: number,
  actor: Actor,
  connectionId: string,
  held: HeldTogether,
  now: Date
): Promise<boolean> {
  try {
    return await inTenant(db, tenantId, async (trx) => {
      const noted = await noteHeld(trx, tenantId, connectionId, held, now)
      if (!noted) throw new Released()
      if (!noted.isNew) return false
      await notifyAdministrators(trx, { queue }, tenantId, noticeOf(actor.name, connectionId), now)
      await Promise.all([
        insertAuditEvents(trx, tenantId, actor, now, [
          {
            action: 'scimConnection.held',
            targetType: 'scimConnection',
            targetId: connectionId,
            targetName: actor.name,
            after: { ...actor.scim!.brake }
          }
        ]),
        // from now on every process checks whether the connection asks for the opposite of something that is held
        notifyChange(trx, { kind: 'credentials', tenantId })
      ])
      return true
    })
  } catch (error) {
    if (error instanceof Released) return false
    throw error
  }
}

const noticeOf = (connectionName: string, connectionId: string) => ({
  subject: `${connectionName} is deprovisioning many people: the rest is held`,
  message:
    `${connectionName} has deactivated, removed or taken out of groups as many people as it may within an hour. ` +
    'What it goes on to ask for is held: nobody else loses access until an administrator decides.',
  detail: 'Release the changes if they are meant, or reject them if they are a mistake on the other side.',
  actionName: 'See who is affected',
  actionPath: `/provisioning/${connectionId}?tab=brake`
})

/**
 * Forgets what was held or rejected about a person whom the connection wants to be active. Send it after everything
 * else that may be refused, and before permits are taken.
 */
export const letUserStay = (change: BrakedChange, userId: string): Promise<void> =>
  letStay(change, sql`kind in ('deactivate', 'remove') and user_id = ${userId}::uuid`)

/** As letUserStay, for members whom the connection wants in the group. */
export const letMembersStay = (change: BrakedChange, groupId: string, memberIds: readonly string[]): Promise<void> =>
  letStay(
    change,
    sql`kind = 'leave' and group_id = ${groupId}::uuid
      and (user_id = any(${memberIds}::uuid[]) or child_id = any(${memberIds}::uuid[]))`
  )

async function letStay({ trx, tenantId, actor, now }: BrakedChange, chosen: RawBuilder<unknown>): Promise<void> {
  // remembered with the token, so that connections with nothing held cost no query
  if (!actor.scim?.hasHeld) return
  const { connectionId } = actor.scim
  if ((await forgetHeld(trx, tenantId, connectionId, chosen)) > 0) await settleBrake(trx, tenantId, connectionId, now)
}
