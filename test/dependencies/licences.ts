// Reads the licences of packages that the service runs with from the packages themselves.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/** Licences that only ask to be named. MPL and CC-BY bind the files that are under them, not ours. */
export const ALLOWED: ReadonlySet<string> = new Set([
  ...['MIT', 'MIT-0', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0', 'Python-2.0'],
  ...['Unlicense', 'CC0-1.0', 'CC-BY-4.0', 'MPL-2.0', 'PostgreSQL']
])

/** Packages whose licence is not written as SPDX requires. */
const READ_BY_HAND: Readonly<Record<string, string>> = { slick: 'MIT' }

interface PackageLicence {
  /** Such as `name@version`. */
  readonly id: string
  readonly licence: string
}

interface Locked {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly license?: string
}

/**
 * @param isWanted which packages of the lock file. Packages for other platforms are not installed, so the lock file's
 * word counts.
 */
export function readLicences(isWanted: (locked: Locked) => boolean): PackageLicence[] {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>
  }
  return Object.entries(packages)
    .filter(([path, locked]) => path !== '' && isWanted(locked))
    .map(([path, locked]) => {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
      return { id: `${name}@${locked.version}`, licence: READ_BY_HAND[name] ?? licenceIn(path) ?? locked.license ?? '' }
    })
}

export const ofProduction = ({ dev }: Locked): boolean => dev !== true

function licenceIn(path: string): string | undefined {
  const file = join(ROOT, path, 'package.json')
  if (!existsSync(file)) return undefined
  const { license } = JSON.parse(readFileSync(file, 'utf8')) as { license?: unknown }
  if (typeof license === 'string') return license
  return license && typeof license === 'object' ? String((license as { type?: unknown }).type) : undefined
}

/** Whether an SPDX expression can be met: `(MIT OR GPL-3.0)` by one of its choices, `MIT AND ISC` only by all. */
export function isAllowed(licence: string): boolean {
  const expression = licence.replace(/^\((.*)\)$/, '$1')
  return expression.split(' OR ').some((choice) => choice.split(' AND ').every((part) => ALLOWED.has(part.trim())))
}
