// Every command of `muster` by name.
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { apiTokenCommands } from './commands/api-tokens.ts'
import { auditCommands } from './commands/audit.ts'
import { brakeCommands } from './commands/brake.ts'
import { conflictCommands } from './commands/conflicts.ts'
import { connectionCommands } from './commands/connections.ts'
import { databaseCommands } from './commands/database.ts'
import { doctorCommands } from './commands/doctor.ts'
import { eventStreamCommands } from './commands/event-streams.ts'
import { groupRoleCommands } from './commands/group-roles.ts'
import { groupCommands } from './commands/groups.ts'
import { historyCommands } from './commands/history.ts'
import { invitationCommands } from './commands/invitations.ts'
import { scimCommands } from './commands/scim.ts'
import { scimSchemaCommands } from './commands/scim-schemas.ts'
import { scimTokenCommands } from './commands/scim-tokens.ts'
import { settingsCommands } from './commands/settings.ts'
import { tenantCommands } from './commands/tenants.ts'
import { userCommands } from './commands/users.ts'
import { wireLogCommands } from './commands/wire-log.ts'
import { ExitStatus, UsageError } from './connection.ts'
import { describeError } from './output.ts'

export function buildProgram(): Command {
  const program = new Command('muster')
    .description('Runs a Muster service: tenants, people, invitations, groups, SCIM tokens.')
    .version(versionOf(), '-V, --version', 'print the version')
    .option('--json', 'print one JSON value and nothing else')
    .showHelpAfterError('(add --help for what there is)')
    .addHelpText(
      'after',
      `
Environment:
  MUSTER_URL       where the service answers on its base domain (default http://localhost:3000)
  OPERATOR_TOKEN   the operator's token (default: .data/operator-token of an embedded installation)
  DATABASE_URL, …  the service's own settings, for \`db\` and \`doctor\` (also from .env)`
    )
    .exitOverride()
  for (const add of [
    tenantCommands,
    settingsCommands,
    invitationCommands,
    userCommands,
    groupCommands,
    groupRoleCommands,
    connectionCommands,
    conflictCommands,
    brakeCommands,
    scimTokenCommands,
    apiTokenCommands,
    scimCommands,
    scimSchemaCommands,
    wireLogCommands,
    eventStreamCommands,
    historyCommands,
    auditCommands,
    databaseCommands,
    doctorCommands
  ]) {
    add(program)
  }
  return program
}

const versionOf = (): string =>
  (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version

/**
 * Runs one command.
 * @param argv as in process.argv
 * @returns the exit status: 1 for errors, 2 for bad usage, another where a command sets it
 */
export async function runProgram(argv: string[]): Promise<number> {
  try {
    await buildProgram().parseAsync(argv)
    return 0
  } catch (error) {
    if (error instanceof ExitStatus) return error.status
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`${describeError(error)}\n`)
    return error instanceof UsageError || (error as Error).name === 'ConfigError' ? 2 : 1
  }
}
