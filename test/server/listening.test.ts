// If HTTP cannot listen, the start says which setting to change.
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'tap'
import { createDatabase } from '../support/database.ts'
import { startProcess } from '../support/process.ts'

test('an address that cannot be listened on stops the start with one line that names the setting', async (t) => {
  const taken = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const env = { DATABASE_URL: await createDatabase(t), SECRET_KEY: 'x'.repeat(32), RUN: 'server' }
  await t.rejects(startProcess(t, { ...env, PORT: String(port) }), {
    message: new RegExp(`: Muster did not start: PORT ${port} is taken: another process listens on it\\s*$`)
  })
  await t.rejects(startProcess(t, { ...env, HOST: '203.0.113.1' }), {
    message: /: Muster did not start: HOST must be an address of this machine, not "203\.0\.113\.1"\s*$/
  })
})
