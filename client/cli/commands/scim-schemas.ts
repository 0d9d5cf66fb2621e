// muster scim-schema …
import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { Inputs } from '../../index.ts'
import { connectTenant, onTenant, UsageError } from '../connection.ts'
import { done, print, table, time } from '../output.ts'

type Create = Inputs['scimSchemas']['create']

export function scimSchemaCommands(program: Command): void {
  const schema = program.command('scim-schema').description("a tenant's own extensions of users and groups")

  onTenant(schema.command('list'))
    .description('list them')
    .action(async (options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimSchemas.list.query()
      print(command, answer, ({ items }) =>
        table(items, {
          urn: (item) => item.urn,
          of: (item) => item.resourceType,
          created: (item) => time(item.createdAt)
        })
      )
    })

  onTenant(schema.command('create <file>'))
    .description(
      'register one: JSON in the form of RFC 7643 §7, such as { "id": "urn:…", "name": …, "attributes": […] }'
    )
    .addOption(new Option('--of <type>', 'what it extends').choices(['User', 'Group']).default('User'))
    .action(async (file: string, options: { tenant: string; of: Create['resourceType'] }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimSchemas.create.mutate({
        resourceType: options.of,
        definition: readDefinition(file)
      })
      print(command, answer, ({ scimSchema }) => done(`${scimSchema.urn} is registered.`))
    })

  onTenant(schema.command('remove <urn>'))
    .description('take one back that no user or group holds values of')
    .action(async (urn: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimSchemas.remove.mutate({ urn })
      print(command, answer, () => done(`${urn} is taken back.`))
    })
}

/** @throws UsageError */
function readDefinition(file: string): Create['definition'] {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UsageError(`${file} cannot be read as JSON: ${(error as Error).message}`)
  }
}
