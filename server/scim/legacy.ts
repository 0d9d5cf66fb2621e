// Names that older clients still send, and their current forms.
import type { Leniency } from './profiles.ts'
import { ENTERPRISE_USER_URN } from './schemas/enterprise-user.ts'
import type { ResourceType } from './schemas/types.ts'

const LEGACY_CORE = /^urn:scim:schemas:core:[12]\.0(:user|:group)?(?=$|[:.])/i
const LEGACY_ENTERPRISE = /^urn:(ietf:params:)?scim:schemas:extension:enterprise:[12]\.0(:?user)?(?=$|[:.])/i
const MANAGER_ID = /(?<=^|:)manager\.managerId$/i

/**
 * Replaces a URN of SCIM 1.1, of a draft, or misspelt with today's, and `manager.managerId` with `manager.value`.
 * @param text a URN, or a path that may begin with one: `urn:scim:schemas:extension:enterprise:1.0:department`
 * @returns the text unchanged where nothing needs replacing, or the profile does not allow it
 */
export function modernize(text: string, resourceType: ResourceType, leniency: Leniency): string {
  const path = modernizeUrn(text, resourceType, leniency)
  return MANAGER_ID.test(path) && leniency.allow('managerId', text) ? path.replace(MANAGER_ID, 'manager.value') : path
}

function modernizeUrn(text: string, resourceType: ResourceType, leniency: Leniency): string {
  if (!/^urn:/i.test(text) || beginsWithKnownUrn(text, resourceType)) return text
  if (LEGACY_CORE.test(text) && leniency.allow('legacyUrns', text)) {
    return text.replace(LEGACY_CORE, resourceType.schema.id)
  }
  if (LEGACY_ENTERPRISE.test(text) && leniency.allow('legacyUrns', text)) {
    return text.replace(LEGACY_ENTERPRISE, ENTERPRISE_USER_URN)
  }
  return text
}

function beginsWithKnownUrn(text: string, resourceType: ResourceType): boolean {
  const lower = text.toLowerCase()
  return resourceType.lookups.some(({ urnLower }) => {
    const next = lower[urnLower.length]
    return lower.startsWith(urnLower) && (next === undefined || next === ':' || next === '.')
  })
}
