// Sends requests while something breaks, and keeps the answers: an answer is a promise that must be kept.
import { setTimeout } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { createWaiting } from '../support/waiting.ts'
import type { Tenant } from './stage.ts'

/** How a request ended: with a status, or 0 if there was no answer. */
export interface Answer {
  readonly status: number
  /** The id of the resource, if one was made. */
  readonly id: string | undefined
  readonly retryAfter: string | undefined
  /** When it ended: milliseconds since the process began (performance.now). */
  readonly at: number
}

export interface Traffic {
  /** Answers by userName, in the order of their arrival. */
  readonly answers: Map<string, Answer>
  /** How many requests have been sent and not answered. */
  underWay(): number
  /** Resolves when `count` creates have been answered 201, or all have ended. */
  acknowledged(count: number): Promise<void>
  readonly done: Promise<void>
}

/** A dispatcher with any number of connections; its user destroys it. */
export const openAgent = () => new Agent({ connections: null, keepAliveTimeout: 10_000, headersTimeout: 60_000 })

/** Sends one SCIM request to the server on `port`. Status 0 means that the connection broke. */
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
 * Creates users, all at the same time.
 * @param portOf gives the server for each user, by index
 * @param turn gives what each user waits for before it is sent, by index
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
  const waiting = createWaiting()
  const done = Promise.all(
    userNames.map(async (userName, index) => {
      await turn(index)
      sent++
      const answer = await scim(agent, portOf(index), tenant, 'POST', '/Users', userOf(userName))
      answers.set(userName, answer)
      if (answer.status === 201) made++
      waiting.look()
    })
  ).then(() => {})
  return {
    answers,
    underWay: () => sent - answers.size,
    done,
    async acknowledged(count) {
      await Promise.race([waiting.until(() => (made < count ? undefined : made)), done])
    }
  }
}

/**
 * Does what an IdP does with users whose creation was not acknowledged: tries again until each is there.
 * @returns those that had been made without an answer (409)
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

/** Asks again until the answer is the wanted one. */
export async function persist<T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (isWanted(answer)) return answer
    await setTimeout(50)
  }
}

/** How many milliseconds it takes from now until `ask` succeeds. */
async function timeUntil(ask: () => Promise<boolean>): Promise<number> {
  const began = performance.now()
  while (!(await ask().catch(() => false))) await setTimeout(20)
  return performance.now() - began
}

/** How many milliseconds it takes from now until a read is answered and a user is made. */
export function timeUntilServing(agent: Agent, port: number, tenant: Tenant): Promise<number> {
  let tries = 0
  return timeUntil(async () => {
    const { status } = await scim(agent, port, tenant, 'GET', '/Users?count=1')
    if (status !== 200) return false
    const made = await scim(agent, port, tenant, 'POST', '/Users', userOf(namesOf(tenant, 1, `try${tries++}x`)[0]!))
    return made.status === 201
  })
}

/** How often each status was answered: `{ 0: 12, 201: 988 }`. */
export function tally(answers: Iterable<Answer>): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
