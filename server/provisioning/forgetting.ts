// After a change, this process forgets at once what it remembers of a tenant; the others hear of it by NOTIFY.
import type { Listener } from '../../db/listen.ts'

interface Forgetful {
  readonly listener: Pick<Listener, 'emit'>
}

/** Sessions and tokens, with what is remembered of them: roles, rights, whether a connection has anything held. */
export const forgetCredentials = ({ listener }: Forgetful, tenantId: number): boolean =>
  listener.emit('change', { kind: 'credentials', tenantId })

/** The tenant's row: its name, settings and schemas. */
export const forgetTenant = ({ listener }: Forgetful, subdomain: string): boolean =>
  listener.emit('change', { kind: 'tenant', subdomain })
