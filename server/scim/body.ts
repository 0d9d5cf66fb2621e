// Request bodies: which content types are read as JSON (RFC 7644 §3.1, §8.1), and how.
import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError, invalidSyntax } from '../errors.ts'
import { MAX_TOLD_LENGTH } from '../wire-log/redact.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The text that `body` was parsed from, if it is short. */
    bodyText: string | undefined
  }
}

const TYPES = /^application\/(scim\+json|json)\s*(;.*)?$/i
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]+)"?/i

/** Replaces this plugin's body parsers with those of the protocol. An empty body becomes undefined. */
export function readBodies(app: FastifyInstance): void {
  app.decorateRequest('bodyText', undefined)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    // Clients send DELETE with the content type of all their other requests
    if (body.length === 0 || request.method === 'DELETE') return undefined
    checkCoding(request.headers['content-encoding'])
    checkType(request.headers['content-type'])
    const text = textOf(body)
    if (text.length <= MAX_TOLD_LENGTH) request.bodyText = text
    return parseJson(text)
  })
}

/** @throws an error with status 415 (RFC 9110 §8.4): nothing is unpacked, so a body is as large as what was sent */
function checkCoding(header: string | undefined): void {
  if (header === undefined || /^\s*(identity)?\s*$/i.test(header)) return
  throw Object.assign(new Error('Send the body as it is, without a Content-Encoding'), { statusCode: 415 })
}

/** Accepts a missing type. @throws an error with status 415 for another type or a charset other than UTF-8 */
function checkType(header: string | undefined): void {
  if (header === undefined) return
  const charset = CHARSET.exec(header)?.[1]?.toLowerCase() ?? 'utf-8'
  if (TYPES.test(header) && (charset === 'utf-8' || charset === 'utf8')) return
  throw Object.assign(new Error('Send application/scim+json or application/json, in UTF-8'), { statusCode: 415 })
}

/** @throws AppError invalidSyntax */
function textOf(body: Buffer): string {
  if (!isUtf8(body)) throw invalidSyntax('The body is not UTF-8')
  const text = body.toString('utf8')
  // Some clients send a byte order mark
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/** @throws AppError invalidSyntax */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new AppError('invalid', `The body is not JSON${placeIn(error)}`, { scimType: 'invalidSyntax' })
  }
}

/** `, from line 2, column 7 on`. V8 also quotes the text there, which may be a password, and errors are stored. */
function placeIn(error: unknown): string {
  const [, line, column] = /\(line (\d+) column (\d+)\)/.exec((error as Error).message) ?? []
  return line ? `, from line ${line}, column ${column} on` : ''
}
