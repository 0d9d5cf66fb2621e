// Maps the audit log's events to SCIM events (RFC 9967 §2): which URI, which payload, about which resource.
import type { DeliveryToSend } from '../../db/event-deliveries.ts'
import { STREAM_TESTED } from '../../db/event-deliveries.ts'

const PROV = 'urn:ietf:params:scim:event:prov:'
/** Notices name what changed; the receiver fetches the values (RFC 9967 §2.4). */
const CREATE = `${PROV}create:notice`
const PATCH = `${PROV}patch:notice`
const DELETE = `${PROV}delete`
const ACTIVATE = `${PROV}activate`
const DEACTIVATE = `${PROV}deactivate`
/** OpenID Shared Signals Framework §8.1.4.1: the receiver only has to accept it. */
const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification'

/** What the service provider's configuration publishes. */
export const SCIM_EVENT_URIS: readonly string[] = [CREATE, PATCH, DELETE, ACTIVATE, DEACTIVATE]

const URIS: Record<string, string> = {
  'user.created': CREATE,
  'user.invited': CREATE,
  'user.revived': CREATE,
  'user.adopted': PATCH,
  'user.linked': PATCH,
  'user.updated': PATCH,
  'user.roleChanged': PATCH,
  'user.activated': ACTIVATE,
  'user.deactivated': DEACTIVATE,
  'user.removed': DELETE,
  'group.created': CREATE,
  'group.updated': PATCH,
  'group.membersChanged': PATCH,
  'group.removed': DELETE
}

/** Facts of our log under the names of SCIM's attributes, where the two differ. */
const ATTRIBUTES: Record<string, string> = {
  role: 'roles',
  added: 'members',
  addedCount: 'members',
  removed: 'members',
  removedCount: 'members',
  timeZone: 'timezone'
}
/** Facts that are no attributes of a resource. */
const INTERNAL = new Set(['state', 'connectionId', 'passwordSet', 'locked', 'invitationId', 'memberships', 'authority'])

/** The claims `sub_id` and `events` of a token; undefined for what is no SCIM event. */
export function scimEventOf(
  event: Pick<DeliveryToSend, 'action' | 'target_type' | 'target_id' | 'external_id' | 'before' | 'after' | 'id'>
): { sub_id: Record<string, string>; events: Record<string, Record<string, unknown>> } | undefined {
  if (event.action === STREAM_TESTED) {
    return { sub_id: { format: 'opaque', id: event.target_id! }, events: { [VERIFICATION]: { state: event.id } } }
  }
  const uri = URIS[event.action]
  if (!uri || !event.target_id) return undefined
  const folder = event.target_type === 'group' ? 'Groups' : 'Users'
  return {
    sub_id: {
      format: 'scim',
      uri: `/${folder}/${event.target_id}`,
      ...(event.external_id && { externalId: event.external_id })
    },
    events: { [uri]: uri.endsWith(':notice') ? { attributes: attributesOf(event) } : {} }
  }
}

function attributesOf({ before, after }: Pick<DeliveryToSend, 'before' | 'after'>): string[] {
  const facts = [before, after].flatMap((text) => Object.keys(text ? (JSON.parse(text) as object) : {}))
  return [...new Set(facts.filter((fact) => !INTERNAL.has(fact)).map((fact) => ATTRIBUTES[fact] ?? fact))].sort()
}
