// tenants.*: the operator's API, on the base domain. The rules are in server/provisioning/tenants.ts.
import { z } from 'zod'
import type { Trx } from '../../db/connect.ts'
import { TENANT_STATES, type TenantRow, type TenantSettings } from '../../db/schema.ts'
import { countTenant, countTenants, listTenants } from '../../db/tenants.ts'
import { publicUrl } from '../config.ts'
import type { Deps } from '../deps.ts'
import { conflict, invalid } from '../errors.ts'
import { createFirstInvitations, type Outcome } from '../invitations/create.ts'
import type { Actor } from '../provisioning/actor.ts'
import { changeTenant } from '../provisioning/settings.ts'
import { createTenant, getTenant, removeTenant, type TenantKey } from '../provisioning/tenants.ts'
import { listInput, listOutput, orderOf, pageOf, textKey } from './paging.ts'
import { brakeSettingsShape } from './scim-connections.ts'
import { settingsInput, tenantNameInput } from './settings.ts'
import { operatorProcedure, router } from './trpc.ts'

const time = z.iso.datetime()

const tenantOutput = z.object({
  id: z.number().int(),
  subdomain: z.string(),
  name: z.string(),
  state: z.enum(TENANT_STATES),
  /** What the tenant has set; other settings have their default. */
  settings: z.object({
    logoUrl: z.string().optional(),
    senderName: z.string().optional(),
    invitationTtlHours: z.number().optional(),
    allowedDomains: z.array(z.string()).optional(),
    googleSignIn: z.boolean().optional(),
    passwordMinLength: z.number().int().optional(),
    secondFactor: z.enum(['administrators', 'everybody']).optional(),
    scimScope: z.enum(['all', 'own']).optional(),
    scimWelcomeMail: z.boolean().optional(),
    auditRetentionDays: z.number().int().optional(),
    removedUserRetentionDays: z.number().int().optional(),
    mailRetentionDays: z.number().int().optional(),
    wireLogDays: z.number().int().optional(),
    brake: brakeSettingsShape.optional()
  } satisfies Record<Exclude<keyof TenantSettings, 'groupRoles'>, z.ZodType>),
  /** The address of the tenant's page. */
  url: z.string(),
  createdAt: time,
  updatedAt: time
})
const tenantAnswer = z.object({ tenant: tenantOutput })

const keyFields = {
  subdomain: z.string().max(63).optional(),
  tenantId: z
    .number()
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .optional()
}

function readKey({ subdomain, tenantId }: { subdomain?: string; tenantId?: number }): TenantKey {
  if (subdomain !== undefined && tenantId === undefined) return { subdomain }
  if (tenantId !== undefined && subdomain === undefined) return { tenantId }
  throw invalid('Name the tenant by subdomain or by tenantId, one of them')
}

const tenantsListInput = listInput({ state: z.enum(TENANT_STATES).optional() }, ['subdomain'])

