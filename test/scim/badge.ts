// An extension for tests, the badge, and a type of users with it.
import { parseExtensionSchema } from '../../server/scim/schemas/extension.ts'
import { userResourceType } from '../../server/scim/schemas/index.ts'
import { withExtensions } from '../../server/scim/schemas/resource-type.ts'

export const BADGE = 'urn:example:badge:User'

/** A multi-valued complex attribute with parts of both kinds. */
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
  /** Whether every user must have a badge. */
  required?: boolean
}

/** @param attributes the attributes of a badge */
export const userWithBadge = (attributes: readonly object[], { id = BADGE, required = false }: BadgeOptions = {}) =>
  withExtensions(userResourceType, [{ schema: parseExtensionSchema({ id, name: 'Badge', attributes }), required }])
