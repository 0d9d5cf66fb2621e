// Queries on people's Google identities.
import { sql } from 'kysely'
import type { Trx } from './connect.ts'
import type { UserState } from './schema.ts'

interface GoogleUser {
  id: string
  state: UserState
  locked: boolean
  must_reset_password: boolean
  /** Whether this identity was linked to the user before. */
  is_linked: boolean
}

/** The user that an identity is linked to, else the user with its address as login address; never a removed user. */
export async function findGoogleUser(
  trx: Trx,
  tenantId: number,
  identity: { issuer: string; subject: string; emailKey: string }
): Promise<GoogleUser | undefined> {
  const { rows } = await sql<GoogleUser>`
    select u.id, u.state, u.locked, u.must_reset_password, g.subject is not null as is_linked
    from users u
    left join google_identities g
      on g.tenant_id = u.tenant_id and g.user_id = u.id and g.issuer = ${identity.issuer} and g.subject = ${identity.subject}
    where u.tenant_id = ${tenantId} and u.state <> 'removed'
      and (g.subject is not null or u.email_key = ${identity.emailKey})
    order by g.subject is not null desc
    limit 1
    for update of u`.execute(trx)
  return rows[0]
}

export const insertGoogleIdentity = (
  trx: Trx,
  tenantId: number,
  identity: { issuer: string; subject: string; email: string; userId: string; now: Date }
) =>
  trx
    .insertInto('google_identities')
    .values({
      tenant_id: tenantId,
      issuer: identity.issuer,
      subject: identity.subject,
      user_id: identity.userId,
      email: identity.email,
      created_at: identity.now
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'issuer', 'subject']).doNothing())
    .execute()
