// Set-up for tests of sign-in: the tenants acme and globex, people with passwords, and a browser's requests.
import { Secret } from 'otpauth'
import type { Test } from 'tap'
import { setPasswordHash } from '../../db/credentials.ts'
import { type Caller, startApp, type TestApp, type TrpcAnswer } from '../support/app.ts'
import { insertPerson, type PersonSpec } from '../support/people.ts'
import { insertTenant } from '../support/tenants.ts'

export const PASSWORD = 'correct horse battery staple 1'

export interface Acme extends TestApp {
  acmeId: number
  globexId: number
  /** `ada` -> the id of ada@acme.test; grace is at globex. */
  ids: Record<'ada' | 'ben' | 'cleo' | 'grace', string>
  /** Makes a person of acme with PASSWORD. @returns the id */
  addPerson(person: PersonSpec, password?: string): Promise<string>
  signIn(email: string, password?: string, caller?: Caller, host?: string): Promise<TrpcAnswer>
  /** Signs in. @returns the cookie */
  cookieOf(email: string, caller?: Caller): Promise<string>
  /** Waits for what requests have left to do after their answer. */
  settle(): Promise<void>
  /** The audit events of acme with this action, oldest first. */
  auditOf(
    action: string
  ): Promise<{ target_id: string | null; actor_kind: string; ip: string | null; after: string | null }[]>
}

/** ada is an administrator, ben a manager, cleo a responder, all active and with PASSWORD. */
export async function startAcme(t: Test, options: Parameters<typeof startApp>[1] = {}): Promise<Acme> {
  const app = await startApp(t, options)
  const acmeId = await insertTenant(app.owner, 'acme')
  const globexId = await insertTenant(app.owner, 'globex')
  const addTo = async (tenantId: number, person: PersonSpec, password = PASSWORD) => {
    const id = await insertPerson(app.owner, tenantId, person)
    const hash = await app.deps.auth.passwords.hash(password)
    await app.owner.transaction().execute((trx) => setPasswordHash(trx, tenantId, id, hash, app.clock.now()))
    return id
  }
  const ids = {
    ada: await addTo(acmeId, { email: 'ada@acme.test', role: 'administrator', displayName: 'Ada' }),
    ben: await addTo(acmeId, { email: 'ben@acme.test', role: 'manager', displayName: 'Ben' }),
    cleo: await addTo(acmeId, { email: 'cleo@acme.test', role: 'responder', displayName: 'Cleo' }),
    grace: await addTo(globexId, { email: 'grace@globex.test', role: 'administrator', displayName: 'Grace' })
  }
  const signIn: Acme['signIn'] = (email, password = PASSWORD, caller = {}, host = 'acme') =>
    app.mutate(host, 'auth.signIn', { email, password }, caller)
  return {
    ...app,
    acmeId,
    globexId,
    ids,
    addPerson: (person, password) => addTo(acmeId, person, password),
    signIn,
    async cookieOf(email, caller) {
      const { cookie, error } = await signIn(
        email,
        PASSWORD,
        caller,
        email.endsWith('@globex.test') ? 'globex' : 'acme'
      )
      if (!cookie) throw new Error(`${email} was not signed in: ${error?.message}`)
      return cookie
    },
    settle: () => app.deps.auth.background.close(),
    auditOf: (action) =>
      app.owner
        .selectFrom('audit_events')
        .select(['target_id', 'actor_kind', 'ip', 'after'])
        .where('tenant_id', '=', acmeId)
        .where('action', '=', action)
        .orderBy('id')
        .execute()
  }
}

/** Reads a secret as an authenticator app does when it is typed in. */
export const fromBase32 = (text: string): Buffer => Buffer.from(Secret.fromBase32(text).hex, 'hex')
