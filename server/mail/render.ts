// Turns templates and values into mails. Everything slow happens once, at the start.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileMjml } from './html-cache.ts'
import { parseTemplate, type Template, type Values } from './placeholders.ts'
import { MailError, type RenderedMail, TEMPLATE_NAMES, type TemplateData, type TemplateName } from './types.ts'

const TEMPLATES_FOLDER = fileURLToPath(new URL('../../templates/', import.meta.url))
const MAX_VALUE_LENGTH = 320

type Kind = 'text' | 'url' | 'minutes'
/** The kind of each value; a question mark marks one that a message may lack. */
type Fields<Data> = {
  [Name in keyof Data]-?: undefined extends Data[Name] ? `${Kind}?` : Kind
}

const LOOK = { logoUrl: 'url?', senderName: 'text?' } as const
const INVITATION = {
  inviterName: 'text',
  tenantName: 'text',
  roleName: 'text',
  acceptUrl: 'url',
  expiresAt: 'text',
  email: 'text',
  ...LOOK
} as const
const FIRST_PASSWORD = {
  tenantName: 'text',
  resetUrl: 'url',
  expiresInMinutes: 'minutes',
  email: 'text',
  ...LOOK
} as const
const FIELDS = {
  invitation: INVITATION,
  'welcome-back': INVITATION,
  'password-reset': { ...FIRST_PASSWORD, requestedFrom: 'text?' },
  'first-password': FIRST_PASSWORD,
  notice: {
    tenantName: 'text',
    subject: 'text',
    message: 'text',
    detail: 'text?',
    actionName: 'text',
    actionUrl: 'url',
    email: 'text',
    ...LOOK
  }
} as const satisfies { [Name in TemplateName]: Fields<TemplateData[Name]> }

interface CompiledTemplate {
  fields: [name: string, kind: Kind, isOptional: boolean][]
  subject: Template
  html: Template
  text: Template
}
/** Made by `compileTemplates`, used by `render`. */
export type Templates = Readonly<Record<TemplateName, CompiledTemplate>>

/**
 * Reads and compiles every template. MJML runs in a child process (a third of a second), unless the cache has its
 * result for the same sources.
 * @param options.cacheDir folder for the compiled HTML, such as the data folder; without it, nothing is cached
 * @param options.folder where the templates are, for tests
 * @throws Error naming each file with an extra or missing placeholder, or MJML's complaint
 */
export async function compileTemplates(options: { cacheDir?: string; folder?: string } = {}): Promise<Templates> {
  const folder = options.folder ?? TEMPLATES_FOLDER
  const files = TEMPLATE_NAMES.map((name) => join(name, 'body.mjml'))
  const sources = await readMjmlSources(folder)
  const htmls = await compileMjml({ folder, files, sources, cacheDir: options.cacheDir })
  const compiled = await Promise.all(TEMPLATE_NAMES.map((name, index) => compileOne(folder, name, htmls[index]!)))
  return Object.fromEntries(TEMPLATE_NAMES.map((name, index) => [name, compiled[index]])) as unknown as Templates
}

/** Names and texts of all MJML files, including included ones, in a fixed order. */
async function readMjmlSources(folder: string): Promise<string[]> {
  const paths = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.mjml')).sort()
  const texts = await Promise.all(paths.map((path) => readFile(join(folder, path), 'utf8')))
  return paths.map((path, index) => `${path}\n${texts[index]}`)
}

async function compileOne(folder: string, name: TemplateName, bodyHtml: string): Promise<CompiledTemplate> {
  const fields = Object.entries(FIELDS[name]).map(([field, kind]): CompiledTemplate['fields'][number] => [
    field,
    kind.replace('?', '') as Kind,
    kind.endsWith('?')
  ])
  const required = new Set(fields.filter(([, , isOptional]) => !isOptional).map(([field]) => field))
  const optional = new Set(fields.filter(([, , isOptional]) => isOptional).map(([field]) => field))
  const urls = new Set(fields.filter(([, kind]) => kind === 'url').map(([field]) => field))
  const [subjectText, bodyText] = await Promise.all(
    ['subject.txt', 'body.txt'].map((file) => readFile(join(folder, name, file), 'utf8'))
  )
  const subject = parseTemplate(`${name}/subject.txt`, subjectText!.trim(), { required, optional })
  const text = parseTemplate(`${name}/body.txt`, bodyText!, { required, optional })
  // indentation is a sixth of MJML's output
  const html = parseTemplate(`${name}/body.mjml`, bodyHtml.replace(/\n\s+/g, '\n').trim(), { required, optional, urls })
  for (const [file, template] of [['body.txt', text] as const, ['body.mjml', html] as const]) {
    const missing = [...required].filter((field) => !template.names.has(field))
    if (missing.length > 0) throw new Error(`${name}/${file}: ${missing.join(', ')} is never put in`)
  }
  return { fields, subject, html, text }
}

