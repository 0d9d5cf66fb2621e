import { test } from 'tap'
import { createEgress, isPublicAddress, requireSendableUrl } from '../../server/events/egress.ts'
import { startReceiver } from '../support/receiver.ts'

const PUBLIC = { isPrivateAllowed: false, isHttpAllowed: false, hosts: undefined }
const ANY = { isPrivateAllowed: true, isHttpAllowed: true, hosts: undefined }

test('requests to addresses that tenants give', async (t) => {
  t.test('tell public addresses from others', async (t) => {
    const isPublic = ['8.8.8.8', '93.184.216.34', '2606:4700:4700::1111']
    const isNot = [
      '127.0.0.1',
      '10.0.0.1',
      '172.16.3.4',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '0.0.0.0',
      '224.0.0.1',
      '255.255.255.255',
      '::1',
      '::',
      'fe80::1',
      'fd00::1',
      '::ffff:127.0.0.1',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      '::7f00:1',
      '64:ff9b:1::7f00:1',
      'fec0::1',
      '4000::1',
      'nonsense'
    ]
    for (const address of isPublic) t.ok(isPublicAddress(address), address)
    for (const address of isNot) t.notOk(isPublicAddress(address), address)
  })

  t.test('refuse URLs of the local network, however they are written', async (t) => {
    for (const url of [
      'http://hooks.acme.test/',
      'https://127.0.0.1/',
      'https://2130706433/',
      'https://0x7f.1/',
      'https://[::1]/',
      'https://[::ffff:10.0.0.1]/',
      'https://localhost/',
      'https://acme.localhost/',
      'https://metadata.google.internal/',
      'https://user:word@hooks.acme.test/',
      'file:///etc/passwd',
      'nonsense'
    ]) {
      t.throws(() => requireSendableUrl(url, PUBLIC), Object.assign(new Error(), { reason: 'badUrl' }), {
        message: url
      })
    }
    requireSendableUrl('https://hooks.acme.test/x?y=1', PUBLIC)
  })

  t.test('go only to hosts that the operator has named, if there are any', async (t) => {
    const named = { ...PUBLIC, hosts: ['hooks.acme.test', '*.example.org'] }
    for (const host of ['hooks.acme.test', 'HOOKS.acme.test:8443', 'a.example.org', 'b.a.example.org']) {
      t.doesNotThrow(() => requireSendableUrl(`https://${host}/x`, named), host)
    }
    for (const host of ['acme.test', 'other.acme.test', 'example.org', 'badexample.org', 'hooks.acme.test.evil.test']) {
      t.throws(
        () => requireSendableUrl(`https://${host}/x`, named),
        Object.assign(new Error(), { reason: 'badUrl' }),
        host
      )
    }
    const egress = createEgress({ ...ANY, hosts: ['hooks.acme.test'] })
    t.teardown(() => egress.close())
    await t.rejects(
      egress.post('http://127.0.0.1:1/', {}, ''),
      Object.assign(new Error(), { reason: 'badUrl' }),
      'also of streams that were there before'
    )
  })

  t.test('check where a name leads at the moment of connecting', async (t) => {
    const names: Record<string, string[]> = {
      'rebound.test': ['10.0.0.1'],
      'mixed.test': ['93.184.216.34', '127.0.0.1'],
      'nowhere.test': []
    }
    const egress = createEgress(PUBLIC, (name, _options, callback) =>
      callback(
        null,
        names[name]!.map((address) => ({ address, family: 4 }))
      )
    )
    t.teardown(() => egress.close())
    for (const name of Object.keys(names)) {
      await t.rejects(egress.post(`https://${name}/`, {}, ''), { message: /private address/ }, name)
    }
  })

  t.test('follow no redirect, and report what was answered', async (t) => {
    const receiver = await startReceiver(t, () => 302)
    const egress = createEgress(ANY)
    t.teardown(() => egress.close())
    t.match(await egress.post(receiver.url, { 'x-a': '1' }, 'body'), { status: 302, text: 'not now' })
    t.match(receiver.received, [{ body: 'body', headers: { 'x-a': '1', 'user-agent': 'Muster' } }])
  })
})
