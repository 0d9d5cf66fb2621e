// The index that users are searched by.
import type { Generated } from 'kysely'

/** A user whose names are not in the index of the search yet. */
export interface SearchPendingTable {
  tenant_id: number
  place: Generated<string>
  user_id: string
}

/** Users that were put into the index of the search together. */
export interface SearchSegmentsTable {
  tenant_id: number
  segment: string
  users: number
  /** bigint[], as text. */
  ordinals: string[]
  /** The sweep that made it of users who follow one another by name; null where they were indexed as they came. */
  sweep: string | null
  /** They are behind this user, */
  from_name: string | null
  from_id: string | null
  /** up to and with this one. */
  until_name: string | null
  until_id: string | null
  /** `shown_name_key` of each, in order. */
  names: string[] | null
}

/** The users of a segment in whose names or addresses three characters stand. */
export interface SearchPostingsTable {
  tenant_id: number
  gram: string
  segment: string
  users: number
  /** bigint[], as text. */
  ordinals: string[]
  /** For each of them, the first 16 bytes of the name that is shown. */
  ranks: string[]
  /** For each of them, its place among those of the segment by name, from 1; null where that is no slice. */
  slots: number[] | null
}
