// Separates member changes from a group's PATCH. They become a short list of set operations, so that no member list is
// ever read to apply them: adding one member costs the same in a group of ten and of 100,000.
import { invalidValue, mutability } from '../../errors.ts'
import type { Filter } from '../filter/ast.ts'
import { isObject, member, type Resource } from '../json.ts'
import { formatPath, type PatchPath } from '../path.ts'
import { foldCase } from '../text.ts'
import type { AssignOperation, PatchOperation, RemoveOperation, TargetPath } from './parse.ts'

type MemberType = 'User' | 'Group'

export interface MemberReference {
  /** The id of the member. */
  readonly value: string
  /** As the client says; undefined where it says nothing. */
  readonly type?: MemberType
}

/**
 * One change to a group's members. Adding an existing member and removing a missing one both succeed. `removeWhere`:
 * the filter's paths start at one member (value, type, display, $ref).
 */
export type MemberOperation =
  | { readonly kind: 'add'; readonly members: readonly MemberReference[] }
  | { readonly kind: 'remove'; readonly values: readonly string[] }
  | { readonly kind: 'removeWhere'; readonly filter: Filter }
  | { readonly kind: 'replace'; readonly members: readonly MemberReference[] }
  | { readonly kind: 'clear' }

interface GroupPatch {
  /** For applyPatch on the group without its members. */
  readonly attributes: readonly PatchOperation[]
  /** To be run in order, and as short as possible: 1,000 adds become one. */
  readonly members: readonly MemberOperation[]
}

/**
 * Splits the operations of a group's PATCH. The order between attributes and members does not matter.
 * - `remove members` without value and filter removes all members; with Entra's list of values only those.
 * - `members[value eq "a" or value eq "b"]` needs no filter at run time: it removes a and b.
 * @param operations from parsePatch for the Group resource type
 * @throws AppError mutability for a change to a part of a member; invalidValue for a member without `value`
 */
export function splitGroupPatch(operations: readonly PatchOperation[]): GroupPatch {
  const attributes: PatchOperation[] = []
  const plan = new MemberPlan()
  for (const operation of operations) {
    if (!isMembers(operation.path)) attributes.push(operation)
    else if (operation.op === 'remove') planRemove(plan, operation, operation.path)
    else planAssign(plan, operation)
  }
  return { attributes, members: plan.finish() }
}

/**
 * Splits a group from normalizeResource (POST, PUT).
 * @returns members: undefined where the group names none, which POST and PUT treat as an empty list
 * @throws AppError invalidValue for a member without `value`
 */
export function splitMembers(group: Resource): { group: Resource; members: readonly MemberReference[] | undefined } {
  const { members, ...rest } = group
  return { group: rest, members: Array.isArray(members) ? distinct(references(members)) : undefined }
}

const isMembers = (path: PatchPath): path is TargetPath =>
  path.extension === undefined && path.attribute?.name === 'members'

function planAssign(plan: MemberPlan, { op, path, value }: AssignOperation): void {
  // value, type and $ref of a member are immutable, display is read-only
  if (path.subAttribute) throw mutability(`${formatPath(path)} cannot be changed; add or remove the member`)
  if (path.filter) {
    planAssignWhere(plan, op, path.filter, value)
    return
  }
  const members = Array.isArray(value) ? references(value) : []
  if (op === 'add') plan.add(members)
  else plan.replace(members)
}

/** `members[value eq "a"]` with a value: another member replaces a. */
function planAssignWhere(plan: MemberPlan, op: 'add' | 'replace', filter: Filter, value: unknown): void {
  const chosen = idsOf(filter)
  const added = isObject(value) ? references([chosen?.length === 1 ? { value: chosen[0], ...value } : value]) : []
  if (op === 'replace') plan.removeChosen(chosen, filter)
  plan.add(added)
}

function planRemove(plan: MemberPlan, { values }: RemoveOperation, path: TargetPath): void {
  if (path.subAttribute) throw mutability(`${formatPath(path)} cannot be removed; remove the member`)
  if (path.filter) plan.removeChosen(idsOf(path.filter), path.filter)
  else if (values) plan.remove(references(values).map(({ value }) => value))
  else plan.replace([])
}

function references(members: readonly unknown[]): MemberReference[] {
  return members.map((element, index) => {
    const value = member(element, 'value')
    if (typeof value !== 'string' || value === '') throw invalidValue(`members[${index}].value is required`)
    const type = memberType(member(element, 'type'))
    return type ? { value, type } : { value }
  })
}

function memberType(type: unknown): MemberType | undefined {
  if (typeof type !== 'string') return undefined
  const folded = foldCase(type)
  if (folded === 'user') return 'User'
  return folded === 'group' ? 'Group' : undefined
}

const distinct = (members: readonly MemberReference[]): MemberReference[] => [
  ...new Map(members.map((reference) => [reference.value, reference])).values()
]

/** The ids that the filter asks for, if it asks for nothing else: `value eq "a" or value eq "b"`. */
function idsOf(filter: Filter): string[] | undefined {
  if (filter.op === 'eq' && filter.path.attribute.name === 'value') return [String(filter.value)]
  if (filter.op !== 'or') return undefined
  const left = idsOf(filter.left)
  const right = left && idsOf(filter.right)
  return right && [...left, ...right]
}

/** Collects changes: the last change to a member counts, and a new list cancels earlier changes. */
class MemberPlan {
  private operations: MemberOperation[] = []
  /** The whole list, once the client has set or cleared it. */
  private list: Map<string, MemberReference> | undefined
  /** Changes since the last `removeWhere`: the member to add, or undefined to remove it. */
  private changes = new Map<string, MemberReference | undefined>()

  add(members: readonly MemberReference[]): void {
    for (const reference of members) this.change(reference.value, reference)
  }

  remove(values: readonly string[]): void {
    for (const value of values) this.change(value, undefined)
  }

  private change(value: string, reference: MemberReference | undefined): void {
    if (!this.list) this.changes.set(value, reference)
    else if (reference) this.list.set(value, reference)
    else this.list.delete(value)
  }

  removeChosen(values: readonly string[] | undefined, filter: Filter): void {
    if (values) {
      this.remove(values)
      return
    }
    this.flush()
    this.operations.push({ kind: 'removeWhere', filter })
  }

  replace(members: readonly MemberReference[]): void {
    this.operations = []
    this.changes.clear()
    this.list = new Map(members.map((reference) => [reference.value, reference]))
  }

  finish(): MemberOperation[] {
    this.flush()
    return this.operations
  }

  private flush(): void {
    if (this.list) this.pushList([...this.list.values()])
    const added: MemberReference[] = []
    const removed: string[] = []
    for (const [value, reference] of this.changes) {
      if (reference) added.push(reference)
      else removed.push(value)
    }
    if (removed.length > 0) this.operations.push({ kind: 'remove', values: removed })
    if (added.length > 0) this.operations.push({ kind: 'add', members: added })
    this.list = undefined
    this.changes.clear()
  }

  private pushList(members: readonly MemberReference[]): void {
    this.operations.push(members.length > 0 ? { kind: 'replace', members } : { kind: 'clear' })
  }
}
