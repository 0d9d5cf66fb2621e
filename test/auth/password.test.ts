import { getPriority } from 'node:os'
import bcrypt from 'bcrypt'
import { test } from 'tap'
import { createPasswords } from '../../server/auth/password.ts'
import { checkPassword } from '../../server/auth/password-policy.ts'
import { NICENESS, poolThreads } from '../../server/auth/threads.ts'
import { AppError } from '../../server/errors.ts'

test('password hashes', async (t) => {
  const passwords = createPasswords(4)

  t.test('verify the password that was hashed, and no other', async (t) => {
    const hash = await passwords.hash('Zebra-42-umbrella')
    t.match(hash, /^\$2b\$04\$/)
    t.equal(await passwords.verify('Zebra-42-umbrella', hash), true)
    t.equal(await passwords.verify('zebra-42-umbrella', hash), false)
  })

  t.test('are computed by threads of lower priority than those that answer requests', async (t) => {
    // the first hash, which starts the threads, comes before this one
    await passwords.verify('Zebra-42-umbrella', undefined)
    const threads = poolThreads()
    if (process.platform === 'linux') t.ok(threads.length > 0)
    const expected = Math.min(getPriority() + NICENESS, 19)
    for (const thread of threads) t.equal(getPriority(thread), expected)
  })

  const long = 'x'.repeat(100)
  for (const [what, right, wrong] of [
    ['100 bytes that differ after the 72nd', `${long}1`, `${long}2`],
    ['the last of 73 bytes', `${'x'.repeat(72)}1`, `${'x'.repeat(72)}2`],
    ['a NUL', 'before\0after', 'before\0other'],
    ['letters of several bytes', `${'ß'.repeat(40)}1`, `${'ß'.repeat(40)}2`]
  ] as const) {
    t.test(`tell apart ${what}`, async (t) => {
      const hash = await passwords.hash(right)
      t.equal(await passwords.verify(right, hash), true)
      t.equal(await passwords.verify(wrong, hash), false)
    })
  }

  t.test('treat a composed and a decomposed letter as the same', async (t) => {
    t.equal(await passwords.verify('Zu\u0308rich-Umbrella', await passwords.hash('Z\u00fcrich-Umbrella')), true)
  })

  t.test('of long passwords are not the plain SHA hashes that other services store', async (t) => {
    const hash = await passwords.hash(long)
    for (const algorithm of ['sha256', 'sha384', 'sha512']) {
      for (const encoding of ['hex', 'base64'] as const) {
        const digest = (await import('node:crypto')).createHash(algorithm).update(long).digest(encoding)
        t.equal(await bcrypt.compare(digest.slice(0, 72), hash), false, `${algorithm} ${encoding}`)
      }
    }
  })

  t.test('cost today’s work to compare, even if there is none or it has a lower cost', async (t) => {
    const cost = 8
    const dear = createPasswords(cost)
    const hashes = {
      none: undefined,
      'today’s': await dear.hash('Zebra-42-umbrella'),
      'a lower one': await createPasswords(cost - 1).hash('Zebra-42-umbrella'),
      'the lowest': await passwords.hash('Zebra-42-umbrella'),
      'none of bcrypt’s': 'Zebra-42-umbrella'
    }
    // by now the stand-in for a missing hash exists
    await dear.verify('anything', undefined)
    const { compare, hash } = bcrypt
    t.teardown(() => Object.assign(bcrypt, { compare, hash }))
    let rounds = 0
    bcrypt.compare = ((password: string, hash: string) => {
      rounds += 2 ** bcrypt.getRounds(hash)
      return compare(password, hash)
    }) as typeof bcrypt.compare
    bcrypt.hash = ((password: string, cost: number) => {
      rounds += 2 ** cost
      return hash(password, cost)
    }) as typeof bcrypt.hash
    for (const [name, known] of Object.entries(hashes)) {
      for (const password of ['Zebra-42-umbrella', 'another']) {
        rounds = 0
        const isRight = known !== undefined && known !== password && password !== 'another'
        t.equal(await dear.verify(password, known), isRight, name)
        t.equal(rounds, 2 ** cost, `${name}, ${password}`)
      }
    }
  })

  t.test('of a lower cost are outdated', async (t) => {
    const hash = await passwords.hash('Zebra-42-umbrella')
    t.equal(createPasswords(5).isOutdated(hash), true)
    t.equal(passwords.isOutdated(hash), false)
    t.equal(createPasswords(4).isOutdated(await createPasswords(5).hash('x')), false)
  })

  t.test('are refused as unavailable if too many wait', async (t) => {
    const outcomes = await Promise.allSettled(Array.from({ length: 300 }, () => passwords.verify('x', undefined)))
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    t.ok(refused.length > 0 && refused.length < 100, `${refused.length} refused`)
    t.ok(refused.every(({ reason }) => reason instanceof AppError && reason.code === 'unavailable'))
  })
})

test('the password policy', async (t) => {
  const ada = { email: 'ada.lovelace@acme.test', name: 'Ada Lovelace', tenantName: 'Acme' }
  for (const password of [
    'correct horse battery staple 1',
    'Passw0rd!Passw0rd!',
    'S3cure-passphrase!',
    'ñandú-über-straße',
    'пароль-из-слов-и-7',
    'x'.repeat(100) + '1',
    'x7$Kp2!q'
  ]) {
    t.doesNotThrow(() => checkPassword(password, ada), `takes ${password.slice(0, 40)}`)
  }
  for (const password of [
    'password',
    '12345678',
    '1234567890123456',
    'qwertyuiop',
    'aaaaaaaaaaaa',
    'passwordpassword',
    'Password1!',
    'adalovelace',
    'ada.lovelace@acme.test',
    'x'.repeat(1_025),
    ''
  ]) {
    t.throws(
      () => checkPassword(password, ada),
      { code: 'invalid', reason: 'weakPassword' },
      `refuses ${password.slice(0, 40)}`
    )
  }

  t.test('counts characters as people do, from the tenant’s own minimum', async (t) => {
    t.throws(() => checkPassword('x7$Kp2!'), { message: /at least 8 characters/ })
    t.doesNotThrow(() => checkPassword('x7$Kp2!q'))
    t.throws(() => checkPassword('x7$Kp2!q', { minLength: 12 }), { message: /at least 12 characters/ })
    t.throws(() => checkPassword('🦓🦒🦏🐘'), { message: /at least 8 characters/ }, 'eight code units, four characters')
  })
})
