// users.*: who is in the tenant, and what administrators do with them. The rules are in server/provisioning/users.ts.
import { z } from 'zod'
import { listAuditEvents } from '../../db/audit-log.ts'
import { listRolesOf } from '../../db/group-roles.ts'
import { MAIL_STATES, MAIL_TEMPLATES, USER_STATES } from '../../db/schema.ts'
import { estimateSearch } from '../../db/search-plan.ts'
import { findUserDetails, type UserDetails } from '../../db/user-details.ts'
import { findUserView, type UserView } from '../../db/users.ts'
import {
  countUsers,
  listUsers,
  USER_SORT_KEYS,
  type UserFilter,
  type UserSortKey,
  wordsOf
} from '../../db/users-list.ts'
import { resetSecondFactor } from '../auth/second-factor.ts'
import { notFound } from '../errors.ts'
import { type Actor, requireAdministrator, roleRank } from '../provisioning/actor.ts'
import { ownRoleOf } from '../provisioning/group-roles.ts'
import { askForIndex } from '../provisioning/search-index.ts'
import {
  activateUser,
  deactivateUser,
  lockUser,
  releaseUser,
  removeUser,
  setUserRole,
  unlockUser,
  updateUserProfile
} from '../provisioning/users.ts'
import { auditEventOutput, toAuditEvent } from './audit-shapes.ts'
import { listInput, listOutput, orderOf, pageById, pageInput, pageOf, sortKeys, textKey } from './paging.ts'
import { atOnce, authorityShape, profileInput, roleShape, toUserOutput, userIdInput, userOutput } from './shapes.ts'
import { administratorProcedure, type MemberContext, memberProcedure, router } from './trpc.ts'
import { authorityOf, withAuthority } from './user-authority.ts'

const userAnswer = z.object({ user: userOutput })

const time = z.iso.datetime()
const detailsOutput = z.object({
  user: userOutput,
  /** Direct memberships, up to 200, by name, with who owns each; `groupCount` counts all. */
  groups: z.array(z.object({ id: z.string(), displayName: z.string(), authority: authorityShape })),
  groupCount: z.number().int(),
  /**
   * Who owns each attribute, by its name in `user` (`role`, `displayName`, …), or by its SCIM path where it has none
   * there (`title`). An administrator may change `state` whoever owns it.
   */
  authority: z.record(z.string(), authorityShape),
  /** Why the role is what it is; null in a tenant whose groups give no roles. */
  roleSource: z
    .object({
      /** Their role without their groups. */
      ownRole: roleShape,
      /** The groups that they are in, directly or not, and the role that each gives them, the highest first. */
      groups: z.array(z.object({ id: z.string(), displayName: z.string(), role: roleShape }))
    })
    .nullable(),
  /** Shown to oneself, managers and administrators; null for others. */
  access: z
    .object({
      hasPassword: z.boolean(),
      hasGoogle: z.boolean(),
      hasSecondFactor: z.boolean(),
      sessionCount: z.number().int(),
      apiTokenCount: z.number().int()
    })
    .nullable(),
  /** The newest invitation; shown to the same people as `access`. */
  invitation: z
    .object({
      id: z.string(),
      state: z.enum(['pending', 'expired', 'accepted', 'revoked', 'adopted']),
      role: roleShape,
      inviterName: z.string(),
      createdAt: time,
      /** When the newest link was made. */
      renewedAt: time,
      expiresAt: time,
      endedAt: time.nullable()
    })
    .nullable(),
  /** The newest mail to the person; shown to the same people as `access`. */
  mail: z
    .object({
      template: z.enum(MAIL_TEMPLATES),
      state: z.enum(MAIL_STATES),
      attempts: z.number().int(),
      queuedAt: time,
      sentAt: time.nullable(),
      error: z.string().nullable()
    })
    .nullable()
})

const usersListInput = listInput(
  {
    role: roleShape.optional(),
    state: z.enum(USER_STATES).optional(),
    locked: z.boolean().optional(),
    source: z.enum(['invitation', 'scim']).optional(),
    groupId: z.uuid().optional()
  },
  USER_SORT_KEYS
)

export const usersRouter = router({
  /** Every member sees everybody; administrators can list removed people, by asking for that state. */
  list: memberProcedure
    .input(usersListInput)
    .output(listOutput(userOutput))
    .query(({ ctx, input }) => listPage(ctx, input)),

  get: memberProcedure
    .input(atOnce(userIdInput))
    .output(atOnce(detailsOutput))
    .query(({ ctx, input }) => getDetails(ctx, input.userId)),

  /** What happened to a user and to their invitations, newest first. */
  history: administratorProcedure
    .input(userIdInput.extend(pageInput))
    .output(listOutput(auditEventOutput))
    .query(async ({ ctx, input }) => {
      const { deps, tenant } = ctx
      const [user, page] = await Promise.all([
        findUserView(deps.db, tenant.id, input.userId),
        pageById(input, {
          list: 'users.history',
          read: (after, limit) => listAuditEvents(deps.db, tenant.id, { aboutUserId: input.userId, after, limit }),
          toItem: toAuditEvent
        })
      ])
      if (!user) throw notFound(`User ${input.userId}`)
      return page
    }),

  update: memberProcedure
    .input(z.strictObject({ userId: z.uuid(), ...profileInput }))
    .output(userAnswer)
    .mutation(async ({ ctx, input: { userId, ...profile } }) =>
      answer(await updateUserProfile(ctx.deps, ctx.tenant.id, ctx.actor, userId, profile))
    ),

  setRole: memberProcedure
    .input(z.strictObject({ userId: z.uuid(), role: roleShape }))
    .output(userAnswer)
    .mutation(async ({ ctx, input }) =>
      answer(await setUserRole(ctx.deps, ctx.tenant.id, ctx.actor, input.userId, input.role))
    ),

  deactivate: stepProcedure(deactivateUser),
  activate: stepProcedure(activateUser),
  lock: stepProcedure(lockUser),
  unlock: stepProcedure(unlockUser),
  /** Makes somebody whom a connection manages an ordinary member, until it sends them again. */
  release: stepProcedure(releaseUser),
  /** For somebody who has lost their device and their codes. */
  resetSecondFactor: stepProcedure(resetSecondFactor),
  remove: stepProcedure(removeUser)
})

