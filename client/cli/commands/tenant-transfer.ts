// muster tenant export, muster tenant import
import { createReadStream, existsSync } from 'node:fs'
import { Readable, Transform } from 'node:stream'
import type { Command } from 'commander'
import { fetchPatiently } from '../../transport-node.ts'
import { operatorRequest, UsageError, withJson } from '../connection.ts'
import { done, print, wantsJson } from '../output.ts'
import { requireAnswer, saveAnswer } from '../stream.ts'

export function transferCommands(tenant: Command): void {
  withJson(tenant.command('export <subdomain>'))
    .description('write a tenant with everything in it as JSON lines, to standard output or a file')
    .option('-o, --output <file>', 'where to write it; the file is there when it is whole')
    .option('--without-credentials', 'leave out passwords, tokens, links and what is sealed')
    .action(async (subdomain: string, options: ExportOptions, command: Command) => {
      if (wantsJson(command) && !options.output) throw new UsageError('--json tells what was written: give an --output')
      const path = `/operator/tenants/${encodeURIComponent(subdomain)}/export?credentials=${!options.withoutCredentials}`
      const { url, headers } = operatorRequest(path)
      const response = await requireAnswer(await fetchPatiently()(url, { headers }))
      const lines = new LineCounter()
      await saveAnswer(response, options.output, lines)
      if (!options.output) return
      print(command, { file: options.output, rows: lines.rows }, ({ file, rows }) =>
        done(`Tenant ${subdomain} is in ${file}: ${rows} rows.`)
      )
    })

  withJson(tenant.command('import <file>'))
    .description('make a tenant of an exported one: whole, or not at all; `-` reads standard input, .gz is unpacked')
    .option('--subdomain <subdomain>', 'another than the one that it had')
    .action(async (file: string, options: { subdomain?: string }, command: Command) => {
      if (file !== '-' && !existsSync(file)) throw new UsageError(`There is no file ${file}`)
      const query = options.subdomain ? `?subdomain=${encodeURIComponent(options.subdomain)}` : ''
      const { url, headers } = operatorRequest(`/operator/tenants/import${query}`)
      const response = await fetchPatiently()(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': file.endsWith('.gz') ? 'application/gzip' : 'application/jsonl' },
        body: Readable.toWeb(file === '-' ? process.stdin : createReadStream(file)) as unknown as BodyInit,
        duplex: 'half'
      } as RequestInit)
      const answer = (await (await requireAnswer(response)).json()) as { tenant: { url: string }; rows: object }
      print(command, answer, ({ tenant }) => done(`The tenant is at ${tenant.url}.`))
    })
}

interface ExportOptions {
  output?: string
  withoutCredentials?: boolean
}

/** Counts lines except the first and the last, and checks that the last one is there. */
class LineCounter extends Transform {
  private count = 0
  private tail = ''

  get rows(): number {
    return this.count - 2
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: Error | null, chunk: Buffer) => void): void {
    for (const byte of chunk) if (byte === 10) this.count++
    this.tail = (this.tail + chunk.toString('latin1')).slice(-100_000)
    done(null, chunk)
  }

  override _flush(done: (error?: Error) => void): void {
    const last = this.tail.trimEnd().split('\n').at(-1) ?? ''
    done(last.startsWith('{"end":true,') ? undefined : new Error('The export broke off: it is not whole'))
  }
}
