// The inbox of conflicts: users whom a connection wants to create and who may exist here already. Records refused
// tries, takes administrators' decisions, and words what both sides are told. scim-user-create.ts carries a decision
// out with the connection's next try.
import { createHash } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant } from '../../db/connect.ts'
import { retryRaces } from '../../db/races.ts'
import type { ConflictDecision, ConflictReason, SentUser, UserRow } from '../../db/schema.ts'
import {
  type ConflictPerson,
  lockConflict,
  noteConflict,
  type ScimConflict,
  updateDecision
} from '../../db/scim-conflicts.ts'
import type { ArrivalKeys } from '../../db/scim-users.ts'
import type { Deps } from '../deps.ts'
import { AppError, conflict as conflictError, invalid, notFound } from '../errors.ts'
import { type Actor, isAbove, requireAdministrator } from './actor.ts'
import { type Obstacle, type Obstacles, obstacleTo } from './arrivals.ts'
import { notifyAdministrators } from './notices.ts'
import { ADDRESS_TAKEN } from './scim-conflicts.ts'
import type { NewUser } from './scim-user-new.ts'
import { roleOf, shownName, type UserDocument } from './user-document.ts'

/**
 * What a decision applies to: the person as the connection names them, with or without access, and nobody whom it names
 * later.
 */
export const subjectOf = ({ userNameKey, addressKey, externalId }: ArrivalKeys, active: boolean): Buffer =>
  createHash('sha256')
    .update(JSON.stringify([userNameKey, addressKey, externalId, active]))
    .digest()

const WHERE = 'under Provisioning, Conflicts'
const UNDECIDED = `an administrator of this organisation decides ${WHERE}, and a later try then succeeds`
const IGNORED = `an administrator has decided to leave it so; that can be changed ${WHERE}`

/** Read by the provider's administrators. A clash with a user of its own reads like one with another tenant's user. */
const REFUSALS: Record<ConflictReason, string> = {
  sameConnection: ADDRESS_TAKEN,
  twoPeople: 'Another user has this userName or externalId, and yet another one this e-mail address',
  otherConnection: 'Another user has this userName or e-mail address: it is already in use, by another connection',
  roleAbove:
    'This userName or e-mail address is already in use by a user whose role is above the highest of this token',
  deactivated: 'This userName or e-mail address is already in use by a user who was deactivated here',
  otherAddress: 'Another user has this userName, with another e-mail address',
  secondAddress: 'One of these e-mail addresses is already in use: another user signs in by it'
}

/** For a token that sees only what its connection has made. */
const IN_USE = 'This userName or e-mail address is already in use'

interface RefusedArrival {
  readonly reason: ConflictReason
  readonly people: readonly UserRow[]
  readonly keys: ArrivalKeys
  readonly user: NewUser
  /** An administrator has decided to leave it so. */
  readonly isIgnored: boolean
  /** The token sees only what its connection has made. */
  readonly isOwnScope: boolean
}

/** A user who was not created, because an administrator has to decide first. */
export class ArrivalConflict extends AppError {
  readonly reasonToJudge: ConflictReason
  readonly keys: ArrivalKeys
  readonly sent: SentUser
  readonly peopleIds: readonly string[]

  constructor({ reason, people, keys, user, isIgnored, isOwnScope }: RefusedArrival) {
    const what = isOwnScope ? IN_USE : REFUSALS[reason]
    const detail = reason === 'sameConnection' ? ADDRESS_TAKEN : `${what}; ${isIgnored ? IGNORED : UNDECIDED}`
    // an invited user above the token's highest role is refused like any other change of such a person
    const isUntouchable = reason === 'roleAbove' && people[0]!.state === 'invited' && !isOwnScope
    if (isUntouchable) super('forbidden', detail, { reason: 'roleNotAllowed' })
    else super('conflict', detail, { scimType: 'uniqueness', reason: 'needsDecision' })
    this.reasonToJudge = reason
    this.keys = keys
    this.sent = sentOf(user)
    this.peopleIds = people.map(({ id }) => id)
  }
}

const MAX_TEXT = 300
const MAX_EMAILS = 10
const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value.slice(0, MAX_TEXT) : undefined

/** What administrators are shown of it; never a password. */
function sentOf({ document, active }: NewUser): SentUser {
  const { userName, externalId, displayName, name, title } = document
  const emails = (document.emails ?? []).map(({ value }) => textOf(value)).filter((value) => value !== undefined)
  return {
    userName: userName.slice(0, MAX_TEXT),
    externalId: textOf(externalId),
    displayName: textOf(displayName) ?? textOf(name?.formatted),
    givenName: textOf(name?.givenName),
    familyName: textOf(name?.familyName),
    title: textOf(title),
    emails: emails.length > 0 ? emails.slice(0, MAX_EMAILS) : undefined,
    role: roleOf(document as UserDocument),
    active
  }
}

