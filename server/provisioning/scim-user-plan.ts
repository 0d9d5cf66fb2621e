// Computes a change of a user, before anything is written.

import { type AuditEvent, connectionOf } from '../../db/audit.ts'
import type { UserPatch, UserRow } from '../../db/schema.ts'
import type { UserFacts } from '../../db/scim-user-writes.ts'
import { forbidden, notFound } from '../errors.ts'
import { type Actor, isAbove } from './actor.ts'
import {
  authorityAfterWrite,
  authorityFacts,
  isForeignExternalId,
  type OwnWrite,
  ownerOf,
  ownWrite,
  withOthersKept
} from './authority.ts'
import { type ChangedFacts, changedFacts, documentText, isUntouched } from './document-changes.ts'
import { ownRoleOf, ownRolePatch } from './group-roles.ts'
import { requireRoleWithin } from './guards.ts'
import { type RoleDecision, roleOfPatched, roleOfReplaced } from './scim-roles.ts'
import type { ChangeOptions, ScimUserChange, ScimWriter } from './scim-users.ts'
import { columnsOfUser, type DocumentColumns, emailKeys, type UserDocument } from './user-document.ts'
import { userEvent } from './user-states.ts'

/** A change that is computed but not yet made. */
export interface Planned {
  readonly before: UserFacts
  readonly change: ScimUserChange
  readonly decision: RoleDecision
  readonly columns: DocumentColumns
  /** Undefined where the e-mail values do not change. */
  readonly emails: readonly string[] | undefined
  readonly facts: ChangedFacts
  /** `users.authority` */
  readonly authority: string
  /** For a write by people: by connection, the paths that it owns. Only `requireOwnAttributes` may let them pass. */
  readonly managed: OwnWrite['managed']
  readonly isProfileChanged: boolean
  readonly isStateChanged: boolean
  readonly isRoleChanged: boolean
  readonly isAddressChanged: boolean
  /** A connection takes on somebody invited: they become active and their invitation ends, as after a create. */
  readonly isAdopted: boolean
}

export const isChange = ({ isProfileChanged, isStateChanged, isRoleChanged }: Planned): boolean =>
  isProfileChanged || isStateChanged || isRoleChanged

/** Whether rows beside the user's own change, too, which others must not change meanwhile. */
export const needsLock = (planned: Planned): boolean =>
  planned.isAdopted ||
  planned.managed.size > 0 ||
  planned.isStateChanged ||
  planned.isRoleChanged ||
  planned.isAddressChanged ||
  planned.emails !== undefined ||
  planned.change.passwordHash !== undefined

/**
 * Computes a change; synchronously where nothing in it takes time.
 * @throws AppError not_found; forbidden `roleNotAllowed`, `sessionOnly`; whatever the callbacks throw
 */
export function plan(
  writer: ScimWriter,
  before: UserFacts | undefined,
  options: ChangeOptions
): Planned | Promise<Planned> {
  if (!before) throw notFound('User')
  options.precondition?.(before.version)
  requireTouchable(writer.actor, before)
  const document = JSON.parse(before.doc) as UserDocument
  const isForeign = isForeignExternalId(before, connectionOf(writer.actor))
  const shown = isForeign ? withoutExternalId(document) : document
  const active = before.state !== 'deactivated'
  const change = options.change({ id: before.id, active, document: shown, row: before })
  const finish = (computed: ScimUserChange) => planned(writer, before, document, computed, options.kind)
  return change instanceof Promise ? change.then(finish) : finish(change)
}

function planned(
  { actor }: ScimWriter,
  before: UserFacts,
  document: UserDocument,
  change: ScimUserChange,
  kind: ChangeOptions['kind']
): Planned {
  const connectionId = connectionOf(actor)
  const isForeign = isForeignExternalId(before, connectionId)
  const saysExternalId = isForeign && change.document.externalId !== undefined
  const wanted = wantedDocument(before, document, change.document, { kind, connectionId })
  const decision = decideRole(actor, before, document, wanted, kind)
  const isSame = isUntouched(document, decision.document)
  const doc = isSame ? before.doc : documentText(decision.document, { text: before.doc, document })
  const columns = columnsOfUser(decision.document, before, doc)
  const isAddressChanged = columns.email_key !== before.email_key
  if (isAddressChanged || change.passwordHash !== undefined) requireNotOwnToken(actor, before)
  const isTaken = connectionId !== null && isTakenOn(before, columns)
  const own = connectionId === null ? ownWrite(before, document, decision.document, actor.id === before.id) : undefined
  const authority =
    own?.authority ??
    authorityAfterWrite(before, {
      connectionId,
      userConnectionId: isTaken ? connectionId : before.connection_id,
      // sending an externalId that another connection has given counts as giving it, too
      before: saysExternalId ? withoutExternalId(document) : document,
      after: decision.document,
      sent: kind === 'replace' ? change.document : undefined,
      mayRepeat: true,
      isRoleKept: decision.document !== wanted
    })
  return {
    before,
    change,
    decision,
    columns,
    emails: isSame ? undefined : changedEmails(document, decision.document),
    facts: isSame ? NO_FACTS : changedFacts(document, decision.document),
    authority,
    managed: own?.managed ?? NOTHING_MANAGED,
    isProfileChanged:
      columns.doc !== before.doc ||
      change.passwordHash !== undefined ||
      isTaken ||
      (saysExternalId && authority !== before.authority),
    isStateChanged: change.active !== undefined && change.active !== (before.state !== 'deactivated'),
    isRoleChanged: decision.role !== ownRoleOf(before),
    isAddressChanged,
    isAdopted: isTaken && before.state === 'invited' && change.active !== false
  }
}

