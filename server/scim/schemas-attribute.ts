// The `schemas` attribute of a resource that a client sends (RFC 7643 §3). It is checked and then rebuilt from what
// the resource holds, so nothing here is stored.
import { invalidSyntax, invalidValue } from '../errors.ts'
import { isUnassigned } from './json.ts'
import { modernize } from './legacy.ts'
import type { Leniency } from './profiles.ts'
import { findSchema } from './schemas/resource-type.ts'
import type { ResourceType } from './schemas/types.ts'
import { shorten } from './text.ts'

/**
 * @param value of `schemas`, undefined where there is none
 * @param present the URNs that `schemas` should name
 * @throws AppError invalidSyntax where it is no list of URNs or none of them belongs to the resource type; unless the
 * profile forgives it, invalidValue for a foreign URN, invalidSyntax for one that is missing
 */
export function checkSchemas(
  value: unknown,
  present: readonly string[],
  resourceType: ResourceType,
  leniency: Leniency
): void {
  const urns = readUrns(value, leniency)
  if (urns.length === 0) {
    if (leniency.allow('missingSchemas', 'schemas')) return
    throw invalidSyntax(`schemas must name ${resourceType.schema.id}`)
  }
  const known = new Set(urns.flatMap((urn) => knownUrn(urn, resourceType, leniency) ?? []))
  // Even auto refuses a body that says it is something else altogether
  if (known.size === 0) throw invalidSyntax(`schemas must name ${resourceType.schema.id}`)
  for (const urn of present) {
    if (known.has(urn)) continue
    const lenience = urn === resourceType.schema.id ? 'missingSchemas' : 'extensionNotInSchemas'
    if (!leniency.allow(lenience, urn)) throw invalidSyntax(`schemas must name ${urn}`)
  }
}

/** @throws AppError invalidSyntax where it is no array of strings */
export function readUrns(value: unknown, leniency: Leniency): readonly string[] {
  if (isUnassigned(value)) return []
  const list = typeof value === 'string' && leniency.allow('singleForArray', 'schemas') ? [value] : value
  if (Array.isArray(list) && list.every((urn) => typeof urn === 'string')) return list
  throw invalidSyntax('schemas must be an array of URNs')
}

function knownUrn(urn: string, resourceType: ResourceType, leniency: Leniency): string | undefined {
  const schema = findSchema(resourceType, modernize(urn, resourceType, leniency))
  if (schema) return schema.schema.id
  if (leniency.allow('unknownSchemas', urn)) return undefined
  throw invalidValue(`"${shorten(urn)}" in schemas is no schema of ${resourceType.name}`)
}
