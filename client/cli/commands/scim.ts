// muster scim …
import { type Command, Option } from 'commander'
import pc from 'picocolors'
import type { Inputs, Outputs } from '../../index.ts'
import { connectTenant, ExitStatus, onTenant } from '../connection.ts'
import { print } from '../output.ts'

type As = Inputs['scimAcceptance']['run']['as']
type Report = Outputs['scimAcceptance']['run']
type Step = Report['conversations'][number]['steps'][number]

const PLAYED = ['entra', 'okta', 'onelogin', 'jumpcloud', 'google', 'auto']

export function scimCommands(program: Command): void {
  const scim = program.command('scim').description('what identity providers send')

  onTenant(scim.command('test'))
    .description("play an identity provider's requests and take them back; status 1 where one of them failed")
    .addOption(new Option('--as <provider>', 'whose requests').choices(PLAYED).makeOptionMandatory())
    .option('--connection <connectionId>', 'whose profile and highest role are tried')
    .action(async (options: { tenant: string; as: As; connection?: string }, command: Command) => {
      const report = await connectTenant(options.tenant).scimAcceptance.run.mutate({
        as: options.as,
        connectionId: options.connection
      })
      print(command, report, reportText)
      if (report.counts.failed + report.counts.skipped > 0) throw new ExitStatus(1)
    })
}

function reportText({ conversations, counts, connection }: Report): string {
  const { passed, failed, skipped } = counts
  return [
    ...conversations.flatMap(({ title, steps }) => [pc.bold(title), ...steps.map(stepText), '']),
    `${passed} passed, ${failed} failed, ${skipped} not tried, with the profile ${connection.profile}. Nothing was changed.`
  ].join('\n')
}

const MARKS = { passed: pc.green('✓'), failed: pc.red('✗'), skipped: pc.dim('–') }

const stepText = ({ title, outcome, problems, hint }: Step): string =>
  [
    `  ${MARKS[outcome]} ${title}`,
    ...problems.map((problem) => `      ${pc.dim(problem)}`),
    ...(hint ? [`      ${hint}`] : [])
  ].join('\n')
