// The `schemas` attribute of a resource from a client (RFC 7643 §3). It is checked and then rebuilt from the resource's
// contents, so nothing here is stored.
import { invalidSyntax, invalidValue } from '../errors.ts'
import { isUnassigned } from './json.ts'
import { modernize } from './legacy.ts'
import type { Leniency } from './profiles.ts'
import { findSchema } from './schemas/resource-type.ts'
import type { ResourceType } from './schemas/types.ts'
import { shorten } from './text.ts'

/**
 * @param value of `schemas`; undefined where it is absent
 * @param present the URNs that `schemas` should name
 * @throws AppError invalidSyntax where it is no list of URNs, or none belongs to the resource type; unless the profile
 *   allows it, invalidValue for a foreign URN and invalidSyntax for a missing one
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
  // Even auto refuses a body that claims to be something else altogether
  if (known.size === 0) throw invalidSyntax(`schemas must name ${resourceType.schema.id}`)
  for (const urn of present) {
    if (known.has(urn)) continue
    const lenience = urn === resourceType.schema.id ? 'missingSchemas' : 'extensionNotInSchemas'
    if (!leniency.allow(lenience, urn)) throw invalidSyntax(`schemas must name ${urn}`)
  }
}

/** @throws AppError invalidSyntax for anything but an array of strings */
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
