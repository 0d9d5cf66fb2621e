// warn-ending-tokens: tells administrators before a SCIM token expires, so that no sync stops unnoticed.
import { inTenant } from '../../db/connect.ts'
import { listTenantIds } from '../../db/expired.ts'
import type { Notice } from '../../db/schema.ts'
import { type EndingToken, takeEndingTokens } from '../../db/scim-token-care.ts'
import type { Deps } from '../../server/deps.ts'
import { formatInstant } from '../../server/mail/render.ts'
import { notifyAdministrators } from '../../server/provisioning/notices.ts'
import { eachTenant } from '../each-tenant.ts'

const DAY_MS = 24 * 3_600_000

type WarnDeps = Pick<Deps, 'db' | 'log' | 'now' | 'queue'>

/**
 * A tenant that fails is tried again in an hour.
 * @returns how many tokens administrators were told of
 * @throws AggregateError after all other tenants, if any failed
 */
export async function warnOfEndingTokens(deps: WarnDeps, signal: AbortSignal): Promise<number> {
  const { db, log } = deps
  return eachTenant({ log, job: 'warn-ending-tokens', signal }, await listTenantIds(db), (id) => warnTenant(deps, id))
}

const warnTenant = ({ db, now, queue }: WarnDeps, tenantId: number): Promise<number> => {
  const at = now()
  return inTenant(db, tenantId, async (trx) => {
    const tokens = await takeEndingTokens(trx, tenantId, at)
    for (const token of tokens) await notifyAdministrators(trx, { queue }, tenantId, noticeOf(token, at), at)
    return tokens.length
  })
}

function noticeOf(token: EndingToken, now: Date): Notice {
  const { connection_id, connection_name, expires_at, is_replaced } = token
  const days = Math.ceil((expires_at.getTime() - now.getTime()) / DAY_MS)
  const lead = is_replaced
    ? `A newer token was made, but nobody has used it yet: paste it into the console of ${connection_name}.`
    : `Rotate it, and paste the new one into the console of ${connection_name}: the two overlap, so nothing is lost.`
  return {
    subject: `The SCIM token of ${connection_name} expires in ${days} ${days === 1 ? 'day' : 'days'}`,
    message: `It expires on ${formatInstant(expires_at)}. From then on ${connection_name} is refused, and people who join or leave no longer arrive here. ${lead}`,
    detail: lastUse(token),
    actionName: 'See the connection',
    actionPath: `/provisioning/${connection_id}`
  }
}

function lastUse({ last_used_at, last_address }: EndingToken): string {
  if (!last_used_at) return 'This token has never been used.'
  const from = last_address ? ` from ${last_address}` : ''
  return `It was last used on ${formatInstant(last_used_at)}${from}.`
}
