// Mail servers as they are: away for long, slow, picky, or gone before they have answered.
import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import { holdInvariants, hurryRetries, mailStates } from './invariants.ts'
import type { Mood } from './mail-sink.ts'
import { inviteAll, inviteesOf, mailsSettled, type Outcome, repeated, type Scenario } from './scenario.ts'
import type { Stage, Tenant } from './stage.ts'

interface Trouble {
  stage: Stage
  tenant: Tenant
  emails: readonly string[]
}

/** Invites people while a server and a worker run; `trouble` begins before. */
async function playTrouble(
  stage: Stage,
  count: number,
  {
    begin,
    during,
    check
  }: {
    begin: () => unknown
    during?: (trouble: Trouble) => Promise<unknown>
    /** @returns the note for the table. @throws AssertionError */
    check: (trouble: Trouble) => Promise<string>
  }
): Promise<Outcome> {
  const { owner } = stage.cluster
  const [server, worker] = [await stage.startServer(), await stage.startWorker()]
  const tenant = await stage.addTenant(server)
  await begin()
  const emails = await inviteAll(stage, server, tenant, inviteesOf(tenant, count))
  const trouble = { stage, tenant, emails }
  await during?.(trouble)
  const began = performance.now()
  await mailsSettled(stage, tenant, () => hurryRetries(owner))
  const recoveryMs = performance.now() - began
  await holdInvariants(owner)
  const note = await check(trouble)
  assert.equal(worker.child.exitCode, null, 'the worker runs on')
  await Promise.all([worker.stop(), server.stop()])
  const reached = new Set(stage.mail.taken.map(({ to }) => to))
  const owed = emails.filter((email) => stage.mail.mood.refuses?.(email) !== 550)
  stage.mail.mood = {}
  return {
    acknowledged: owed.length,
    kept: owed.filter((email) => reached.has(email)).length,
    recoveryMs,
    note
  }
}

const placeOf = (email: string) => Number(/\d+/.exec(email)![0])

export const mailServerAway: Scenario = {
  fault: 'mail server away for long',
  play: (stage, { invitations, awaySeconds }) =>
    playTrouble(stage, invitations, {
      begin: () => stage.mail.close(),
      async during({ tenant }) {
        await setTimeout(awaySeconds * 500)
        assert.deepEqual(await mailStates(stage.cluster.owner, tenant.id), { queued: invitations })
        await stage.mail.open()
      },
      async check({ emails }) {
        assert.deepEqual(repeated(stage.mail), [])
        return `${emails.length} mails waited in the queue; each left once`
      }
    })
}

export const mailServerSlow: Scenario = {
  fault: 'mail server slow: a second for each mail',
  play: (stage, { invitations }) =>
    playTrouble(stage, Math.min(invitations, 60), {
      begin: () => setMood(stage, { delayMs: 1_000 }),
      async check() {
        assert.deepEqual(repeated(stage.mail), [])
        return 'each mail left once'
      }
    })
}

export const mailServerPicky: Scenario = {
  fault: 'mail server refuses some recipients, for ever (550) and for now (451)',
  play(stage, { invitations }) {
    const refusedOnce = new Set<string>()
    const refuses = (email: string) => {
      if (placeOf(email) % 3 === 0) return 550
      if (placeOf(email) % 3 === 1 && !refusedOnce.has(email)) {
        refusedOnce.add(email)
        return 451
      }
      return undefined
    }
    return playTrouble(stage, Math.min(invitations, 90), {
      begin: () => setMood(stage, { refuses }),
      async check({ tenant, emails }) {
        assert.deepEqual(repeated(stage.mail), [])
        const { rows } = await sql<{ to_address: string; error: string }>`
          select to_address, error from mails where tenant_id = ${tenant.id} and state = 'failed'`.execute(
          stage.cluster.owner
        )
        const failed = rows.map(({ to_address }) => to_address).sort()
        assert.deepEqual(failed, emails.filter((email) => placeOf(email) % 3 === 0).sort())
        for (const { error } of rows) assert.match(error, /550/)
        return `${failed.length} refused for ever are shown as failed, with the server's words; ${refusedOnce.size} refused for now left later, once`
      }
    })
  }
}

export const mailServerHangsUp: Scenario = {
  fault: 'mail server gone after DATA, before its answer',
  play(stage, { invitations }) {
    const hungUp = new Set<string>()
    const hangsUp = (email: string) => placeOf(email) % 4 === 0 && !hungUp.has(email) && Boolean(hungUp.add(email))
    return playTrouble(stage, Math.min(invitations, 60), {
      begin: () => setMood(stage, { hangsUp }),
      async check() {
        const again = repeated(stage.mail).sort()
        const unanswered = stage.mail.taken.filter(({ wasAnswered }) => !wasAnswered).map(({ messageId }) => messageId)
        assert.deepEqual(again, [...new Set(unanswered)].sort(), 'only mails whose answer was lost are repeated')
        assert.equal(hungUp.size, unanswered.length)
        const times = stage.mail.timesTaken()
        for (const messageId of again) assert.equal(times.get(messageId), 2, 'once more, with the same Message-ID')
        return `${again.length} mails whose answer was lost left once more, with the same Message-ID; the others once`
      }
    })
  }
}

function setMood(stage: Stage, mood: Mood): void {
  stage.mail.mood = mood
}
