// A stored request as a command that repeats it, without the token.
import type { WireEntry } from './entry.ts'

/** @param origin `https://acme.example.com` @returns one command for a POSIX shell, over several lines */
export function curlOf({ method, url, headers, request, requestCut }: WireEntry, origin: string): string {
  const kept = Object.entries(headers).filter(([name]) => name !== 'user-agent')
  const body = request === undefined ? undefined : textOf(request)
  const lines = [
    `curl -i -X ${method} ${quote(`${origin}${url}`)}`,
    `-H "Authorization: Bearer $TOKEN"`,
    ...kept.map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`),
    ...(body === undefined ? [] : [`--data-raw ${quote(body)}`])
  ]
  const command = lines.join(' \\\n  ')
  return requestCut === undefined ? command : `# the body was longer than what was kept of it\n${command}`
}

/** A body as it was sent, or as much as was kept of it. */
export const textOf = (body: unknown): string => (typeof body === 'string' ? body : JSON.stringify(body))

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
