// The requests that each SCIM route gets with another tenant's token. A route without an entry fails the test.

import { BULK_REQUEST, ENTERPRISE, GROUP, PATCH_OP, SEARCH_REQUEST, USER } from '../support/urns.ts'
import { type Neighbour, SCHEMA_URNS } from './neighbours.ts'

export interface Ask {
  /** The path below /scim/v2. */
  readonly url: string
  readonly body?: unknown
  /** The allowed answers; none contains anything of the neighbour. */
  readonly statuses: readonly number[]
  /** Whether the request is for a list, which must be empty. */
  readonly findsNothing?: true
}

type Asks = (neighbour: Neighbour, own: Neighbour, cursors: { users: string; groups: string }) => Ask[]

const patchOf = (...Operations: unknown[]) => ({ schemas: [PATCH_OP], Operations })

const readable =
  (...urls: string[]): Asks =>
  () =>
    urls.map((url) => ({ url, statuses: [200] }))

/** Filters that name the neighbour's people. */
const userFilters = (n: Neighbour): string[] => [
  `id eq "${n.memberId}"`,
  `userName eq "${n.userName}"`,
  `userName sw "${n.userName.slice(0, 4)}" and displayName co "${n.nameMark}"`,
  `emails.value eq "${n.memberEmail}"`,
  `emails[value co "${n.addressMark}"]`,
  `externalId eq "ext-${n.nameMark}"`,
  `groups.value eq "${n.groupId}"`,
  `not (userName eq "x") and (id eq "${n.scimUserId}")`
]
const groupFilters = (n: Neighbour): string[] => [
  `id eq "${n.groupId}"`,
  `displayName eq "${n.groupName}"`,
  `members.value eq "${n.memberId}"`,
  `members[value eq "${n.scimUserId}"]`
]

const encode = encodeURIComponent

/** A list, by GET and by POST to `.search`. */
function search(
  path: '' | '/Users' | '/Groups',
  filters: (n: Neighbour) => string[],
  cursorOf: 'users' | 'groups'
): Record<string, Asks> {
  const list = path || '/'
  const url = `${path}/.search`
  const whole = { schemas: [SEARCH_REQUEST], count: 100 }
  const nothing = { statuses: [200], findsNothing: true } as const
  return {
    [`GET ${list}`]: (n, _own, cursors) => [
      { url: `${list}?count=100`, statuses: [200] },
      { url: `${list}?count=100&cursor=${encode(cursors[cursorOf])}`, statuses: [200, 400] },
      ...filters(n).map((filter) => ({ url: `${list}?filter=${encode(filter)}`, ...nothing }))
    ],
    [`POST ${url}`]: (n, _own, cursors) => [
      { url, body: whole, statuses: [200] },
      { url, body: { ...whole, cursor: cursors[cursorOf] }, statuses: [200, 400] },
      ...filters(n).map((filter) => ({ url, body: { schemas: [SEARCH_REQUEST], filter }, ...nothing }))
    ]
  }
}

/** The ids of each kind of thing, also on routes for another kind. */
const each =
  (path: string, body: (n: Neighbour) => unknown): Asks =>
  (n) =>
    [n.memberId, n.scimUserId, n.groupId, n.childGroupId, n.connectionId, n.invitationId].map((id) => ({
      url: `${path}/${id}`,
      body: body(n),
      statuses: [404]
    }))

/** For API tokens; a SCIM token belongs to nobody. */
const me =
  (body?: unknown): Asks =>
  () => [{ url: '/Me', body, statuses: [404, 501, 403, 400] }]

