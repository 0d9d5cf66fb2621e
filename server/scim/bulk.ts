// POST /Bulk (RFC 7644 §3.7): runs operations through the handlers of the endpoints, each with its own result.
//
// Operations run in the order of the request, except that those others refer to come first. Users that refer to each
// other (managers) are created without the references, which are added once all of them have an id. Groups that would
// contain each other are refused with 409, as §3.7.1 allows.
import { AppError } from '../errors.ts'
import type { NewUser } from '../provisioning/scim-user-new.ts'
import { type Dependencies, findDependencies, replaceInText, replaceReferences } from './bulk-references.ts'
import { type BadOperation, type BulkMethod, type BulkOperation, isBad, parseBulkRequest } from './bulk-request.ts'
import type { ScimAnswer, ScimContext, ScimHandler, ScimRequest } from './context.ts'
import { toScimError } from './errors.ts'
import { createGroup, deleteGroup, patchGroup, replaceGroup } from './groups.ts'
import { noteHeld } from './held.ts'
import { isObject } from './json.ts'
import { shorten } from './text.ts'
import { createUser, deleteUser, patchUser, replaceUser } from './users.ts'
import { createUsersTogether, readPlainUsers } from './users-batch.ts'

const BULK_RESPONSE_URN = 'urn:ietf:params:scim:api:messages:2.0:BulkResponse'

type Handler = (...request: Parameters<ScimHandler>) => Promise<ScimAnswer>

const HANDLERS: Record<BulkOperation['resourceType'], Record<BulkMethod, Handler>> = {
  User: { POST: createUser, PUT: replaceUser, PATCH: patchUser, DELETE: deleteUser },
  Group: { POST: createGroup, PUT: replaceGroup, PATCH: patchGroup, DELETE: deleteGroup }
}

/** Users created in one transaction; more would hold their keys for too long. */
const MAX_TOGETHER = 250

type Operation = BulkOperation | BadOperation

interface Result {
  readonly status: number
  readonly location?: string
  readonly version?: string
  /** For a failure: the Error message as JSON text. */
  readonly error?: string
}

/** POST /Bulk */
export async function bulk(context: ScimContext, { body }: ScimRequest): Promise<ScimAnswer> {
  const { operations, failOnErrors } = parseBulkRequest(body, context.leniency)
  const run = new BulkRun(context, operations, failOnErrors)
  await run.carryOutAll()
  return { status: 200, body: run.toText() }
}

class BulkRun {
  private readonly context: ScimContext
  private readonly operations: readonly Operation[]
  private readonly dependencies: ReturnType<typeof findDependencies>
  private readonly results = new Map<Operation, Result>()
  /** The ids of the resources created so far, by bulkId. */
  private readonly ids = new Map<string, string>()
  private errorsLeft: number

  constructor(context: ScimContext, operations: readonly Operation[], failOnErrors: number) {
    this.context = context
    this.operations = operations
    this.dependencies = findDependencies(operations)
    this.errorsLeft = failOnErrors
  }

  async carryOutAll(): Promise<void> {
    for (let index = 0; index < this.operations.length; ) {
      const users = this.independentUsers(index)
      if (users.length > 1) await this.makeUsers(users)
      else await this.carryOut(this.operations[index]!)
      index += Math.max(1, users.length)
    }
  }

  /** The results in the order of the request; an operation that was never started has none. */
  toText(): string {
    const results = this.operations.flatMap((operation) => {
      const result = this.results.get(operation)
      return result ? resultText(operation, result) : []
    })
    return `{"schemas":["${BULK_RESPONSE_URN}"],"Operations":[${results.join(',')}]}`
  }

  private get isOver(): boolean {
    return this.errorsLeft <= 0
  }

  /** The operations from `index` on that create users and wait for nothing, up to the first that does not. */
  private independentUsers(index: number): BulkOperation[] {
    const found: BulkOperation[] = []
    for (const operation of this.operations.slice(index, index + MAX_TOGETHER)) {
      if (isBad(operation) || operation.method !== 'POST' || operation.resourceType !== 'User') break
      const dependencies = this.dependencies.get(operation)!
      if (this.results.has(operation) || dependencies instanceof AppError || dependencies.circle.length > 0) break
      if (!dependencies.makers.every((maker) => this.ids.has(maker.bulkId!))) break
      found.push(operation)
    }
    return found
  }

  /** Creates users in order: together where nothing prevents it, the others one by one. */
  private async makeUsers(operations: readonly BulkOperation[]): Promise<void> {
    const bodies = operations.map(({ data }) => replaceReferences(data, (bulkId) => this.ids.get(bulkId)))
    const users = await readPlainUsers(this.context, bodies)
    for (let index = 0; index < operations.length && !this.isOver; ) {
      const end = users.findIndex((user, place) => place >= index && user === undefined)
      const together = users.slice(index, end === -1 ? undefined : end).filter((user) => user !== undefined)
      const answers = together.length > 1 ? await this.tryTogether(together) : undefined
      const next = operations.slice(index, index + Math.max(1, together.length))
      for (const [place, operation] of next.entries()) {
        if (answers) this.succeed(operation, answers[place]!, undefined)
        else await this.carryOut(operation)
      }
      index += next.length
    }
  }

