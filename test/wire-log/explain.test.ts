// Explains refusals in words: each reason that an identity provider can get has its own explanation.
import { globSync, readFileSync } from 'node:fs'
import { test } from 'tap'
import { explain } from '../../server/wire-log/explain.ts'

/**
 * Reasons of tRPC procedures that SCIM never answers: of people's requests, of a neighbour's name, of the inside of a
 * conflict.
 */
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
  t.test('exist for every reason of SCIM and its rules', async (t) => {
    const files = globSync('server/{scim,provisioning}/**/*.ts')
    const reasons = new Set(
      files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(REASON)].map((match) => match[1] ?? match[2]!))
    )
    for (const known of ['heldByBrake', 'roleNotAllowed', 'needsDecision', 'goingLive', 'excludedVersion'])
      t.ok(reasons.has(known), known)
    // a status without an explanation of its own
    const unknown = explain({ status: 418 })
    for (const reason of reasons) {
      t.equal(explain({ status: 418, reason }) === unknown, NOT_ANSWERED_BY_SCIM.has(reason), reason)
    }
  })

  t.test('follow the status if the reason is none of SCIM’s', async (t) => {
    t.match(explain({ status: 503, reason: 'overloaded' }), { means: /overloaded/ })
    t.match(explain({ status: 501, reason: 'notImplemented' }), { means: /\/Me/ })
    t.match(explain({ status: 500, reason: 'internal' }), { means: /our side/ })
    t.match(explain({ status: 401, reason: 'userLocked' }), { means: /token/ })
    t.match(explain({ status: 412, reason: 'stale' }), { means: /Somebody else/ })
    t.match(explain({ status: 412, reason: 'excludedVersion' }), { means: /If-None-Match/ }, 'nobody changed anything')
    t.equal(explain({ status: 200 }), undefined)
  })
})
