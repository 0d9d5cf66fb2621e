// Which connections of the settings somebody on the way could read (REQUIRE_TLS, `muster doctor`).
import type { Config } from '../config.ts'

/**
 * Connections within this machine count as safe, as the one to the proxy does, which the settings do not know.
 * @returns what is wrong with each setting that leads in or out without TLS; none where all is well
 */
export function plainConnections(config: Config): string[] {
  const { database, mail, google, tracing, events, breachedPasswordsUrl } = config
  const https: [name: string, url: string | undefined][] = [
    ['GOOGLE_ISSUER', google?.issuer],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', tracing?.endpoint],
    ['BREACHED_PASSWORDS_URL', breachedPasswordsUrl]
  ]
  const postgres: [name: string, url: string | undefined][] = [
    ['DATABASE_URL', database.url],
    ['DATABASE_DIRECT_URL', database.directUrl],
    ['MIGRATE_DATABASE_URL', database.migrateUrl]
  ]
  return [
    ...(config.public.scheme === 'https' ? [] : ['PUBLIC_SCHEME must be https']),
    ...postgres
      .filter(([, url]) => url && !isEncryptedDatabase(url))
      .map(([name]) => `${name} must have sslmode=verify-full`),
    ...https
      .filter(([, url]) => url && !isLocal(new URL(url)) && !url.startsWith('https:'))
      .map(([name]) => `${name} must begin with https://`),
    // nodemailer reads options from the URL, and some of them turn the checks off
    ...(mail.smtpUrl && new URL(mail.smtpUrl).search ? ['SMTP_URL must have no options behind a ?'] : []),
    ...(events.isHttpAllowed ? ['WEBHOOKS_TO_PRIVATE_ADDRESSES must not allow http'] : [])
  ]
}

function isEncryptedDatabase(text: string): boolean {
  const url = new URL(text)
  return isLocal(url) || url.searchParams.get('sslmode') === 'verify-full'
}

/** Also a socket in the file system: `postgres:///muster?host=/run/postgresql`. */
export function isLocal(url: URL): boolean {
  const host = (url.hostname || url.searchParams.get('host') || '').replace(/^\[|\]$/g, '')
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
