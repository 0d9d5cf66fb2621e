// The parsers of input from outside, each with its inputs and what must hold of the results.
import assert from 'node:assert/strict'
import { decodeCursor } from '../../db/cursor.ts'
import { networkOf } from '../../server/auth/network.ts'
import { AppError } from '../../server/errors.ts'
import { parseAddresses } from '../../server/invitations/parse-addresses.ts'
import { parseAddress } from '../../server/provisioning/address.ts'
import { documentColumns, emailKeys, type UserDocument } from '../../server/provisioning/user-document.ts'
import { parseBulkRequest } from '../../server/scim/bulk-request.ts'
import { parseDateTime } from '../../server/scim/date-time.ts'
import { etagOf, namesVersion } from '../../server/scim/etag.ts'
import { matches } from '../../server/scim/filter/matches.ts'
import { parseFilter } from '../../server/scim/filter/parse.ts'
import { readListQuery, readSearchRequest } from '../../server/scim/list-query.ts'
import { normalizeResource } from '../../server/scim/normalize.ts'
import { applyPatch } from '../../server/scim/patch/apply.ts'
import { parsePatch } from '../../server/scim/patch/parse.ts'
import { parsePatchPath } from '../../server/scim/patch-path.ts'
import { Leniency } from '../../server/scim/profiles.ts'
import { parseProjection, project } from '../../server/scim/projection.ts'
import { parseExtensionSchema } from '../../server/scim/schemas/extension.ts'
import { groupResourceType, userResourceType } from '../../server/scim/schemas/index.ts'
import { placeOf } from '../../server/tenancy.ts'
import fc from '../support/fuzz.ts'
import { BULK_REQUEST, GROUP, USER } from '../support/urns.ts'
import { hostilePatch, hostileText, hostileValue } from './hostile.ts'

export interface Target {
  readonly name: string
  readonly input: fc.Arbitrary<unknown>
  /** This target's share of a run's inputs. */
  readonly share: number
  /** Parses the input. An AppError is an answer, and anything else that it throws is a finding. */
  read(input: never): void
  /** Pieces that are repeated until a text is as long as a body may be; the time must stay proportional. */
  readonly growing?: readonly string[]
}

const TYPES = [userResourceType, groupResourceType] as const
const PROFILES = ['auto', 'strict'] as const

const ADA = {
  schemas: [USER],
  userName: 'ada',
  name: { givenName: 'Ada', familyName: 'Lovelace' },
  emails: [
    { value: 'a@x.test', type: 'work', primary: true },
    { value: 'b@x.test', type: 'home' }
  ],
  roles: [{ value: 'manager' }],
  active: true
}
const ROTA = { schemas: [GROUP], displayName: 'Rota', members: [] }

/** Tries each profile and resource type; a refusal by one does not end the others. */
function inEach(work: (type: (typeof TYPES)[number], leniency: Leniency) => void): void {
  for (const type of TYPES) {
    for (const profile of PROFILES) refusable(() => work(type, new Leniency(profile)))
  }
}

/** @throws what is not a refusal */
function refusable(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'unavailable') throw error
  }
}

export const TARGETS: readonly Target[] = [
  {
    name: 'filter',
    input: hostileText,
    share: 25,
    read: (text: string) =>
      inEach((type, { pathOptions }) => {
        const filter = parseFilter(text, type, pathOptions)
        assert.equal(typeof matches(filter, type === userResourceType ? ADA : ROTA), 'boolean')
      }),
    growing: ['(', 'not (', 'emails[', 'title pr and ', '"', '\\', 'a.', ' ', 'title eq "\\u0041', 'urn:']
  },
  {
    name: 'PATCH path',
    input: hostileText,
    share: 20,
    read: (text: string) => inEach((type, { pathOptions }) => parsePatchPath(text, type, pathOptions)),
    growing: ['emails[type eq "', 'a.', 'urn:', '[', ']', ':', '"', ' ', 'emails[value pr].']
  },
  {
    name: 'PATCH body',
    input: fc.oneof(hostilePatch, hostileValue),
    share: 14,
    read: (body: unknown) =>
      inEach((type, leniency) => {
        const operations = parsePatch(body, type, leniency)
        const { resource } = applyPatch(type === userResourceType ? ADA : ROTA, operations, type, leniency)
        JSON.stringify(resource)
      })
  },
  {
    name: 'resource',
    input: hostileValue.chain((extra) =>
      fc.constantFrom(extra, { ...ADA, ...(extra as object) }, { ...ROTA, ...(extra as object) })
    ),
    share: 12,
    read: (body: unknown) =>
      inEach((type, leniency) => {
        const { resource } = normalizeResource(body, type, leniency)
        if (type === userResourceType) {
          documentColumns(resource as UserDocument)
          emailKeys(resource as UserDocument)
        }
      })
  },
  {
    name: 'addresses',
    input: hostileText,
    share: 12,
    read(text: string) {
      for (const { key } of parseAddresses(text)) {
        assert.ok(key === undefined || /^[^\s\p{Cc},;<>"@]+@[^\s\p{Cc},;<>"@]+$/u.test(key), key)
      }
      const address = parseAddress(text)
      assert.ok(address === undefined || address.length <= 320)
    },
    growing: ['"', '\\"', '<', '<a', '\n', '\r\n ', ' ', 'a:', '@', "'", 'a@x.test ', 'a@x.test,', 'a.', 'é@']
  },
  {
    name: 'bulk request',
    input: fc.oneof(
      hostileValue,
      hostileValue.map((Operations) => ({ schemas: [BULK_REQUEST], Operations }))
    ),
    share: 5,
    read: (body: unknown) => inEach((_type, leniency) => void parseBulkRequest(body, leniency))
  },
  {
    name: 'search and list parameters',
    input: hostileValue,
    share: 4,
    read(value: unknown) {
      inEach((_type, leniency) => void readSearchRequest(value, leniency))
      if (value && typeof value === 'object') refusable(() => void readListQuery(value as Record<string, unknown>))
    }
  },
  {
    name: 'projection',
    input: fc.tuple(fc.oneof(hostileText, hostileValue), fc.boolean()),
    share: 3,
    read: ([names, isExcluded]: [unknown, boolean]) =>
      inEach((type) => {
        const parameters = isExcluded ? { excludedAttributes: names } : { attributes: names }
        project(type === userResourceType ? ADA : ROTA, parseProjection(parameters, type), type)
      })
  },
  {
    name: 'extension schema',
    input: hostileValue,
    share: 2,
    read: (definition: unknown) => refusable(() => void parseExtensionSchema(definition as Record<string, unknown>))
  },
  {
    name: 'cursors, ETags, times',
    input: hostileText,
    share: 2,
    read(text: string) {
      decodeCursor('users', text)
      decodeCursor('users', Buffer.from(text).toString('base64url'))
      namesVersion(text, etagOf(3))
      parseDateTime(text)
    },
    growing: ['W/', '"3",', ',', '2026-01-01T00:00:00.', '0', ' ']
  },
  {
    name: 'hosts and network addresses',
    input: hostileText,
    share: 1,
    read(text: string) {
      const place = placeOf(text, 'muster.test')
      if (place.kind === 'tenant') assert.ok(!place.subdomain.includes('.'))
      networkOf(text)
    },
    growing: ['a.', '::', '0:', ':', '.muster.test']
  }
]
