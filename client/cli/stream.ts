// Saves answers as they arrive, completely or not at all.
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** A refusal by the service, in the form that `describeError` shows. */
class ServiceError extends Error {
  readonly data: { reason?: string }

  constructor({ message, reason }: { message?: string; reason?: string }, status: number) {
    super(message ?? `The service answered ${status}`)
    this.data = { reason }
  }
}

/** @throws ServiceError where the service refused */
export async function requireAnswer(response: Response): Promise<Response> {
  if (response.ok) return response
  throw new ServiceError((await response.json().catch(() => ({}))) as object, response.status)
}

/**
 * Writes an answer to a file, or to standard output without one. The file appears once it is complete, and only its
 * owner may read it.
 * @param through sees the data that passes
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
