import { test } from 'tap'
import { needs, type ProjectionParameters, parseProjection, project } from '../../server/scim/projection.ts'
import { groupResourceType } from '../../server/scim/schemas/index.ts'
import { ENTERPRISE, USER } from '../support/urns.ts'
import { BADGE, userWithBadge } from './badge.ts'

const user = userWithBadge([
  { name: 'number', returned: 'always' },
  { name: 'photo', returned: 'request' },
  { name: 'pin', returned: 'never' },
  {
    name: 'doors',
    type: 'complex',
    multiValued: true,
    subAttributes: [{ name: 'id', returned: 'always' }, { name: 'plan', returned: 'request' }, { name: 'floor' }]
  }
])

const ada = {
  schemas: [USER, ENTERPRISE, BADGE],
  id: 'u1',
  userName: 'ada',
  password: 'secret',
  name: { familyName: 'Lovelace', givenName: 'Ada' },
  emails: [{ value: 'ada@acme.test', type: 'work' }, { type: 'home' }],
  phoneNumbers: [],
  meta: { resourceType: 'User', version: 'W/"1"' },
  unknown: true,
  [ENTERPRISE]: { department: 'R&D', manager: { value: 'm', displayName: 'M' } },
  [BADGE]: { number: '7', photo: 'big', pin: '1234', doors: [{ id: 1, plan: 'x', floor: 2 }] },
  'urn:example:gone:User': { a: 1 }
}

const shown = (parameters: ProjectionParameters) => project(ada, parseProjection(parameters, user), user)
const always = { schemas: ada.schemas, id: 'u1' }
const alwaysOfBadge = { [BADGE]: { number: '7' } }

test('Without parameters, attributes returned never or on request are left out, and unknown ones dropped', async (t) => {
  const { password, unknown, 'urn:example:gone:User': gone, ...rest } = ada
  const expected = { ...rest, [BADGE]: { number: '7', doors: [{ id: 1, floor: 2 }] } }
  t.same(shown({}), expected)
  t.same(shown({ attributes: '', excludedAttributes: ' , ' }), expected, 'empty parameters are none')
  t.same(Object.keys(shown({})), Object.keys(expected), 'in the same order')
  t.equal(ada.password, 'secret', 'the resource itself is unchanged')
})

test('attributes keeps what it names and what is always returned', async (t) => {
  const table: [unknown, Record<string, unknown>][] = [
    ['userName', { userName: 'ada' }],
    ['USERNAME, emails.Type', { userName: 'ada', emails: [{ type: 'work' }, { type: 'home' }] }],
    [['userName', 'meta.version'], { userName: 'ada', meta: { version: 'W/"1"' } }],
    ['emails.value', { emails: [{ value: 'ada@acme.test' }] }],
    ['name.familyName,name', { name: ada.name }],
    ['name,name.familyName', { name: ada.name }],
    [`${USER}:name.givenName`, { name: { givenName: 'Ada' } }],
    [`${ENTERPRISE.toUpperCase()}:manager.value`, { [ENTERPRISE]: { manager: { value: 'm' } } }],
    ['department', { [ENTERPRISE]: { department: 'R&D' } }],
    [ENTERPRISE, { [ENTERPRISE]: ada[ENTERPRISE] }],
    ['phoneNumbers.value', { phoneNumbers: [] }],
    ['nothing,password,,name.nothing', {}]
  ]
  for (const [attributes, expected] of table) {
    t.same(shown({ attributes }), { ...always, ...expected, ...alwaysOfBadge }, String(attributes))
  }
  t.same(shown({ attributes: `${BADGE}:photo` }), { ...always, [BADGE]: { number: '7', photo: 'big' } })
  const plans = shown({ attributes: `${BADGE}:doors.plan` })
  t.same(plans, { ...always, [BADGE]: { number: '7', doors: [{ id: 1, plan: 'x' }] } }, 'always holds inside too')
  const core = shown({ attributes: USER })
  t.same(Object.keys(core), ['schemas', 'id', 'userName', 'name', 'emails', 'phoneNumbers', 'meta', BADGE])
})

test('excludedAttributes leaves out what it names, unless that is always returned', async (t) => {
  const usual = shown({})
  const without = (...keys: string[]) =>
    Object.fromEntries(Object.entries(usual).filter(([key]) => !keys.includes(key)))
  t.same(shown({ excludedAttributes: 'userName,META' }), without('userName', 'meta'))
  t.same(shown({ excludedAttributes: ['id', 'schemas', `${BADGE}:number`, 'nothing'] }), usual)
  t.same(shown({ excludedAttributes: 'name.familyName' }), { ...usual, name: { givenName: 'Ada' } })
  t.same(shown({ excludedAttributes: 'emails.type' }), { ...usual, emails: [{ value: 'ada@acme.test' }] })
  t.same(shown({ excludedAttributes: 'name.familyName,name.givenName' }), without('name'))
  t.same(shown({ excludedAttributes: ENTERPRISE }), without(ENTERPRISE))
  t.same(shown({ excludedAttributes: `${ENTERPRISE}:manager` }), { ...usual, [ENTERPRISE]: { department: 'R&D' } })
})

test('Both parameters together and values of another type are refused', async (t) => {
  t.throws(() => shown({ attributes: 'id', excludedAttributes: 'meta' }), {
    message: /together/,
    scimType: 'invalidValue'
  })
  t.throws(() => shown({ attributes: { a: 1 } }), { message: /list of attribute names/, scimType: 'invalidValue' })
  t.throws(() => shown({ excludedAttributes: [5] }), { message: /excludedAttributes/, scimType: 'invalidValue' })
})

test('A handler learns whether an attribute is wanted at all', async (t) => {
  const wants = (parameters: ProjectionParameters, name: string) =>
    needs(parseProjection(parameters, groupResourceType), groupResourceType, name)
  t.equal(wants({}, 'members'), true)
  t.equal(wants({ attributes: 'id' }, 'members'), false)
  t.equal(wants({ attributes: 'MEMBERS.value' }, 'members'), true)
  t.equal(wants({ excludedAttributes: 'Members' }, 'members'), false)
  t.equal(wants({ excludedAttributes: 'members.display' }, 'members'), true)
  t.equal(wants({ excludedAttributes: 'displayName' }, 'members'), true)
  t.equal(wants({}, 'groups'), false, 'a Group has no groups')
})
