// Validates an OpenID Connect id_token (OpenID Connect Core §3.1.3.7) and reads whom it identifies.
import { createRemoteJWKSet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { AppError } from '../errors.ts'

/** Who an issuer says somebody is. */
export interface OpenIdIdentity {
  issuer: string
  /** The issuer's permanent id of the person. */
  subject: string
  /** Verified by the issuer. */
  email: string
  name?: string
  givenName?: string
  familyName?: string
  locale?: string
}

interface IdTokenExpectation {
  issuer: string
  clientId: string
  /** The nonce that this sign-in sent. */
  nonce: string
  now: Date
}

/** Google's tokens name the issuer with and without the scheme (Google Identity, “Validate an ID token”). */
const issuerNames = (issuer: string) =>
  issuer === 'https://accounts.google.com' ? [issuer, 'accounts.google.com'] : [issuer]

/**
 * Checks signature, issuer, audience, expiry, nonce, and that the e-mail is verified.
 * @throws AppError unauthenticated `googleRefused` (the token is not for us, or not for this sign-in), forbidden
 *   `emailNotVerified`
 */
export async function verifyIdToken(
  idToken: string,
  keys: JWTVerifyGetKey,
  expected: IdTokenExpectation
): Promise<OpenIdIdentity> {
  const claims = await readClaims(idToken, keys, expected)
  if (claims.nonce !== expected.nonce) throw refused('its nonce is not the one of this sign-in')
  // with a list of audiences, azp must say that it was made for us
  if (Array.isArray(claims.aud) && claims.azp !== expected.clientId) throw refused('it was made for another client')
  const { sub, email, email_verified: isVerified } = claims
  if (!sub || typeof email !== 'string') throw refused('it names nobody')
  if (isVerified !== true && isVerified !== 'true') {
    throw new AppError('forbidden', 'Google has not verified that e-mail address', { reason: 'emailNotVerified' })
  }
  return {
    issuer: expected.issuer,
    subject: sub,
    email,
    name: text(claims.name),
    givenName: text(claims.given_name),
    familyName: text(claims.family_name),
    locale: text(claims.locale)
  }
}

async function readClaims(idToken: string, keys: JWTVerifyGetKey, expected: IdTokenExpectation): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(idToken, keys, {
      issuer: issuerNames(expected.issuer),
      audience: expected.clientId,
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      requiredClaims: ['exp', 'iat', 'sub'],
      clockTolerance: 30,
      currentDate: expected.now
    })
    return payload
  } catch (error) {
    throw refused((error as Error).message, error)
  }
}

/** The detail goes to the log; the person is only told that Google's answer did not fit. */
const refused = (why: string, cause?: unknown) =>
  new AppError('unauthenticated', 'Google’s answer does not fit this sign-in', {
    reason: 'googleRefused',
    cause: cause ?? new Error(`id_token refused: ${why}`)
  })

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)

/** The issuer's keys; their URL is asked for once (OpenID Connect Discovery §4), and again after a failure. */
export function createKeySource(issuer: string): JWTVerifyGetKey {
  let keys: Promise<JWTVerifyGetKey> | undefined
  return async (header, token) => {
    keys ??= discoverKeys(issuer).catch((error) => {
      keys = undefined
      throw error
    })
    return (await keys)(header, token)
  }
}

async function discoverKeys(issuer: string): Promise<JWTVerifyGetKey> {
  const answer = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
    signal: AbortSignal.timeout(5_000)
  })
  const { jwks_uri: uri } = (await answer.json()) as { jwks_uri: string }
  return createRemoteJWKSet(new URL(uri))
}
