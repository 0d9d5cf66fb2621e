// What failed passwords count against, wherever one is asked for.
import type { Tenant } from '../tenancy.ts'
import type { Count } from './limits.ts'
import { networkOf } from './network.ts'

/** @param device the known browser that asks: strangers' failures do not count against it */
export function signInCounts(tenant: Tenant, key: string, ip: string, device: string | undefined): Count[] {
  const network = networkOf(ip)
  const address = `${tenant.id} ${key}`
  const counts: Count[] =
    device === undefined
      ? [
          { limit: 'sign-in-address', key: `${address} ${network}`, onSuccess: 'forget' },
          { limit: 'sign-in-everywhere', key: address }
        ]
      : [{ limit: 'sign-in-device', key: device, onSuccess: 'forget' }]
  return [...counts, { limit: 'sign-in-network', key: network }]
}
