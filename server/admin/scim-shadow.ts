// scimShadow.*: what a connection in shadow mode would do, and applying or discarding it. The rules are in
// server/provisioning/shadow.
import { z } from 'zod'
import { PREFERENCES } from '../../db/schema.ts'
import { countOpenConflicts } from '../../db/scim-conflicts.ts'
import { moveLinks } from '../invitations/moved.ts'
import { welcomeMail } from '../invitations/welcome.ts'
import { goLive, listShadowGroups, listShadowUsers, previewShadow } from '../provisioning/shadow/go-live.ts'
import { EFFECTS, type ShadowItem } from '../provisioning/shadow/run.ts'
import {
  decideInShadow,
  discardShadow,
  getShadow,
  openShadow,
  refreshShadow,
  shadowIdOf
} from '../provisioning/shadow/shadow.ts'
import { CONFLICT_DETAILS } from './history.ts'
import { listOutput, pageById, pageInput } from './paging.ts'
import { administratorProcedure, router } from './trpc.ts'

const count = z.number().int().min(0)
const effects = z.strictObject({ create: count, link: count, change: count, deactivate: count, remove: count })

/** What going live amounts to. */
const countsShape = z.strictObject({
  users: effects,
  groups: effects,
  /** `refused`: those whose user or group does not exist, or whose groups would contain each other. */
  memberships: z.strictObject({ added: count, removed: count, refused: count }),
  /** Users and groups of which something, or everything, stays as it is. */
  conflicts: count
})

const itemOutput = z.object({
  kind: z.enum(['user', 'group']),
  id: z.string(),
  name: z.string().nullable(),
  /** Null where nothing happens to it. */
  effect: z.enum(EFFECTS).nullable(),
  changes: z.array(z.object({ attribute: z.string(), from: z.unknown().optional(), to: z.unknown().optional() })),
  conflicts: z.array(
    z.object({
      attribute: z.string(),
      /** Stable and machine-readable: `changedSince`, `addressTaken`, … */
      reason: z.string(),
      /** In words. */
      detail: z.string(),
      /** The identity provider's value. */
      wanted: z.unknown().optional(),
      /** The value that stays. */
      current: z.unknown().optional()
    })
  ),
  /** Whether both sides have changed the same value, so that `decide` may choose one. */
  isContested: z.boolean(),
  /** What was decided for this item alone. */
  prefer: z.enum(PREFERENCES).nullable(),
  /** The first 20 groups that a user joins and leaves, or users who join and leave a group; the counts cover all. */
  memberships: z.array(z.object({ id: z.string(), name: z.string(), change: z.enum(['joined', 'left']) })),
  membershipCounts: z.object({ joined: count, left: count })
})

const connectionInput = z.strictObject({ connectionId: z.uuid() })
/** Whose value counts where both sides have changed one and `decide` has chosen none; by default the tenant's. */
const shownInput = connectionInput.extend({ prefer: z.enum(PREFERENCES).default('tenant') })
const shadowOutput = z.object({ shadow: z.object({ connectionId: z.string(), openedAt: z.iso.datetime() }) })

export const scimShadowRouter = router({
  /** From here on, the connection's tokens change a copy of people and groups. */
  open: administratorProcedure
    .input(connectionInput)
    .output(shadowOutput)
    .mutation(async ({ ctx: { deps, tenant, actor }, input: { connectionId } }) => {
      await openShadow(deps, tenant.id, actor, connectionId)
      const { opened_at } = await getShadow(deps, tenant.id, connectionId)
      return { shadow: { connectionId, openedAt: opened_at.toISOString() } }
    }),

  /** What going live would do just now; changes nothing. */
  summary: administratorProcedure
    .input(shownInput)
    .output(
      shadowOutput.extend({
        counts: countsShape,
        /** How many were refused in the shadow until somebody decides: scimConflicts.list has them. */
        refused: count
      })
    )
    .query(async ({ ctx: { deps, tenant, actor }, input: { connectionId, prefer } }) => {
      const shadow = await getShadow(deps, tenant.id, connectionId)
      const counts = await previewShadow(deps, tenant.id, actor, connectionId, prefer)
      const refused = await countOpenConflicts(deps.db, shadowIdOf(shadow))
      return { shadow: { connectionId, openedAt: shadow.opened_at.toISOString() }, counts, refused }
    }),

  /** People, or groups, one by one: what would happen to them, with before and after. */
  list: administratorProcedure
    .input(
      shownInput.extend({
        kind: z.enum(['user', 'group']).default('user'),
        /** Only items with this effect; `conflict`: contested ones, and those of which something stays as it is. */
        filter: z.enum([...EFFECTS, 'conflict']).optional(),
        ...pageInput
      })
    )
    .output(listOutput(itemOutput))
    .query(({ ctx: { deps, tenant, actor }, input: { kind, filter, cursor, limit: asked, ...shown } }) => {
      const listItems = kind === 'user' ? listShadowUsers : listShadowGroups
      return pageById(
        { cursor, limit: asked },
        {
          list: `scimShadow.${kind}`,
          read: (after, limit) => listItems(deps, tenant.id, actor, shown, { filter, after, limit }),
          toItem
        }
      )
    }),

  /** Chooses whose value counts for one user or group, where both sides have changed one; null: as for all others. */
  decide: administratorProcedure
    .input(
      connectionInput.extend({
        kind: z.enum(['user', 'group']),
        id: z.uuid(),
        prefer: z.enum(PREFERENCES).nullable()
      })
    )
    .output(z.object({}))
    .mutation(async ({ ctx: { deps, tenant, actor }, input }) => {
      await decideInShadow(deps, tenant.id, actor, input)
      return {}
    }),

  /**
   * Applies the shadow in one transaction; the connection's tokens change the tenant from then on.
   * `expected`: the counts that were looked at; where they differ by now, it answers `shadowChanged` and does nothing.
   */
  goLive: administratorProcedure
    .input(shownInput.extend({ expected: countsShape.optional() }))
    .output(z.object({ counts: countsShape }))
    .mutation(async ({ ctx: { deps, tenant, actor }, input: { connectionId, expected, prefer } }) => {
      const by = { deps, tenant, now: deps.now() }
      const counts = await goLive(deps, tenant.id, actor, {
        connectionId,
        expected,
        prefer,
        follow: {
          addressMoved: (trx, moved) => moveLinks(trx, { ...by, actor }, moved),
          made: welcomeMail(by)
        }
      })
      return { counts }
    }),

  /** Copies who came, went or changed in the tenant into the shadow, except people whom the provider has changed. */
  refresh: administratorProcedure
    .input(connectionInput)
    .output(z.object({ users: count }))
    .mutation(async ({ ctx: { deps, tenant, actor }, input: { connectionId } }) => ({
      users: await refreshShadow(deps, tenant.id, actor, connectionId)
    })),

  /** Forgets what was done in the shadow, and ends the connection's tokens. */
  discard: administratorProcedure
    .input(connectionInput)
    .output(z.object({}))
    .mutation(async ({ ctx: { deps, tenant, actor }, input: { connectionId } }) => {
      await discardShadow(deps, tenant.id, actor, connectionId)
      return {}
    })
})

const toItem = ({ changes, conflicts, memberships, ...item }: ShadowItem): z.infer<typeof itemOutput> => ({
  ...item,
  memberships: [...memberships],
  changes: [...changes],
  conflicts: conflicts.map(({ attribute, reason, wanted, current }) => ({
    attribute,
    reason,
    detail: CONFLICT_DETAILS[reason],
    ...(wanted !== undefined && { wanted }),
    ...(current !== undefined && { current })
  }))
})
