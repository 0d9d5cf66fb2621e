import { test } from 'tap'
import { type PastedAddress, parseAddresses as parseLazily } from '../../server/invitations/parse-addresses.ts'
import fc from '../support/fuzz.ts'

const parseAddresses = (text: string): PastedAddress[] => [...parseLazily(text)]

/** Puts `+` before an address and `-` before a text that is none. */
const read = (text: string) => parseAddresses(text).map(({ text, key }) => `${key === undefined ? '-' : '+'}${text}`)

test('parseAddresses', async (t) => {
  const cases: [text: string, ...expected: string[]][] = [
    ['a@x.test', '+a@x.test'],
    [' a@x.test ', '+a@x.test'],
    ['a@x.test,b@x.test', '+a@x.test', '+b@x.test'],
    ['a@x.test; b@x.test;', '+a@x.test', '+b@x.test'],
    ['a@x.test\nb@x.test\r\n\r\nc@x.test\n', '+a@x.test', '+b@x.test', '+c@x.test'],
    ['a@x.test b@x.test\tc@x.test', '+a@x.test', '+b@x.test', '+c@x.test'],
    ['a@x.test，b@x.test；c@x.test、d@x.test', '+a@x.test', '+b@x.test', '+c@x.test', '+d@x.test'],
    ['Ben <ben@x.test>', '+ben@x.test'],
    ['Ben <ben@x.test>, Cleo <cleo@x.test>', '+ben@x.test', '+cleo@x.test'],
    ['Ben <ben@x.test> Cleo <cleo@x.test>', '+ben@x.test', '+cleo@x.test'],
    ['"Miller, Ben" <ben@x.test>; cleo@x.test', '+ben@x.test', '+cleo@x.test'],
    ["'ben@x.test' <ben@x.test>", '+ben@x.test'],
    ["'ben@x.test'", '+ben@x.test'],
    ['"ben@x.test"', '+ben@x.test'],
    ['Ben Miller\tben@x.test', '+ben@x.test'],
    ['mailto:ben@x.test', '+ben@x.test'],
    ['Ben <mailto:ben@x.test>', '+ben@x.test'],
    ['\u200bben@x.test\u200b, \ufeffcleo@x.test', '+ben@x.test', '+cleo@x.test'],
    ['ben@bücher.example', '+ben@xn--bcher-kva.example'],
    ["o'neil@x.test", "+o'neil@x.test"],
    ['Ben@X.test', '+Ben@X.test'],

    // one bad address spoils no other
    ['not an address', '-not an address'],
    ['not an address, b@x.test', '-not an address', '+b@x.test'],
    ['ben miller@x.test', '-ben miller@x.test'],
    ['ben miller@x.test, b@x.test', '-ben miller@x.test', '+b@x.test'],
    ['Ben\tben miller@x.test\tb@x.test', '-ben miller@x.test', '+b@x.test'],
    ['a@, b@x.test', '-a@', '+b@x.test'],
    ['a@b@c.test', '-a@b@c.test'],
    ['"Ben, a@x.test\nb@x.test', '-"Ben', '+a@x.test', '+b@x.test'],
    ['Ben <>, a@x.test', '-Ben <>', '+a@x.test'],
    ['Ben <not an address>, a@x.test', '-not an address', '+a@x.test'],
    ['"a@x.test b"@y.test', '-"a@x.test', '-b"@y.test'],
    ['', '-'],
    [' ,;\n', '-,;'],

    // smuggled headers and control characters
    ['a@x.test\r\nBcc: b@y.test', '-a@x.test\r\nBcc: b@y.test'],
    ['a@x.test\nBcc: b@y.test\nc@x.test', '-a@x.test\nBcc: b@y.test', '+c@x.test'],
    ['a@x.test\r\n\r\nSubject: hello', '-a@x.test\r\n\r\nSubject: hello'],
    ['a@x.test\rX-Other:b@y.test', '-a@x.test\rX-Other:b@y.test'],
    ['a@x.test\u2028Bcc: b@y.test', '-a@x.test\u2028Bcc: b@y.test'],
    ['Bcc: b@y.test', '-Bcc: b@y.test'],
    ['a@x.test\u0000', '-a@x.test\u0000'],
    ['a@x.test\u0000b@y.test', '-a@x.test\u0000b@y.test'],
    ['a@x.test\u0085b@y.test', '-a@x.test\u0085b@y.test'],
    ['a@x.test%0d%0aBcc:b@y.test', '-a@x.test%0d%0aBcc:b@y.test']
  ]
  for (const [text, ...expected] of cases) t.same(read(text), expected, encodeURI(text))
})

test('parseAddresses returns addresses in lower case as keys', async (t) => {
  t.same(parseAddresses('Ben@X.Test'), [{ text: 'Ben@X.Test', key: 'ben@x.test' }])
})

test('parseAddresses shortens long nonsense', async (t) => {
  t.equal(parseAddresses('x'.repeat(5_000))[0]!.text.length, 320)
})

test('parseAddresses never returns an address with a blank, a control character, a separator or a second @', async (t) => {
  const piece = fc.constantFrom(
    'a@x.test',
    'b',
    '@',
    '<',
    '>',
    '"',
    ',',
    ';',
    '\r',
    '\n',
    ' ',
    '\0',
    ':',
    'Bcc:',
    "'",
    '\\'
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join(''))
      ),
      (text) => {
        const found = parseAddresses(text)
        return (
          found.length > 0 &&
          found.every(
            ({ text, key }) =>
              key === undefined || (/^[^\s\p{Cc},;<>"@]+@[^\s\p{Cc},;<>"@]+$/u.test(text) && key === text.toLowerCase())
          )
        )
      }
    )
  )
  t.pass('for any text')
})

test('parseAddresses takes time proportional to the length', async (t) => {
  // each of these would take minutes if some part of the text were read again for each character
  const size = 300_000
  for (const piece of ['"', '\\"', '<', '<a', '\n', '\r\n ', ' ', 'a:', '\nBcc:', '@', "'", 'a@x.test ', 'a@x.test,']) {
    t.ok(parseAddresses(piece.repeat(size / piece.length)).length > 0, JSON.stringify(piece))
  }
})
