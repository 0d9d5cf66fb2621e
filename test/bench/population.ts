// The tenants and users in the bench's database. Everything follows from a tenant's number and a user's number, so that
// the driver knows ids, addresses and tokens without asking.
import { createHash } from 'node:crypto'
import { USER_SCHEMA, type UserDocument } from '../../server/provisioning/user-document.ts'

/** Tenants of one size, numbered from `firstTenant`; the number of a tenant is its id. Users are numbered from 0. */
export interface Population {
  /** Such as `100,000 users`. */
  readonly label: string
  readonly firstTenant: number
  readonly tenants: number
  /** Users of each tenant. */
  readonly users: number
}

// the first numbers belong to tenants that the server makes itself, such as the demo's
export const POPULATIONS = {
  '1000': { label: '1,000 users', firstTenant: 11, tenants: 1, users: 1_000 },
  '100000': { label: '100,000 users', firstTenant: 12, tenants: 1, users: 100_000 },
  '1000000': { label: '1,000,000 users', firstTenant: 13, tenants: 1, users: 1_000_000 },
  '10000x100': { label: '10,000 tenants of 100', firstTenant: 1_001, tenants: 10_000, users: 100 }
} as const satisfies Record<string, Population>
type PopulationName = keyof typeof POPULATIONS

/**
 * The population of a name. Other sizes are named by numbers: `1000x100` is a thousand tenants of a hundred users.
 * @throws Error if there is no such population
 */
export function populationNamed(name: string): Population {
  if (Object.hasOwn(POPULATIONS, name)) return POPULATIONS[name as PopulationName]
  const [, tenants, users] = /^([2-9]|[1-9]\d{1,3})x([1-9]\d{1,4})$/.exec(name) ?? []
  if (!users) throw new Error(`There is no size "${name}": ${Object.keys(POPULATIONS).join(', ')}`)
  // each number of tenants has its own range, so that several populations fit into one database
  const firstTenant = Number(tenants) * 100_000
  return { label: `${tenants} tenants of ${users}`, firstTenant, tenants: Number(tenants), users: Number(users) }
}

/** Users after the population's own numbers, for writes that delete or move users. */
export const SPARE_USERS = 10_000
/** The most members of a group. A larger tenant has several groups that together hold everybody. */
export const LARGE_GROUP = 100_000
export const TEAM_SIZE = 1_000
export const TEAMS = 20

export const subdomainOf = (tenant: number) => `t${tenant}`
const domainOf = (tenant: number) => `t${tenant}.example.com`

const sha256 = (text: string) => createHash('sha256').update(text).digest()
const secretOf = (what: string, tenant: number) => sha256(`bench ${what} ${tenant}`).toString('base64url')
export const scimTokenOf = (tenant: number) => `mst_scim_${secretOf('scim', tenant)}`
export const apiTokenOf = (tenant: number) => `mst_api_${secretOf('api', tenant)}`

/** 2026-01-01. Each user is made a millisecond after the one before. */
const EPOCH_MS = 1_767_225_600_000
export const createdAt = (user: number) => new Date(EPOCH_MS + user)

const timeOf = (user: number) => (EPOCH_MS + user).toString(16).padStart(12, '0')

/** Users with this number or a higher one have no lower id, except those that the server makes. */
export const lowestId = (user: number) => `${timeOf(user).slice(0, 8)}-${timeOf(user).slice(8)}-0000-0000-000000000000`

