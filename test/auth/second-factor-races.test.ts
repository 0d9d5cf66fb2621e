// A second factor is enabled while somebody signs in or resets their password without it.
import { test } from 'tap'
import { beginSecondFactor, confirmSecondFactor, deleteSecondFactor } from '../../db/second-factors.ts'
import { lockUser } from '../../db/users.ts'
import type { TrpcAnswer } from '../support/app.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { PASSWORD, startAcme } from './acme.ts'
import { person, prepare, resetLinkOf, setUp, signIn } from './factors.ts'

test('a second factor that is enabled while somebody signs in without it', async (t) => {
  const acme = await startAcme(t)
  acme.clock.stop()
  const isAlive = async (cookie: string | undefined) =>
    (await acme.query('acme', 'auth.me', undefined, { cookie })).status === 200

  /** Both have read that there is no factor, and then write in this order. */
  async function inTurn(userId: string, first: () => Promise<TrpcAnswer>, second: () => Promise<TrpcAnswer>) {
    const answers: Promise<TrpcAnswer>[] = []
    await acme.owner.transaction().execute(async (trx) => {
      await lockUser(trx, acme.acmeId, userId, 'for update')
      for (const begin of [first, second]) {
        answers.push(begin())
        // or it has ended, if it does not wait for the person's row
        await Promise.race([lockIsAwaited(acme.owner, answers.length), answers.at(-1)])
      }
    })
    return Promise.all(answers)
  }

  t.test('refuses the session if the factor came first', async (t) => {
    const { id, email, cookie } = await person(acme, 'mia')
    const { code, enable } = await prepare(acme, cookie)
    const [enabled, signedIn] = await inTurn(id, enable, () => signIn(acme, email))
    t.equal(enabled?.status, 200)
    t.match(signedIn, { status: 401, cookie: undefined, error: { reason: 'secondFactorRequired' } })
    acme.clock.advance({ seconds: 30 })
    t.equal((await signIn(acme, email, code())).status, 200)
  })

  t.test('ends the session if the session came first', async (t) => {
    const { id, email, cookie } = await person(acme, 'nora')
    const { enable } = await prepare(acme, cookie)
    const [signedIn, enabled] = await inTurn(id, () => signIn(acme, email), enable)
    t.same([signedIn?.status, enabled?.status], [200, 200])
    t.equal(await isAlive(signedIn?.cookie), false)
    t.equal(await isAlive(cookie), true)
  })

  t.test('stops a reset, whose link stays valid', async (t) => {
    const { id, email, cookie } = await person(acme, 'olaf')
    const { code, enable } = await prepare(acme, cookie)
    const token = await resetLinkOf(acme, id)
    const reset = (given?: string) =>
      acme.mutate('acme', 'auth.resetPassword', { token, password: `${PASSWORD} new`, ...(given && { code: given }) })
    const [enabled, answer] = await inTurn(id, enable, reset)
    t.equal(enabled?.status, 200)
    t.match(answer, { status: 401, cookie: undefined, error: { reason: 'secondFactorRequired' } })
    t.equal(await isAlive(cookie), true, 'nothing has changed')
    acme.clock.advance({ seconds: 30 })
    t.equal((await signIn(acme, email, code())).status, 200)
    acme.clock.advance({ seconds: 30 })
    t.equal((await reset(code())).status, 200)
  })

  t.test('is not enabled if a reset has ended the session that sets it up', async (t) => {
    const { id, email, cookie } = await person(acme, 'rosa')
    const { enable } = await prepare(acme, cookie)
    const [token, password] = [await resetLinkOf(acme, id), `${PASSWORD} new`]
    const reset = () => acme.mutate('acme', 'auth.resetPassword', { token, password })
    const [answer, enabled] = await inTurn(id, reset, enable)
    t.equal(answer?.status, 200)
    t.match(enabled, { status: 401, error: { reason: 'unauthenticated' } })
    t.equal(await isAlive(answer?.cookie), true)
    t.equal((await acme.signIn(email, password)).status, 200)
  })

  t.test('is asked for again if the code belonged to the factor before', async (t) => {
    const { id, email, cookie } = await person(acme, 'pia')
    const { code } = await setUp(acme, cookie)
    let attempt: Promise<TrpcAnswer> | undefined
    await acme.owner.transaction().execute(async (trx) => {
      await lockUser(trx, acme.acmeId, id, 'for update')
      attempt = signIn(acme, email, code())
      await lockIsAwaited(acme.owner)
      const now = new Date(acme.clock.now().getTime() + 1)
      const secretSealed = Buffer.from('other')
      await deleteSecondFactor(trx, acme.acmeId, id)
      await beginSecondFactor(trx, acme.acmeId, id, secretSealed, now)
      await confirmSecondFactor(trx, acme.acmeId, id, { secretSealed, step: 1, recoveryHashes: [], now })
    })
    t.match(await attempt, { status: 401, cookie: undefined, error: { reason: 'secondFactorRequired' } })
  })
})
