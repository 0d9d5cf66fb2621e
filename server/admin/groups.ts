// groups.*: the groups of a tenant and who is in them. Everybody sees them; the rules are in
// server/provisioning/groups.ts.
import { z } from 'zod'
import { encodeCursor } from '../../db/cursor.ts'
import { findGroupView, type GroupView } from '../../db/groups.ts'
import { countGroups, GROUP_SORT_KEYS, listGroups, listMembers, listNeighbours } from '../../db/groups-list.ts'
import { notFound } from '../errors.ts'
import { GROUP_SCHEMA, MAX_GROUP_TEXT_LENGTH } from '../provisioning/group-document.ts'
import type { MemberChange } from '../provisioning/group-members.ts'
import { releaseGroup } from '../provisioning/group-release.ts'
import { changeGroup, createGroup, type GroupWork, removeGroup } from '../provisioning/groups.ts'
import {
  DEFAULT_LIMIT,
  idKeys,
  listInput,
  listOutput,
  orderOf,
  pageInput,
  pageOf,
  readCursor,
  searchInput,
  sortKeys,
  textKey
} from './paging.ts'
import { type AuthorityOutput, authorityShape, lineInput, toAuthority, toUserOutput, userOutput } from './shapes.ts'
import { type MemberContext, memberProcedure, router } from './trpc.ts'

const time = z.iso.datetime()

/** A group as every procedure shows it; times in ISO 8601, UTC. */
const groupOutput = z.object({
  id: z.string(),
  displayName: z.string(),
  /** Counts users and groups that are direct members. */
  memberCount: z.number().int(),
  externalId: z.string().nullable(),
  source: z.enum(['manual', 'scim']),
  /** For `scim`: the connection's name. */
  sourceName: z.string().nullable(),
  /** Who owns its name and its existence; each membership has an owner of its own. */
  authority: authorityShape,
  createdAt: time,
  /** When its attributes or its members last changed. */
  updatedAt: time
})

const toGroupOutput = (row: GroupView): z.infer<typeof groupOutput> => ({
  id: row.id,
  displayName: row.display_name,
  memberCount: row.member_count,
  externalId: row.external_id,
  source: row.connection_id ? 'scim' : 'manual',
  sourceName: row.source_name,
  authority: authorityOf(row),
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString()
})

function authorityOf({ connection_id, source_name, kept_by, kept_name }: GroupView): AuthorityOutput {
  if (connection_id && source_name) return toAuthority({ id: connection_id, name: source_name, isRemoved: false })
  return toAuthority(kept_by && kept_name ? { id: kept_by, name: kept_name, isRemoved: true } : null)
}

const groupAnswer = z.object({ group: groupOutput })
/** Somebody in a group, and who owns the membership. */
const memberOutput = userOutput.extend({ membership: authorityShape })
const groupName = z.object({ id: z.string(), displayName: z.string() })
const displayName = lineInput(MAX_GROUP_TEXT_LENGTH, 1)
const groupId = z.uuid().toLowerCase()
const MAX_USERS = 10_000
const userIds = z.array(z.uuid().toLowerCase()).max(MAX_USERS)
const NEIGHBOURS = 200

const groupsListInput = listInput(
  { source: z.enum(['manual', 'scim']).optional(), userId: z.uuid().optional() },
  GROUP_SORT_KEYS
)
const membersInput = z.strictObject({ groupId, search: searchInput, ...pageInput })

