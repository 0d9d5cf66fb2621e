import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import { test } from 'tap'
import { watchAnswers } from '../../db/answers.ts'
import { isUnavailable } from '../../db/failures.ts'
import { createDatabase } from '../support/database.ts'

test('An answer that is overdue', async (t) => {
  const pool = new pg.Pool({ connectionString: await createDatabase(t), max: 1, pipeline: true } as pg.PoolConfig)
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  t.teardown(() => pool.end())
  watchAnswers(pool, 1_000, 20)

  await t.test('ends the connection, and fails whatever waits on it', async (t) => {
    const client = await pool.connect()
    const ended = new Promise((resolve) => client.once('end', resolve))
    const answers = await Promise.allSettled([client.query('select pg_sleep(600)'), client.query('select 1')])
    t.match(answers, [{ status: 'rejected' }, { status: 'rejected' }])
    t.ok(answers.every((answer) => answer.status === 'rejected' && isUnavailable(answer.reason)))
    await ended
    client.release(true)
  })

  await t.test('is not assumed while other answers come, or while nothing is asked', async (t) => {
    const client = await pool.connect()
    const many = Array.from({ length: 30 }, () => client.query('select pg_sleep(0.05)'))
    t.equal((await Promise.all(many)).length, 30)
    await setTimeout(1_200)
    t.equal((await client.query('select 1')).rowCount, 1)
    client.release()
  })
})