/**
 * Fills a template in a few microseconds. Values are escaped in HTML, and always single lines, so that none can start a
 * header, a paragraph or a tag.
 * @throws MailError permanent, naming a value that is missing or, for a URL, not http(s)
 */
export function render<Name extends TemplateName>(
  templates: Templates,
  name: Name,
  data: TemplateData[Name]
): RenderedMail {
  const template = templates[name]
  const values: Record<string, string | undefined> = {}
  const escaped: Record<string, string | undefined> = {}
  for (const [field, kind, isOptional] of template.fields) {
    const value = (data as unknown as Record<string, unknown>)[field]
    const shown = value === undefined || value === null || value === '' ? undefined : READERS[kind](value)
    if (shown === undefined && isOptional) continue
    if (!shown) {
      throw new MailError(`The mail "${name}" needs ${NEEDED[kind]} for ${field}`, { permanent: true })
    }
    values[field] = shown
    escaped[field] = escapeHtml(shown)
  }
  return {
    subject: template.subject.fill(values satisfies Values),
    html: template.html.fill(escaped),
    text: template.text.fill(values)
  }
}

const NEEDED = {
  text: 'a text',
  url: 'an http or https URL',
  minutes: 'a whole number of minutes'
} satisfies Record<Kind, string>

/** Each returns the value as shown, or '' to refuse it. */
const READERS = {
  text: (value) => toLine(String(value)),
  url: (value) => toHttpUrl(String(value)),
  minutes: (value) => toDuration(Number(value))
} satisfies Record<Kind, (value: unknown) => string>

// Control characters, line and paragraph separators, and marks that change the text direction.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/
const UNPRINTABLES = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g
const DIRECTIONS = /[\u202a-\u202e\u2066-\u2069]/g

function toLine(value: string): string {
  let line = value.trim()
  if (UNPRINTABLE.test(line)) line = line.replace(DIRECTIONS, '').replace(UNPRINTABLES, ' ').trim()
  if (line.length > MAX_VALUE_LENGTH) line = `${line.slice(0, MAX_VALUE_LENGTH - 1)}…`
  return line.toWellFormed()
}

function toHttpUrl(value: string): string {
  if (!/^https?:\/\/[^\s\\]+$/i.test(value)) return ''
  return URL.parse(value)?.href ?? ''
}

function toDuration(minutes: number): string {
  if (!Number.isInteger(minutes) || minutes < 1) return ''
  if (minutes % 60 !== 0) return count(minutes, 'minute')
  return count(minutes / 60, 'hour')
}
const count = (amount: number, unit: string) => `${amount} ${unit}${amount === 1 ? '' : 's'}`

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Makes text safe in HTML, between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return /[&<>"']/.test(text) ? text.replace(/[&<>"']/g, (character) => ESCAPES[character]!) : text
}

const formats = new Map<string, Intl.DateTimeFormat>()

/**
 * A time for people: `Tuesday, 1 December 2026 at 10:00 UTC`.
 * @param timeZone IANA name; an unknown one falls back to UTC
 */
export function formatInstant(time: Date, timeZone = 'UTC'): string {
  let format = formats.get(timeZone)
  if (!format) {
    format = createFormat(timeZone)
    formats.set(timeZone, format)
  }
  return format.format(time)
}

function createFormat(timeZone: string): Intl.DateTimeFormat {
  const options = {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short'
  } as const
  try {
    return new Intl.DateTimeFormat('en-GB', { ...options, timeZone })
  } catch {
    return new Intl.DateTimeFormat('en-GB', { ...options, timeZone: 'UTC' })
  }
}
