// Ten thousand clients stay connected and send nothing: a real server process goes on serving others.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { createDatabase } from '../support/database.ts'
import { startProcess } from '../support/process.ts'
import { openRaw, type RawClient } from '../support/sockets.ts'

const CONNECTIONS = 10_000
/** Open files needed on each side: the connections, and what else a process has open. */
const FILES_NEEDED = CONNECTIONS + 500
const AT_ONCE = 200
const REQUEST = 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n'

/** Node raises its own limit to the hard limit. */
function filesAllowed(): number {
  const text = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()
  return text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text)
}

const allowed = filesAllowed()
const skip = allowed < FILES_NEEDED && `SKIPPED: a process may open ${allowed} files here, ${FILES_NEEDED} are needed`
if (skip) process.stderr.write(`\n*** ${skip} ***\n`)

test('10,000 idle connections', { skip }, async (t) => {
  const url = await createDatabase(t)
  const service = await startProcess(t, {
    DATABASE_URL: url,
    SECRET_KEY: 'secret-key-of-the-tests-0123456789-abcdef',
    OPERATOR_TOKEN: 'operator-token-of-the-tests-0123456789',
    RUN: 'server',
    LOG_LEVEL: 'warn'
  })
  const residentMb = () => {
    const status = readFileSync(`/proc/${service.child.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1024
  }
  const isLinux = process.platform === 'linux'
  const before = isLinux ? residentMb() : 0
  const clients: RawClient[] = []
  t.teardown(() => {
    for (const { socket } of clients) socket.destroy()
  })
  while (clients.length < CONNECTIONS) {
    // another loopback address for each few thousand, since one address has too few ports
    const localAddress = isLinux ? `127.0.0.${2 + Math.floor(clients.length / 4_000)}` : undefined
    const batch = await Promise.all(Array.from({ length: AT_ONCE }, () => openRaw(service.port, { localAddress })))
    // each sends one request, so that it may stay connected
    await Promise.all(
      batch.map(({ socket }) => {
        socket.write(REQUEST)
        return new Promise((done) => socket.once('data', done))
      })
    )
    clients.push(...batch)
  }

  t.test('stay connected while others are served', async (t) => {
    const ask = (path: string) => fetch(`http://127.0.0.1:${service.port}${path}`)
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => ask(index % 2 ? '/readyz' : '/scim/v2/Users'))
    )
    t.same(new Set(answers.map(({ status }) => status)), new Set([200, 404]))
    t.equal(clients.filter(({ socket }) => socket.destroyed).length, 0)
    t.ok(clients.every(({ received }) => received().startsWith('HTTP/1.1 200 ')))
  })

  t.test('cost a few kilobytes each', { skip: !isLinux && 'read from /proc' }, async (t) => {
    const grownMb = residentMb() - before
    t.ok(grownMb < 400, `${grownMb.toFixed(0)} MB for ${CONNECTIONS} connections`)
    t.comment(`${grownMb.toFixed(0)} MB for ${CONNECTIONS} connections`)
  })

  t.test('do not prevent the process from stopping', async (t) => {
    t.equal(await service.stop(), 0)
    await Promise.all(clients.map(({ closed }) => closed))
  })
})