/** An id like the server's (UUID version 7), in the order of the numbers; the other bits are spread. */
export function userId(tenant: number, user: number): string {
  const time = timeOf(user)
  const a = mix(tenant, user, 1)
  const b = mix(tenant, user, 2)
  const c = mix(tenant, user, 3)
  const variant = (8 + (b >>> 30)).toString(16)
  const tail = `${hex(c, 8)}${hex(b, 4)}`
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(a, 3)}-${variant}${hex(a >>> 12, 3)}-${tail}`
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0').slice(-digits)

/** 32 bits that look random (the finalizer of MurmurHash3). */
function mix(tenant: number, user: number, salt: number): number {
  let h = Math.imul(tenant, 0x9e3779b1) ^ Math.imul(user, 0x85ebca6b) ^ Math.imul(salt, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

const GROUPS_FROM = 2_000_000
/** The groups of everybody come first, then the teams. */
export const largeGroupId = (tenant: number, group: number) => userId(tenant, GROUPS_FROM + group)
export const teamId = (tenant: number, team: number) => userId(tenant, GROUPS_FROM + 100 + team)
export const largeGroups = ({ users }: Population) => Math.ceil(users / LARGE_GROUP)

const GIVEN = ['Ada', 'Grace', 'Barbara', 'Radia', 'Katherine', 'Hedy', 'Annie', 'Mary', 'Frances', 'Evelyn', 'Joan']
const FAMILY = ['Lovelace', 'Hopper', 'Liskov', 'Perlman', 'Johnson', 'Lamarr', 'Easley', 'Jackson', 'Allen', 'Clarke']
const DEPARTMENTS = ['Engineering', 'Operations', 'Finance', 'Customer Care', 'Legal', 'Research']
const pick = <T>(values: readonly T[], n: number) => values[n % values.length]!

/**
 * Permutes the numbers below 10,000,000, so that users who are found together do not lie together. The factor has no
 * common divisor with powers of ten, so the first digits divide every population evenly.
 */
const spread = (users: number, user: number) => (user * 7_919) % users

const padded = (number: number) => String(number).padStart(7, '0')
/** The start of the addresses of ten users: `u0012340.` to `u0012349.` begin with `u001234`. */
export const addressPrefix = (ten: number) => `u${padded(ten * 10).slice(0, -1)}`
export const addressOf = (tenant: number, users: number, user: number) =>
  `u${padded(user < users ? spread(users, user) : user)}.${pick(GIVEN, user).toLowerCase()}@${domainOf(tenant)}`

export const givenNameOf = (user: number) => pick(GIVEN, user)

/** A family name that ten users of a population share. */
export const familyNameOf = (users: number, user: number) =>
  `${pick(FAMILY, user)}-${user < users ? user % (users / 10) : user}`

/**
 * A user with the enterprise extension as Entra and Okta send it, about 1.2 kB.
 * @param users of the tenant's population; higher numbers are spare users
 */
export function userDocument(tenant: number, users: number, user: number): UserDocument {
  const givenName = givenNameOf(user)
  const familyName = familyNameOf(users, user)
  const displayName = `${givenName} ${familyName}`
  const email = addressOf(tenant, users, user)
  const manager = userId(tenant, user - (user % 10))
  return {
    schemas: [USER_SCHEMA, ENTERPRISE],
    externalId: `00u${sha256(`${tenant} ${user}`).toString('hex').slice(0, 17)}`,
    userName: email,
    name: { formatted: displayName, familyName, givenName },
    displayName,
    title: `Senior ${pick(DEPARTMENTS, user)} Specialist`,
    userType: 'Employee',
    preferredLanguage: 'en-GB',
    locale: 'en-GB',
    timezone: 'Europe/London',
    emails: [
      { value: email, type: 'work', primary: true },
      { value: `home.${padded(user)}@mail.t${tenant}.example.net`, type: 'home' }
    ],
    phoneNumbers: [
      { value: `+44 20 7946 ${padded(user)}`, type: 'work' },
      { value: `+44 7700 ${padded(user)}`, type: 'mobile' }
    ],
    addresses: [
      {
        formatted: `${user % 400} Great Portland Street\nLondon W1W 5QD\nUnited Kingdom`,
        streetAddress: `${user % 400} Great Portland Street`,
        locality: 'London',
        postalCode: 'W1W 5QD',
        country: 'GB',
        type: 'work',
        primary: true
      }
    ],
    roles: [{ value: 'responder', primary: true }],
    [ENTERPRISE]: {
      employeeNumber: padded(user),
      costCenter: `CC-${user % 97}`,
      organization: 'Example Industries',
      division: 'EMEA',
      department: pick(DEPARTMENTS, user),
      manager: { value: manager, $ref: `../Users/${manager}`, displayName: 'Margaret Hamilton' }
    }
  }
}

export const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
