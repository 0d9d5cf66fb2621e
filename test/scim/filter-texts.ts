// Random filters for test/scim/filter-to-sql.test.ts.
import fc from '../support/fuzz.ts'
import { BADGE_URN, dateTimes, instants, numbers, type Resource, texts } from './filter-resources.ts'

type Kind = 'text' | 'number' | 'boolean' | 'dateTime' | 'complex'
type Path = [name: string, kind: Kind]

const OPERATORS: Record<Kind, string[]> = {
  text: ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'],
  number: ['eq', 'ne', 'gt', 'ge', 'lt', 'le'],
  dateTime: ['eq', 'ne', 'gt', 'ge', 'lt', 'le'],
  boolean: ['eq', 'ne'],
  complex: []
}

const paths = (kind: Kind, names: string, prefix = ''): Path[] => names.split(' ').map((name) => [prefix + name, kind])

const badgePaths = [
  ...paths('text', 'exact constructor tags doors doors.value doors.keys', `${BADGE_URN}:`),
  ...paths('number', 'number weight levels', `${BADGE_URN}:`),
  ...paths('dateTime', 'issued doors.hours', `${BADGE_URN}:`),
  ...paths('boolean', 'secure doors.open', `${BADGE_URN}:`)
]
const metaPaths = [
  ...paths('dateTime', 'meta.created meta.lastModified'),
  ...paths('text', 'meta.resourceType meta.location meta.version'),
  ...paths('complex', 'meta')
]
export const userPaths = [
  ...paths('text', 'userName displayName name.familyName emails emails.value externalId id schemas'),
  ...paths('text', 'title nickName name.givenName emails.type photos manager department phoneNumbers'),
  ...paths('text', 'groups groups.value groups.display groups.type groups.$ref'),
  ...paths('boolean', 'active emails.primary'),
  ...paths('complex', 'name'),
  ...metaPaths,
  ...badgePaths
]
export const groupPaths = [
  ...paths('text', 'displayName externalId id'),
  ...paths('text', 'members members.value members.display members.type members.$ref'),
  ...metaPaths,
  ...badgePaths
]

const DOORS = `${BADGE_URN}:doors`
const valuePaths: Record<string, Path[]> = {
  emails: [...paths('text', 'value type display'), ...paths('boolean', 'primary')],
  name: paths('text', 'familyName givenName'),
  manager: paths('text', 'value'),
  groups: paths('text', 'value type display'),
  members: paths('text', 'value type display $ref'),
  meta: [...paths('dateTime', 'created'), ...paths('text', 'version')],
  [DOORS]: [...paths('text', 'value keys'), ...paths('boolean', 'open'), ...paths('dateTime', 'hours')]
}

/**
 * Filters as text; their literals are made from the resources' values, partly in another letter case.
 * @param complexes the attributes that value paths use
 */
export function filters(
  resources: readonly Resource[],
  candidates: readonly Path[],
  complexes: readonly string[]
): fc.Arbitrary<string> {
  const literals = literalsOf(resources)
  const plain = fc.constantFrom(...candidates).chain((path) => comparison(path, literals))
  const valuePath = fc.constantFrom(...complexes, DOORS).chain((name) => {
    const condition = fc.constantFrom(...valuePaths[name]!).chain((path) => comparison(path, literals))
    return fc
      .tuple(combine(condition), fc.option(condition, { nil: undefined }))
      .map(([inner, rest]) => `${name}[${inner}]${rest === undefined ? '' : `.${rest}`}`)
  })
  return combine(fc.oneof({ weight: 4, arbitrary: plain }, { weight: 1, arbitrary: valuePath }))
}

type Literals = Record<Kind, fc.Arbitrary<string>>

function literalsOf(resources: readonly Resource[]): Literals {
  const held = fc.constantFrom(...new Set(resources.flatMap(stringsIn)))
  const inOtherCase = fc
    .tuple(held, fc.constantFrom('toUpperCase', 'toLowerCase', 'toString'))
    .map(([text, change]) => text[change as 'toString']())
  const part = fc.tuple(inOtherCase, fc.nat(3), fc.nat(20)).map(([text, start, length]) =>
    Array.from(text)
      .slice(start, start + length)
      .join('')
  )
  return {
    text: fc.oneof(texts, held, inOtherCase, part).map((text) => JSON.stringify(text)),
    number: fc.oneof(fc.integer({ min: -3, max: 3 }), numbers).map((number) => JSON.stringify(number)),
    boolean: fc.boolean().map(String),
    dateTime: fc.oneof(dateTimes, instants).map((text) => JSON.stringify(text)),
    complex: fc.constant('')
  }
}

const comparison = ([path, kind]: Path, literals: Literals): fc.Arbitrary<string> =>
  fc.oneof(
    {
      weight: kind === 'complex' ? 0 : 5,
      arbitrary: fc
        .tuple(fc.constantFrom(...OPERATORS[kind], 'eq'), literals[kind])
        .map(([operator, literal]) => `${path} ${operator} ${literal}`)
    },
    { weight: 1, arbitrary: fc.constantFrom(`${path} pr`, `${path} eq null`, `${path} ne null`) }
  )

const combine = (leaves: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.letrec<{ filter: string }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      leaves,
      fc.tuple(tie('filter'), fc.constantFrom('and', 'or'), tie('filter')).map(([a, op, b]) => `(${a}) ${op} (${b})`),
      tie('filter').map((inner) => `not (${inner})`)
    )
  })).filter

const stringsIn = (value: unknown): string[] => {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : []
}
