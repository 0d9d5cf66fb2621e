// Where PostgreSQL is and how to sign in there, from a URL.
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type pg from 'pg'

const NO_PASSWORD = '-'

/**
 * A postgres:// URL as pg's configuration. With `?passwordfile=/run/secrets/database`, the password is read from that
 * file for each new connection, so that a password that is replaced every hour needs no restart.
 */
export function serverAddress(url: string): pg.ClientConfig {
  const parsed = new URL(url)
  const file = parsed.searchParams.get('passwordfile')
  // with a connection string, pg would ignore the password function
  if (file === null) return { connectionString: url }
  const decode = (text: string) => decodeURIComponent(text) || undefined
  return {
    host: parsed.searchParams.get('host') ?? decode(parsed.hostname.replace(/^\[|\]$/g, '')),
    port: parsed.port ? Number(parsed.port) : undefined,
    user: decode(parsed.username),
    database: decode(parsed.pathname.slice(1)),
    ssl: tlsOf(parsed.searchParams),
    // without a password pg leaves the connection open; a wrong password is refused at once
    password: () =>
      readFile(file, 'utf8').then(
        (text) => text.trim() || NO_PASSWORD,
        () => NO_PASSWORD
      )
  }
}

/** As pg reads the parameters: every `sslmode` that turns TLS on, except `no-verify`, also checks the server's name. */
function tlsOf(parameters: URLSearchParams): pg.ClientConfig['ssl'] {
  const read = (name: string) => {
    const file = parameters.get(name)
    return file === null ? undefined : readFileSync(file, 'utf8')
  }
  const mode = parameters.get('sslmode')
  if (mode === null || mode === 'disable') return false
  return {
    ca: read('sslrootcert'),
    cert: read('sslcert'),
    key: read('sslkey'),
    rejectUnauthorized: mode !== 'no-verify'
  }
}