function stepProcedure(step: (...args: Parameters<typeof resetSecondFactor>) => Promise<UserView>) {
  return memberProcedure
    .input(userIdInput)
    .output(userAnswer)
    .mutation(async ({ ctx, input }) => answer(await step(ctx.deps, ctx.tenant.id, ctx.actor, input.userId)))
}

const answer = (user: UserView) => ({ user: toUserOutput(user) })

/** What a cursor of each order holds: the sort value as PostgreSQL writes it, and the id. */
const CURSOR_KEYS = {
  displayName: sortKeys(textKey),
  email: sortKeys(textKey.nullable()),
  role: sortKeys(z.string().regex(/^\d$/)),
  state: sortKeys(z.string().regex(/^\d$/)),
  createdAt: sortKeys(z.string().regex(/^\d{1,18}$/)),
  lastSignInAt: sortKeys(
    z
      .string()
      .regex(/^\d{1,12}(\.\d{1,6})?$/)
      .nullable()
  )
} satisfies Record<UserSortKey, z.ZodType>

async function listPage({ deps, tenant, actor }: MemberContext, input: z.infer<typeof usersListInput>) {
  const filter: UserFilter = input.filter ?? {}
  if (filter.state === 'removed') requireAdministrator(actor, 'list removed users')
  const { sort, isDescending, list } = orderOf('users', input.sort, 'displayName')
  const words = wordsOf(input.search)
  const estimate = words.length > 0 ? await estimateSearch(deps.db, tenant.id, words) : undefined
  if (estimate?.isBehind) await askForIndex(deps, tenant.id)
  const wanted = { search: input.search, filter, estimate }
  return pageOf(input, {
    list,
    keys: CURSOR_KEYS[sort],
    read: (after, limit) => listUsers(deps.db, tenant.id, { ...wanted, sort, isDescending, after, limit }),
    keysOf: ({ sortValue, user }) => [sortValue, user.id],
    count: () => countUsers(deps.db, tenant.id, wanted),
    toItem: ({ user }) => user
  })
}

async function getDetails({ deps, tenant, actor }: MemberContext, userId: string) {
  const now = deps.now()
  const [details, given] = await Promise.all([
    findUserDetails(deps.db, tenant.id, userId.toLowerCase(), now),
    tenant.settings.groupRoles ? listRolesOf(deps.db, tenant.id, userId) : undefined
  ])
  if (!details || (details.user.state === 'removed' && actor.role !== 'administrator')) throw notFound(`User ${userId}`)
  return {
    user: details.user,
    groups: withAuthority(details),
    authority: authorityOf(details),
    groupCount: details.group_count,
    roleSource: given
      ? {
          ownRole: ownRoleOf({ role: details.user.role, given_role: details.given_role }),
          groups: given.map((one) => ({ id: one.group_id, displayName: one.group_name, role: one.role }))
        }
      : null,
    ...(maySeeAccess(actor, userId) ? accessOf(details, now) : { access: null, invitation: null, mail: null })
  }
}

const maySeeAccess = (actor: Actor, userId: string) =>
  actor.id === userId || roleRank(actor.role) >= roleRank('manager')

function accessOf(details: UserDetails, now: Date) {
  const { invitation, mail } = details
  return {
    access: {
      hasPassword: details.has_password,
      hasGoogle: details.has_google,
      hasSecondFactor: details.has_second_factor,
      sessionCount: details.session_count,
      apiTokenCount: details.api_token_count
    },
    invitation: invitation && {
      ...invitation,
      state: isExpired(invitation, now) ? ('expired' as const) : invitation.state,
      createdAt: iso(invitation.createdAt),
      renewedAt: iso(invitation.renewedAt),
      expiresAt: iso(invitation.expiresAt),
      endedAt: invitation.endedAt && iso(invitation.endedAt)
    },
    mail: mail && { ...mail, queuedAt: iso(mail.queuedAt), sentAt: mail.sentAt && iso(mail.sentAt) }
  }
}

const isExpired = (invitation: { state: string; expiresAt: string }, now: Date) =>
  invitation.state === 'pending' && new Date(invitation.expiresAt) <= now

const iso = (text: string) => new Date(text).toISOString()
