// What the page says of conflicts in a shadow.
import { test } from 'tap'
import { conflictsInWords, type ShadowItem } from '../../client/web/pages/connection/shadow-words.ts'

test('conflicts of a shadow, in words', async (t) => {
  const detail = 'It was changed later'
  const changed = (attribute: string, current: unknown, wanted: unknown) =>
    ({ attribute, reason: 'changedSince', detail, current, wanted }) as const
  const inWords = (...conflicts: object[]) => conflictsInWords({ conflicts } as unknown as ShadowItem)

  t.test('show both values, or only one if they read the same', async (t) => {
    const role = changed('role', 'manager', 'stakeholder')
    const roles = changed('roles', [{ value: 'manager' }], [{ value: 'stakeholder' }])
    t.same(inWords(role, roles), ['Role Manager, not Stakeholder: it was changed here since'])
    t.equal(inWords(roles).length, 1, 'but what is alone is told')
  })

  t.test('say what else is in the way', async (t) => {
    t.same(inWords({ attribute: 'emails', reason: 'addressTaken', detail: 'Somebody else has it' }), [
      'Emails: Somebody else has it'
    ])
    t.same(inWords({ ...changed('exists', true, false) }), [detail])
  })
})
