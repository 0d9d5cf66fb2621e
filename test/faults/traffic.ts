// Requests sent while something breaks, and what was answered: an answer is a promise that must be kept.
import { setTimeout } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { Tenant } from './stage.ts'

/** How one request ended: with a status, or without an answer (0). */
export interface Answer {
  readonly status: number
  /** Of the resource, where one was made. */
  readonly id: string | undefined
  readonly retryAfter: string | undefined
  /** Milliseconds since the process began (performance.now). */
  readonly at: number
}

export interface Traffic {
  /** By userName; filled as answers come. */
  readonly answers: Map<string, Answer>
  /** How many have been sent and not answered yet. */
  underWay(): number
  /** Resolves when so many have been acknowledged with 201, or all have ended. */
  acknowledged(count: number): Promise<void>
  readonly done: Promise<void>
}

/** A dispatcher with as many connections as are wanted at once; destroyed by its user. */
export const openAgent = () => new Agent({ connections: null, keepAliveTimeout: 10_000, headersTimeout: 60_000 })

/** One SCIM request to the server on `port`; a connection that breaks is status 0. */
export async function scim(
  agent: Agent,
  port: number,
  tenant: Tenant,
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown
): Promise<Answer & { body: string }> {
  try {
    const {
      statusCode,
      headers,
      body: answer
    } = await request(`http://127.0.0.1:${port}/scim/v2${path}`, {
      dispatcher: agent,
      method,
      headers: {
        host: `${tenant.subdomain}.localhost:${port}`,
        authorization: `Bearer ${tenant.scimToken}`,
        ...(body !== undefined && { 'content-type': 'application/scim+json' })
      },
      ...(body !== undefined && { body: JSON.stringify(body) })
    })
    const text = await answer.text()
    return {
      status: statusCode,
      id: statusCode === 201 ? (JSON.parse(text) as { id: string }).id : undefined,
      retryAfter: headers['retry-after']?.toString(),
      at: performance.now(),
      body: text
    }
  } catch {
    return { status: 0, id: undefined, retryAfter: undefined, at: performance.now(), body: '' }
  }
}

const userOf = (userName: string) => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
  userName,
  name: { givenName: 'Ada', familyName: userName.split('@', 1)[0] },
  emails: [{ value: userName, type: 'work', primary: true }],
  externalId: userName
})

export const namesOf = (tenant: Tenant, count: number, prefix = 'user') =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}@${tenant.subdomain}.test`)

/**
 * Creates users, all of them at once.
 * @param portOf the server that each of them is sent to, by its place
 * @param turn what each of them waits for before it is sent, by its place
 */
export function createUsers(
  agent: Agent,
  portOf: (index: number) => number,
  tenant: Tenant,
  userNames: readonly string[],
  turn: (index: number) => Promise<unknown> | undefined = () => undefined
): Traffic {
  const answers = new Map<string, Answer>()
  let made = 0
  let sent = 0
  const waiting = new Set<() => void>()
  const done = Promise.all(
    userNames.map(async (userName, index) => {
      await turn(index)
      sent++
      const answer = await scim(agent, portOf(index), tenant, 'POST', '/Users', userOf(userName))
      answers.set(userName, answer)
      if (answer.status === 201) made++
      for (const check of waiting) check()
    })
  ).then(() => {})
  return {
    answers,
    underWay: () => sent - answers.size,
    done,
    async acknowledged(count) {
      const reached = new Promise<void>((resolve) => {
        const check = () => {
          if (made < count) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      })
      await Promise.race([reached, done])
    }
  }
}

/**
 * What an IdP does with users whose creation was not acknowledged: tries again, until each is there.
 * @returns those that had been made without our knowing (409)
 */
export async function createRest(
  agent: Agent,
  port: number,
  tenant: Tenant,
  userNames: readonly string[]
): Promise<string[]> {
  const known: string[] = []
  await Promise.all(
    userNames.map(async (userName) => {
      const { status } = await persist(
        () => scim(agent, port, tenant, 'POST', '/Users', userOf(userName)),
        ({ status }) => status === 201 || status === 409
      )
      if (status === 409) known.push(userName)
    })
  )
  return known
}

/** Asks again and again until an answer is what is waited for. */
export async function persist<T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (isWanted(answer)) return answer
    await setTimeout(50)
  }
}

/** Milliseconds until `ask` succeeds, from now. */
async function timeUntil(ask: () => Promise<boolean>): Promise<number> {
  const began = performance.now()
  while (!(await ask().catch(() => false))) await setTimeout(20)
  return performance.now() - began
}

/** Milliseconds until a read is answered and a user is made, from now. */
export function timeUntilServing(agent: Agent, port: number, tenant: Tenant): Promise<number> {
  let tries = 0
  return timeUntil(async () => {
    const { status } = await scim(agent, port, tenant, 'GET', '/Users?count=1')
    if (status !== 200) return false
    const made = await scim(agent, port, tenant, 'POST', '/Users', userOf(namesOf(tenant, 1, `try${tries++}x`)[0]!))
    return made.status === 201
  })
}

/** The statuses that were answered, and how often: `{ 0: 12, 201: 988 }`. */
export function tally(answers: Iterable<Answer>): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
