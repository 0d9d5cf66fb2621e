// The identity providers' conversations stored next to this file: exchanges/<vendor>/<name>.json.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Conversation } from './exchange.ts'

/** `other` stands for every vendor without a profile of its own. */
export const VENDORS = ['entra', 'google', 'jumpcloud', 'okta', 'onelogin', 'other'] as const
type Vendor = (typeof VENDORS)[number]

const FOLDER = join(import.meta.dirname, 'exchanges')

/** Reads one vendor's conversations, those about users first. */
export function readConversations(vendor: Vendor): Conversation[] {
  const files = globSync('*.json', { cwd: join(FOLDER, vendor) })
    .sort()
    .reverse()
  return files.map((file) => JSON.parse(readFileSync(join(FOLDER, vendor, file), 'utf8')) as Conversation)
}
