// A server on a cluster, and tenants of it that an identity provider provisions.
import { createClient } from '../../client/index.ts'
import type { Tenant } from '../faults/stage.ts'
import { OPERATOR_TOKEN, SECRET_KEY } from '../support/app.ts'
import { startProcess, type Teardown } from '../support/process.ts'

export const startServer = (t: Teardown, databaseUrl: string) =>
  startProcess(t, {
    DATABASE_URL: databaseUrl,
    SECRET_KEY,
    OPERATOR_TOKEN,
    LOG_LEVEL: 'warn',
    MAIL_FROM: 'Muster <muster@muster.test>',
    SCIM_REQUESTS_PER_SECOND: '0',
    DEMO: 'false'
  })

/** @param admin the address of its first administrator, who is invited */
export async function addTenant(port: number, subdomain: string, admin?: string): Promise<Tenant> {
  // the operator's token works for every tenant
  const clientOn = (host: string) => createClient({ url: `http://${host}:${port}`, token: OPERATOR_TOKEN })
  const { tenant } = await clientOn('localhost').tenants.create.mutate({
    subdomain,
    name: subdomain,
    ...(admin && { admin })
  })
  const { token } = await clientOn(`${subdomain}.localhost`).scimTokens.create.mutate({ name: 'okta' })
  return { id: tenant.id, subdomain, scimToken: token }
}
