// The rows that are written for a new user of an identity provider.
import type { Trx } from '../../db/connect.ts'
import { newId } from '../../db/ids.ts'
import type { UserState } from '../../db/schema.ts'
import type { ScimUserRow } from '../../db/scim-users.ts'
import { NO_EXCEPTIONS } from './authority.ts'
import type { RoleDecision } from './scim-roles.ts'
import type { ScimWriter } from './scim-users.ts'
import { documentColumns, emailKeys, shownName, type UserDocument, withoutAddress } from './user-document.ts'

export interface NewUser {
  readonly document: UserDocument
  readonly active: boolean
  readonly passwordHash: string | undefined
  /** Runs in the transaction that creates the user, or activates them again. */
  readonly afterwards?: (trx: Trx, user: ScimUserRow, email: string | null) => Promise<unknown>
}

/** What is written for a new user. */
type NewUserRows = ReturnType<typeof newUserRows>

/** @param isApart somebody decided that it is nobody who is here: an address that another user has is not claimed */
export function newUserRows(
  { tenant, actor, now }: ScimWriter,
  { active, passwordHash }: NewUser,
  { role, document }: RoleDecision,
  { isApart = false, apartKey = null }: { isApart?: boolean; apartKey?: string | null } = {}
) {
  const whole = documentColumns(document)
  const columns = apartKey === null ? whole : withoutAddress(whole)
  const emails = emailKeys(document)
  const state = stateOf(active)
  const { userName, externalId } = document
  return {
    row: {
      ...columns,
      tenant_id: tenant.id,
      id: newId(now.getTime()),
      state,
      role,
      connection_id: actor.scim?.connectionId ?? null,
      created_at: now,
      updated_at: now,
      activated_at: active ? now : null,
      ...(apartKey !== null && { apart_key: apartKey })
    },
    emailKeys: emails,
    otherKeys: isApart || !actor.scim ? [] : emails.filter((key) => key !== whole.email_key),
    passwordHash,
    audit: {
      actor,
      action: 'user.created',
      targetName: shownName(columns),
      after: { userName, email: columns.email, externalId, role, state }
    },
    now
  }
}

/** A new user as a response shows them. */
export const madeRow = ({ row, now }: NewUserRows): ScimUserRow => ({
  id: row.id,
  state: row.state,
  role: row.role,
  connection_id: row.connection_id,
  authority: NO_EXCEPTIONS,
  version: 1,
  doc: row.doc,
  groups: null,
  created_at: now,
  updated_at: now
})

export const stateOf = (active: boolean): UserState => (active ? 'active' : 'deactivated')
