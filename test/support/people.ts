// Makes people in any state, with everything that gives access, past the rules.
import { sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import type { Db } from '../../db/connect.ts'
import { countResources } from '../../db/resource-counts.ts'
import { insertRows } from '../../db/rows.ts'
import type { Role, UserState } from '../../db/schema.ts'
import { noteNamesOf } from '../../db/search-index.ts'
import { DOCUMENT_COLUMNS } from '../../db/user-columns.ts'
import { documentColumns, emailKeys, invitedDocument, withProfile } from '../../server/provisioning/user-document.ts'
import { hashToken, randomToken } from '../../server/secrets.ts'
import { NOW } from './tenants.ts'

export interface PersonSpec {
  email: string
  role?: Role
  state?: UserState
  locked?: boolean
  displayName?: string
  givenName?: string
  familyName?: string
  connectionId?: string
  lastSignInAt?: Date
}

/** Inserts users with their addresses (unless removed) and e-mail keys. @returns their ids, in order */
export async function insertPeople(owner: Db, tenantId: number, people: readonly PersonSpec[]): Promise<string[]> {
  const rows = people.map((person) => {
    const { email, role = 'responder', state = 'active' } = person
    const document = withProfile(invitedDocument(email, role), person)
    return {
      ...documentColumns(document),
      keys: emailKeys(document),
      tenant_id: tenantId,
      id: uuidv7(),
      state,
      role,
      locked: person.locked ?? false,
      connection_id: person.connectionId ?? null,
      created_at: NOW,
      updated_at: NOW,
      activated_at: state === 'invited' ? null : NOW,
      last_sign_in_at: person.lastSignInAt ?? null
    }
  })
  await insertRows(owner, 'users', USER_COLUMNS, rows)
  await noteNamesOf(
    owner,
    tenantId,
    rows.map(({ id }) => id)
  )
  await insertRows(
    owner,
    'user_emails',
    { tenant_id: 'int', user_id: 'uuid', value_key: 'text' },
    rows.flatMap(({ tenant_id, id, keys }) => keys.map((value_key) => ({ tenant_id, user_id: id, value_key })))
  )
  await insertRows(
    owner,
    'addresses',
    { address_key: 'text', tenant_id: 'int', user_id: 'uuid' },
    rows
      .filter(({ state }) => state !== 'removed')
      .map(({ tenant_id, id, email_key }) => ({ address_key: email_key, tenant_id, user_id: id }))
  )
  await countResources(tenantId, 'User', rows.filter(({ state }) => state !== 'removed').length).execute(owner)
  return rows.map(({ id }) => id)
}

/** @returns the user's id */
export const insertPerson = async (owner: Db, tenantId: number, person: PersonSpec): Promise<string> =>
  (await insertPeople(owner, tenantId, [person]))[0]!

const USER_COLUMNS = {
  tenant_id: 'int',
  id: 'uuid',
  state: 'text',
  role: 'text',
  locked: 'boolean',
  ...DOCUMENT_COLUMNS,
  connection_id: 'uuid',
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
  activated_at: 'timestamptz',
  last_sign_in_at: 'timestamptz'
}

/**
 * Gives a session, an API token, a sign-in code, a reset link, a password with a second factor, a Google link and a
 * pending invitation.
 */
export async function giveEverything(owner: Db, tenantId: number, userId: string): Promise<void> {
  const at = NOW
  const later = new Date(at.getTime() + 86_400_000)
  const invitationId = uuidv7()
  const hash = () => hashToken(randomToken())
  const theirs = { tenant_id: tenantId, user_id: userId }
  const token = { token_hash: hash(), created_at: at, expires_at: later }
  await owner
    .insertInto('sessions')
    .values({ ...theirs, ...token, id: uuidv7(), method: 'password', ip: null, user_agent: null, last_seen_at: at })
    .execute()
  await owner
    .insertInto('api_tokens')
    .values({ ...theirs, ...token, id: uuidv7(), name: 'backend', role: 'responder', last_used_at: null })
    .execute()
  await owner
    .insertInto('one_time_codes')
    .values({ ...theirs, code_hash: hash(), purpose: 'link', browser_hash: null, expires_at: later })
    .execute()
  await owner
    .insertInto('password_resets')
    .values({ ...theirs, ...token, used_at: null })
    .execute()
  await owner
    .insertInto('user_credentials')
    .values({ ...theirs, password_hash: 'hash', updated_at: at })
    .execute()
  await owner
    .insertInto('second_factors')
    .values({
      ...theirs,
      secret_sealed: Buffer.from('sealed'),
      confirmed_at: at,
      last_step: '0',
      recovery_hashes: [],
      created_at: at
    })
    .execute()
  await owner
    .insertInto('google_identities')
    .values({ ...theirs, issuer: 'https://issuer.test', subject: userId, email: 'x@acme.test', created_at: at })
    .execute()
  await owner
    .insertInto('invitations')
    .values({
      ...theirs,
      id: invitationId,
      state: 'pending',
      role: 'responder',
      inviter_id: null,
      inviter_name: 'Ada',
      created_at: at,
      renewed_at: at,
      expires_at: later,
      ended_at: null
    })
    .execute()
  await owner
    .insertInto('invitation_links')
    .values({
      tenant_id: tenantId,
      token_hash: hash(),
      invitation_id: invitationId,
      created_at: at,
      replaced_at: null
    })
    .execute()
  for (const template of ['invitation', 'password-reset'] as const) {
    await owner
      .insertInto('mails')
      .values({
        ...theirs,
        id: uuidv7(),
        template,
        invitation_id: template === 'invitation' ? invitationId : null,
        to_address: 'x@acme.test',
        token_sealed: Buffer.from('sealed'),
        state: 'queued',
        queued_at: at,
        sent_at: null,
        error: null
      })
      .execute()
  }
}

/** How much of a user's access is left, by table; of mails only the queued ones. */
export async function aliveOf(owner: Db, tenantId: number, userId: string): Promise<Record<string, number>> {
  const count = (from: string) =>
    sql.raw(`(select count(*)::int from ${from} and tenant_id = ${tenantId} and user_id = '${userId}')`)
  const { rows } = await sql<Record<string, number>>`select
    ${count('sessions where true')} as sessions,
    ${count('api_tokens where true')} as "apiTokens",
    ${count('one_time_codes where true')} as codes,
    ${count('password_resets where true')} as resets,
    ${count("invitations where state = 'pending'")} as invitations,
    ${count("mails where state = 'queued' and token_sealed is not null")} as mails,
    ${count('user_credentials where true')} as passwords,
    ${count('second_factors where true')} as "secondFactors",
    ${count('google_identities where true')} as google,
    ${count('addresses where true')} as addresses`.execute(owner)
  return rows[0]!
}

/** Tables with rows that end with somebody's access: whoever knows what is in them must lose it with a removal. */
export const ACCESS_TABLES = [
  'sessions',
  'api_tokens',
  'one_time_codes',
  'password_resets',
  'invitations',
  'mails',
  'user_credentials',
  'second_factors',
  'google_identities'
] as const

export const EVERYTHING = {
  sessions: 1,
  apiTokens: 1,
  codes: 1,
  resets: 1,
  invitations: 1,
  mails: 2,
  passwords: 1,
  secondFactors: 1,
  google: 1,
  addresses: 1
}

/** Makes a session, as if the user had signed in. @returns its cookie */
export async function signInAs(owner: Db, tenantId: number, userId: string): Promise<string> {
  const token = randomToken()
  const now = new Date()
  await owner
    .insertInto('sessions')
    .values({
      tenant_id: tenantId,
      id: uuidv7(),
      user_id: userId,
      token_hash: hashToken(token),
      method: 'password',
      ip: null,
      user_agent: null,
      created_at: now,
      last_seen_at: now,
      expires_at: new Date(now.getTime() + 86_400_000)
    })
    .execute()
  return `muster_session=${token}`
}
