// A delivery as a request: a signed webhook (Standard Webhooks) or a pushed security event token (RFC 8935, RFC 9967).
import { SignJWT } from 'jose'
import { Webhook } from 'standardwebhooks'
import type { DeliveryToSend } from '../../db/event-deliveries.ts'
import { publicUrl } from '../config.ts'
import type { Deps } from '../deps.ts'
import { scimEventOf } from './scim-events.ts'
import { SIGNING_ALGORITHM, type SigningKey } from './signing-keys.ts'

export const SECRET_SEAL = 'webhook-secret'
export const AUTHORIZATION_SEAL = 'stream-authorization'

export interface StreamRequest {
  readonly headers: Record<string, string>
  readonly body: string
}

type MessageDeps = Pick<Deps, 'config' | 'sealer'>

/** It cannot be sent, now or ever; the message says why. */
export class Unsendable extends Error {}

/**
 * `webhook-id` is the event's id: the same for every attempt and replay, so that a receiver recognises repeats.
 * @throws Unsendable where no SECRET_KEY opens the stream's secret
 */
export function webhookRequest(deps: MessageDeps, delivery: DeliveryToSend, now: Date): StreamRequest {
  const body = JSON.stringify({
    type: delivery.action,
    timestamp: delivery.at.toISOString(),
    data: {
      id: delivery.id,
      tenant: delivery.subdomain,
      target: { type: delivery.target_type, id: delivery.target_id, name: delivery.target_name },
      actor: { kind: delivery.actor_kind, id: delivery.actor_id, name: delivery.actor_name },
      connectionId: delivery.connection_id,
      requestId: delivery.request_id,
      before: delivery.before && JSON.parse(delivery.before),
      after: delivery.after && JSON.parse(delivery.after)
    }
  })
  const signatures = secretsOf(deps, delivery, now).map((secret) => new Webhook(secret).sign(delivery.id, now, body))
  return {
    headers: {
      'content-type': 'application/json',
      'webhook-id': delivery.id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': signatures.join(' ')
    },
    body
  }
}

/** The stream's secret, and for a while after a rotation also the previous one. */
function secretsOf({ sealer }: MessageDeps, delivery: DeliveryToSend, now: Date): string[] {
  const { secret_sealed, old_secret_sealed, old_secret_until } = delivery
  const isOldInUse = old_secret_until !== null && old_secret_until > now
  const sealed = [secret_sealed, isOldInUse ? old_secret_sealed : null].filter((secret) => secret !== null)
  const secrets = sealed.map((secret) => sealer.open(SECRET_SEAL, secret)).filter((secret) => secret !== undefined)
  if (secrets.length === 0) throw new Unsendable('The secret was sealed with a SECRET_KEY that is gone: rotate it')
  return secrets
}

/**
 * @returns undefined for an event that is no SCIM event
 * @throws Unsendable where no SECRET_KEY opens the tenant's key
 */
export async function setRequest(
  { config, sealer }: MessageDeps,
  delivery: DeliveryToSend,
  key: SigningKey | undefined,
  now: Date
): Promise<StreamRequest | undefined> {
  const claims = scimEventOf(delivery)
  if (!claims) return undefined
  if (!key) throw new Unsendable('The signing key was sealed with a SECRET_KEY that is gone')
  const token = await new SignJWT({
    ...claims,
    toe: Math.floor(delivery.at.getTime() / 1000),
    ...(delivery.request_id && { txn: delivery.request_id })
  })
    .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: 'secevent+jwt', kid: key.id })
    .setIssuer(publicUrl(config, delivery.subdomain))
    .setAudience(delivery.audience ?? delivery.url)
    .setJti(delivery.id)
    .setIssuedAt(now)
    .sign(key.key)
  const authorization = delivery.authorization_sealed && sealer.open(AUTHORIZATION_SEAL, delivery.authorization_sealed)
  return {
    headers: {
      'content-type': 'application/secevent+jwt',
      accept: 'application/json',
      ...(authorization && { authorization })
    },
    body: token
  }
}
