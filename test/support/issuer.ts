// Stands in for Google: a real OpenID issuer (npm oidc-provider) on a free loopback port.
import { generateKeyPairSync } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt, importJWK, type JWK, type JWTPayload, SignJWT } from 'jose'
import Provider from 'oidc-provider'
import type { Test } from 'tap'
import { freePort } from '../../db/embedded.ts'

export interface Account {
  sub: string
  email: string
  email_verified: boolean
  name?: string
}

export interface TestIssuer {
  url: string
  clientId: string
  clientSecret: string
  /** The account that signs in at the next visit. */
  account: Account
  /** Changes the claims of the next id_tokens, which are signed with the issuer's own key all the same. */
  tamper: ((claims: JWTPayload) => JWTPayload) | undefined
  /** Plays the browser at the issuer: follows its redirects from the authorization URL back to us. */
  visit(authorizationUrl: string): Promise<URL>
}

export async function startIssuer(t: Test, redirectUri: string): Promise<TestIssuer> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key: JWK = { ...privateKey.export({ format: 'jwk' }), kid: 'test', use: 'sig', alg: 'RS256' }
  const issuer: TestIssuer = {
    url,
    clientId: 'muster-test',
    clientSecret: 'client-secret-of-the-tests-0123456789',
    account: { sub: 'google-1', email: 'ada@acme.test', email_verified: true },
    tamper: undefined,
    visit: (authorizationUrl) => followToUs(authorizationUrl, redirectUri)
  }
  const provider = createProvider(issuer, key, redirectUri)
  const handle = provider.callback()
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/interaction/')) return void finishInteraction(provider, issuer, request, response)
    if (request.url?.startsWith('/token') && issuer.tamper) tamperWithToken(response, issuer, key)
    handle(request, response)
  })
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
  t.teardown(
    () =>
      new Promise<void>((closed) => {
        server.closeAllConnections()
        server.close(() => closed())
      })
  )
  if ((server.address() as AddressInfo).port !== port) throw new Error('the port was taken')
  return issuer
}

function createProvider(issuer: TestIssuer, key: JWK, redirectUri: string): Provider {
  const provider = new Provider(issuer.url, {
    clients: [
      {
        client_id: issuer.clientId,
        client_secret: issuer.clientSecret,
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: 'client_secret_basic'
      }
    ],
    jwks: { keys: [key as never] },
    cookies: { keys: ['cookie-key-of-the-tests'] },
    conformIdTokenClaims: false,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    pkce: { required: () => true },
    ttl: { AccessToken: 600, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_ctx, id) => ({ accountId: id, claims: async () => ({ ...issuer.account, sub: id }) }),
    async loadExistingGrant(ctx) {
      // everybody has consented to everything
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client!.clientId,
        accountId: ctx.oidc.session!.accountId!
      })
      grant.addOIDCScope('openid email profile')
      await grant.save()
      return grant
    }
  })
  // its other messages on standard error are about running without TLS and in memory, as a test does
  provider.on('server_error', (_ctx, error) => console.error(error))
  return provider
}

async function finishInteraction(
  provider: Provider,
  issuer: TestIssuer,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  await provider.interactionFinished(request, response, { login: { accountId: issuer.account.sub } })
}

/** Replaces the id_token in the answer of this response. */
function tamperWithToken(response: ServerResponse, issuer: TestIssuer, key: JWK): void {
  const end = response.end.bind(response)
  response.end = ((body: string | Buffer) => {
    const answer = JSON.parse(String(body)) as { id_token?: string }
    if (!answer.id_token || !issuer.tamper) return end(body)
    const claims = issuer.tamper(decodeJwt(answer.id_token))
    void importJWK(key, 'RS256')
      .then((privateKey) => new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'test' }).sign(privateKey))
      .then((idToken) => {
        const changed = JSON.stringify({ ...answer, id_token: idToken })
        response.setHeader('content-length', Buffer.byteLength(changed))
        end(changed)
      })
    return response
  }) as typeof response.end
}

async function followToUs(from: string, redirectUri: string): Promise<URL> {
  const jar = new Map<string, string>()
  let url = from
  for (let hop = 0; hop < 10; hop++) {
    if (url.startsWith(redirectUri)) return new URL(url)
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }
    })
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (name) jar.set(name, value ?? '')
    }
    const location = answer.headers.get('location')
    if (!location) throw new Error(`The issuer answered ${answer.status}: ${await answer.text()}`)
    url = new URL(location, url).href
  }
  throw new Error('The issuer redirects without end')
}
