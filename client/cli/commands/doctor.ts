// muster doctor: checks the service's settings and surroundings, so it runs where those are.
import type { Command } from 'commander'
import pc from 'picocolors'
import { ExitStatus, withJson } from '../connection.ts'
import { print } from '../output.ts'

const MARKS = { ok: pc.green('✓'), warning: pc.yellow('!'), failed: pc.red('✗') }

export function doctorCommands(program: Command): void {
  withJson(program.command('doctor'))
    .description(
      'check settings, database, queue, mail, DNS and clock, and say what to mend; exit status 1 if anything fails'
    )
    .action(async (_options: unknown, command: Command) => {
      const { examine } = await import('../../../server/operate/doctor.ts')
      const findings = await examine()
      const isHealthy = findings.every(({ state }) => state !== 'failed')
      print(command, { isHealthy, findings }, () =>
        findings
          .flatMap(({ check, state, found, mend }) => [
            `${MARKS[state]} ${pc.bold(check)}: ${found}`,
            ...(mend ? [`  ${pc.dim('→')} ${mend}`] : [])
          ])
          .join('\n')
      )
      if (!isHealthy) throw new ExitStatus(1)
    })
}
