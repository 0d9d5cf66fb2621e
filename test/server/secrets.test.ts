import { test } from 'tap'
import { createSealer, hashToken, isSameSecret, randomToken } from '../../server/secrets.ts'

const OLD = 'o'.repeat(32)
const NEW = 'n'.repeat(32)

test('a sealed text is opened only with its key and purpose', async (t) => {
  const sealed = createSealer([OLD]).seal('mail', 'token')
  t.equal(createSealer([OLD]).open('mail', sealed), 'token')
  t.equal(createSealer([NEW, OLD]).open('mail', sealed), 'token', 'also when the key has rotated')
  t.equal(createSealer([NEW]).open('mail', sealed), undefined)
  t.equal(createSealer([OLD]).open('google', sealed), undefined, 'for another purpose')
  const changed = Buffer.from(sealed)
  changed[changed.length - 1]! ^= 1
  t.equal(createSealer([OLD]).open('mail', changed), undefined)
  t.equal(createSealer([OLD]).open('mail', Buffer.from('short')), undefined)
  const empty = createSealer([OLD]).seal('mail', '')
  t.equal(createSealer([OLD]).open('mail', empty), '')
  t.equal(createSealer([OLD]).open('mail', empty.subarray(0, 16)), undefined, 'by the whole tag alone')
  t.notSame(createSealer([OLD]).seal('mail', 'token'), sealed, 'sealing twice gives two texts')
})

test('tokens have 256 bits and are stored as SHA-256', async (t) => {
  t.equal(Buffer.from(randomToken(), 'base64url').length, 32)
  t.not(randomToken(), randomToken())
  t.equal(hashToken('abc').toString('hex'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  t.equal(isSameSecret('a', 'a'), true)
  t.equal(isSameSecret('a', 'ab'), false)
})