export const ASKS: Record<string, Asks> = {
  'GET /ServiceProviderConfig': readable('/ServiceProviderConfig'),
  'GET /ResourceTypes': readable('/ResourceTypes'),
  'GET /ResourceTypes/:id': readable('/ResourceTypes/User', '/ResourceTypes/Group'),
  'GET /Schemas': readable('/Schemas'),
  'GET /Schemas/:id': readable(`/Schemas/${SCHEMA_URNS[0]}`),
  ...search('', (n) => [`id eq "${n.memberId}"`, `id eq "${n.groupId}"`, `displayName eq "${n.groupName}"`], 'users'),
  ...search('/Users', userFilters, 'users'),
  ...search('/Groups', groupFilters, 'groups'),

  'POST /Users': (n) => [
    // an address belongs to one person over all tenants; the answer does not say whose it is
    { url: '/Users', body: { schemas: [USER], userName: n.memberEmail }, statuses: [409] },
    { url: '/Users', body: { schemas: [USER], userName: 'x', emails: [{ value: n.invitedEmail }] }, statuses: [409] },
    {
      url: '/Users',
      body: {
        schemas: [USER, ENTERPRISE],
        userName: 'led from elsewhere',
        externalId: `ext-${n.nameMark}`,
        [ENTERPRISE]: { manager: { value: n.memberId } }
      },
      // a manager is whatever the identity provider sends; nothing of that person is shown
      statuses: [201, 400]
    }
  ],
  'GET /Users/:id': each('/Users', () => undefined),
  'PUT /Users/:id': each('/Users', () => ({ schemas: [USER], userName: 'eve' })),
  'PATCH /Users/:id': each('/Users', () => patchOf({ op: 'replace', path: 'active', value: false })),
  'DELETE /Users/:id': each('/Users', () => undefined),

  'POST /Groups': (n) =>
    [n.memberId, n.groupId].map((value) => ({
      url: '/Groups',
      body: { schemas: [GROUP], displayName: `with ${value}`, members: [{ value }] },
      statuses: [400, 404]
    })),
  'GET /Groups/:id': each('/Groups', () => undefined),
  'PUT /Groups/:id': (n, own, cursors) => [
    ...each('/Groups', () => ({ schemas: [GROUP], displayName: 'Eve' }))(n, own, cursors),
    {
      url: `/Groups/${own.groupId}`,
      body: { schemas: [GROUP], displayName: own.groupName, members: [{ value: n.memberId }] },
      statuses: [400, 404]
    }
  ],
  'PATCH /Groups/:id': (n, own, cursors) => [
    ...each('/Groups', () => patchOf({ op: 'add', path: 'members', value: [{ value: own.memberId }] }))(
      n,
      own,
      cursors
    ),
    ...[n.memberId, n.childGroupId].map((value) => ({
      url: `/Groups/${own.groupId}`,
      body: patchOf({ op: 'add', path: 'members', value: [{ value }] }),
      statuses: [400, 404]
    })),
    {
      url: `/Groups/${own.groupId}`,
      body: patchOf({ op: 'remove', path: `members[value eq "${n.memberId}"]` }),
      statuses: [200, 204, 400]
    }
  ],
  'DELETE /Groups/:id': each('/Groups', () => undefined),

  'POST /Bulk': (n, own) => [
    {
      url: '/Bulk',
      body: {
        schemas: [BULK_REQUEST],
        Operations: [
          { method: 'PATCH', path: `/Users/${n.memberId}`, data: patchOf({ op: 'replace', value: { active: false } }) },
          { method: 'PUT', path: `/Users/${n.scimUserId}`, data: { schemas: [USER], userName: 'eve' } },
          { method: 'DELETE', path: `/Users/${n.scimUserId}` },
          { method: 'DELETE', path: `/Groups/${n.groupId}` },
          {
            method: 'PATCH',
            path: `/Groups/${own.groupId}`,
            data: patchOf({ op: 'add', path: 'members', value: [{ value: n.memberId }] })
          },
          { method: 'POST', bulkId: 'a', path: '/Users', data: { schemas: [USER], userName: n.memberEmail } }
        ]
      },
      statuses: [200]
    }
  ],
  'GET /Me': me(),
  'POST /Me': me({ schemas: [USER], userName: 'eve' }),
  'PUT /Me': me({ schemas: [USER], userName: 'eve' }),
  'PATCH /Me': me(patchOf({ op: 'replace', path: 'active', value: false })),
  'DELETE /Me': me()
}
