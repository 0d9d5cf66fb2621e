import { test } from 'tap'
import type { Role } from '../../db/schema.ts'
import { roleOfAdopted, roleOfNew, roleOfPatched, roleOfReplaced } from '../../server/provisioning/scim-roles.ts'
import { USER_SCHEMA, type UserDocument } from '../../server/provisioning/user-document.ts'

const withRoles = (...values: (string | [value: string, primary: boolean])[]): UserDocument => ({
  schemas: [USER_SCHEMA],
  userName: 'ada',
  ...(values.length > 0 && {
    roles: values.map((value) => (typeof value === 'string' ? { value } : { value: value[0], primary: value[1] }))
  })
})
const none = withRoles()
const rolesOf = ({ document }: { document: UserDocument }) => document.roles

test('a new user gets the given role, or the usual one', async (t) => {
  t.equal(roleOfNew(withRoles('manager'), 'administrator').role, 'manager')
  t.equal(roleOfNew(withRoles('x', ['Manager', true]), 'administrator').role, 'manager')
  t.equal(roleOfNew(withRoles('x'), 'administrator').role, 'responder')
  t.equal(roleOfNew(none, 'manager').role, 'responder')
  t.equal(roleOfNew(none, 'stakeholder').role, 'stakeholder')
  t.same(rolesOf(roleOfNew(none, 'manager')), undefined)
})

test('an adopted user keeps the inviter’s role, which is shown if it is not the usual one', async (t) => {
  const kept = roleOfAdopted('manager', none, 'manager')
  t.equal(kept.role, 'manager')
  t.same(rolesOf(kept), [{ value: 'manager', primary: true }])
  t.same(rolesOf(roleOfAdopted('responder', none, 'manager')), undefined)
  t.equal(roleOfAdopted('manager', withRoles('stakeholder'), 'manager').role, 'stakeholder')
  t.same(rolesOf(roleOfAdopted('manager', withRoles(['x', true]), 'manager')), [
    { value: 'manager', primary: true },
    { value: 'x' }
  ])
})

test('PUT and PATCH change the role', async (t) => {
  const cases: [
    what: string,
    before: UserDocument,
    after: UserDocument,
    put: [Role, unknown?],
    patch: [Role, unknown?]
  ][] = [
    ['nothing said, nothing shown', none, none, ['manager', [{ value: 'manager', primary: true }]], ['manager']],
    ['another one given', withRoles('manager'), withRoles('stakeholder'), ['stakeholder'], ['stakeholder']],
    ['left out', withRoles('manager'), none, ['manager', [{ value: 'manager', primary: true }]], ['responder']],
    ['a list without one', withRoles('manager'), withRoles('x'), ['responder'], ['responder']],
    [
      'another value made primary',
      withRoles('manager'),
      withRoles('manager', ['x', true]),
      ['responder'],
      ['responder']
    ]
  ]
  for (const [
    what,
    document,
    after,
    [putRole, putRoles = after.roles],
    [patchRole, patchRoles = after.roles]
  ] of cases) {
    const before = { role: 'manager' as const, document, isRoleOwn: true }
    const put = roleOfReplaced(before, after, 'manager')
    t.equal(put.role, putRole, `PUT: ${what}`)
    t.same(rolesOf(put), putRoles, `PUT: ${what}`)
    const patch = roleOfPatched(before, after, 'manager')
    t.equal(patch.role, patchRole, `PATCH: ${what}`)
    t.same(rolesOf(patch), patchRoles, `PATCH: ${what}`)
  }
})

test('taking a role away gives no higher one', async (t) => {
  const before = { role: 'stakeholder' as const, document: withRoles('stakeholder'), isRoleOwn: true }
  t.equal(roleOfPatched(before, none, 'administrator').role, 'stakeholder')
  t.equal(roleOfReplaced(before, withRoles('x'), 'administrator').role, 'stakeholder')
})

test('a PUT without roles keeps the role, and shows the usual one only if others had written it', async (t) => {
  const left = (role: 'manager' | 'responder', isRoleOwn: boolean) => {
    const put = roleOfReplaced({ role, document: withRoles(role), isRoleOwn }, none, 'manager')
    return [put.role, rolesOf(put)]
  }
  const shown = (value: string) => [{ value, primary: true }]
  t.same(left('responder', true), ['responder', undefined])
  t.same(left('responder', false), ['responder', shown('responder')])
  t.same(left('manager', true), ['manager', shown('manager')])
  t.same(left('manager', false), ['manager', shown('manager')])
})
