// How a tenant's name, state and settings are changed.
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { notifyChange } from '../../db/listen.ts'
import type { TenantRow, TenantSettings, TenantState } from '../../db/schema.ts'
import { lockTenant, updateTenant } from '../../db/tenants.ts'
import type { Deps } from '../deps.ts'
import { notFound } from '../errors.ts'
import { type Actor, requireAdministrator } from './actor.ts'
import { forgetTenant } from './forgetting.ts'

export type TenantDeps = Pick<Deps, 'db' | 'listener' | 'now'>

/** null resets a setting to its default, undefined leaves it. */
type SettingsPatch = { [K in keyof TenantSettings]?: TenantSettings[K] | null }

interface TenantPatch {
  readonly name?: string
  readonly state?: TenantState
  readonly settings?: SettingsPatch
}

/**
 * An administrator's change of the tenant's name and settings.
 * @throws AppError forbidden `administratorOnly`
 */
export async function changeSettings(
  deps: TenantDeps,
  tenantId: number,
  actor: Actor,
  patch: Pick<TenantPatch, 'name' | 'settings'>
): Promise<TenantRow> {
  requireAdministrator(actor, 'change the settings')
  return changeTenant(deps, tenantId, actor, patch)
}

/** Changes a tenant in one transaction and tells every process. Facts that stay the same change nothing. */
export async function changeTenant(
  deps: TenantDeps,
  tenantId: number,
  actor: Actor,
  patch: TenantPatch
): Promise<TenantRow> {
  const now = deps.now()
  const after = await inTenant(deps.db, tenantId, async (trx) => {
    const before = await lockTenant(trx, tenantId, 'for no key update')
    if (!before) throw notFound('Tenant')
    return writeTenant(trx, before, actor, patch, now)
  })
  forgetTenant(deps, after.subdomain)
  return after
}

async function writeTenant(
  trx: Trx,
  before: TenantRow,
  actor: Actor,
  patch: TenantPatch,
  now: Date
): Promise<TenantRow> {
  const settings = mergeSettings(before.settings, patch.settings ?? {})
  const wanted = { name: patch.name ?? before.name, state: patch.state ?? before.state, settings }
  const changed = changedFacts(factsOf(before), factsOf(wanted))
  if (changed.length === 0) return before
  const after = await updateTenant(trx, before.id, wanted, now)
  const pick = (facts: Record<string, unknown>) =>
    Object.fromEntries(changed.map((fact) => [fact, facts[fact] ?? null]))
  await insertAuditEvents(trx, before.id, actor, now, [
    {
      action: actionOf(before, after),
      targetType: 'tenant',
      targetId: null,
      targetName: before.subdomain,
      before: pick(factsOf(before)),
      after: pick(factsOf(after))
    }
  ])
  await notifyChange(trx, { kind: 'tenant', subdomain: before.subdomain })
  return after
}

function mergeSettings(settings: TenantSettings, patch: SettingsPatch): TenantSettings {
  const merged: Record<string, unknown> = { ...settings }
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else if (value !== undefined) merged[name] = value
  }
  return merged
}

const factsOf = (tenant: Pick<TenantRow, 'name' | 'state' | 'settings'>): Record<string, unknown> => ({
  ...tenant.settings,
  name: tenant.name,
  state: tenant.state
})

const changedFacts = (before: Record<string, unknown>, after: Record<string, unknown>): string[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (fact) => JSON.stringify(before[fact]) !== JSON.stringify(after[fact])
  )

function actionOf(before: TenantRow, after: TenantRow): string {
  if (before.state === after.state) return 'tenant.settingsChanged'
  return after.state === 'suspended' ? 'tenant.suspended' : 'tenant.resumed'
}