interface ConflictWriter {
  readonly deps: Pick<Deps, 'db' | 'queue'>
  readonly tenant: { readonly id: number }
  readonly actor: Actor
  readonly now: Date
}

/**
 * Records a refused try, after its transaction. Administrators get one mail for as long as any conflict awaits their
 * decision.
 */
export async function recordConflict(
  { deps, tenant: { id: tenantId }, actor, now }: ConflictWriter,
  refused: ArrivalConflict
): Promise<void> {
  const { connectionId } = refused.keys
  if (connectionId === null) return
  await retryRaces(() =>
    inTenant(deps.db, tenantId, async (trx) => {
      const note = {
        id: uuidv7({ msecs: now.getTime() }),
        connectionId,
        subject: subjectOf(refused.keys, refused.sent.active),
        reason: refused.reasonToJudge,
        sent: refused.sent,
        keys: refused.keys,
        peopleIds: refused.peopleIds
      }
      const noted = await noteConflict(trx, tenantId, note, now)
      if (!noted?.isNew) return
      await insertAuditEvents(trx, tenantId, actor, now, [
        {
          action: 'scimConnection.conflictFound',
          targetType: 'scimConnection',
          targetId: connectionId,
          targetName: actor.name,
          after: { userName: refused.sent.userName, reason: refused.reasonToJudge, userIds: refused.peopleIds }
        }
      ])
      if (noted.isFirst) await notifyAdministrators(trx, deps, tenantId, noticeOf(actor.name), now)
    })
  )
}

const noticeOf = (connectionName: string) => ({
  subject: `${connectionName} sends somebody who may be here already`,
  message:
    `${connectionName} wants to make a user, and somebody here has the same name or address. Whether it is the same ` +
    'person is for you to judge: until then nothing is changed, and the identity provider is refused.',
  detail: 'There may be more of them by now: this mail is sent once, until none is left to be decided.',
  actionName: 'See who it is and decide',
  actionPath: '/provisioning/conflicts'
})

export interface Decision {
  readonly conflictId: string
  readonly decision: ConflictDecision
  /** For `adopt`: who it is. */
  readonly userId?: string
}

/**
 * Decides what becomes of a person at the connection's next try. A decision holds for 30 days and can be changed until
 * it is carried out.
 * @throws AppError forbidden `administratorOnly`; not_found; invalid `userIdMissing`; conflict `addressTaken`,
 *   `userNameTaken`, `externalIdTaken`, `userGone` where it could not be carried out
 */
export async function decideConflict(
  deps: Pick<Deps, 'db' | 'now'>,
  tenantId: number,
  actor: Actor,
  { conflictId, decision, userId }: Decision
): Promise<ScimConflict> {
  requireAdministrator(actor, 'decide who somebody is')
  const now = deps.now()
  return inTenant(deps.db, tenantId, async (trx) => {
    const found = await lockConflict(trx, tenantId, conflictId)
    if (!found) throw notFound(`Conflict ${conflictId}`)
    if (decision === 'adopt' && userId === undefined) throw invalid('Say which user it is', 'userIdMissing')
    const adoptId = decision === 'adopt' ? userId! : null
    const obstacle = decision === 'ignore' ? undefined : obstacleOf(found, adoptId ?? undefined)
    if (obstacle) throw conflictError(OBSTACLES[obstacle], obstacle)
    await updateDecision(trx, tenantId, conflictId, { decision, adoptId, by: actor.name }, now)
    await insertAuditEvents(trx, tenantId, actor, now, [
      {
        action: 'scimConnection.conflictDecided',
        targetType: 'scimConnection',
        targetId: found.connection_id,
        targetName: found.connection_name,
        before: { decision: found.decision },
        after: { decision, userName: found.sent.userName, ...(adoptId !== null && { userId: adoptId }) }
      }
    ])
    return { ...found, decision, adopt_id: adoptId, decided_at: now, decided_by: actor.name }
  })
}

export const MATCHES = ['address', 'userName', 'externalId', 'secondAddress'] as const

