// After a change this process forgets at once what it remembered of a tenant; the others hear of it by NOTIFY.
import type { Listener } from '../../db/listen.ts'

interface Forgetful {
  readonly listener: Pick<Listener, 'emit'>
}

/** Who has signed in, and what is known beside a session or a token: roles, rights, what is held of a connection. */
export const forgetCredentials = ({ listener }: Forgetful, tenantId: number): boolean =>
  listener.emit('change', { kind: 'credentials', tenantId })

/** The tenant's row: its name, settings and schemas. */
export const forgetTenant = ({ listener }: Forgetful, subdomain: string): boolean =>
  listener.emit('change', { kind: 'tenant', subdomain })
