// Where requests of a connection in shadow mode go: the same handlers, on the shadow's rows.
import type { Deps } from '../deps.ts'
import type { Tenant } from '../tenancy.ts'
import type { ScimContext } from './context.ts'

/** Replaces tenant and deps of a request: resource URLs stay the tenant's own, and no mail is sent. */
export function createShadowPlaces(
  deps: Deps
): (tenant: Tenant, shadowId: number) => Pick<ScimContext, 'deps' | 'tenant'> {
  const { queue } = deps
  const silent: Deps['queue'] = {
    enqueue: async () => {},
    get boss() {
      return queue.boss
    },
    close: () => queue.close()
  }
  // one object for all, since caches are keyed by it
  const quiet: Deps = { ...deps, queue: silent }
  return (tenant, shadowId) => ({
    deps: quiet,
    tenant: {
      ...tenant,
      id: shadowId,
      shadowOf: tenant.id,
      settings: { ...tenant.settings, scimWelcomeMail: false }
    }
  })
}
