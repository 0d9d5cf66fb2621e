// The development mailbox: shows unsent mail in a browser or to a script. For loopback use: whoever reaches it can read
// every link, so it is only registered where no SMTP server is set.
import { createHash } from 'node:crypto'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { notFound } from '../errors.ts'
import { listPage, messagePage, SCRIPT, STYLE, UUID } from './mailbox-pages.ts'
import type { MailboxMessage } from './types.ts'

const PAGE_LIMIT = 100
const JSON_DEFAULT_LIMIT = 100
const JSON_MAX_LIMIT = 1_000

interface MailboxOptions {
  /** Newest first. `to` compares whole addresses in any letter case. */
  listMessages(query: { to?: string; limit: number }): Promise<MailboxMessage[]>
  findMessage(id: string): Promise<MailboxMessage | undefined>
  clearMessages(): Promise<void>
  /** Whether a request came to the mailbox's host; on others its paths answer 404. */
  isServed(request: FastifyRequest): boolean
}

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

const PAGE_POLICY = [
  "default-src 'none'",
  `style-src ${hashOf(STYLE)}`,
  `script-src ${hashOf(SCRIPT)}`,
  "connect-src 'self'",
  "frame-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'"
].join('; ')

// The mail runs no script and has no origin; its links open in a new tab, outside the sandbox.
const MAIL_POLICY = [
  'sandbox allow-popups allow-popups-to-escape-sandbox',
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  'img-src http: https: data:',
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'self'"
].join('; ')

/**
 * GET /mailbox, /mailbox/:id, /mailbox/:id/html: pages. GET /mailbox/messages.json?to=&limit=: a JSON array of `{ id,
 * messageId, to, subject, html, text, createdAt }`, newest first. DELETE /mailbox/messages: 204, empties the mailbox.
 */
export const mailbox: FastifyPluginAsync<MailboxOptions> = async (app, options) => {
  app.addHook('onRequest', async (request, reply) => {
    if (!options.isServed(request)) throw notFound('The mailbox')
    reply.headers({
      'cache-control': 'no-store',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff'
    })
  })

  app.get<{ Querystring: { to?: string } }>(
    '/mailbox',
    { schema: { querystring: TO_QUERY } },
    async (request, reply) => {
      const to = request.query.to?.trim() || undefined
      const messages = await options.listMessages({ to, limit: PAGE_LIMIT })
      return sendHtml(reply, PAGE_POLICY, listPage(messages, { to, limit: PAGE_LIMIT }))
    }
  )

  app.get<{ Querystring: { to?: string; limit?: number } }>(
    '/mailbox/messages.json',
    { schema: { querystring: LIST_QUERY } },
    async (request) => {
      const { to, limit = JSON_DEFAULT_LIMIT } = request.query
      return options.listMessages({ to: to?.trim() || undefined, limit })
    }
  )

  app.delete('/mailbox/messages', async (_request, reply) => {
    await options.clearMessages()
    return reply.code(204).send()
  })

  app.get<{ Params: { id: string } }>('/mailbox/:id', async (request, reply) =>
    sendHtml(reply, PAGE_POLICY, messagePage(await getMessage(request.params.id)))
  )

  app.get<{ Params: { id: string } }>('/mailbox/:id/html', async (request, reply) =>
    sendHtml(reply, MAIL_POLICY, withLinksInNewTab((await getMessage(request.params.id)).html))
  )

  async function getMessage(id: string): Promise<MailboxMessage> {
    const message = UUID.test(id) ? await options.findMessage(id) : undefined
    if (!message) throw notFound('Message')
    return message
  }
}

const TO_QUERY = { type: 'object', properties: { to: { type: 'string', maxLength: 320 } } }
const LIST_QUERY = {
  type: 'object',
  properties: { ...TO_QUERY.properties, limit: { type: 'integer', minimum: 1, maximum: JSON_MAX_LIMIT } }
}

function sendHtml(reply: FastifyReply, policy: string, html: string): FastifyReply {
  return reply.header('content-security-policy', policy).type('text/html; charset=utf-8').send(html)
}

/** Within its frame a link would load the app in a sandbox, where it cannot work. */
const withLinksInNewTab = (html: string) => html.replace(/<head>/i, '<head><base target="_blank">')
