// A type of users with an extension of the tests' own, the badge.
import { parseExtensionSchema } from '../../server/scim/schemas/extension.ts'
import { userResourceType } from '../../server/scim/schemas/index.ts'
import { withExtensions } from '../../server/scim/schemas/resource-type.ts'

export const BADGE = 'urn:example:badge:User'

/** An attribute of several values, whose own parts are of both kinds. */
export const PINS = {
  name: 'pins',
  type: 'complex',
  multiValued: true,
  subAttributes: [
    { name: 'value', mutability: 'immutable' },
    { name: 'colors', multiValued: true }
  ]
}

interface BadgeOptions {
  id?: string
  /** Whether no user is without one. */
  required?: boolean
}

/** @param attributes what a badge has */
export const userWithBadge = (attributes: readonly object[], { id = BADGE, required = false }: BadgeOptions = {}) =>
  withExtensions(userResourceType, [{ schema: parseExtensionSchema({ id, name: 'Badge', attributes }), required }])
