// scimSchemas.*: a tenant's own SCIM extensions. The rules are in server/provisioning/scim-schemas.ts.
import { z } from 'zod'
import { listScimSchemas, type ScimSchemaView } from '../../db/scim-schemas.ts'
import { createScimSchema, removeScimSchema } from '../provisioning/scim-schemas.ts'
import { administratorProcedure, router } from './trpc.ts'

const scimSchemaOutput = z.object({
  urn: z.string(),
  resourceType: z.enum(['User', 'Group']),
  /** In the form of RFC 7643 §7, with every characteristic. */
  definition: z.record(z.string(), z.unknown()),
  createdAt: z.iso.datetime()
})

const answer = z.object({ scimSchema: scimSchemaOutput })

export const scimSchemasRouter = router({
  /** All of them, in the order in which they were registered. */
  list: administratorProcedure
    .output(z.object({ items: z.array(scimSchemaOutput) }))
    .query(async ({ ctx }) => ({ items: (await listScimSchemas(ctx.deps.db, ctx.tenant.id)).map(toScimSchema) })),

  create: administratorProcedure
    .input(
      z.strictObject({
        resourceType: z.enum(['User', 'Group']).default('User'),
        /** `{ id: 'urn:acme:scim:1.0:User', name, attributes: [{ name, type, … }] }` */
        definition: z.record(z.string(), z.unknown())
      })
    )
    .output(answer)
    .mutation(async ({ ctx, input }) => ({
      scimSchema: toScimSchema(await createScimSchema(ctx.deps, ctx.tenant, ctx.actor, input))
    })),

  remove: administratorProcedure
    .input(z.strictObject({ urn: z.string().max(255) }))
    .output(answer)
    .mutation(async ({ ctx, input }) => ({
      scimSchema: toScimSchema(await removeScimSchema(ctx.deps, ctx.tenant, ctx.actor, input.urn))
    }))
})

const toScimSchema = (row: ScimSchemaView): z.infer<typeof scimSchemaOutput> => ({
  urn: row.urn,
  resourceType: row.resource_type,
  definition: JSON.parse(row.definition),
  createdAt: row.created_at.toISOString()
})
