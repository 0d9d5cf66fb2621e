import { EventEmitter } from 'node:events'
import { test } from 'tap'
import { handOverRows, SentRow } from '../../db/sent-rows.ts'
import type { Fields } from '../../db/tenant-query.ts'

/** Makes a message of PostgreSQL's protocol. */
function message(type: string, content: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(content.length + 4, 1)
  return Buffer.concat([head, content])
}

function dataRow(fields: Fields): Buffer {
  const count = Buffer.alloc(2)
  count.writeUInt16BE(fields.length)
  const columns = fields.flatMap((field) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(field === null ? -1 : Buffer.byteLength(field))
    return [length, Buffer.from(field ?? '')]
  })
  return message('D', Buffer.concat([count, ...columns]))
}

const ROWS: readonly Fields[] = [['1', null, '', 'é😀'], [], ['x'.repeat(300)]]

/** A connection whose parser notes what it receives, and a query that takes the rows while it is the active one. */
function connect(taken: Fields[], passed: Buffer[], isTaking: () => boolean) {
  const taker = { takeRow: (row: SentRow) => taken.push(row.fields()) }
  const connection = {
    attachListeners(stream: EventEmitter) {
      stream.on('data', (bytes: Buffer) => passed.push(Buffer.from(bytes)))
    }
  }
  handOverRows(connection, () => (isTaking() ? taker : {}))
  const socket = new EventEmitter()
  connection.attachListeners(socket)
  return socket
}

test('rows as they were sent', async (t) => {
  t.test(
    'are handed over, and the parser receives the rest, wherever the bytes that arrive begin and end',
    async (t) => {
      const others = [
        message('2', Buffer.alloc(0)),
        message('C', Buffer.from('SELECT 3\0')),
        message('Z', Buffer.from('I'))
      ]
      const stream = Buffer.concat([others[0]!, ...ROWS.map(dataRow), ...others.slice(1)])
      for (const size of [1, 2, 3, 4, 5, 6, 7, 11, 50, 299, 310, stream.length]) {
        const taken: Fields[] = []
        const passed: Buffer[] = []
        const socket = connect(taken, passed, () => true)
        for (let at = 0; at < stream.length; at += size) socket.emit('data', stream.subarray(at, at + size))
        t.same(taken, ROWS, `read by ${size} bytes`)
        t.same(Buffer.concat(passed), Buffer.concat(others))
        t.ok(passed.every(isWhole), 'messages as a whole')
      }
    }
  )

  t.test('are left to the parser if another query is answered', async (t) => {
    const taken: Fields[] = []
    const passed: Buffer[] = []
    const end = message('Z', Buffer.from('I'))
    // the end of one query makes the next one active
    const socket = connect(taken, passed, () => passed.some((bytes) => bytes.includes(end)))
    socket.emit('data', Buffer.concat([dataRow(['a']), dataRow(['b']), end, dataRow(['c'])]))
    t.same(taken, [['c']])
    t.same(Buffer.concat(passed), Buffer.concat([dataRow(['a']), dataRow(['b']), end]))
  })

  t.test('may be made from texts', async (t) => {
    for (const fields of ROWS) {
      const row = SentRow.of(fields)
      t.same(row.fields(), fields)
      t.same(
        fields.map((_, column) => row.isNull(column)),
        fields.map((field) => field === null)
      )
    }
  })
})

function isWhole(bytes: Buffer): boolean {
  let at = 0
  while (at < bytes.length) at += 1 + bytes.readUInt32BE(at + 1)
  return at === bytes.length
}
