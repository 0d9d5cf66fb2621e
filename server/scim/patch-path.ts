// Paths of PATCH operations (RFC 7644 §3.5.2, figure 7): attribute paths, and value paths such as
// `emails[type eq "work"].value`.
import { AppError, invalidPath } from '../errors.ts'
import type { Filter } from './filter/ast.ts'
import { MAX_FILTER_LENGTH, parseValueFilter } from './filter/parse.ts'
import { type AttributePath, formatPath, type PatchPath, type PathOptions, resolvePath } from './path.ts'
import { findSubAttribute } from './schemas/resource-type.ts'
import type { Attribute, ResourceType } from './schemas/types.ts'
import { shorten } from './text.ts'

/**
 * Parses the path of a PATCH operation; names and URNs match in any letter case.
 * @param text at most 4,096 characters: `name.familyName`, `members[value eq "2f0c"]`, `urn:…:enterprise:2.0:User`
 * @param options lenient as for filters (FilterOptions) and paths (PathOptions)
 * @returns a path whose filter starts at one value of the attribute, so that matches(filter, value) chooses values
 * @throws AppError invalidPath naming what is unknown; invalidFilter where the brackets hold no filter
 */
export function parsePatchPath(text: string, resourceType: ResourceType, options: PathOptions): PatchPath {
  const trimmed = text.trim()
  if (trimmed === '') throw invalidPath('A path must not be empty')
  if (trimmed.length > MAX_FILTER_LENGTH) throw invalidPath('A path has at most 4,096 characters')
  const opening = trimmed.indexOf('[')
  if (opening === -1) return resolvePath(trimmed, resourceType, options, invalidPath)

  const path = resolvePath(trimmed.slice(0, opening).trimEnd(), resourceType, options, invalidPath)
  if (path.attribute === undefined || path.subAttribute || path.attribute.type !== 'complex') {
    throw invalidPath(`${formatPath(path)} is not complex and takes no [ at column ${opening + 1}`)
  }
  // A name contains no bracket, so the last one closes the filter, whatever its strings contain
  const closing = trimmed.lastIndexOf(']')
  if (closing < opening) throw invalidPath(`"[" at column ${opening + 1} is not closed`)
  const filter = readFilter(trimmed.slice(opening + 1, closing), path.attribute, options, opening + 1)
  return { ...path, filter, subAttribute: readSubAttribute(trimmed.slice(closing + 1), path.attribute, closing + 2) }
}

function readFilter(text: string, attribute: Attribute, options: PathOptions, offset: number): Filter {
  try {
    return parseValueFilter(text, attribute, options)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw new AppError('invalid', `In the filter from column ${offset + 1} on: ${error.message}`, {
      scimType: error.scimType,
      cause: error
    })
  }
}

/** @param rest what follows the closing bracket: nothing, or `.value` */
function readSubAttribute(rest: string, attribute: Attribute, column: number): AttributePath['subAttribute'] {
  if (rest === '') return undefined
  const subAttribute = rest.startsWith('.') ? findSubAttribute(attribute, rest.slice(1)) : undefined
  if (!subAttribute) throw invalidPath(`Unknown attribute "${shorten(attribute.name + rest)}" at column ${column}`)
  return subAttribute
}