export const groupsRouter = router({
  list: memberProcedure
    .input(groupsListInput)
    .output(listOutput(groupOutput))
    .query(({ ctx, input }) => listPage(ctx, input)),

  /** With the groups in it and the groups that it is in, up to 200 each, by name. */
  get: memberProcedure
    .input(z.strictObject({ groupId }))
    .output(z.object({ group: groupOutput, childGroups: z.array(groupName), parentGroups: z.array(groupName) }))
    .query(async ({ ctx, input }) => {
      const [{ group }, { children, parents }] = await Promise.all([
        answer(ctx, input.groupId),
        listNeighbours(ctx.deps.db, ctx.tenant.id, input.groupId, NEIGHBOURS)
      ])
      return { group, childGroups: children, parentGroups: parents }
    }),

  /**
   * The people in a group, in the order in which the users were created. A page of a search may hold fewer than
   * `limit`, even none, and still have a next one: in a large group one call looks at 20,000 members.
   */
  members: memberProcedure
    .input(membersInput)
    .output(listOutput(memberOutput))
    .query(({ ctx, input }) => membersPage(ctx, input)),

  create: memberProcedure
    .input(z.strictObject({ displayName, members: userIds.optional() }))
    .output(groupAnswer)
    .mutation(async ({ ctx, input }) => {
      const document = { schemas: [GROUP_SCHEMA], displayName: input.displayName }
      return answer(ctx, await createGroup(workOf(ctx), document, usersOf(input.members ?? [])))
    }),

  update: memberProcedure
    .input(z.strictObject({ groupId, displayName }))
    .output(groupAnswer)
    .mutation(async ({ ctx, input }) => {
      await changeGroup(workOf(ctx), input.groupId, {
        document: (before) => ({ ...before, displayName: input.displayName })
      })
      return answer(ctx, input.groupId)
    }),

  remove: memberProcedure
    .input(z.strictObject({ groupId }))
    .output(z.object({ groupId: z.string() }))
    .mutation(async ({ ctx, input }) => {
      await removeGroup(workOf(ctx), input.groupId)
      return { groupId: input.groupId }
    }),

  /** Gives a group that a connection manages to the tenant, with the memberships that the connection owns. */
  release: memberProcedure
    .input(z.strictObject({ groupId }))
    .output(groupAnswer)
    .mutation(async ({ ctx, input }) => {
      await releaseGroup(workOf(ctx), input.groupId)
      return answer(ctx, input.groupId)
    }),

  addMembers: membersProcedure((ids) => ({ kind: 'add', members: usersOf(ids) })),
  removeMembers: membersProcedure((ids) => ({ kind: 'remove', values: ids }))
})

function membersProcedure(changeOf: (ids: readonly string[]) => MemberChange) {
  return memberProcedure
    .input(z.strictObject({ groupId, userIds: userIds.min(1) }))
    .output(groupAnswer)
    .mutation(async ({ ctx, input }) => {
      await changeGroup(workOf(ctx), input.groupId, { members: [changeOf(input.userIds)] })
      return answer(ctx, input.groupId)
    })
}

const usersOf = (ids: readonly string[]) => ids.map((value) => ({ value, type: 'User' as const }))

const workOf = ({ deps, tenant, actor }: MemberContext): GroupWork => ({
  db: deps.db,
  tenantId: tenant.id,
  actor,
  now: deps.now(),
  groupRoles: tenant.settings.groupRoles ?? false,
  listener: deps.listener
})

async function answer({ deps, tenant }: MemberContext, id: string) {
  const group = await findGroupView(deps.db, tenant.id, id)
  if (!group) throw notFound('Group')
  return { group: toGroupOutput(group) }
}

const CURSOR_KEYS = {
  displayName: sortKeys(textKey),
  createdAt: sortKeys(z.string().regex(/^\d{1,18}$/))
}

function listPage({ deps, tenant }: MemberContext, input: z.infer<typeof groupsListInput>) {
  const { sort, isDescending, list } = orderOf('groups', input.sort, 'displayName')
  const wanted = { search: input.search, filter: input.filter ?? {} }
  return pageOf(input, {
    list,
    keys: CURSOR_KEYS[sort],
    read: (after, limit) => listGroups(deps.db, tenant.id, { ...wanted, sort, isDescending, after, limit }),
    keysOf: ({ sort_value, id }) => [sort_value, id],
    count: () => countGroups(deps.db, tenant.id, wanted),
    toItem: toGroupOutput
  })
}

async function membersPage({ deps, tenant }: MemberContext, input: z.infer<typeof membersInput>) {
  const list = `members of ${input.groupId}`
  const [after] = readCursor(list, idKeys, input.cursor) ?? []
  const [group, { members, nextAfter }] = await Promise.all([
    findGroupView(deps.db, tenant.id, input.groupId),
    listMembers(deps.db, tenant.id, {
      groupId: input.groupId,
      search: input.search,
      after,
      limit: input.limit ?? DEFAULT_LIMIT
    })
  ])
  if (!group) throw notFound('Group')
  const items = members.map((row) => ({ ...toUserOutput(row), membership: toAuthority(row.membership) }))
  return { items, nextCursor: nextAfter ? encodeCursor(list, [nextAfter]) : null }
}
