// The tree of a filter (RFC 7644 §3.4.2.2), its attributes resolved against a resource type. matches.ts and to-sql.ts
// read it.
import type { AttributePath } from '../path.ts'

export const COMPARISONS = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const
export type Comparison = (typeof COMPARISONS)[number]
export type Scalar = string | number | boolean

export type Filter =
  | { readonly op: 'and' | 'or'; readonly left: Filter; readonly right: Filter }
  | { readonly op: 'not'; readonly inner: Filter }
  | { readonly op: 'pr'; readonly path: AttributePath }
  | { readonly op: Comparison; readonly path: AttributePath; readonly value: Scalar }
  /** `emails[type eq "work"]`: the paths of `inner` start at one value of `path`. */
  | { readonly op: 'valuePath'; readonly path: AttributePath; readonly inner: Filter }
