// What must be true of the database after any fault, whatever was answered: nothing is half done.
import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { type Db, isCitus } from '../../db/connect.ts'
import { emailKeys, type UserDocument } from '../../server/provisioning/user-document.ts'
import { findMisplaced } from '../support/family-names.ts'

/** Queries that find contradicting rows, over all tenants. */
const CONTRADICTIONS: Record<string, string> = {
  'a login address that nobody holds': `
    select u.id from users u
    where u.state <> 'removed' and u.email_key is not null and not exists (
      select from addresses a where a.address_key = u.email_key and a.tenant_id = u.tenant_id and a.user_id = u.id)`,
  'an address of nobody, or of somebody who has another one': `
    select a.address_key from addresses a where not exists (
      select from users u where u.tenant_id = a.tenant_id and u.id = a.user_id and u.email_key = a.address_key
        and u.state <> 'removed')`,
  'a count of users that is wrong': `
    select coalesce(c.tenant_id, u.tenant_id)
    from (select tenant_id, sum(total) as total from resource_counts where resource_type = 'User' group by 1) c
    full join (select tenant_id, count(*) as total from users where state <> 'removed' group by 1) u using (tenant_id)
    where coalesce(c.total, 0) <> coalesce(u.total, 0)`,
  'a count of members that is wrong': `
    select g.id from groups g
    where (select coalesce(sum(member_delta), 0) from group_revisions r where r.tenant_id = g.tenant_id and r.group_id = g.id)
      <> (select count(*) from group_members m where m.tenant_id = g.tenant_id and m.group_id = g.id)
       + (select count(*) from group_children c where c.tenant_id = g.tenant_id and c.group_id = g.id)`,
  'a user whom no event made, or two did': `
    select u.id from users u
    where (select count(*) from audit_events e
        where e.tenant_id = u.tenant_id and e.target_id = u.id and e.action = 'user.created')
      + (select least(count(*), 1) from invitations i where i.tenant_id = u.tenant_id and i.user_id = u.id) <> 1`,
  'an invitation that no event made, or two did': `
    select i.id from invitations i
    where (select count(*) from audit_events e
      where e.tenant_id = i.tenant_id and e.target_id = i.id and e.action = 'invitation.created') <> 1`,
  'an event of a user or an invitation that is not there': `
    select e.id from audit_events e
    where e.target_type in ('user', 'invitation') and e.target_id is not null
      and not exists (select from users u where u.tenant_id = e.tenant_id and u.id = e.target_id)
      and not exists (select from invitations i where i.tenant_id = e.tenant_id and i.id = e.target_id)`,
  'somebody invited without a pending invitation': `
    select u.id from users u
    where u.state = 'invited' and not exists (
      select from invitations i where i.tenant_id = u.tenant_id and i.user_id = u.id and i.state = 'pending')`,
  'a pending invitation without a link': `
    select i.id from invitations i
    where i.state = 'pending' and not exists (
      select from invitation_links l where l.tenant_id = i.tenant_id and l.invitation_id = i.id and l.replaced_at is null)`,
  'a pending invitation without a mail': `
    select i.id from invitations i
    where i.state = 'pending' and not exists (
      select from mails m where m.tenant_id = i.tenant_id and m.invitation_id = i.id and m.state <> 'cancelled')`,
  'a queued mail that nothing will send': `
    select m.id from mails m
    where m.state = 'queued' and (m.token_sealed is null or not exists (
      select from pgboss.job j where j.name in ('send-mail', 'give-up-mail') and j.data->>'mailId' = m.id::text
        and j.state in ('created', 'retry', 'active')))`,
  'a mail that has left and still keeps its link': `
    select m.id from mails m where m.state <> 'queued' and m.token_sealed is not null`,
  'a job for a mail that is not there': `
    select j.id from pgboss.job j
    where j.name = 'send-mail' and not exists (select from mails m where m.id::text = j.data->>'mailId')`
}

/** @throws AssertionError that names the contradiction */
export function holdInvariants(owner: Db): Promise<void> {
  if (!isCitus(owner)) return holdIn(owner)
  return owner.transaction().execute(async (trx) => {
    await copyTables(trx)
    await holdIn(trx)
  })
}

/**
 * Copies all tables to the coordinator under the same names, until the transaction ends, because Citus cannot plan
 * queries that compare rows of several nodes.
 */
async function copyTables(trx: Db): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select logicalrelid::regclass::text as name from pg_dist_partition where partmethod = 'h'`.execute(trx)
  for (const { name } of rows) {
    await sql.raw(`create temporary table ${name} on commit drop as select * from public.${name}`).execute(trx)
  }
}

async function holdIn(owner: Db): Promise<void> {
  for (const [what, query] of Object.entries(CONTRADICTIONS)) {
    const { rows } = await sql.raw(query).execute(owner)
    assert.deepEqual(rows.slice(0, 5), [], `${what}: ${rows.length}`)
  }
  await holdEmailKeys(owner)
  assert.deepEqual(await findMisplaced(owner), [], 'the list of family names is that of the users')
}

/** Compares the keys that filters find with the e-mail addresses in each user's document. */
async function holdEmailKeys(owner: Db): Promise<void> {
  const { rows } = await sql<{ doc: string; keys: string[] }>`
    select u.doc, array(select e.value_key from user_emails e
      where e.tenant_id = u.tenant_id and e.user_id = u.id order by 1) as keys
    from users u where u.state <> 'removed'`.execute(owner)
  for (const { doc, keys } of rows) {
    assert.deepEqual(keys, emailKeys(JSON.parse(doc) as UserDocument).sort(), 'e-mail keys are those of the document')
  }
}

/** The users of a tenant in the database: ids by userName. */
export async function storedUsers(owner: Db, tenantId: number): Promise<Map<string, string>> {
  const rows = await owner.selectFrom('users').select(['user_name', 'id']).where('tenant_id', '=', tenantId).execute()
  return new Map(rows.map(({ user_name, id }) => [user_name, id]))
}

/** Mails of a tenant by state: `{ sent: 12, queued: 3 }`. */
export async function mailStates(owner: Db, tenantId: number): Promise<Record<string, number>> {
  const { rows } = await sql<{ state: string; count: number }>`
    select state, count(*)::int as count from mails where tenant_id = ${tenantId} group by state`.execute(owner)
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
}

/** The Message-IDs of mails that the database knows to have left. */
export async function sentMessageIds(owner: Db, tenantId: number): Promise<Set<string>> {
  const rows = await owner
    .selectFrom('mails')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('state', '=', 'sent')
    .execute()
  return new Set(rows.map(({ id }) => `<${id}@muster.test>`))
}

/** Makes jobs retry at once, for tests that cannot wait as long as a mail can. */
export const hurryRetries = (owner: Db) =>
  sql`update pgboss.job set start_after = now() where state = 'retry' and start_after > now()`.execute(owner)

/** Makes it look long ago that killed workers were heard of. */
export const ageHeartbeats = (owner: Db) =>
  sql`update pgboss.job set heartbeat_on = heartbeat_on - interval '1 hour' where state = 'active'`.execute(owner)
