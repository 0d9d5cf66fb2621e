// settings.*: what a tenant decides for itself. The rules are in server/provisioning/settings.ts.
import { z } from 'zod'
import { MIN_AUDIT_DAYS } from '../../db/retention.ts'
import type { TenantRow, TenantSettings } from '../../db/schema.ts'
import { findTenantById } from '../../db/tenants.ts'
import { DEFAULT_WIRE_LOG_DAYS } from '../../db/wire-log.ts'
import { DEFAULT_MIN_LENGTH } from '../auth/password-policy.ts'
import type { Config } from '../config.ts'
import { notFound } from '../errors.ts'
import { parseAddress } from '../provisioning/address.ts'
import { changeSettings } from '../provisioning/settings.ts'
import { brakeSettingsShape } from './scim-connections.ts'
import { lineInput } from './shapes.ts'
import { administratorProcedure, publicProcedure, router } from './trpc.ts'

/** Such as `example.com`, in ASCII; the rules for addresses decide. */
const domainInput = z
  .string()
  .trim()
  .toLowerCase()
  .transform((text, context) => {
    const address = /^[^@\s]+\.[^@\s]+$/.test(text) ? parseAddress(`x@${text}`) : undefined
    if (address) return address.slice(2)
    context.addIssue({ code: 'custom', message: `Not a domain such as example.com: ${text.slice(0, 100)}` })
    return z.NEVER
  })

const logoUrlInput = z
  .url({ protocol: /^https$/, message: 'Must be a URL that starts with https://' })
  .max(2_000)
  .refine((text) => !URL.canParse(text) || new URL(text).username === '', 'Must not hold a user name')

const MAX_WIRE_LOG_DAYS = 365

/** A hundred years. */
const MAX_RETENTION_DAYS = 36_500
const retentionInput = (min: number) => z.number().int().min(min).max(MAX_RETENTION_DAYS).nullable().optional()

/** What a tenant may set; null resets a setting to its default. */
export const settingsInput = {
  logoUrl: logoUrlInput.nullable().optional(),
  senderName: lineInput(100, 1).nullable().optional(),
  invitationTtlHours: z.number().min(0.0001).max(8_760).nullable().optional(),
  allowedDomains: z
    .array(domainInput)
    .max(100)
    .transform((domains) => [...new Set(domains)])
    .nullable()
    .optional(),
  googleSignIn: z.boolean().nullable().optional(),
  passwordMinLength: z.number().int().min(8).max(128).nullable().optional(),
  secondFactor: z.enum(['administrators', 'everybody']).nullable().optional(),
  scimScope: z.enum(['all', 'own']).nullable().optional(),
  scimWelcomeMail: z.boolean().nullable().optional(),
  wireLogDays: z.number().int().min(0).max(MAX_WIRE_LOG_DAYS).nullable().optional(),
  auditRetentionDays: retentionInput(MIN_AUDIT_DAYS),
  removedUserRetentionDays: retentionInput(1),
  mailRetentionDays: retentionInput(1),
  /** Replaces all of it. */
  brake: brakeSettingsShape.nullable().optional()
} satisfies Record<Exclude<keyof TenantSettings, 'groupRoles'>, z.ZodType>

export const tenantNameInput = lineInput(200, 1)

const settingsOutput = z.object({
  name: z.string(),
  subdomain: z.string(),
  logoUrl: z.string().nullable(),
  /** Whether the page offers Google: the tenant wants it and the service is set up for it. */
  googleSignIn: z.boolean(),
  passwordMinLength: z.number().int(),
  /** The rest is only for administrators. */
  administration: z
    .object({
      /** The From name of mails; null: the tenant's name. */
      senderName: z.string().nullable(),
      invitationTtlHours: z.number(),
      /** Only addresses of these domains may be invited; empty: all. */
      allowedDomains: z.array(z.string()),
      /** Whether the tenant wants Google, and whether the service is set up for it. */
      wantsGoogle: z.boolean(),
      canGoogle: z.boolean(),
      /** Who must have a second factor to sign in by password; null: nobody. */
      secondFactor: z.enum(['administrators', 'everybody']).nullable(),
      scimScope: z.enum(['all', 'own']),
      scimWelcomeMail: z.boolean(),
      /** For how many days the wire log is kept; 0: not at all. */
      wireLogDays: z.number().int(),
      /** After how many days something is deleted for good; null: never. */
      auditRetentionDays: z.number().int().nullable(),
      removedUserRetentionDays: z.number().int().nullable(),
      mailRetentionDays: z.number().int().nullable(),
      /** What differs from the defaults. */
      brake: brakeSettingsShape
    })
    .nullable()
})

const settingsAnswer = z.object({ settings: settingsOutput })

export const settingsRouter = router({
  /** Also without a session: what the page needs before sign-in. */
  get: publicProcedure.output(settingsAnswer).query(async ({ ctx }) => {
    const tenant = await findTenantById(ctx.deps.db, ctx.tenant.id)
    if (!tenant) throw notFound('Tenant')
    return { settings: toSettings(tenant, ctx.deps.config, ctx.actor?.role === 'administrator') }
  }),

  update: administratorProcedure
    .input(z.strictObject({ name: tenantNameInput.optional(), ...settingsInput }))
    .output(settingsAnswer)
    .mutation(async ({ ctx, input: { name, ...settings } }) => {
      const tenant = await changeSettings(ctx.deps, ctx.tenant.id, ctx.actor, { name, settings })
      return { settings: toSettings(tenant, ctx.deps.config, true) }
    })
})

function toSettings({ name, subdomain, settings }: TenantRow, config: Config, isAdministrator: boolean) {
  const wantsGoogle = settings.googleSignIn ?? true
  const canGoogle = Boolean(config.google)
  return {
    name,
    subdomain,
    logoUrl: settings.logoUrl ?? null,
    googleSignIn: wantsGoogle && canGoogle,
    passwordMinLength: settings.passwordMinLength ?? DEFAULT_MIN_LENGTH,
    administration: isAdministrator
      ? {
          senderName: settings.senderName ?? null,
          invitationTtlHours: settings.invitationTtlHours ?? config.invitationTtlHours,
          allowedDomains: settings.allowedDomains ?? [],
          wantsGoogle,
          canGoogle,
          secondFactor: settings.secondFactor ?? null,
          scimScope: settings.scimScope ?? ('all' as const),
          scimWelcomeMail: settings.scimWelcomeMail ?? false,
          wireLogDays: settings.wireLogDays ?? DEFAULT_WIRE_LOG_DAYS,
          auditRetentionDays: settings.auditRetentionDays ?? null,
          removedUserRetentionDays: settings.removedUserRetentionDays ?? null,
          mailRetentionDays: settings.mailRetentionDays ?? null,
          brake: settings.brake ?? {}
        }
      : null
  }
}
