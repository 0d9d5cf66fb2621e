// A person without a browser: the typed client with a cookie jar, as the page on a tenant's host would call it.
import { type Client, createClient } from '../../client/index.ts'
import { fetchOf } from '../../client/transport-node.ts'

export interface Person {
  client: Client
  /** Forgets the session without telling the service. */
  forget(): void
  cookie(): string
  fetch: typeof fetch
}

/** @param url the tenant's host, such as `http://acme.localhost:4000` */
export function person(url: string): Person {
  const jar = new Map<string, string>()
  const base = fetchOf()
  const cookie = () => [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const withCookies = (async (input: string, init: RequestInit = {}) => {
    const headers = {
      ...(init.headers as Record<string, string>),
      origin: url,
      ...(jar.size > 0 && { cookie: cookie() })
    }
    const answer = await base(input, { ...init, headers })
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (!name) continue
      if (value && !/max-age=0|expires=thu, 01 jan 1970/i.test(line)) jar.set(name, value)
      else jar.delete(name)
    }
    return answer
  }) as typeof fetch
  return { client: createClient({ url, fetch: withCookies }), forget: () => jar.clear(), cookie, fetch: withCookies }
}
