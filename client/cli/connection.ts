// Where the service is and who asks: MUSTER_URL and the operator's token.
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Client, createClient } from '../index.ts'

/** Invalid arguments or settings; exit status 2. */
export class UsageError extends Error {}

/** The command has already printed what it found; the status is for scripts. */
export class ExitStatus extends Error {
  readonly status: number

  constructor(status: number) {
    super(`exit status ${status}`)
    this.status = status
  }
}

export const ROLES = ['stakeholder', 'responder', 'manager', 'administrator'] as const
export const PROFILES = ['auto', 'strict', 'entra', 'okta', 'onelogin', 'jumpcloud', 'google']

function serviceUrl(): URL {
  const text = process.env.MUSTER_URL || 'http://localhost:3000'
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new UsageError(`MUSTER_URL must be an http or https URL, not "${text}"`)
  }
  return new URL(text)
}

function operatorToken(): string {
  const token = process.env.OPERATOR_TOKEN?.trim()
  if (token) return token
  const file = process.env.OPERATOR_TOKEN_FILE || join(process.env.DATA_DIR || '.data', 'operator-token')
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  throw new UsageError(`OPERATOR_TOKEN is not set, and there is no ${file} (is the service on this machine?)`)
}

/** A URL of the operator's API outside tRPC, with the headers that authenticate the request. */
export const operatorRequest = (path: string) => ({
  url: new URL(path, serviceUrl()).href,
  headers: { authorization: `Bearer ${operatorToken()}`, accept: 'application/json' }
})

/** A URL on a tenant's host outside tRPC, with the headers that authenticate the request. */
export const tenantRequest = (subdomain: string, path: string) => ({
  url: new URL(path, tenantUrl(subdomain)).href,
  headers: { authorization: `Bearer ${operatorToken()}`, accept: 'application/json' }
})

/** The operator's API, on the base domain. */
export const connectOperator = (): Client => createClient({ url: serviceUrl().origin, token: operatorToken() })

/** A tenant's API, with the operator's rights. */
export function connectTenant(subdomain: string): Client {
  return createClient({ url: tenantUrl(subdomain).origin, token: operatorToken() })
}

function tenantUrl(subdomain: string): URL {
  if (!/^[a-z0-9-]{1,63}$/i.test(subdomain)) throw new UsageError(`"${subdomain}" is not a tenant's subdomain`)
  const url = serviceUrl()
  // tenants are subdomains, which an IP address cannot have; a loopback address stands for localhost
  if (url.hostname === '127.0.0.1') url.hostname = 'localhost'
  if (isIP(url.hostname.replace(/^\[|\]$/g, ''))) {
    throw new UsageError(`MUSTER_URL must name the service's domain, not the address ${url.hostname}`)
  }
  url.hostname = `${subdomain}.${url.hostname}`
  return url
}

/** Adds `--tenant`, which every command on people and groups needs, and `--json` (also after the command). */
export const onTenant = (command: Command): Command =>
  withJson(command.requiredOption('-t, --tenant <subdomain>', "the tenant's subdomain"))

export const withJson = (command: Command): Command => command.option('--json', 'print one JSON value and nothing else')

export const roleOption = (flags: string, description: string) => new Option(flags, description).choices([...ROLES])

/** @throws InvalidArgumentError where the text is no whole number of at least 1 */
export function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('It must be a whole number from 1.')
  return count
}

/** @throws InvalidArgumentError where the text is no number of at least 0 */
export function parseHours(text: string): number {
  const hours = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(hours) || hours < 0) throw new InvalidArgumentError('It must be a number of hours.')
  return hours
}

/** @returns ISO 8601 @throws InvalidArgumentError */
export function parseTime(text: string): string {
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('It must be a date such as 2027-01-31.')
  return time.toISOString()
}
