// Attribute paths (RFC 7644 §3.10) resolved against a resource type, for filters, PATCH, sorting and projection.
import type { AppError } from '../errors.ts'
import type { Filter } from './filter/ast.ts'
import { findSubAttribute } from './schemas/resource-type.ts'
import type { Attribute, ResourceType, SchemaLookup } from './schemas/types.ts'
import { shorten } from './text.ts'

/** `name.familyName` -> { extension: undefined, attribute: name, subAttribute: familyName } */
export interface AttributePath {
  /** The URN under which a resource holds the attribute; undefined for core and common attributes. */
  readonly extension: string | undefined
  readonly attribute: Attribute
  readonly subAttribute: Attribute | undefined
}

/** A whole extension: `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`. */
export interface ExtensionPath {
  readonly extension: string
  readonly attribute: undefined
  readonly subAttribute: undefined
}

/** What a PATCH operation may name (RFC 7644 §3.5.2), with a value filter: `emails[type eq "work"].value`. */
export type PatchPath = ExtensionPath | (AttributePath & { readonly filter?: Filter })

export interface PathOptions {
  /** Also finds extension attributes without their URN (`manager`), and accepts `.` for the `:` after a URN. */
  lenient: boolean
}

/**
 * Resolves an attribute path; names and URNs match in any letter case.
 * @param text `userName`, `name.familyName`, `urn:…:User:name.familyName`, `urn:…:enterprise:2.0:User`
 * @param refuse makes the error to throw from a detail such as `Unknown attribute "nmae"`
 */
export function resolvePath(
  text: string,
  resourceType: ResourceType,
  options: PathOptions,
  refuse: (detail: string) => AppError
): AttributePath | ExtensionPath {
  const found = splitUrn(text, resourceType, options)
  if (!found) throw refuse(`Unknown schema in "${shorten(text)}"`)
  const { lookup, rest } = found
  if (rest === undefined) {
    if (lookup.extension === undefined) throw refuse(`"${shorten(text)}" names no attribute`)
    return { extension: lookup.extension, attribute: undefined, subAttribute: undefined }
  }
  return resolveNames(rest, lookup, resourceType, options, refuse)
}

/** Like resolvePath, where a whole extension makes no sense (filters, sortBy). */
export function resolveAttributePath(
  text: string,
  resourceType: ResourceType,
  options: PathOptions,
  refuse: (detail: string) => AppError
): AttributePath {
  const path = resolvePath(text, resourceType, options, refuse)
  if (path.attribute === undefined) throw refuse(`"${shorten(text)}" names no attribute`)
  return path
}

/** The path as a client would write it, for messages: `urn:…:User:manager.value`. */
export function formatPath(path: AttributePath | ExtensionPath): string {
  if (path.attribute === undefined) return path.extension
  const names = path.subAttribute ? `${path.attribute.name}.${path.subAttribute.name}` : path.attribute.name
  return path.extension === undefined ? names : `${path.extension}:${names}`
}

/** Splits off a schema URN that the resource type knows; text without a URN belongs to the core schema. */
function splitUrn(text: string, resourceType: ResourceType, options: PathOptions) {
  const lower = text.toLowerCase()
  if (!lower.startsWith('urn:')) return { lookup: resourceType.core, rest: text }
  for (const lookup of resourceType.lookups) {
    if (!lower.startsWith(lookup.urnLower)) continue
    const separator = lower[lookup.urnLower.length]
    if (separator === undefined) return { lookup, rest: undefined }
    // Some clients write `urn:…:User.department`
    if (separator === ':' || (separator === '.' && options.lenient)) {
      return { lookup, rest: text.slice(lookup.urnLower.length + 1) }
    }
  }
  return undefined
}

function resolveNames(
  names: string,
  lookup: SchemaLookup,
  resourceType: ResourceType,
  options: PathOptions,
  refuse: (detail: string) => AppError
): AttributePath {
  const [name = '', subName, ...deeper] = names.split('.')
  const owner = findOwner(name.toLowerCase(), lookup, resourceType, options)
  const attribute = owner?.attributes.get(name.toLowerCase())
  if (!owner || !attribute) throw refuse(`Unknown attribute "${shorten(name)}"`)
  if (subName === undefined) return { extension: owner.extension, attribute, subAttribute: undefined }
  const subAttribute = findSubAttribute(attribute, subName)
  if (!subAttribute || deeper.length > 0) {
    throw refuse(`Unknown attribute "${shorten([attribute.name, subName, ...deeper].join('.'))}"`)
  }
  return { extension: owner.extension, attribute, subAttribute }
}

/** The schema that has the attribute. Entra asks for `manager` without the URN; an ambiguous name finds nothing. */
function findOwner(nameLower: string, lookup: SchemaLookup, resourceType: ResourceType, options: PathOptions) {
  if (lookup.attributes.has(nameLower)) return lookup
  if (!options.lenient || lookup !== resourceType.core) return undefined
  const owners = resourceType.lookups.filter((candidate) => candidate.attributes.has(nameLower))
  return owners.length === 1 ? owners[0] : undefined
}
