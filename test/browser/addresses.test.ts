// Pasted and dropped text becomes addresses in the page, before anything is sent.
import { test } from 'tap'
import { isAddress, readCsv, splitAddresses } from '../../client/web/addresses.ts'
import { parseAddress } from '../../server/provisioning/address.ts'

const emails = (text: string) => splitAddresses(text).map(({ email }) => email)

test('splitAddresses', async (t) => {
  const cases: [text: string, expected: string[]][] = [
    ['a@x.test,b@x.test;c@x.test d@x.test\ne@x.test', ['a@x.test', 'b@x.test', 'c@x.test', 'd@x.test', 'e@x.test']],
    ['Ada Lovelace <ada@x.test>, Ben <ben@x.test>', ['ada@x.test', 'ben@x.test']],
    ['"Doe, Jane" <jane@x.test>; "Roe; Rick" <rick@x.test>', ['jane@x.test', 'rick@x.test']],
    ['Ada <ada@x.test> ben@x.test', ['ada@x.test', 'ben@x.test']],
    ['ben@x.test Ada <ada@x.test>', ['ben@x.test', 'ada@x.test']],
    ['\u200bada@x.test、ben@x.test；cy@x.test', ['ada@x.test', 'ben@x.test', 'cy@x.test']],
    ['mailto:ada@x.test', ['ada@x.test']],
    ["'ada@x.test', (ben@x.test)", ['ada@x.test', 'ben@x.test']],
    ['ADA@x.test, ada@X.test', ['ADA@x.test']],
    [' ,; \n\r\n', []]
  ]
  for (const [text, expected] of cases) t.same(emails(text), expected, JSON.stringify(text))

  t.test('marks what cannot be an address', async (t) => {
    t.same(splitAddresses('ada@x.test nonsense, @x.test; Ada <nobody>'), [
      { email: 'ada@x.test', isValid: true },
      { email: 'nonsense', isValid: false },
      { email: '@x.test', isValid: false },
      { email: 'nobody', isValid: false }
    ])
  })
})

test('isAddress agrees with the service', async (t) => {
  const texts = [
    'ada@x.test',
    'a.b+c@x-y.test',
    'ada@',
    '@x.test',
    'ada',
    'a..b@x.test',
    '.a@x.test',
    'a@-x.test',
    'a@x..test'
  ]
    .concat(['a@b', 'ädä@x.test', 'ada@bücher.test', 'ada@пример.test', '"a b"@x.test', 'a@[127.0.0.1]', 'a@x_y.test'])
    .concat([
      `${'a'.repeat(64)}@x.test`,
      `${'a'.repeat(65)}@x.test`,
      `a@${'b'.repeat(63)}.test`,
      `a@${'b'.repeat(64)}.test`
    ])
  for (const text of texts) t.equal(isAddress(text), parseAddress(text) !== undefined, text)
})

test('readCsv', async (t) => {
  t.same(
    readCsv('\uFEFFName;E-Mail;Role\r\n"Doe; Jane";jane@x.test;Manager\r\nBen;ben@x.test;\r\n'),
    [
      { email: 'jane@x.test', isValid: true, role: 'manager' },
      { email: 'ben@x.test', isValid: true }
    ],
    'semicolons, a byte order mark, quotes, a role'
  )
  t.same(
    readCsv('email\nada@x.test\nnonsense\n').map(({ isValid }) => isValid),
    [true, false],
    'what stands in the column of addresses and is none is kept, to be seen'
  )
  t.same(
    readCsv('Ada,"said ""hi""",ada@x.test\nBen,,ben@x.test').map(({ email }) => email),
    ['ada@x.test', 'ben@x.test'],
    'without a header every address counts'
  )
  t.same(
    readCsv('name\tmail\nAda\tada@x.test').map(({ email }) => email),
    ['ada@x.test'],
    'tabs'
  )
})
