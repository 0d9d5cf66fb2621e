// Set-up for tests of invitations: acme with a signed-in person of each role, and its neighbour globex.
import type { Test } from 'tap'
import type { Role } from '../../db/schema.ts'
import { hashToken } from '../../server/secrets.ts'
import { type Acme, PASSWORD, startAcme } from '../auth/acme.ts'
import type { TrpcAnswer } from '../support/app.ts'
import { noteTokens } from '../support/sealed.ts'

export { PASSWORD }

export interface Invite {
  email: string
  role?: Role
}

export interface Inviting extends Acme {
  cookies: Record<Role, string>
  /** Invites as the person of acme with this role. @returns results by address, and counts */
  invite(invites: (Invite | string)[], options?: { as?: Role; resend?: boolean }): Promise<Invited>
  /** Invites as globex's administrator. */
  inviteElsewhere(email: string): Promise<string>
  /** The tokens of the mails to an address, oldest first, including mails that will not be sent. */
  tokensOf(email: string): Promise<string[]>
  preview(token: string): Promise<TrpcAnswer>
  accept(token: string, overrides?: Record<string, unknown>): Promise<TrpcAnswer>
  /** Invites somebody, who accepts. @returns the user's id */
  join(email: string, role?: Role): Promise<string>
  /** Deactivates and removes a member. */
  removeMember(userId: string): Promise<void>
  call(procedure: string, input: unknown, as?: Role): Promise<TrpcAnswer>
}

export interface Invited {
  status: number
  results: { email: string; result: string; userId?: string; invitationId?: string }[]
  counts: Record<string, number>
  error: TrpcAnswer['error']
}

export const PROFILE = {
  displayName: 'Dan Doe',
  givenName: 'Dan',
  familyName: 'Doe',
  timeZone: 'Europe/Zurich',
  locale: 'de-CH'
}

export async function startInviting(t: Test, options: Parameters<typeof startAcme>[1] = {}): Promise<Inviting> {
  const acme = await startAcme(t, options)
  await acme.addPerson({ email: 'stan@acme.test', role: 'stakeholder', displayName: 'Stan' })
  const elsewhere = await acme.cookieOf('grace@globex.test')
  const cookies = {
    stakeholder: await acme.cookieOf('stan@acme.test'),
    responder: await acme.cookieOf('cleo@acme.test'),
    manager: await acme.cookieOf('ben@acme.test'),
    administrator: await acme.cookieOf('ada@acme.test')
  }
  const tokens = noteTokens(acme)

  const call: Inviting['call'] = (procedure, input, as = 'administrator') =>
    acme.mutate('acme', procedure, input, { cookie: cookies[as] })
  const invite: Inviting['invite'] = async (invites, { as = 'administrator', resend } = {}) => {
    const list = invites.map((item) => (typeof item === 'string' ? { email: item } : item))
    const { status, data, error } = await call('invitations.create', { invites: list, resend }, as)
    return { status, error, results: data?.results, counts: data?.counts }
  }
  const preview: Inviting['preview'] = (token) => acme.query('acme', 'invitations.preview', { token })
  const accept: Inviting['accept'] = (token, overrides = {}) =>
    acme.mutate('acme', 'invitations.accept', { token, password: PASSWORD, profile: PROFILE, ...overrides })
  const tokensOf: Inviting['tokensOf'] = async (email) => {
    const rows = await acme.owner
      .selectFrom('invitation_links')
      .innerJoin('invitations', (join) =>
        join
          .onRef('invitations.tenant_id', '=', 'invitation_links.tenant_id')
          .onRef('invitations.id', '=', 'invitation_links.invitation_id')
      )
      .innerJoin('users', (join) =>
        join.onRef('users.tenant_id', '=', 'invitations.tenant_id').onRef('users.id', '=', 'invitations.user_id')
      )
      .select('invitation_links.token_hash')
      .where('users.email_key', '=', email.toLowerCase())
      .orderBy('invitation_links.created_at')
      .execute()
    return rows.map(({ token_hash }) => tokens.find((token) => hashToken(token).equals(token_hash))!)
  }
  return {
    ...acme,
    cookies,
    call,
    invite,
    preview,
    accept,
    tokensOf,
    async inviteElsewhere(email) {
      const { data } = await acme.mutate(
        'globex',
        'invitations.create',
        { invites: [{ email }] },
        { cookie: elsewhere }
      )
      return data.results[0].result
    },
    async join(email, role = 'responder') {
      const { results } = await invite([{ email, role }])
      const { status } = await accept((await tokensOf(email)).at(-1)!)
      if (status !== 200) throw new Error(`${email} did not join`)
      return results[0]!.userId!
    },
    async removeMember(userId) {
      for (const procedure of ['users.deactivate', 'users.remove']) {
        const { error } = await call(procedure, { userId })
        if (error) throw new Error(error.message)
      }
    }
  }
}
