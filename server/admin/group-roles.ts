// groupRoles.*: which groups give which roles. The rules are in server/provisioning/group-roles.ts.
import { z } from 'zod'
import { countRaised, type GroupRoleView, listGroupRoles, type RoleChange } from '../../db/group-roles.ts'
import { roleRank } from '../provisioning/actor.ts'
import { changeGroupRoles, previewGroupRoles } from '../provisioning/group-roles.ts'
import { shownName } from '../provisioning/user-document.ts'
import { roleShape } from './shapes.ts'
import { administratorProcedure, router, type TenantContext } from './trpc.ts'

const MAX_MAPPED = 200
/** How many people a preview names; the counts cover all. */
const MAX_NAMED = 200

const mappingInput = z.strictObject({
  /** The whole mapping: a group that is left out gives no role any more. */
  mapping: z.array(z.strictObject({ groupId: z.uuid().toLowerCase(), role: roleShape })).max(MAX_MAPPED)
})

const named = z.object({ id: z.string(), name: z.string() })

const mappingOutput = z.object({
  /** The highest role first. */
  mapping: z.array(
    z.object({
      groupId: z.string(),
      displayName: z.string(),
      role: roleShape,
      /** The highest role that the group gives, limited by the connection that provisions it; null: no limit. */
      ceiling: roleShape.nullable(),
      connectionName: z.string().nullable()
    })
  ),
  /** People whose role comes from a group. */
  people: z.number().int()
})

const changesOutput = z.object({
  total: z.number().int(),
  raised: z.number().int(),
  lowered: z.number().int(),
  /** Up to 200 of them. */
  changes: z.array(
    z.object({
      user: named.extend({ email: z.string().nullable() }),
      from: roleShape,
      to: roleShape,
      /** The group that gives the new role; null where it is the person's own. */
      group: named.nullable()
    })
  )
})

export const groupRolesRouter = router({
  get: administratorProcedure.output(mappingOutput).query(({ ctx }) => readMapping(ctx)),

  /** Whose roles would change. */
  preview: administratorProcedure
    .input(mappingInput)
    .output(changesOutput)
    .query(async ({ ctx, input }) =>
      toChanges(await previewGroupRoles(ctx.deps, ctx.tenant.id, ctx.actor, input.mapping))
    ),

  update: administratorProcedure
    .input(mappingInput)
    .output(mappingOutput.extend({ changed: changesOutput }))
    .mutation(async ({ ctx, input }) => {
      const changed = await changeGroupRoles(ctx.deps, ctx.tenant, ctx.actor, input.mapping)
      return { ...(await readMapping(ctx)), changed: toChanges(changed) }
    })
})

async function readMapping({ deps, tenant }: TenantContext): Promise<z.infer<typeof mappingOutput>> {
  const [rows, people] = await Promise.all([listGroupRoles(deps.db, tenant.id), countRaised(deps.db, tenant.id)])
  return { mapping: rows.map(toMapped), people }
}

const toMapped = (row: GroupRoleView): z.infer<typeof mappingOutput>['mapping'][number] => ({
  groupId: row.group_id,
  displayName: row.group_name,
  role: row.role,
  ceiling: row.ceiling,
  connectionName: row.connection_name
})

function toChanges(rows: readonly RoleChange[]): z.infer<typeof changesOutput> {
  const raised = rows.filter(({ before, after }) => roleRank(after) > roleRank(before)).length
  return {
    total: rows.length,
    raised,
    lowered: rows.length - raised,
    changes: rows.slice(0, MAX_NAMED).map((row) => ({
      user: { id: row.user_id, name: shownName(row), email: row.email },
      from: row.before,
      to: row.after,
      group: row.group_id === null ? null : { id: row.group_id, name: row.group_name ?? '' }
    }))
  }
}
