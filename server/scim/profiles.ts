// The departures from the RFCs that a token's client may make: each lenience has a name, each profile a set of them.
import type { ScimProfile } from '../../db/schema.ts'
import type { PathOptions } from './path.ts'
import { shorten } from './text.ts'

/** Every lenience: what it accepts, and who sends it. `null` for "unassigned" is no lenience: RFC 7643 §2.5. */
export const LENIENCES = {
  anyCaseOps: '`op` in any letter case, such as "Replace" (Entra without aadOptscim062020)',
  arrayForSingle: 'an array of one for a single-valued attribute: manager as [{ value }] (Entra)',
  bareValue: 'a string for a complex value: manager as "123456", an element of roles as "admin" (Entra)',
  dottedKeys: '"name.givenName" and "urn:…:User:manager.value" as keys of an object (Entra with aadOptscim062020)',
  emptyStringClears: '"" for "unassigned", for every attribute type (Okta sends middleName "", Entra manager "")',
  extensionNotInSchemas: 'an extension that is present while `schemas` does not name it (Entra, custom extensions)',
  filteredReplaceCreates:
    'add or replace through a filter that chooses nothing makes the value that the filter describes, and a replaced value keeps what the filter says of it (Entra: emails[type eq "work"].value)',
  hollowValues: 'values with a type and nothing else, which are dropped (templates of OneLogin, JumpCloud)',
  jsonInString: 'a value of a multi-valued attribute as JSON text: roles from AppRoleAssignments (Entra)',
  legacyUrns: 'the URNs of SCIM 1.1 and of drafts, and misspelt ones (OneLogin, older Entra samples)',
  looseFilters:
    'strings without quotes, "True" for true, extension attributes without their URN in filters and paths (Entra: externalId eq jyoung, manager eq "…")',
  looseMemberTypes:
    'a member of a group whose `type` says user and whose id is a group’s, or the other way round (testers that fill in any of the canonical values)',
  looseReferences: 'text that is no URI where one is asked for: profileUrl from a free text field (Okta, OneLogin)',
  managerId: '`managerId` for the `value` of manager (templates of OneLogin)',
  missingSchemas: 'a body without `schemas`, or with an empty one (hand-written connectors, templates of OneLogin)',
  readOnlyIgnored: 'read-only attributes in the value of a PATCH without path: the same id, meta, groups (Okta)',
  removeByValue:
    'remove with a list of the values to take away, or of labels: members [{ value }] (Entra, JumpCloud), emails [{ type }]',
  severalPrimaries: 'more than one primary value in one list, of which the first stays primary (Okta, OneLogin)',
  singleForArray: 'one object where an array is asked for: members { value } (Rippling)',
  strayKeys: 'attributes that no schema defines, which are ignored (Entra sends department beside its extension)',
  stringBooleans: '"True" and "false" for booleans (Entra, templates of OneLogin)',
  stringNumbers: '"5" for numbers (templates of OneLogin)',
  unknownSchemas: 'foreign URNs in `schemas`, which are dropped (Entra names its ADSCIM Group schema)'
} as const
export type Lenience = keyof typeof LENIENCES

const NAMES = Object.keys(LENIENCES) as Lenience[]

/** In every vendor's profile: these are harmless, and administrators edit every vendor's mappings by hand. */
const COMMON: readonly Lenience[] = [
  'emptyStringClears',
  'extensionNotInSchemas',
  'filteredReplaceCreates',
  'hollowValues',
  'looseMemberTypes',
  'looseReferences',
  'missingSchemas',
  'readOnlyIgnored',
  'removeByValue',
  'severalPrimaries',
  'singleForArray',
  'strayKeys',
  'stringBooleans',
  'stringNumbers',
  'unknownSchemas'
]

const PROFILES = {
  auto: new Set(NAMES),
  strict: new Set(),
  entra: new Set(NAMES.filter((name) => name !== 'managerId')),
  okta: new Set([...COMMON, 'dottedKeys']),
  onelogin: new Set([...COMMON, 'arrayForSingle', 'bareValue', 'legacyUrns', 'managerId']),
  jumpcloud: new Set([...COMMON, 'anyCaseOps', 'arrayForSingle', 'bareValue']),
  google: new Set([...COMMON, 'anyCaseOps'])
} satisfies Record<ScimProfile, ReadonlySet<Lenience>>

/** A lenience that a request needed, and the first ten places where it did. */
export interface AppliedLenience {
  readonly lenience: Lenience
  readonly where: readonly string[]
}

const MAX_PLACES = 10
const NONE: readonly AppliedLenience[] = []

/** The leniences that one request may use, and those it used. One instance per request. */
export class Leniency {
  readonly profile: ScimProfile
  private readonly permitted: ReadonlySet<Lenience>
  private readonly places = new Map<Lenience, Set<string>>()

  constructor(profile: ScimProfile) {
    this.profile = profile
    this.permitted = PROFILES[profile]
  }

  /** Whether the profile has the lenience; notes nothing. */
  permits(lenience: Lenience): boolean {
    return this.permitted.has(lenience)
  }

  /**
   * Asks where the lenience is needed, and notes it as applied if the profile has it.
   * @param where the attribute's path or the key, never a value, since it is logged
   */
  allow(lenience: Lenience, where: string): boolean {
    if (!this.permitted.has(lenience)) return false
    const places = this.places.get(lenience) ?? new Set()
    if (places.size < MAX_PLACES) places.add(shorten(where))
    this.places.set(lenience, places)
    return true
  }

  /** For the parsers of filters and paths. */
  get pathOptions(): PathOptions {
    return { lenient: this.permitted.has('looseFilters') }
  }

  get applied(): readonly AppliedLenience[] {
    if (this.places.size === 0) return NONE
    return [...this.places].map(([lenience, where]) => ({ lenience, where: [...where] }))
  }
}
