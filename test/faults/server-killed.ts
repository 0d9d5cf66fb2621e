// A server is killed with SIGKILL during creates: what it had answered is there, the rest is whole or absent.
import { type Scenario, settleUsers, startCreating } from './scenario.ts'
import { openAgent, tally, timeUntilServing } from './traffic.ts'

export const serverKilled: Scenario = {
  fault: 'kill -9 of the server in the middle of concurrent creates',
  async play(stage, { users }) {
    const agent = openAgent()
    try {
      const { server, tenant, traffic } = await startCreating(stage, agent, users)
      await server.kill()
      const killedAt = performance.now()
      await traffic.done
      // whatever keeps the process running (systemd, Kubernetes, …) starts it again
      const again = await stage.startServer()
      await timeUntilServing(agent, again.port, tenant)
      const recoveryMs = performance.now() - killedAt
      const { acknowledged, kept, unknowingly } = await settleUsers(stage, agent, again.port, tenant, traffic)
      await again.stop()
      return {
        acknowledged,
        kept,
        recoveryMs,
        note: `${users} creates at once; answers ${JSON.stringify(tally(traffic.answers.values()))}; ${unknowingly} made without an answer, found by trying again`
      }
    } finally {
      await agent.destroy()
    }
  }
}
