// Where the requests of a connection in shadow mode go: the very same handlers, on the rows of the shadow.
import type { Deps } from '../deps.ts'
import type { Tenant } from '../tenancy.ts'
import type { ScimContext } from './context.ts'

/**
 * What stands in for a tenant and the dependencies: addresses of resources are the tenant's own, and nobody is written
 * to.
 */
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
  // one for all: what is remembered goes by it
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
