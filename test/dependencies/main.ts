// `npm run audit:deps`: known vulnerabilities of packages that the service runs with, if the registry answers, and the
// licences of all packages, including those for development.
import { spawnSync } from 'node:child_process'
import { isAllowed, readLicences } from './licences.ts'

const say = (text: string) => process.stdout.write(`${text}\n`)

interface Audit {
  readonly error?: unknown
  readonly metadata?: { readonly vulnerabilities: Readonly<Record<string, number>> }
  readonly vulnerabilities?: Readonly<Record<string, { name: string; severity: string; range: string }>>
}

/** Undefined if the registry, or a mirror of it, does not say. */
function askRegistry(): Audit | undefined {
  const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8', timeout: 120_000 })
  const start = stdout?.indexOf('{') ?? -1
  if (start < 0) return undefined
  try {
    const audit = JSON.parse(stdout.slice(start)) as Audit
    return audit.metadata ? audit : undefined
  } catch {
    return undefined
  }
}

const audit = askRegistry()
if (!audit) say('*** NOT CHECKED: the registry does not answer `npm audit` here; run this where it does ***')
const found = Object.values(audit?.vulnerabilities ?? {})
for (const { name, severity, range } of found) say(`${severity}: ${name} ${range}`)
if (audit) say(`${found.length} packages with known vulnerabilities`)

const licences = readLicences(() => true)
const refused = licences.filter(({ licence }) => !isAllowed(licence))
for (const { id, licence } of refused) say(`licence to be looked at: ${id} ${licence || '(none named)'}`)
say(`${licences.length} packages, ${refused.length} under a licence that is not on the list`)
process.exit(found.length > 0 ? 1 : 0)
