// A refusal in words: none that an identity provider can get is left without, or with those of another.
import { globSync, readFileSync } from 'node:fs'
import { test } from 'tap'
import { explain } from '../../server/wire-log/explain.ts'

/** Of what only people ask for, by tRPC; of a neighbour's name; and what is inside of a conflict. */
const NOT_ANSWERED_BY_SCIM = new Set([
  'alreadyShadow',
  'changedMeanwhile',
  'confirmationNeeded',
  'connectionNameTaken',
  'emailInOtherTenant',
  'expiryInPast',
  'expiryNotAllowed',
  'groupTwice',
  'invalidSchema',
  'invalidSubdomain',
  'invalidTenantFile',
  'memberOfGroups',
  'namesCollide',
  'notDeactivated',
  'notInShadow',
  'notReplayable',
  'notSuspended',
  'notUndoable',
  'reauthenticationRequired',
  'schemaInUse',
  'secondAddress',
  'secondFactorSetupRequired',
  'shadowChanged',
  'subdomainReserved',
  'subdomainTaken',
  'tooManyChanges',
  'tooManySchemas',
  'tooManyShadows',
  'twoPeople',
  'userIdMissing',
  'userNameTaken',
  'userRemoved'
])

/** `reason: 'x'`, and the second argument of the constructors in server/errors.ts. */
const REASON =
  /reason: '(\w+)'|\b(?:forbidden|conflict|invalid|unauthenticated|stale)\((?:'[^']*'|`[^`]*`|[^'`()]|\([^()]*\))*?,\s*'(\w+)'/g

test('explanations of refusals', async (t) => {
  t.test('are there for every reason that SCIM and its rules have', async (t) => {
    const files = globSync('server/{scim,provisioning}/**/*.ts')
    const reasons = new Set(
      files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(REASON)].map((match) => match[1] ?? match[2]!))
    )
    for (const known of ['heldByBrake', 'roleNotAllowed', 'needsDecision', 'goingLive', 'excludedVersion'])
      t.ok(reasons.has(known), known)
    // a status that has no explanation of its own
    const unknown = explain({ status: 418 })
    for (const reason of reasons) {
      t.equal(explain({ status: 418, reason }) === unknown, NOT_ANSWERED_BY_SCIM.has(reason), reason)
    }
  })

  t.test('go by the status where the reason is none of SCIM’s', async (t) => {
    t.match(explain({ status: 503, reason: 'overloaded' }), { means: /overloaded/ })
    t.match(explain({ status: 501, reason: 'notImplemented' }), { means: /\/Me/ })
    t.match(explain({ status: 500, reason: 'internal' }), { means: /our side/ })
    t.match(explain({ status: 401, reason: 'userLocked' }), { means: /token/ })
    t.match(explain({ status: 412, reason: 'stale' }), { means: /Somebody else/ })
    t.match(explain({ status: 412, reason: 'excludedVersion' }), { means: /If-None-Match/ }, 'nobody changed anything')
    t.equal(explain({ status: 200 }), undefined)
  })
})
