import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { isAllowed, ofProduction, readLicences } from './licences.ts'

const ROOT = join(import.meta.dirname, '../..')

test('packages that the service runs with have licences that allow passing it on', async (t) => {
  const licences = readLicences(ofProduction)
  t.ok(licences.length > 100)
  t.same(
    licences.filter(({ licence }) => !isAllowed(licence)),
    []
  )
})

test('a licence is allowed if its terms can be met', async (t) => {
  const cases: Record<string, boolean> = {
    MIT: true,
    '(MIT OR GPL-3.0)': true,
    'MIT AND ISC': true,
    'GPL-3.0': false,
    'MIT AND GPL-3.0': false,
    'AGPL-3.0-only': false,
    UNLICENSED: false,
    '': false
  }
  for (const [licence, expected] of Object.entries(cases)) t.equal(isAllowed(licence), expected, licence)
})

test('direct dependencies are pinned, and the lock file has a hash of each package', async (t) => {
  const read = (file: string) => JSON.parse(readFileSync(join(ROOT, file), 'utf8'))
  const { dependencies, devDependencies } = read('package.json')
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    t.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, name)
  }
  const { packages } = read('package-lock.json') as {
    packages: Record<string, { integrity?: string; inBundle?: boolean }>
  }
  t.ok(Object.keys(packages).length > 100)
  const unhashed = Object.entries(packages).filter(([path, { integrity, inBundle }]) => path && !integrity && !inBundle)
  t.same(unhashed, [])
})
