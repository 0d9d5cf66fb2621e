// Counts the errors that identity providers receive, outside the request; the provisioning page shows them.
import { noteScimErrors, type ScimErrors } from '../../db/scim-errors.ts'
import type { Deps } from '../deps.ts'
import type { ScimContext } from './context.ts'
import { toScimError } from './errors.ts'

interface ErrorTally {
  note(context: Pick<ScimContext, 'tenant' | 'actor' | 'now'>, error: unknown): void
  /** Waits for pending writes. */
  close(): Promise<void>
}

/** A detail may quote what was sent. */
const MAX_DETAIL_LENGTH = 500

export function createErrorTally(deps: Pick<Deps, 'db' | 'log'>): ErrorTally {
  /** By tenant and connection; what arrives during a write goes with the next one. */
  let pending = new Map<number, Map<string, ScimErrors>>()
  let writing: Promise<void> | undefined

  async function write(): Promise<void> {
    while (pending.size > 0) {
      const taken = pending
      pending = new Map()
      for (const [tenantId, connections] of taken) {
        const errors = [...connections.values()]
        const now = new Date(Math.max(...errors.map(({ last_at }) => last_at.getTime())))
        await noteScimErrors(deps.db, tenantId, errors, now).catch((error) =>
          deps.log.warn({ err: error, tenantId }, 'SCIM errors were not counted')
        )
      }
    }
    writing = undefined
  }

  return {
    note({ tenant, actor, now }, error) {
      const { status, detail } = toScimError(error)
      // a 404 is how an identity provider finds out what exists
      if (!actor.scim || status === 404) return
      const { connectionId } = actor.scim
      const tenantId = tenant.shadowOf ?? tenant.id
      const connections = pending.get(tenantId) ?? new Map<string, ScimErrors>()
      pending.set(tenantId, connections)
      connections.set(connectionId, {
        connection_id: connectionId,
        count: (connections.get(connectionId)?.count ?? 0) + 1,
        last_at: now,
        last_status: status,
        last_detail: detail.slice(0, MAX_DETAIL_LENGTH).toWellFormed().replaceAll('\0', '')
      })
      writing ??= write()
    },
    close: async () => writing
  }
}
