// Values of the environment, read one by one; what is wrong with them is collected, so that it can be told together.
import { readFileSync } from 'node:fs'

export class Environment {
  /** `PORT must be …`, in the order in which they were met. */
  readonly problems: string[]
  private readonly env: Readonly<Record<string, string | undefined>>

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.env = env
    this.problems = []
  }

  fail<T>(problem: string, fallback: T): T {
    this.problems.push(problem)
    return fallback
  }

  /** An empty value counts as not set. */
  text(name: string): string | undefined {
    return this.env[name]?.trim() || undefined
  }

  /** A value that lets somebody in: `NAME`, or what is in the file that `NAME_FILE` names, as secret stores mount them. */
  secret(name: string, minLength = 0): string | undefined {
    const secret = this.mounted(name)
    if (secret !== undefined) this.requireLength(name, secret, minLength)
    return secret
  }

  requireLength(name: string, secret: string, minLength: number): void {
    if (secret.length < minLength) this.fail(`${name} has ${secret.length} characters, needs ${minLength}`, undefined)
  }

  private mounted(name: string): string | undefined {
    const [value, file] = [this.text(name), this.text(`${name}_FILE`)]
    if (file === undefined) return value
    if (value !== undefined) return this.fail(`${name} and ${name}_FILE are both set: leave one out`, undefined)
    try {
      const content = readFileSync(file, 'utf8').trim()
      return content || this.fail(`${name}_FILE names an empty file`, undefined)
    } catch (error) {
      return this.fail(`${name}_FILE cannot be read (${(error as NodeJS.ErrnoException).code})`, undefined)
    }
  }

  number(name: string, fallback: number, min: number, max: number, isWhole = true): number {
    const text = this.text(name)
    if (text === undefined) return fallback
    const value = Number(text)
    if (!Number.isFinite(value) || value < min || value > max || (isWhole && !Number.isInteger(value))) {
      return this.fail(
        `${name} must be a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}, not "${text}"`,
        fallback
      )
    }
    return value
  }

  choice<T extends string>(name: string, values: readonly T[], fallback: T): T {
    const text = this.text(name)
    if (text === undefined) return fallback
    if (!(values as readonly string[]).includes(text)) {
      return this.fail(`${name} must be one of ${values.join(', ')}, not "${text}"`, fallback)
    }
    return text as T
  }

  /** @param text as read by `text` or `secret` */
  url(name: string, text: string | undefined, protocols: readonly string[]): string | undefined {
    if (text === undefined) return undefined
    // the value may hold a password, so it is not repeated
    if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
      return this.fail(
        `${name} must be a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`,
        undefined
      )
    }
    return text
  }

  flag(name: string, fallback = false, choices = 'true or false'): boolean {
    const text = this.text(name)?.toLowerCase()
    if (text === undefined) return fallback
    if (['1', 'true', 'on', 'yes'].includes(text)) return true
    if (['0', 'false', 'off', 'no'].includes(text)) return false
    return this.fail(`${name} must be ${choices}, not "${text}"`, false)
  }

  /** `true` is one: what stands before the last entry of X-Forwarded-For is the client's own word. */
  hops(name: string): number {
    const text = this.text(name)
    if (text !== undefined && /^\d+$/.test(text)) return this.number(name, 0, 0, 10)
    return Number(this.flag(name, false, 'true or false, or how many proxies there are in a row'))
  }

  /** `a.example.com, *.example.org` in lower case. */
  hosts(name: string): readonly string[] | undefined {
    const hosts = this.text(name)
      ?.toLowerCase()
      .split(/[\s,]+/)
      .filter(Boolean)
    for (const host of hosts ?? []) {
      if (!/^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(host)) {
        this.fail(`${name} must hold host names such as hooks.example.com or *.example.com, not "${host}"`, undefined)
      }
    }
    return hosts
  }
}
