// What the page says of changes in audit events.
import { test } from 'tap'
import { changesOf } from '../../client/web/pages/audit/changes.ts'
import { labelOf, ownVerbOf, verbOf } from '../../client/web/pages/audit/words.ts'

test('changesOf lists changed fields in words', async (t) => {
  for (const [title, before, after, expected] of [
    ['a fact that changed', { role: 'responder' }, { role: 'manager' }, [['role', 'responder', 'manager']]],
    ['what stayed is left out', { role: 'manager', name: 'A' }, { role: 'manager', name: 'B' }, [['name', 'A', 'B']]],
    ['what came', null, { active: true }, [['active', undefined, 'yes']]],
    ['what went', { locked: false }, null, [['locked', 'no', undefined]]],
    ['nested facts', { name: { familyName: 'Li' } }, { name: {} }, [['name.familyName', 'Li', undefined]]],
    ['lists', { domains: [] }, { domains: ['a.test', 'b.test'] }, [['domains', undefined, 'a.test, b.test']]],
    ['lists of objects', {}, { emails: [{ value: 'a' }] }, [['emails', undefined, '{"value":"a"}']]],
    ['empty texts are nothing', { title: '' }, { title: null }, []],
    ['nothing at all', null, null, []]
  ] as const) {
    const found = changesOf(before, after).map((change) => [change.path, change.before, change.after])
    t.same(found, expected, title)
  }
  const [long] = changesOf({}, { ids: Array.from({ length: 25 }, (_, index) => index) })
  t.match(long?.after, /18, 19 and 5 more$/, 'a long list is cut short')
})

test('actions are put into words', async (t) => {
  t.equal(verbOf('user.deactivated'), 'deactivated')
  t.equal(ownVerbOf('user.passwordChanged'), 'changed their password')
  t.equal(ownVerbOf('user.deactivated'), 'deactivated themselves')
  t.equal(verbOf('widget.spunAround'), 'spun around:', 'an action without words of its own gets some from its name')
  t.equal(labelOf('widget.spunAround'), 'Widget: spun around')
})
