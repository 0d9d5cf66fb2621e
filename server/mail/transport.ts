// Sends mail over SMTP, or into the development mailbox where no server is set.
import { domainToASCII } from 'node:url'
import nodemailer from 'nodemailer'
import { MailError, type MailMessage, type StoredMessage } from './types.ts'

const CONNECTION_TIMEOUT_MS = 10_000
const GREETING_TIMEOUT_MS = 10_000
const SOCKET_TIMEOUT_MS = 30_000
/** A server that answers one byte at a time trips no socket timeout. */
const SEND_TIMEOUT_MS = 60_000
const MAX_CONNECTIONS = 3
/** RFC 5321 §4.5.3.1.3: a path of 256 octets, minus its brackets. */
const MAX_ADDRESS_BYTES = 254

interface MailLogger {
  debug(facts: object, text: string): void
  warn(facts: object, text: string): void
}

export interface TransportOptions {
  /** `smtp://` or `smtps://`, with user and password if needed; undefined stores mail in the mailbox. */
  smtpUrl: string | undefined
  /** Whether to refuse a server that offers no STARTTLS. */
  requiresTls?: boolean
  /** MAIL_FROM: `Muster <muster@example.com>` or a bare address. Every Message-ID has its domain. */
  from: string
  /** Stores a message in the mailbox; a message id that already exists may be ignored. */
  store: (message: StoredMessage) => Promise<void>
  logger: MailLogger
  /** How long one mail may take in total, including its wait for a connection. */
  sendTimeoutMs?: number
}

export interface MailTransport {
  readonly kind: 'smtp' | 'mailbox'
  /**
   * @returns the Message-ID, `<id@domain>`: the same for every attempt at the same mail
   * @throws MailError, permanent where no further attempt can help
   */
  send(message: MailMessage): Promise<{ messageId: string }>
  /** Connects and signs in, to find a wrong setting at the start. @throws MailError */
  verify(): Promise<void>
  /** Closes idle connections at once, and the others after the mails they are sending. */
  close(): Promise<void>
}

interface Sender {
  name: string
  address: string
}

export function createTransport(options: TransportOptions): MailTransport {
  const sender = parseSender(options.from)
  const domain = domainToASCII(sender.address.slice(sender.address.lastIndexOf('@') + 1))
  const messageIdOf = (message: MailMessage) => `<${message.id}@${domain}>`
  if (options.smtpUrl) return createSmtpTransport(options, options.smtpUrl, sender, messageIdOf)
  return {
    kind: 'mailbox',
    async send(message) {
      refuseUnsafe(message)
      const messageId = messageIdOf(message)
      const { id, to, subject, html, text } = message
      await options.store({ id, messageId, to, subject, html, text })
      options.logger.debug({ mailId: id }, 'mail kept in the mailbox')
      return { messageId }
    },
    async verify() {},
    async close() {}
  }
}

function createSmtpTransport(
  options: TransportOptions,
  url: string,
  sender: Sender,
  messageIdOf: (message: MailMessage) => string
): MailTransport {
  const mailer = nodemailer.createTransport({
    url,
    pool: true,
    requireTLS: options.requiresTls,
    maxConnections: MAX_CONNECTIONS,
    // replaces once a connection that the server closed while idle; further retries are the job's
    maxRequeues: 1,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    greetingTimeout: GREETING_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true
  })
  // each send reports its own error; without a listener this event would end the process
  mailer.on('error', (error) => options.logger.warn({ err: error }, 'mail connection failed'))
  const underway = new Set<Promise<unknown>>()

  async function send(message: MailMessage): Promise<{ messageId: string }> {
    refuseUnsafe(message)
    const messageId = messageIdOf(message)
    try {
      const { response } = await mailer.sendMail({
        messageId,
        from: { name: message.fromName ?? sender.name, address: sender.address },
        to: { name: '', address: message.to },
        envelope: { from: sender.address, to: [message.to] },
        subject: message.subject,
        text: message.text,
        html: message.html,
        // RFC 3834 and Exchange's own header: ask for no out-of-office replies
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
        signal: AbortSignal.timeout(options.sendTimeoutMs ?? SEND_TIMEOUT_MS)
      })
      options.logger.debug({ mailId: message.id, response }, 'mail sent')
      return { messageId }
    } catch (error) {
      throw toMailError(error)
    }
  }

  return {
    kind: 'smtp',
    send(message) {
      const sending = send(message)
      underway.add(sending)
      // in either case; the caller handles the error
      const forget = () => underway.delete(sending)
      sending.then(forget, forget)
      return sending
    },
    async verify() {
      try {
        await mailer.verify()
      } catch (error) {
        throw toMailError(error)
      }
    },
    async close() {
      mailer.close()
      await Promise.allSettled(underway)
    }
  }
}

/** @throws Error on anything but `Name <address>` or an address, which the settings have already ruled out */
export function parseSender(from: string): Sender {
  const match = /^(?:"?([^"<>\r\n]*?)"?\s*<([^<>]+)>|([^<>\s]+))$/.exec(from.trim())
  const address = match?.[2] ?? match?.[3] ?? ''
  if (!isAddress(address)) throw new Error(`"${from}" is no sender such as Muster <muster@example.com>`)
  return { name: match?.[1] ?? '', address }
}

/** One bare address that means a single recipient to every mail server, however it is built. */
function isAddress(text: string): boolean {
  return (
    Buffer.byteLength(text) <= MAX_ADDRESS_BYTES &&
    /^[^\s\p{Cc}<>()[\],;:\\"@]+@[^\s\p{Cc}<>()[\],;:\\"@]+$/u.test(text)
  )
}

/** @throws MailError where a value could become a header, a second recipient or another Message-ID */
function refuseUnsafe(message: MailMessage): void {
  const refuse = (problem: string) => new MailError(problem, { permanent: true })
  if (!/^[\w-]{1,64}$/.test(message.id)) throw refuse('The id of a mail must be a uuid')
  if (!isAddress(message.to)) throw refuse('The recipient is not one e-mail address')
  if (/\p{Cc}/u.test(message.fromName ?? '')) throw refuse("The sender's name contains control characters")
  if (/\p{Cc}/u.test(message.subject)) throw refuse('The subject contains control characters')
}

interface SmtpError extends Error {
  code?: string
  command?: string
  response?: string
  responseCode?: number
  permanent?: boolean
}

/**
 * A refusal of the recipient or the message is permanent if the server says so (5yz, RFC 5321 §4.2.1). A refusal of our
 * sign-in or sender is not: it is a setting, and the mail is still wanted once that is corrected.
 */
function toMailError(error: unknown): MailError {
  const { message, code, command, response, permanent } = error as SmtpError
  const isAboutThisMail = command === 'RCPT TO' || command === 'DATA'
  // without a response, the client found the envelope impossible, such as an address this server cannot take
  const isImpossible = code === 'EENVELOPE' && response === undefined
  return new MailError(`The mail was not sent: ${message}`, {
    permanent: isImpossible || (isAboutThisMail && permanent === true),
    response,
    cause: error
  })
}
