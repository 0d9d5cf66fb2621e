// muster group-roles …
import { type Command, InvalidArgumentError } from 'commander'
import type { Inputs, Outputs } from '../../index.ts'
import { connectTenant, onTenant, ROLES } from '../connection.ts'
import { done, print, table } from '../output.ts'

type Mapping = Inputs['groupRoles']['update']['mapping']
type Changes = Outputs['groupRoles']['preview']

export function groupRoleCommands(program: Command): void {
  const roles = program.command('group-roles').description('which groups give which roles')

  onTenant(roles.command('show'))
    .description('show the mapping')
    .action(async (options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).groupRoles.get.query()
      print(command, answer, ({ mapping, people }) =>
        [
          table(mapping, {
            group: (item) => item.groupId,
            name: (item) => item.displayName,
            role: (item) => item.role,
            'at most': (item) => item.ceiling
          }),
          `${people} people have their role from a group.`
        ].join('\n')
      )
    })

  onTenant(roles.command('preview [mapping...]'))
    .description('show whose role would change; each as <groupId>=<role>, the whole mapping')
    .action(async (texts: string[], options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).groupRoles.preview.query({ mapping: parseMapping(texts) })
      print(command, answer, changesInWords)
    })

  onTenant(roles.command('update [mapping...]'))
    .description('make a mapping the one that counts; without any, groups give no roles')
    .action(async (texts: string[], options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).groupRoles.update.mutate({ mapping: parseMapping(texts) })
      print(command, answer, ({ changed }) => `${done('The mapping counts now.')}\n${changesInWords(changed)}`)
    })
}

const changesInWords = ({ total, raised, lowered, changes }: Changes) =>
  [
    `${total} roles change: ${raised} become higher, ${lowered} lower.`,
    ...(changes.length > 0
      ? [
          table(changes, {
            person: (item) => item.user.email ?? item.user.name,
            from: (item) => item.from,
            to: (item) => item.to,
            by: (item) => item.group?.name
          })
        ]
      : [])
  ].join('\n')

/** @throws InvalidArgumentError */
const parseMapping = (texts: readonly string[]): Mapping =>
  texts.map((text) => {
    const [, groupId, name] = /^([0-9a-f-]{36})=(\w+)$/i.exec(text) ?? []
    const role = ROLES.find((known) => known === name)
    if (!groupId || !role)
      throw new InvalidArgumentError(`"${text}" is not <groupId>=<role>; roles: ${ROLES.join(', ')}.`)
    return { groupId, role }
  })
