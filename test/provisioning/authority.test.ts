// Who owns an attribute, as a computation: what a connection writes, what it leaves out, and what ends with it.
import { test } from 'tap'
import {
  authorityAfterRole,
  authorityAfterWrite,
  authorityFacts,
  authorityWithout,
  ownersOf,
  type Written,
  withOthersKept,
  withOwnProfile
} from '../../server/provisioning/authority.ts'
import type { UserDocument } from '../../server/provisioning/user-document.ts'
import { ENTERPRISE, USER } from '../support/urns.ts'

const OKTA = '0190cafe-0000-7000-8000-00000000000a'
const ENTRA = '0190cafe-0000-7000-8000-00000000000b'

const doc = (attributes: Record<string, unknown>): UserDocument => ({ schemas: [USER], userName: 'ada', ...attributes })
const user = (connection_id: string | null, exceptions: object = {}) => ({
  connection_id,
  authority: JSON.stringify(exceptions)
})

test('the owner of an attribute', (t) => {
  const document = doc({
    name: { givenName: 'Ada', familyName: 'L.' },
    timezone: 'Europe/Rome',
    title: 'Countess',
    [ENTERPRISE]: { department: 'Engines' }
  })
  const exceptions = { timezone: 'person', title: ENTRA }
  t.same(Object.fromEntries(ownersOf(user(OKTA, exceptions), document)), {
    userName: OKTA,
    'name.givenName': OKTA,
    'name.familyName': OKTA,
    timezone: 'person',
    title: ENTRA,
    [`${ENTERPRISE}:department`]: OKTA,
    roles: 'administrator'
  })
  t.match(Object.fromEntries(ownersOf(user(null), document)), {
    userName: 'administrator',
    'name.givenName': 'person',
    title: 'administrator'
  })
  t.equal(ownersOf(user(null, { '*': OKTA }), document).get('title'), OKTA, 'of a connection that is gone')
  t.equal(ownersOf(user(OKTA), doc({ roles: [{ value: 'foo' }] })).get('roles'), 'administrator', 'not one of ours')
  t.equal(ownersOf(user(OKTA), doc({ roles: [{ value: 'manager' }] })).get('roles'), OKTA)
  t.end()
})

test('what a connection writes is its own', (t) => {
  const write = (of: ReturnType<typeof user>, written: Partial<Written> & Pick<Written, 'before' | 'after'>) =>
    JSON.parse(
      authorityAfterWrite(of, {
        connectionId: OKTA,
        userConnectionId: OKTA,
        mayRepeat: true,
        isRoleKept: false,
        ...written
      })
    )
  const before = doc({ timezone: 'Europe/Rome', displayName: 'Ada' })
  const mine = user(OKTA, { timezone: 'person', displayName: ENTRA })
  const other = doc({ timezone: 'Europe/Zurich', displayName: 'Ada' })
  t.same(write(mine, { before, after: other }), { displayName: ENTRA }, 'is taken over when it sends it')
  t.same(write(mine, { before, after: before }), { timezone: 'person', displayName: ENTRA }, 'not by repeating it')
  t.same(write(mine, { before, after: doc({}) }), {}, 'what is taken away is nobody’s')
  t.same(
    write(user(OKTA), { before, after: other, connectionId: ENTRA }),
    { timezone: ENTRA },
    'another connection has what it has changed, and not the user'
  )
  const roles = doc({ roles: [{ value: 'manager', primary: true }] })
  t.same(write(user(OKTA), { before: doc({}), after: roles, isRoleKept: true }), { roles: 'administrator' })
  t.same(write(user(OKTA, { roles: 'administrator' }), { before: doc({}), after: roles }), {})

  t.test('a connection that takes somebody on owns what it sends, and the rest stays theirs', (t) => {
    const own = doc({ displayName: 'Ada', timezone: 'Europe/Rome', locale: 'it', ...roles })
    t.same(
      write(user(null), { before: own, after: doc({ ...own, externalId: '1' }) }),
      { displayName: 'person', timezone: 'person', locale: 'person', roles: 'administrator' },
      'a PATCH sends what it changes'
    )
    const sent = doc({ displayName: 'Ada', timezone: 'Europe/Rome', externalId: '1' })
    t.same(
      write(user(null, { title: OKTA }), { before: own, after: doc({ ...own, externalId: '1' }), sent }),
      { timezone: 'person', locale: 'person', roles: 'administrator' },
      'a whole user may repeat a time zone that was read'
    )
    t.same(
      write(user(null), { before: own, after: doc({ ...own, externalId: '1' }), sent, mayRepeat: false }),
      { locale: 'person', roles: 'administrator' },
      'a new one repeats nothing'
    )
    t.same(
      write(user(null, { '*': ENTRA }), { before: own, after: doc({ ...own, externalId: '1' }), sent }),
      { timezone: 'person', locale: 'person', roles: 'administrator' },
      'nothing is left of a connection that is gone'
    )
    t.end()
  })
  t.end()
})

