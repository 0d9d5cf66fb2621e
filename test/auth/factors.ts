// Set-up for tests of second factors: people who prepare and enable one, and sign in with codes.
import { inTenant } from '../../db/connect.ts'
import { insertPasswordReset } from '../../db/password-resets.ts'
import { stepAt, totpOf } from '../../server/auth/totp.ts'
import { hashToken, randomToken } from '../../server/secrets.ts'
import { type Acme, fromBase32, PASSWORD } from './acme.ts'

/** What the app knows before the factor is enabled, and the codes that it shows. */
export async function prepare(acme: Acme, cookie: string) {
  const { data, error } = await acme.mutate('acme', 'secondFactor.prepare', {}, { cookie })
  if (error) throw new Error(error.message)
  const secret = fromBase32(data.secret)
  const code = () => totpOf(secret, stepAt(acme.clock.now()))
  return {
    code,
    uri: data.uri as string,
    enable: () => acme.mutate('acme', 'secondFactor.enable', { code: code() }, { cookie })
  }
}

/** Enables a factor and returns the same. */
export async function setUp(acme: Acme, cookie: string) {
  const { code, uri, enable } = await prepare(acme, cookie)
  const enabled = await enable()
  if (enabled.error) throw new Error(enabled.error.message)
  // the code that confirmed it is used up
  acme.clock.advance({ seconds: 30 })
  return { code, codes: enabled.data.recoveryCodes as string[], uri }
}

/** The token of a reset link. */
export async function resetLinkOf(acme: Acme, userId: string): Promise<string> {
  const token = randomToken()
  const now = acme.clock.now()
  await inTenant(acme.db, acme.acmeId, (trx) =>
    insertPasswordReset(trx, acme.acmeId, {
      tokenHash: hashToken(token),
      userId,
      now,
      expiresAt: new Date(now.getTime() + 3_600_000)
    })
  )
  return token
}

export const signIn = (acme: Acme, email: string, code?: string, headers = {}) =>
  acme.mutate('acme', 'auth.signIn', { email, password: PASSWORD, ...(code !== undefined && { code }) }, { headers })

export const sealedOf = async (acme: Acme, email: string) =>
  (
    await acme.owner
      .selectFrom('second_factors')
      .innerJoin('users', (join) =>
        join.onRef('users.tenant_id', '=', 'second_factors.tenant_id').onRef('users.id', '=', 'second_factors.user_id')
      )
      .select('secret_sealed')
      .where('users.email', '=', email)
      .executeTakeFirstOrThrow()
  ).secret_sealed

export const person = async (acme: Acme, name: string, role: 'manager' | 'administrator' = 'manager') => {
  const email = `${name}@acme.test`
  const id = await acme.addPerson({ email, role })
  return { id, email, cookie: await acme.cookieOf(email) }
}
