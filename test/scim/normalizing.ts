// A type of users for tests of normalizing, with attributes of every kind, and short ways to write resources of it.
import type { ScimProfile } from '../../db/schema.ts'
import { normalizeResource } from '../../server/scim/normalize.ts'
import { Leniency } from '../../server/scim/profiles.ts'
import type { ResourceType } from '../../server/scim/schemas/types.ts'
import { USER_URN } from '../../server/scim/schemas/user.ts'
import { BADGE, userWithBadge } from './badge.ts'

export const userType = userWithBadge([
  { name: 'number', type: 'integer' },
  { name: 'weight', type: 'decimal' },
  { name: 'issued', type: 'dateTime' },
  { name: 'serial', mutability: 'immutable' },
  { name: 'codes', multiValued: true, caseExact: true },
  { name: 'constructor' },
  {
    name: 'size',
    type: 'complex',
    subAttributes: [
      { name: 'width', type: 'integer', required: true },
      { name: 'unit', mutability: 'immutable' }
    ]
  }
])

export type Json = Record<string, unknown>
export const ada = (rest: Json = {}): Json => ({ schemas: [USER_URN], userName: 'ada', ...rest })
export const extended = (badgeValues: Json): Json => ada({ schemas: [USER_URN, BADGE], [BADGE]: badgeValues })

/** Normalizes a resource. @returns the leniences that it needed, too */
export function normalize(body: unknown, profile: ScimProfile = 'auto', resourceType: ResourceType = userType) {
  const leniency = new Leniency(profile)
  const { resource, password } = normalizeResource(body, resourceType, leniency)
  return { resource, password, applied: leniency.applied.map(({ lenience }) => lenience).sort() }
}
