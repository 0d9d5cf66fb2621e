// What faults are played on: PostgreSQL, a mail server, and any number of servers and workers, each a process.
import { type Client, createClient } from '../../client/index.ts'
import { freePort } from '../../db/embedded.ts'
import { type RunningProcess, startProcess, type Teardown } from '../support/process.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { type MailSink, startMailSink } from './mail-sink.ts'

export const OPERATOR_TOKEN = 'operator-token-of-the-faults-0123456789'
const SECRET_KEY = 'secret-key-of-the-faults-0123456789-abcdef'

export interface Tenant {
  readonly id: number
  readonly subdomain: string
  readonly scimToken: string
}

export interface Stage {
  readonly cluster: Cluster
  readonly mail: MailSink
  /** The same stage on another PostgreSQL. */
  on(cluster: Cluster): Stage
  /** The public port of all servers, as if behind a proxy. */
  readonly publicPort: number
  startServer(env?: Record<string, string>): Promise<RunningProcess>
  startWorker(env?: Record<string, string>): Promise<RunningProcess>
  /** Makes a tenant and a token that may provision it, through a server. */
  addTenant(server: RunningProcess): Promise<Tenant>
  /** The typed client of one server, with the operator's power. @param subdomain the base domain if it is missing */
  client(server: RunningProcess, subdomain?: string): Client
}

export async function openStage(
  t: Teardown,
  options: { cluster?: Parameters<typeof startCluster>[1]; env?: Record<string, string> } = {}
): Promise<Stage> {
  const mail = await startMailSink(t)
  return stageOn(t, await startCluster(t, options.cluster), mail, await freePort(), options.env)
}

function stageOn(
  t: Teardown,
  cluster: Cluster,
  mail: MailSink,
  publicPort: number,
  settings: Record<string, string> | undefined
): Stage {
  let tenants = 0
  const start = (env: Record<string, string>) =>
    startProcess(t, {
      DATABASE_URL: cluster.url,
      SECRET_KEY,
      OPERATOR_TOKEN,
      SMTP_URL: mail.url,
      MAIL_FROM: 'Muster <muster@muster.test>',
      PUBLIC_PORT: String(publicPort),
      SCIM_REQUESTS_PER_SECOND: '0',
      LOG_LEVEL: 'warn',
      ...settings,
      ...env
    })
  const stage: Stage = {
    cluster,
    mail,
    publicPort,
    on: (other) => stageOn(t, other, mail, publicPort, settings),
    startServer: (env) => start({ RUN: 'server', ...env }),
    // at this level a worker logs that it has started
    startWorker: (env) => start({ RUN: 'worker', LOG_LEVEL: 'info', ...env }),
    client: (server, subdomain) =>
      createClient({
        url: `http://${subdomain ? `${subdomain}.` : ''}localhost:${server.port}`,
        token: OPERATOR_TOKEN
      }),
    async addTenant(server) {
      const subdomain = `tenant${++tenants}`
      const { tenant } = await stage.client(server).tenants.create.mutate({ subdomain, name: subdomain })
      const { token } = await stage.client(server, subdomain).scimTokens.create.mutate({ name: 'faults' })
      return { id: tenant.id, subdomain, scimToken: token }
    }
  }
  return stage
}
