import { test } from 'tap'
import { changedFacts } from '../../server/provisioning/document-changes.ts'
import { ENTERPRISE } from '../support/urns.ts'

test('attributes that differ are shown as they were and as they are', async (t) => {
  t.same(
    changedFacts(
      { schemas: ['a'], userName: 'ada', title: 'T', emails: [{ value: 'x' }] },
      { schemas: ['a', 'b'], userName: 'ada', nickName: 'N', emails: [{ value: 'y' }] }
    ),
    { before: { title: 'T', emails: [{ value: 'x' }] }, after: { nickName: 'N', emails: [{ value: 'y' }] } }
  )
  t.same(changedFacts({ a: { b: [1] } }, { a: { b: [1] } }), { before: {}, after: {} })
})

test('attributes of an extension are shown one by one', async (t) => {
  t.same(
    changedFacts(
      { [ENTERPRISE]: { department: 'D', division: 'V' } },
      { [ENTERPRISE]: { department: 'E', division: 'V' } }
    ),
    {
      before: { [ENTERPRISE]: { department: 'D' } },
      after: { [ENTERPRISE]: { department: 'E' } }
    }
  )
  t.same(changedFacts({}, { [ENTERPRISE]: { department: 'E' } }), {
    before: {},
    after: { [ENTERPRISE]: { department: 'E' } }
  })
  t.same(changedFacts({ [ENTERPRISE]: { department: 'E' } }, {}), {
    before: { [ENTERPRISE]: { department: 'E' } },
    after: {}
  })
})

test('a long value is shown as a whole', async (t) => {
  const photo = 'x'.repeat(5_000)
  t.same(changedFacts({}, { photo }), { before: {}, after: { photo } })
})
