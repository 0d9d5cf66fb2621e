// The resource types that every tenant starts with.
import { enterpriseUserSchema } from './enterprise-user.ts'
import { groupSchema } from './group.ts'
import { buildResourceType } from './resource-type.ts'
import type { ResourceType } from './types.ts'
import { userSchema } from './user.ts'

export const userResourceType: ResourceType = buildResourceType({
  name: 'User',
  endpoint: '/Users',
  description: 'User Account',
  schema: userSchema,
  extensions: [{ schema: enterpriseUserSchema, required: false }]
})

export const groupResourceType: ResourceType = buildResourceType({
  name: 'Group',
  endpoint: '/Groups',
  description: 'Group',
  schema: groupSchema,
  extensions: []
})
