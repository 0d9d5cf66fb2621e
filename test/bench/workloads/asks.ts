// Makes the requests to either server.
import { apiTokenOf, type Population, scimTokenOf, subdomainOf } from '../population.ts'
import type { Ask, SourceContext } from '../workload.ts'

/** Checks the body of an answer; the driver checks one in so many. */
type Fault = (body: string) => string | undefined

/** A random user of a population. */
export interface Pick {
  readonly tenant: number
  readonly user: number
}

export function anyUser({ firstTenant, tenants, users }: Population): Pick {
  return { tenant: firstTenant + Math.floor(Math.random() * tenants), user: Math.floor(Math.random() * users) }
}

/** A random user whom no other connection changes. */
export function ownUser(population: Population, connection: number, connections: number): Pick {
  const { tenant, user } = anyUser(population)
  const own = user - (user % connections) + connection
  // the first user is the administrator, whom the token may not change
  return { tenant, user: own === 0 || own >= population.users ? connections + connection : own }
}

type Rest = Omit<Ask, 'headers' | 'path'> & { path: string }

const remembered = new Map<string, string>()
function headersOf(key: string, make: () => string): string {
  const known = remembered.get(key)
  if (known !== undefined) return known
  const made = make()
  remembered.set(key, made)
  return made
}

const SCIM_TYPE = 'content-type: application/scim+json\r\n'
const JSON_TYPE = 'content-type: application/json\r\n'

const hostOf = (tenant: number, { ports }: SourceContext) =>
  `host: ${subdomainOf(tenant)}.localhost:${ports.muster}\r\n`

/** @param rest.path the path below /scim/v2 */
export const toScim = (context: SourceContext, tenant: number, { path, ...rest }: Rest): Ask => ({
  ...rest,
  path: `/scim/v2${path}`,
  headers: headersOf(
    `scim ${tenant}`,
    () => `${hostOf(tenant, context)}authorization: Bearer ${scimTokenOf(tenant)}\r\n${SCIM_TYPE}`
  )
})

type Call = { input: unknown; findFault?: Fault }

/** A query of tRPC with an administrator's API token. */
export const toTrpcQuery = (context: SourceContext, tenant: number, procedure: string, call: Call): Ask => ({
  method: 'GET',
  path: trpcPath(procedure, call.input),
  status: 200,
  findFault: call.findFault,
  headers: headersOf(
    `trpc ${tenant}`,
    () => `${hostOf(tenant, context)}authorization: Bearer ${apiTokenOf(tenant)}\r\n`
  )
})

/** A mutation of tRPC as the operator, for whom there is no limit of addresses per hour. */
export const toTrpcMutation = (context: SourceContext, tenant: number, procedure: string, call: Call): Ask => ({
  method: 'POST',
  path: `/trpc/${procedure}`,
  body: JSON.stringify(call.input),
  status: 200,
  findFault: call.findFault,
  headers: `${hostOf(tenant, context)}authorization: Bearer ${context.operatorToken}\r\n${JSON_TYPE}`
})

export const trpcPath = (procedure: string, input: unknown) =>
  `/trpc/${procedure}?input=${encodeURIComponent(JSON.stringify(input))}`

export const toFloor = ({ ports }: SourceContext, rest: Rest): Ask => ({
  ...rest,
  headers: `host: localhost:${ports.floor}\r\n${rest.body === undefined ? '' : JSON_TYPE}`
})

/** Checks that a body is JSON in which `read` finds the wanted value. */
export const expectJson =
  // biome-ignore lint/suspicious/noExplicitAny: a body is whatever the server sent
    (wanted: unknown, read: (json: any) => unknown): Fault =>
    (body) => {
      const found = read(JSON.parse(body))
      return found === wanted ? undefined : `found ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`
    }
