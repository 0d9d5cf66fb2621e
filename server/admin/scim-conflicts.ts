// scimConflicts.*: people whom identity providers send and who may be here already. The rules are in
// server/provisioning/arrival-conflicts.ts.
import { z } from 'zod'
import { CONFLICT_DECISIONS, CONFLICT_REASONS, USER_STATES } from '../../db/schema.ts'
import {
  CONFLICT_STATES,
  type ConflictPerson,
  countOpenConflicts,
  listConflicts,
  type ScimConflict
} from '../../db/scim-conflicts.ts'
import { findShadow } from '../../db/shadows.ts'
import {
  adoptionOf,
  apartOf,
  CONFLICT_WORDS,
  decideConflict,
  MATCHES,
  matchesOf,
  sentName
} from '../provisioning/arrival-conflicts.ts'
import { shownName } from '../provisioning/user-document.ts'
import { listOutput, pageById, pageInput } from './paging.ts'
import { isoOrNull, roleShape } from './shapes.ts'
import { administratorProcedure, router, type TenantContext } from './trpc.ts'

const time = z.iso.datetime()
const connectionShape = z.object({ id: z.string(), name: z.string() })
/** Whether a decision can be carried out as things are now, and what it would mean, or why not. */
const outcomeShape = z.object({ isPossible: z.boolean(), text: z.string() })

const conflictOutput = z.object({
  id: z.string(),
  connection: connectionShape.extend({ highestRole: roleShape }),
  reason: z.enum(CONFLICT_REASONS),
  /** The reason in words. */
  explanation: z.string(),
  /** The user whom the identity provider wants to create. */
  sent: z.object({
    name: z.string(),
    userName: z.string(),
    externalId: z.string().nullable(),
    displayName: z.string().nullable(),
    givenName: z.string().nullable(),
    familyName: z.string().nullable(),
    title: z.string().nullable(),
    emails: z.array(z.string()),
    role: roleShape.nullable(),
    active: z.boolean()
  }),
  /** Who is in the way now. */
  candidates: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      userName: z.string(),
      email: z.string().nullable(),
      givenName: z.string().nullable(),
      familyName: z.string().nullable(),
      externalId: z.string().nullable(),
      role: roleShape,
      state: z.enum(USER_STATES),
      locked: z.boolean(),
      /** Which connection manages them. */
      connection: connectionShape.nullable(),
      /** What they have in common with the user whom the provider sends. */
      matches: z.array(z.enum(MATCHES)),
      adopt: outcomeShape
    })
  ),
  apart: outcomeShape,
  firstTriedAt: time,
  lastTriedAt: time,
  tries: z.number().int(),
  /** Carried out with the connection's next try. */
  decision: z.enum(CONFLICT_DECISIONS).nullable(),
  /** For `adopt`. */
  adoptUserId: z.string().nullable(),
  decidedAt: time.nullable(),
  decidedBy: z.string().nullable()
})

const LIST = 'scimConflicts'

export const scimConflictsRouter = router({
  /** Newest first; without those that have resolved themselves. */
  list: administratorProcedure
    .input(
      z
        .strictObject({
          state: z.enum(CONFLICT_STATES).default('open'),
          /** For one in shadow mode: the people refused there. */
          connectionId: z.uuid().optional(),
          ...pageInput
        })
        .optional()
    )
    .output(listOutput(conflictOutput))
    .query(async ({ ctx, input: { state, connectionId, ...page } = { state: 'open' } }) => {
      const place = await placeOf(ctx, connectionId)
      return pageById(page, {
        list: LIST,
        read: (before, limit) => listConflicts(ctx.deps.db, place, { state, connectionId, before, limit }),
        toItem: toConflict
      })
    }),

  /** How many wait for a decision. */
  count: administratorProcedure
    .output(z.object({ open: z.number().int() }))
    .query(async ({ ctx }) => ({ open: await countOpenConflicts(ctx.deps.db, ctx.tenant.id) })),

  /** Decides what becomes of a person at the connection's next try; can be changed until then. */
  decide: administratorProcedure
    .input(
      z.strictObject({
        conflictId: z.uuid(),
        decision: z.enum(CONFLICT_DECISIONS),
        /** For `adopt`: one of the candidates. */
        userId: z.uuid().optional(),
        /** The conflict's connection, where that is in shadow mode. */
        connectionId: z.uuid().optional()
      })
    )
    .output(z.object({ conflict: conflictOutput }))
    .mutation(async ({ ctx, input: { connectionId, ...decision } }) => ({
      conflict: toConflict(await decideConflict(ctx.deps, await placeOf(ctx, connectionId), ctx.actor, decision))
    }))
})

/** The tenant or shadow where a connection's conflicts are recorded: in its shadow as long as it has one. */
async function placeOf({ deps, tenant }: TenantContext, connectionId: string | undefined): Promise<number> {
  const shadow = connectionId === undefined ? undefined : await findShadow(deps.db, tenant.id, connectionId)
  return shadow?.shadow_id ?? tenant.id
}

const toConflict = (row: ScimConflict): z.infer<typeof conflictOutput> => ({
  id: row.id,
  connection: { id: row.connection_id, name: row.connection_name, highestRole: row.highest_role },
  reason: row.reason,
  explanation: CONFLICT_WORDS[row.reason],
  sent: {
    name: sentName(row.sent),
    userName: row.sent.userName,
    externalId: row.sent.externalId ?? null,
    displayName: row.sent.displayName ?? null,
    givenName: row.sent.givenName ?? null,
    familyName: row.sent.familyName ?? null,
    title: row.sent.title ?? null,
    emails: row.sent.emails ?? [],
    role: row.sent.role ?? null,
    active: row.sent.active
  },
  candidates: row.people.map((person) => toCandidate(row, person)),
  apart: apartOf(row),
  firstTriedAt: row.first_at.toISOString(),
  lastTriedAt: row.last_at.toISOString(),
  tries: row.tries,
  decision: row.decision,
  adoptUserId: row.adopt_id,
  decidedAt: isoOrNull(row.decided_at),
  decidedBy: row.decided_by
})

const toCandidate = (row: ScimConflict, person: ConflictPerson) => ({
  id: person.id,
  name: shownName({
    display_name: person.displayName,
    given_name: person.givenName,
    family_name: person.familyName,
    email: person.email,
    user_name: person.userName
  }),
  userName: person.userName,
  email: person.email,
  givenName: person.givenName,
  familyName: person.familyName,
  externalId: person.externalId,
  role: person.role,
  state: person.state,
  locked: person.locked,
  connection: person.connectionId === null ? null : { id: person.connectionId, name: person.connectionName ?? '' },
  matches: matchesOf(row, person),
  adopt: adoptionOf(row, person.id)
})