export const tenantsRouter = router({
  /** Sorted by subdomain. */
  list: operatorProcedure
    .input(tenantsListInput)
    .output(listOutput(tenantOutput))
    .query(({ ctx, input }) => listPage(ctx.deps, input)),

  get: operatorProcedure
    .input(z.strictObject(keyFields))
    .output(
      z.object({
        tenant: tenantOutput,
        counts: z.object({
          /** Not removed. */
          users: z.number().int(),
          /** Active and not locked. */
          administrators: z.number().int(),
          groups: z.number().int(),
          scimConnections: z.number().int()
        })
      })
    )
    .query(async ({ ctx, input }) => {
      const tenant = await getTenant(ctx.deps, readKey(input))
      return { tenant: toTenantOutput(ctx.deps, tenant), counts: await countTenant(ctx.deps.db, tenant.id) }
    }),

  /** `admin` is invited as the first administrator; where that fails, no tenant is created. */
  create: operatorProcedure
    .input(
      z.strictObject({ subdomain: z.string().max(200), name: tenantNameInput, admin: z.string().max(500).optional() })
    )
    .output(
      z.object({
        tenant: tenantOutput,
        invitation: z.object({ id: z.string(), userId: z.string(), email: z.string() }).nullable()
      })
    )
    .mutation(async ({ ctx, input }) => {
      const { tenant, made } = await createTenant(ctx.deps, ctx.actor, input, async (trx, created) =>
        input.admin === undefined ? null : inviteFirst(trx, ctx.deps, created, ctx.actor, input.admin)
      )
      return { tenant: toTenantOutput(ctx.deps, tenant), invitation: made }
    }),

  update: operatorProcedure
    .input(
      z.strictObject({
        ...keyFields,
        name: tenantNameInput.optional(),
        state: z.enum(TENANT_STATES).optional(),
        settings: z.strictObject(settingsInput).optional()
      })
    )
    .output(tenantAnswer)
    .mutation(async ({ ctx, input: { subdomain, tenantId, ...patch } }) => {
      const { id } = await getTenant(ctx.deps, readKey({ subdomain, tenantId }))
      return { tenant: toTenantOutput(ctx.deps, await changeTenant(ctx.deps, id, ctx.actor, patch)) }
    }),

  /** Refuses every request of the tenant with 403; its data stays. `suspended: false` serves it again. */
  suspend: operatorProcedure
    .input(z.strictObject({ ...keyFields, suspended: z.boolean().optional() }))
    .output(tenantAnswer)
    .mutation(async ({ ctx, input: { suspended = true, ...key } }) => {
      const { id } = await getTenant(ctx.deps, readKey(key))
      const state = suspended ? 'suspended' : 'active'
      return { tenant: toTenantOutput(ctx.deps, await changeTenant(ctx.deps, id, ctx.actor, { state })) }
    }),

  /** Deletes a suspended tenant for good; `confirm` is its subdomain again. */
  remove: operatorProcedure
    .input(z.strictObject({ ...keyFields, confirm: z.string() }))
    .output(tenantAnswer)
    .mutation(async ({ ctx, input: { confirm, ...key } }) => {
      const tenant = await removeTenant(ctx.deps, readKey(key), confirm)
      // its audit log is gone, too
      ctx.request.log.warn({ tenantId: tenant.id, subdomain: tenant.subdomain }, 'tenant removed by the operator')
      return { tenant: toTenantOutput(ctx.deps, tenant) }
    })
})

function listPage(deps: Deps, input: z.infer<typeof tenantsListInput>) {
  const { isDescending, list } = orderOf('tenants', input.sort, 'subdomain')
  const filter = { search: input.search, state: input.filter?.state }
  return pageOf(input, {
    list,
    keys: z.tuple([textKey]),
    read: (after, limit) => listTenants(deps.db, { ...filter, isDescending, after: after?.[0], limit }),
    keysOf: ({ subdomain }) => [subdomain],
    count: () => countTenants(deps.db, filter),
    toItem: (tenant) => toTenantOutput(deps, tenant)
  })
}

async function inviteFirst(trx: Trx, deps: Deps, tenant: TenantRow, actor: Actor, email: string) {
  const invites = [{ email, role: 'administrator' as const }]
  const outcomes = await createFirstInvitations(trx, deps, tenant, actor, invites)
  if (outcomes.length !== 1) throw invalid('admin must be one e-mail address', 'invalidEmail')
  return invitationOf(outcomes[0]!)
}

function invitationOf({ email, result, invitationId, userId }: Outcome) {
  if (result === 'emailInOtherTenant') {
    throw conflict(`${email} belongs to another tenant, so no tenant was made`, 'emailInOtherTenant')
  }
  if (!invitationId || !userId) throw invalid('admin must be an e-mail address', result)
  return { id: invitationId, userId, email }
}

const toTenantOutput = ({ config }: Pick<Deps, 'config'>, tenant: TenantRow): z.infer<typeof tenantOutput> => ({
  id: tenant.id,
  subdomain: tenant.subdomain,
  name: tenant.name,
  state: tenant.state,
  settings: tenant.settings,
  url: publicUrl(config, tenant.subdomain),
  createdAt: tenant.created_at.toISOString(),
  updatedAt: tenant.updated_at.toISOString()
})