  /** @returns undefined where each must be created by itself, which also reports what is wrong */
  private async tryTogether(users: readonly NewUser[]): Promise<ScimAnswer[] | undefined> {
    try {
      return await createUsersTogether(this.context, users)
    } catch (error) {
      this.context.log.error({ err: error }, 'users of a bulk request could not be made together')
      return undefined
    }
  }

  private async carryOut(operation: Operation): Promise<void> {
    if (this.isOver || this.results.has(operation)) return
    if (isBad(operation)) {
      this.fail(operation, operation.problem)
      return
    }
    const dependencies = this.dependencies.get(operation)!
    if (dependencies instanceof AppError) this.fail(operation, dependencies)
    else if (dependencies.circle.length > 0) await this.makeCircle(dependencies.circle)
    else if (await this.makeNeeded(operation, dependencies)) await this.send(operation)
  }

  /** @returns whether all that the operation, or its circle, needs from others exists, and the run goes on */
  private async makeNeeded(operation: BulkOperation, { makers, circle }: Dependencies): Promise<boolean> {
    const others = makers.filter((maker) => isBad(maker) || !circle.includes(maker))
    for (const maker of others) await this.carryOut(maker)
    if (this.isOver) return false
    const missing = others.find((maker) => !this.ids.has(maker.bulkId!))
    if (missing) this.fail(operation, notMade(missing))
    return missing === undefined
  }

  private async makeCircle(circle: readonly BulkOperation[]): Promise<void> {
    const incomplete: BulkOperation[] = []
    for (const operation of circle) {
      const dependencies = this.dependencies.get(operation) as Dependencies
      if (!(await this.makeNeeded(operation, dependencies))) continue
      await this.send(operation)
      incomplete.push(operation)
    }
    for (const operation of incomplete) {
      const id = this.ids.get(operation.bulkId!)
      if (id !== undefined) await this.complete(operation, id)
    }
  }

  /** Adds the references that a user of a circle was created without. */
  private async complete(operation: BulkOperation, id: string): Promise<void> {
    const { makers } = this.dependencies.get(operation) as Dependencies
    const missing = makers.find((maker) => !this.ids.has(maker.bulkId!))
    if (missing) {
      this.fail(operation, notMade(missing), this.results.get(operation)?.location)
      return
    }
    // the password is set already; hashing it again would only cost time
    const { password: _, ...data } = isObject(operation.data) ? operation.data : {}
    const made = this.results.get(operation)!
    await this.send({ ...operation, method: 'PUT', id, data, ifMatch: undefined }, operation)
    const completed = this.results.get(operation)!
    if (completed.error === undefined) this.results.set(operation, { ...completed, status: made.status })
  }

  /** Calls the handler. Leaves out references to what does not exist yet, which only circles have. */
  private async send(operation: BulkOperation, reported: BulkOperation = operation): Promise<void> {
    const { context } = this
    const { resourceType, method, ifMatch } = operation
    const resolve = (bulkId: string) => this.ids.get(bulkId)
    const id = replaceInText(operation.id, resolve) ?? ''
    const known = method === 'POST' ? undefined : `${context.baseUrl}/${resourceType}s/${id}`
    try {
      const answering = HANDLERS[resourceType][method](context, {
        id,
        // results carry no resources, so as little as possible is read for them
        query: method === 'PATCH' && resourceType === 'Group' ? {} : { attributes: 'id' },
        body: replaceReferences(operation.data, resolve),
        ifMatch,
        ifNoneMatch: undefined
      })
      this.succeed(reported, await answering.catch((error) => noteHeld(context, error)), known)
    } catch (error) {
      this.fail(reported, error, known)
    }
  }

  private succeed(operation: BulkOperation, { status, etag, location }: ScimAnswer, known: string | undefined): void {
    const place = location ?? known
    this.results.set(operation, { status, location: place, version: etag })
    if (operation.method === 'POST' && place) this.ids.set(operation.bulkId!, place.slice(place.lastIndexOf('/') + 1))
  }

  private fail(operation: Operation, error: unknown, location?: string): void {
    const { status, body } = toScimError(error)
    if (status === 500) this.context.log.error({ err: error, operation: operation.index }, 'bulk operation failed')
    this.results.set(operation, { status, location, error: body })
    this.errorsLeft--
  }
}

const notMade = ({ bulkId }: Operation): AppError =>
  new AppError('conflict', `bulkId:${shorten(bulkId ?? '')} was not made, so nothing can refer to it`, {
    reason: 'notMade'
  })

/** RFC 7644 §3.7.3: status is a string here; only failures have a `response`. */
function resultText({ method, bulkId }: Operation, { status, location, version, error }: Result): string {
  const text = JSON.stringify({ location, method, bulkId, version, status: String(status) })
  return error === undefined ? text : `${text.slice(0, -1)},"response":${error}}`
}
