// Computes in another way what the search index must hold.
import { sql } from 'kysely'
import type { Db } from '../../db/connect.ts'

/** Users of a tenant whom a search might miss: a part of their names is not in the index, and nobody has noted them. */
export async function findUnsearchable(owner: Db, tenantId: number): Promise<string[]> {
  const { rows: users } = await sql<{ id: string; ordinal: string; texts: (string | null)[] }>`
    select id, ordinal, array[shown_name_key, email_key, user_name_key, family_name_key, lower(given_name)] as texts
    from users where tenant_id = ${tenantId}
      and id not in (select user_id from search_pending where tenant_id = ${tenantId})`.execute(owner)
  const { rows: postings } = await sql<{ gram: string; ordinals: string[] }>`
    select gram, ordinals::text[] from search_postings where tenant_id = ${tenantId}`.execute(owner)
  const indexed = new Set(postings.flatMap(({ gram, ordinals }) => ordinals.map((ordinal) => `${ordinal} ${gram}`)))
  const missing = users.filter(({ ordinal, texts }) =>
    texts.flatMap((text) => gramsOf(text ?? '')).some((gram) => !indexed.has(`${ordinal} ${gram}`))
  )
  return missing.map(({ id }) => id)
}

const gramsOf = (text: string): string[] =>
  text
    .split(' ')
    .flatMap((word) => [...word].map((_, place, characters) => characters.slice(place, place + 3).join('')))