test('a whole user that is sent keeps what others own', (t) => {
  const before = doc({
    displayName: 'Ada',
    name: { givenName: 'Ada', familyName: 'L.' },
    timezone: 'Europe/Rome',
    title: 'Countess',
    [ENTERPRISE]: { department: 'Engines' }
  })
  const exceptions = { timezone: 'person', 'name.familyName': 'person', [`${ENTERPRISE}:department`]: ENTRA }
  t.same(withOthersKept(user(OKTA, exceptions), before, doc({ name: { givenName: 'A.' } }), OKTA), {
    schemas: [USER, ENTERPRISE],
    userName: 'ada',
    name: { givenName: 'A.', familyName: 'L.' },
    timezone: 'Europe/Rome',
    [ENTERPRISE]: { department: 'Engines' }
  })
  t.same(withOthersKept(user(OKTA), before, doc({}), OKTA), doc({}), 'its own it may take away')
  t.match(withOthersKept(user(OKTA), before, doc({}), ENTRA), before, 'another one’s it may not')
  t.same(
    withOthersKept(user(null, { '*': ENTRA }), before, doc({}), OKTA),
    doc({}),
    'what a connection has left that is gone it may'
  )
  t.same(withOthersKept(user(null), before, doc({}), OKTA).title, undefined)
  t.match(withOthersKept(user(null), before, doc({}), OKTA), { displayName: 'Ada', timezone: 'Europe/Rome' })
  t.end()
})

test('what people change is their own', (t) => {
  const managed = { ...user(OKTA), doc: JSON.stringify(doc({ displayName: 'Ada', name: { formatted: 'Ada L.' } })) }
  const refused = withOwnProfile(managed, { displayName: 'Me', familyName: 'L.' }, 'person')
  t.same([...refused.managed], [[OKTA, ['displayName']]])
  t.same(refused.document, doc({ displayName: 'Ada', name: { formatted: 'Ada L.', familyName: 'L.' } }))
  t.same(JSON.parse(refused.authority), { 'name.familyName': 'person' })
  const repeated = withOwnProfile(managed, { displayName: 'Ada', givenName: '' }, 'person')
  t.equal(repeated.managed.size, 0, 'saying what is there already is no change')
  t.equal(repeated.authority, '{}')
  const out = withOwnProfile(managed, { displayName: 'Me' }, 'administrator', () => false)
  t.same([out.document.displayName, JSON.parse(out.authority)], ['Me', { displayName: 'administrator' }])
  const free = { ...managed, connection_id: null }
  t.equal(withOwnProfile(free, { displayName: 'Me', timeZone: 'Europe/Rome' }, 'person').authority, '{}')
  const cleared = {
    ...managed,
    authority: '{"timezone":"person"}',
    doc: JSON.stringify(doc({ timezone: 'Asia/Tokyo' }))
  }
  t.equal(withOwnProfile(cleared, { timeZone: '' }, 'person').authority, '{}', 'open to the connection again')
  t.same(JSON.parse(authorityAfterRole(user(OKTA))), { roles: 'administrator' })
  t.equal(authorityAfterRole(user(null)), '{}')
  t.end()
})

test('a removed connection owns nothing any more', (t) => {
  const exceptions = { timezone: 'person', title: ENTRA, roles: 'administrator' }
  const without = (of: ReturnType<typeof user>, id: string, isKept: boolean) =>
    JSON.parse(authorityWithout(of, id, isKept))
  t.same(without(user(OKTA, exceptions), OKTA, false), { title: ENTRA }, 'leaves people what it had')
  t.same(without(user(OKTA, exceptions), OKTA, true), { ...exceptions, '*': OKTA }, 'or keeps it')
  t.same(without(user(null, { ...exceptions, '*': OKTA }), OKTA, false), { title: ENTRA }, 'until it is released')
  t.same(
    without(user(OKTA, { title: ENTRA, displayName: ENTRA, locale: 'person' }), ENTRA, false),
    { title: 'administrator', displayName: 'person', locale: 'person' },
    'what it had of another one’s people is free until that one sends it'
  )
  t.same(without(user(OKTA, exceptions), ENTRA, true), exceptions)
  t.same(without(user(null, { '*': OKTA, title: ENTRA }), ENTRA, false), { '*': OKTA, title: 'administrator' })
  t.end()
})

test('an event shows the exceptions that differ', (t) => {
  t.same(authorityFacts('{}', '{}'), { before: {}, after: {} })
  t.same(authorityFacts('{"title":"person","locale":"person"}', `{"locale":"${OKTA}","timezone":"person"}`), {
    before: { authority: { title: 'person', locale: 'person' } },
    after: { authority: { locale: OKTA, timezone: 'person' } }
  })
  t.end()
})
