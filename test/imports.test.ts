// Reads the import lines and checks who imports whom (docs/architecture.md).
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'tap'

const ROOT = join(import.meta.dirname, '..')
/** Files directly below server/ that every layer of the server may import. */
const GROUND = [
  'server/errors',
  'server/config',
  'server/secrets',
  'server/cache',
  'server/tenancy',
  'server/counters',
  'server/tracing',
  'server/deps'
]
const RULES = ['server/provisioning', 'server/auth', 'server/invitations', 'server/events']

/** The first row that fits a file lists which of our folders it may import, besides its own. */
const ALLOWED: [place: string, imports: string[]][] = [
  ['db', []],
  ['jobs/queue', ['db', ...GROUND]],
  ['server/errors', []],
  ['server/config', []],
  ['server/secrets', []],
  ['server/cache', ['db']],
  ['server/counters', ['server/errors']],
  ['server/tracing', ['db', 'server/config', 'server/opentelemetry']],
  ['server/tenancy', ['db', ...GROUND]],
  ['server/deps', ['db', 'jobs/queue', 'server/auth', ...GROUND]],
  ['server/mail', ['templates', 'server/errors', 'server/config']],
  // a schema is data, and administrators register some of their own
  ['server/scim/schemas', ['server/scim', 'server/errors']],
  ['server/sandbox', ['db', 'jobs/queue', 'server/auth', 'server/counters', ...GROUND]],
  ['server/provisioning', ['db', 'jobs/queue', ...GROUND, 'server/scim/schemas']],
  ['server/auth', ['db', 'jobs/queue', ...GROUND, 'server/provisioning']],
  ['server/invitations', ['db', 'jobs/queue', ...GROUND, 'server/provisioning', 'server/auth']],
  ['server/events', ['db', 'jobs/queue', ...GROUND, 'server/provisioning']],
  ['server/wire-log', ['db', ...GROUND, 'server/provisioning', 'server/scim/schemas']],
  ['server/scim', ['db', 'jobs/queue', ...GROUND, ...RULES, 'server/wire-log', 'server/sandbox']],
  ['server/admin', ['db', 'jobs/queue', ...GROUND, ...RULES, 'server/wire-log']],
  ['jobs', ['db', 'server/mail', ...GROUND, ...RULES]],
  ['client', ['server/admin/router', 'server/operate']]
]

const imports = (file: string) => {
  const text = readFileSync(join(ROOT, file), 'utf8')
  const at = (path: string) => relative(ROOT, join(ROOT, dirname(file), path))
  return [
    ...[...text.matchAll(/^(?:import|export) (type )?[^'"]*?from '(\.[^']+)'/gms)].map(([, isType, path]) => ({
      kind: isType ? 'type' : 'static',
      target: at(path!)
    })),
    ...[...text.matchAll(/\bimport\('(\.[^']+)'\)/g)].map(([, path]) => ({ kind: 'dynamic', target: at(path!) }))
  ]
}

const isWithin = (path: string, place: string) =>
  path === place || path.startsWith(`${place}/`) || path === `${place}.ts`

test('imports point one way', async (t) => {
  for (const file of globSync('{server,client,db,jobs}/**/*.{ts,tsx}', { cwd: ROOT }).sort()) {
    const row = ALLOWED.find(([place]) => isWithin(file, place))
    if (!row) continue
    const [place, allowed] = row
    for (const { kind, target } of imports(file)) {
      if (isWithin(target, place)) continue
      t.ok(
        allowed.some((other) => isWithin(target, other)),
        `${file} may not import ${target}`
      )
      // the command line loads code that does not belong to a client only if a command needs it
      const isLate = kind === 'dynamic' && isWithin(file, 'client/cli') && isWithin(target, 'server/operate')
      if (place === 'client') t.ok(kind === 'type' || isLate, `${file} imports ${target} as a type only`)
    }
  }
})