/** The document that the request asks for, before roles are decided; what another connection owns stays. */
function wantedDocument(
  before: UserFacts,
  document: UserDocument,
  sent: UserDocument,
  { kind, connectionId }: { kind: ChangeOptions['kind']; connectionId: string | null }
): UserDocument {
  if (kind === 'replace') {
    const kept = withOthersKept(before, document, sent, connectionId)
    // to people who leave them out, roles stay with everything that a connection has written beside them
    const keepsRoles = connectionId === null && sent.roles === undefined && document.roles !== undefined
    return keepsRoles ? { ...kept, roles: document.roles } : kept
  }
  const keepsExternalId = isForeignExternalId(before, connectionId) && sent.externalId === undefined
  return keepsExternalId ? withExternalIdOf(document, sent) : sent
}

/** @throws AppError forbidden `roleNotAllowed` */
function decideRole(
  actor: Actor,
  before: UserFacts,
  document: UserDocument,
  wanted: UserDocument,
  kind: ChangeOptions['kind']
): RoleDecision {
  const connectionId = connectionOf(actor)
  const isRoleOwn = kind === 'replace' && connectionId !== null && ownerOf(before, document, 'roles') === connectionId
  const decide = kind === 'replace' ? roleOfReplaced : roleOfPatched
  const decision = decide({ role: ownRoleOf(before), document, isRoleOwn }, wanted, actor.role)
  requireRoleWithin(actor.role, decision.role)
  return decision
}

const NOTHING_MANAGED: OwnWrite['managed'] = new Map()
const NO_FACTS: ChangedFacts = { before: {}, after: {} }

/** @returns undefined where they do not change */
function changedEmails(before: UserDocument, after: UserDocument): readonly string[] | undefined {
  const emails = emailKeys(after)
  return emails.join('\n') === emailKeys(before).join('\n') ? undefined : emails
}

/** A stolen token must not give control of its owner's account, which would outlast it. */
function requireNotOwnToken(actor: Actor, user: Pick<UserRow, 'id'>): void {
  if (actor.kind !== 'apiToken' || actor.id !== user.id) return
  throw forbidden('An API token changes neither the password nor the login address of its owner', 'sessionOnly')
}

const withoutExternalId = ({ externalId: _, ...document }: UserDocument): UserDocument => document

/** Keeps the externalId in its place: where nothing else changes, the stored text stays the same. */
function withExternalIdOf(before: UserDocument, changed: UserDocument): UserDocument {
  const entries = Object.keys(before)
    .filter((name) => name === 'externalId' || name in changed)
    .map((name) => [name, name === 'externalId' ? before[name] : changed[name]])
  return { ...Object.fromEntries(entries), ...changed }
}

/** A token never touches somebody whose role is above the highest that it may give. */
export function requireTouchable(actor: Actor, user: Pick<UserRow, 'role'>): void {
  if (!isAbove(user.role, actor.role)) return
  throw forbidden(
    `This user is ${user.role}, which is above ${actor.role}, the highest role that this token may change`,
    'roleNotAllowed',
    { ceiling: actor.role }
  )
}

/** An externalId belongs to a connection: a user with one but no connection goes to the next one that writes them. */
const isTakenOn = (before: Pick<UserRow, 'connection_id'>, { external_id }: DocumentColumns): boolean =>
  before.connection_id === null && external_id !== null

/** The connection that owns the user after the change. */
export const connectionAfter = ({ actor }: ScimWriter, { before, columns }: Planned): string | null =>
  isTakenOn(before, columns) ? connectionOf(actor) : before.connection_id

export function patchOf({ actor, now }: ScimWriter, planned: Planned): UserPatch {
  const { before, change, decision, columns } = planned
  return {
    ...columns,
    ...(planned.isRoleChanged && ownRolePatch(before, decision.role)),
    ...(isTakenOn(before, columns) && { connection_id: connectionOf(actor) }),
    ...(planned.isAdopted && { state: 'active', activated_at: before.activated_at ?? now }),
    ...(planned.authority !== before.authority && { authority: planned.authority }),
    // a password that the identity provider sets is a new one
    ...(change.passwordHash && { must_reset_password: false })
  }
}

/** The audit event of a changed profile. */
export function updateEvent({ actor }: ScimWriter, planned: Planned): AuditEvent {
  const { before, change, decision, columns, facts } = planned
  const { passwordHash } = change
  const authority = authorityFacts(before.authority, planned.authority)
  const after = {
    ...facts.after,
    ...(passwordHash !== undefined && { passwordSet: passwordHash !== null }),
    ...(planned.isRoleChanged && { role: decision.role }),
    ...(isTakenOn(before, columns) && { connectionId: connectionOf(actor) }),
    ...(planned.isAdopted && { state: 'active' }),
    ...authority.after
  }
  const earlier = {
    ...facts.before,
    ...(planned.isRoleChanged && { role: ownRoleOf(before) }),
    ...(planned.isAdopted && { state: before.state }),
    ...authority.before
  }
  return userEvent(planned.isAdopted ? 'user.adopted' : 'user.updated', before, earlier, after)
}
