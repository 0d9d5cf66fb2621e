// The four roles in words, lowest first. The service decides what a role may do; this only names them.
import type { Outputs } from './api.ts'

export type Role = Outputs['users']['get']['user']['role']

export const ROLES = ['stakeholder', 'responder', 'manager', 'administrator'] as const satisfies Role[]

export const ROLE_LABELS: Record<Role, string> = {
  stakeholder: 'Stakeholder',
  responder: 'Responder',
  manager: 'Manager',
  administrator: 'Administrator'
}

export const ROLE_DESCRIPTIONS: Record<Role, string> = {
  stakeholder: 'Follows along. May invite stakeholders.',
  responder: 'Takes part. May invite stakeholders and responders.',
  manager: 'Leads a team. May invite up to managers.',
  administrator: 'Changes roles, ends access, connects identity providers.'
}

/** For a select: `[{ value: 'responder', label: 'Responder' }, …]` in the order given. */
export const roleOptions = (roles: readonly Role[]) => roles.map((value) => ({ value, label: ROLE_LABELS[value] }))

/** The roles that somebody may give, with the default first. */
export const offeredRoles = (may: readonly Role[], first: Role): Role[] => [
  ...may.filter((role) => role === first),
  ...may.filter((role) => role !== first)
]

export const isAbove = (role: Role, other: Role): boolean => ROLES.indexOf(role) > ROLES.indexOf(other)

export const isRole = (text: string | undefined): text is Role => ROLES.includes(text as Role)
