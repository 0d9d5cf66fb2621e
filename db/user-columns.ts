// Columns of `users` that are written together.
import type { ColumnTypes } from './rows.ts'

/** The document of a user and the columns that follow from it. */
export const DOCUMENT_COLUMNS = {
  user_name: 'text',
  user_name_key: 'text',
  external_id: 'text',
  email: 'text',
  email_key: 'text',
  display_name: 'text',
  display_name_key: 'text',
  given_name: 'text',
  family_name: 'text',
  family_name_key: 'text',
  indexed_family_name: 'text',
  time_zone: 'text',
  locale: 'text',
  doc: 'json'
} as const satisfies ColumnTypes
