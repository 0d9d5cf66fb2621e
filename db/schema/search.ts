// The search index of users.
import type { Generated } from 'kysely'

/** A user whose present names are not in the search index yet. */
export interface SearchPendingTable {
  tenant_id: number
  place: Generated<string>
  user_id: string
}

/** Users that were put into the search index together. */
export interface SearchSegmentsTable {
  tenant_id: number
  segment: string
  users: number
  /** bigint[], as text. */
  ordinals: string[]
  /** The sweep that made it, of users who are consecutive by name; null if they were indexed as they came. */
  sweep: string | null
  /** A slice holds the users after this one by name, */
  from_name: string | null
  from_id: string | null
  /** up to and including this one. */
  until_name: string | null
  until_id: string | null
  /** `shown_name_key` of each, in order. */
  names: string[] | null
}

/** The users of a segment whose names or addresses contain a gram: up to three characters. */
export interface SearchPostingsTable {
  tenant_id: number
  gram: string
  segment: string
  users: number
  /** bigint[], as text. */
  ordinals: string[]
  /** For each of them, the first 16 bytes of the shown name. */
  ranks: string[]
  /** For each of them, its position by name within the segment, from 1; null if the segment is not a slice. */
  slots: number[] | null
}
