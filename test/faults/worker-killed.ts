// A worker is killed with SIGKILL while it sends: another one sends its mails, and mails known to have left do not
// leave again.
import assert from 'node:assert/strict'
import { ageHeartbeats, holdInvariants, hurryRetries, sentMessageIds } from './invariants.ts'
import { mailsSettled, repeated, type Scenario, startSending } from './scenario.ts'

export const workerKilled: Scenario = {
  fault: 'kill -9 of the worker in the middle of sending',
  async play(stage, { invitations, isHurried }) {
    const { owner } = stage.cluster
    const { server, tenant, emails, worker } = await startSending(stage, invitations, 1 / 4)
    await worker.kill()
    const killedAt = performance.now()
    const known = await sentMessageIds(owner, tenant.id)
    if (isHurried) await ageHeartbeats(owner)
    const another = await stage.startWorker()
    await mailsSettled(stage, tenant, () => hurryRetries(owner))
    const recoveryMs = performance.now() - killedAt
    await holdInvariants(owner)
    const again = repeated(stage.mail)
    for (const messageId of again) assert.ok(!known.has(messageId), `${messageId} was known to have left`)
    const reached = new Set(stage.mail.taken.map(({ to }) => to))
    await Promise.all([another.stop(), server.stop()])
    return {
      acknowledged: emails.length,
      kept: emails.filter((email) => reached.has(email)).length,
      recoveryMs,
      note: `${known.size} of ${emails.length} had left; ${again.length} left twice, which had been taken and not yet written down`
    }
  }
}