/** What a person here has in common with the user whom the connection sends. */
export function matchesOf(found: ScimConflict, person: ConflictPerson): (typeof MATCHES)[number][] {
  const { holder, named, known } = inTheWayOf(found)
  const isIt = {
    address: person.id === holder?.id,
    userName: person.id === named?.id,
    externalId: person.id === known?.id,
    secondAddress: person.emailKey !== null && found.other_keys.includes(person.emailKey)
  }
  return MATCHES.filter((match) => isIt[match])
}

/** What prevents a decision from being carried out as things are. @param self whom to adopt; undefined for nobody */
function obstacleOf(found: ScimConflict, self: string | undefined): Obstacle | undefined {
  if (self !== undefined && !found.people.some(({ id }) => id === self)) return 'userGone'
  return obstacleTo(inTheWayOf(found), self)
}

function inTheWayOf({ people, email_key, user_name_key, external_id, connection_id }: ScimConflict): Obstacles {
  return {
    holder: people.find(({ emailKey }) => emailKey !== null && emailKey === email_key),
    named: people.find(({ userNameKey }) => userNameKey === user_name_key),
    known: people.find(
      ({ externalId, connectionId }) =>
        externalId !== null && externalId === external_id && connectionId === connection_id
    )
  }
}

const OBSTACLES: Record<Obstacle, string> = {
  addressTaken: 'Somebody else signs in by this address: adopt them, or change or remove them first',
  userNameTaken: 'An identity provider has given this userName to somebody else: change it there first',
  externalIdTaken: 'The same connection has given this externalId to somebody else: adopt them, or remove them first',
  userGone: 'This user is not in the way any more: reload the page'
}

export const CONFLICT_WORDS: Record<ConflictReason, string> = {
  twoPeople: 'The address belongs to one person here, the userName or externalId to another.',
  otherConnection: 'Another identity provider manages this person.',
  sameConnection: 'The same identity provider has made somebody with this address before, by another userName.',
  roleAbove:
    'This person’s role is above what the connection may give: whoever runs the provider would get a say over it.',
  deactivated: 'This person was deactivated here: adopted, they would get access again.',
  otherAddress: 'The userName is this person’s, but they sign in by another address.',
  secondAddress: 'The provider names, beside the login address, one by which this person signs in.'
}

/** What a decision would do as things are. */
interface Prospect {
  isPossible: boolean
  /** What it would mean, or why it cannot be carried out. */
  text: string
}

/** What adopting somebody would mean, or why it cannot be done. */
export function adoptionOf(found: ScimConflict, userId: string): Prospect {
  const obstacle = obstacleOf(found, userId)
  if (obstacle) return { isPossible: false, text: OBSTACLES[obstacle] }
  const { named } = inTheWayOf(found)
  const person = found.people.find(({ id }) => id === userId)!
  const texts = [isAbove(person.role, found.highest_role) ? OUT_OF_REACH : takenOver(found.sent)]
  if (person.emailKey !== found.email_key) {
    texts.push(`They sign in by ${found.email_key ?? 'no address'} from then on.`)
  }
  if (person.state === 'deactivated' && found.sent.active) texts.push('They get access again.')
  if (named && named.id !== userId) texts.push(GIVES_UP_NAME)
  return { isPossible: true, text: texts.join(' ') }
}

const OUT_OF_REACH =
  'The provider’s profile takes the place of theirs. Their role is above what it may give: role, groups and password ' +
  'stay, and it changes nothing more of them.'

const takenOver = ({ role }: SentUser): string =>
  role === undefined
    ? 'The provider’s profile takes the place of theirs; role and groups stay, and the password unless it sends one.'
    : `The provider’s profile takes the place of theirs, and their role becomes ${role}; groups stay.`

const GIVES_UP_NAME = 'Who has the userName now gets another one; nothing else of theirs changes.'

/** What keeping everybody apart would mean, or why it cannot be done. */
export function apartOf(found: ScimConflict): Prospect {
  const obstacle = obstacleOf(found, undefined)
  if (obstacle) return { isPossible: false, text: OBSTACLES[obstacle] }
  const { holder, named } = inTheWayOf(found)
  const texts = ['A user of its own is made.']
  if (holder) texts.push('It has no login address, because somebody here has it: it gets no mail and cannot sign in.')
  if (named) texts.push(GIVES_UP_NAME)
  return { isPossible: true, text: texts.join(' ') }
}

/** The shown name of the user whom the provider sends. */
export const sentName = (sent: SentUser): string =>
  shownName({
    display_name: sent.displayName ?? null,
    given_name: sent.givenName ?? null,
    family_name: sent.familyName ?? null,
    email: sent.emails?.[0] ?? null,
    user_name: sent.userName
  })
