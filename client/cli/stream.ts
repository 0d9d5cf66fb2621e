// Answers that are written away as they come, whole or not at all.
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** The service's refusal, as `describeError` shows it. */
class ServiceError extends Error {
  readonly data: { reason?: string }

  constructor({ message, reason }: { message?: string; reason?: string }, status: number) {
    super(message ?? `The service answered ${status}`)
    this.data = { reason }
  }
}

/** @throws ServiceError where the answer is a refusal */
export async function requireAnswer(response: Response): Promise<Response> {
  if (response.ok) return response
  throw new ServiceError((await response.json().catch(() => ({}))) as object, response.status)
}

/**
 * Writes an answer to a file, or to standard output without one. The file is there when it is whole, readable by its
 * owner alone.
 * @param through sees what passes
 * @throws Error where the answer breaks off
 */
export async function saveAnswer(response: Response, file: string | undefined, through: Transform): Promise<void> {
  const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0])
  if (file === undefined) return pipeline(body, through, process.stdout, { end: false })
  const partial = `${file}.part`
  try {
    await pipeline(body, through, createWriteStream(partial, { mode: 0o600 }))
    await rename(partial, file)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}
