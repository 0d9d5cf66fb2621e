// The template language: `{{name}}`, `{{#name}}if name is given{{/name}}`, `{{^name}}if not{{/name}}`. A text is split
// into parts once; filling it only joins strings.

/** A template's values by name, ready to insert; undefined for a value that is not given. */
export type Values = Readonly<Record<string, string | undefined>>

type Part =
  | { kind: 'literal'; text: string }
  | { kind: 'value'; name: string }
  | { kind: 'section'; name: string; isGiven: boolean; parts: Part[] }

export interface Template {
  fill(values: Values): string
  /** Every value that the text inserts or tests. */
  readonly names: ReadonlySet<string>
}

interface TemplateRules {
  /** Values that every message has. */
  required: ReadonlySet<string>
  /** Values that a message may lack: may only be inserted inside a section of their own. */
  optional: ReadonlySet<string>
  /** Values known to be http(s) URLs, the only ones that may begin an `href` or `src`. Undefined for plain text. */
  urls?: ReadonlySet<string>
}

const TAG = /\{\{([#^/]?)([A-Za-z]+)\}\}/g
const SECTION_ALONE_ON_A_LINE = /^[ \t]*(\{\{[#^/][A-Za-z]+\}\})[ \t]*\r?\n/gm

/**
 * Splits a template into parts and checks it against the values that will fill it.
 * @param label names the file in errors
 * @throws Error naming every unknown, unguarded or misplaced placeholder and every unclosed section
 */
export function parseTemplate(label: string, source: string, rules: TemplateRules): Template {
  const text = source.replace(SECTION_ALONE_ON_A_LINE, '$1')
  const problems: string[] = []
  const names = new Set<string>()
  const root: Part[] = []
  const open: { name: string; isGiven: boolean; parts: Part[] }[] = []
  const parts = () => open.at(-1)?.parts ?? root
  let end = 0

  for (const match of text.matchAll(TAG)) {
    const [tag, sign, name] = match as unknown as [string, string, string]
    addLiteral(text.slice(end, match.index))
    end = match.index + tag.length
    if (!rules.required.has(name) && !rules.optional.has(name)) problems.push(`${tag} is no value of this template`)
    names.add(name)
    if (sign === '') {
      const isGuarded = open.some((section) => section.name === name && section.isGiven)
      if (rules.optional.has(name) && !isGuarded) problems.push(`${tag} may be missing: put it inside {{#${name}}}`)
      const problem = rules.urls && misplaced(text.slice(0, match.index), rules.urls.has(name))
      if (problem) problems.push(`${tag} ${problem}`)
      parts().push({ kind: 'value', name })
    } else if (sign === '/') {
      const section = open.pop()
      if (section?.name !== name) problems.push(`${tag} closes no section`)
      if (section) parts().push({ kind: 'section', ...section })
    } else {
      open.push({ name, isGiven: sign === '#', parts: [] })
    }
  }
  addLiteral(text.slice(end))
  for (const section of open) problems.push(`the section of ${section.name} is left open`)
  if (problems.length > 0) throw new Error(`${label}: ${problems.join('; ')}`)
  return { names, fill: (values) => fill(root, values) }

  function addLiteral(literal: string) {
    const stray = /\{\{.{0,20}|.{0,20}\}\}/.exec(literal)
    if (stray) problems.push(`"${stray[0]}" is no placeholder`)
    if (literal) parts().push({ kind: 'literal', text: literal })
  }
}

function fill(parts: readonly Part[], values: Values): string {
  let filled = ''
  for (const part of parts) {
    if (part.kind === 'literal') filled += part.text
    else if (part.kind === 'value') filled += values[part.name] ?? ''
    else if ((values[part.name] !== undefined) === part.isGiven) filled += fill(part.parts, values)
  }
  return filled
}

/** Why a value may not follow `before` in HTML, where escaping alone does not make it safe. */
function misplaced(before: string, isUrl: boolean): string | undefined {
  if (before.lastIndexOf('<style') > before.lastIndexOf('</style')) return 'stands in a style sheet'
  const tag = before.slice(before.lastIndexOf('<'))
  if (tag.includes('>')) return undefined
  if (tag.split('"').length % 2 === 1) return 'stands in a tag outside of double quotes'
  const attribute = /([\w-]+)\s*=\s*"[^"]*$/.exec(tag)
  if (attribute && /^(href|src|background|action)$/i.test(attribute[1]!) && !(isUrl && tag.endsWith('"'))) {
    return `is not an http(s) URL of its own, as ${attribute[1]} needs`
  }
  if (attribute && /^(style|on\w+)$/i.test(attribute[1]!)) return `stands in ${attribute[1]}`
  return undefined
}
