// Writes a page of users as bytes, copied from those that PostgreSQL sent: converting them to text would cost more than
// the rest of the page.
import { ID_LENGTH } from '../../db/ids.ts'
import type { UserState } from '../../db/schema.ts'
import { type GroupsOfPage, readPageGroups, userPageColumns } from '../../db/scim-user-pages.ts'
import type { SentRow } from '../../db/sent-rows.ts'
import { copyIsoTime, ISO_TIME_LENGTH, toIsoTime } from '../../db/times.ts'
import { connectionOf, type ScimContext } from './context.ts'
import { COLUMNS_FROM, type WriteRow } from './list-sql.ts'
import type { LongBody } from './long-body.ts'
import type { Projection } from './projection.ts'
import { isWhole, RELATIVE_REF, type UserTextRow, userText } from './user-text.ts'

const columnOf = (name: keyof typeof userPageColumns) => COLUMNS_FROM + Object.keys(userPageColumns).indexOf(name)
const STATE = columnOf('state')
const ID = columnOf('id')
const VERSION = columnOf('version')
const CONNECTION = columnOf('connection_id')
const AUTHORITY = columnOf('authority')
const DOC = columnOf('doc')
const CREATED = columnOf('created_at')
const MODIFIED = columnOf('updated_at')

/**
 * Writes the rows of a list.
 * @param besides what groupsOfPage selected
 */
export function userWriter(context: ScimContext, projection: Projection, besides: string | null): WriteRow {
  const groups = readPageGroups(besides, `${context.baseUrl}/Groups/`)
  const isCopied = isWhole(projection, context)
  const { leniency, baseUrl } = context
  const copier = new UserCopier(baseUrl, groups)
  const own = connectionOf(context)
  return (row, body) => {
    const connectionId = row.text(CONNECTION)
    // an unowned user may get an assumed name, and an externalId from another connection is not shown
    const isAsStored = connectionId === null ? leniency.profile === 'strict' : own === null || connectionId === own
    if (isCopied && isAsStored && copier.copy(row, body)) return
    body.write(userText(toRow(row, groups), context, projection))
  }
}

function toRow(row: SentRow, groups: GroupsOfPage): UserTextRow {
  const id = row.text(ID)!
  return {
    id,
    state: row.text(STATE) as UserState,
    connection_id: row.text(CONNECTION),
    authority: row.text(AUTHORITY)!,
    version: Number(row.text(VERSION)),
    doc: row.text(DOC)!,
    groups: groups.of(id),
    created_at: toIsoTime(row.text(CREATED)!),
    updated_at: toIsoTime((row.text(MODIFIED) ?? row.text(CREATED))!)
  }
}

const BEGINNING = Buffer.from('{"id":"')
const BEHIND_ID = Buffer.from('",')
const BEHIND_VERSION = Buffer.from('\\""}}')
const DEACTIVATED_LENGTH = 'deactivated'.length
const DOLLAR = '$'.charCodeAt(0)

/** The text from the end of a document up to the version, with gaps to fill for each user. */
interface Ending {
  readonly bytes: Buffer
  readonly created: number
  readonly modified: number
  readonly id: number
}

class UserCopier {
  private readonly baseUrl: string
  private readonly groups: GroupsOfPage
  private readonly ref: Buffer
  /** By the text of groups, separately for active and inactive users. */
  private readonly endings: Record<'active' | 'inactive', Map<string | null, Ending>>

  constructor(baseUrl: string, groups: GroupsOfPage) {
    this.baseUrl = baseUrl
    this.groups = groups
    this.ref = Buffer.from(`"$ref":"${baseUrl}/Users/`)
    this.endings = { active: new Map(), inactive: new Map() }
  }

  /** @returns false where nothing was written, because a time has an unusual format */
  copy(row: SentRow, body: LongBody): boolean {
    const { bytes } = row
    const begin = body.length
    body.copy(BEGINNING, 0, BEGINNING.length)
    body.copy(bytes, row.start(ID), row.end(ID))
    body.copy(BEHIND_ID, 0, BEHIND_ID.length)
    this.copyDocument(bytes.subarray(row.start(DOC) + 1, row.end(DOC) - 1), body)
    const ending = this.endingOf(row)
    const at = body.length
    body.copy(ending.bytes, 0, ending.bytes.length)
    const to = body.room(0)
    const modified = row.isNull(MODIFIED) ? CREATED : MODIFIED
    bytes.copy(to, at + ending.id, row.start(ID), row.end(ID))
    const isDone =
      copyIsoTime(bytes, row.start(CREATED), row.end(CREATED), to, at + ending.created) &&
      copyIsoTime(bytes, row.start(modified), row.end(modified), to, at + ending.modified)
    if (!isDone) {
      body.length = begin
      return false
    }
    body.copy(bytes, row.start(VERSION), row.end(VERSION))
    body.copy(BEHIND_VERSION, 0, BEHIND_VERSION.length)
    return true
  }

  /** References to users of this server are stored as relative ones. */
  private copyDocument(doc: Buffer, body: LongBody): void {
    let from = 0
    // a single byte is found ten times faster than a text, and dollars are rare
    for (let dollar = doc.indexOf(DOLLAR); dollar !== -1; dollar = doc.indexOf(DOLLAR, dollar + 1)) {
      const at = dollar - 1
      if (doc.toString('latin1', at, at + RELATIVE_REF.length) !== RELATIVE_REF) continue
      body.copy(doc, from, at)
      body.copy(this.ref, 0, this.ref.length)
      from = at + RELATIVE_REF.length
    }
    body.copy(doc, from, doc.length)
  }

  private endingOf(row: SentRow): Ending {
    // no other state has a name of that length
    const isActive = row.end(STATE) - row.start(STATE) !== DEACTIVATED_LENGTH
    const { ofAll } = this.groups
    const groups = ofAll === undefined ? this.groups.of(row.text(ID)!) : ofAll
    const endings = this.endings[isActive ? 'active' : 'inactive']
    let ending = endings.get(groups)
    if (!ending) {
      ending = endingWith(this.baseUrl, isActive, groups)
      endings.set(groups, ending)
    }
    return ending
  }
}

function endingWith(baseUrl: string, isActive: boolean, groups: string | null): Ending {
  const time = ' '.repeat(ISO_TIME_LENGTH)
  const upToCreated =
    `,"active":${isActive}${groups === null ? '' : `,"groups":${groups}`}` +
    ',"meta":{"resourceType":"User","created":"'
  const upToModified = `${upToCreated}${time}","lastModified":"`
  const upToId = `${upToModified}${time}","location":"${baseUrl}/Users/`
  return {
    bytes: Buffer.from(`${upToId}${' '.repeat(ID_LENGTH)}","version":"W/\\"`),
    created: Buffer.byteLength(upToCreated),
    modified: Buffer.byteLength(upToModified),
    id: Buffer.byteLength(upToId)
  }
}
