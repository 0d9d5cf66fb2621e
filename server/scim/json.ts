// JSON objects, from clients or in resources, read without touching their prototype.

export type JsonObject = Readonly<Record<string, unknown>>

/** A resource in canonical form (normalize.ts); never modified in place. */
export type Resource = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An own member, or undefined: a registered attribute may be named `constructor`. */
export const member = (value: unknown, key: string): unknown =>
  isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined

/** A member of a message in any letter case (RFC 7643 §2.1); the usual spelling comes first. */
export function memberInAnyCase(message: JsonObject, name: string): unknown {
  if (Object.hasOwn(message, name)) return message[name]
  const wanted = name.toLowerCase()
  const key = Object.keys(message).find((other) => other.toLowerCase() === wanted)
  return key === undefined ? undefined : message[key]
}

export const isUnassigned = (value: unknown): value is null | undefined => value === null || value === undefined
