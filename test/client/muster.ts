// Runs commands of `muster` in this process, against an app on a port of its own.
import type { Command } from 'commander'
import type { Test } from 'tap'
import { freePort } from '../../db/embedded.ts'
import { OPERATOR_TOKEN, startApp, type TestApp } from '../support/app.ts'

// before the commands are loaded, since they look at the terminal then
process.env.NO_COLOR = '1'
delete process.env.FORCE_COLOR
export const { buildProgram, runProgram } = await import('../../client/cli/program.ts')

interface Ran {
  status: number
  stdout: string
  stderr: string
}

/** Runs a command in this process: starting a process for each would take longer than the commands themselves. */
export async function muster(...args: string[]): Promise<Ran> {
  const written = { stdout: '', stderr: '' }
  const { stdout, stderr } = process
  const writes = { stdout: stdout.write, stderr: stderr.write }
  const take = (name: 'stdout' | 'stderr') =>
    ((chunk: string | Buffer, ...rest: unknown[]) => {
      written[name] += chunk
      for (const done of rest) if (typeof done === 'function') done()
      return true
    }) as typeof stdout.write
  stdout.write = take('stdout')
  stderr.write = take('stderr')
  try {
    return { status: await runProgram(['node', 'muster', ...args]), ...written }
  } finally {
    stdout.write = writes.stdout
    stderr.write = writes.stderr
  }
}

/** The commands that have been run. */
export const used = new Set<string>()
/** The procedures that commands have called. */
export const called = new Set<string>()

/** Runs a command with --json and expects it to work. @returns the value that it prints */
// biome-ignore lint/suspicious/noExplicitAny: each command prints another shape
export async function json(t: Test, command: string, ...args: string[]): Promise<any> {
  used.add(command)
  const { status, stdout, stderr } = await muster(...command.split(' '), ...args, '--json')
  t.equal(status, 0, `${command}: ${stderr}`)
  t.equal(stderr, '', `${command} writes nothing to standard error`)
  t.match(stdout, /^[^\n]+\n$/, `${command} prints one line`)
  return JSON.parse(stdout)
}

/** The names of all commands without subcommands. */
export const leavesOf = (command: Command, path: string[] = []): string[] =>
  command.commands.length === 0
    ? [path.join(' ')]
    : command.commands.flatMap((child) => leavesOf(child, [...path, child.name()]))

/** Starts the app where `muster` finds it, as the operator. */
export async function serve(t: Test): Promise<TestApp> {
  const port = await freePort()
  const app = await startApp(t, { env: { BASE_DOMAIN: 'localhost', PORT: String(port), PUBLIC_PORT: String(port) } })
  app.app.addHook('onRequest', async ({ url, headers }) => {
    const [, paths] = /^\/trpc\/([^?]+)/.exec(url) ?? []
    // the tests' own requests do not come over the network
    if (headers['user-agent'] !== 'lightMyRequest') for (const path of paths?.split(',') ?? []) called.add(path)
  })
  await app.app.listen({ port, host: '127.0.0.1' })
  process.env.MUSTER_URL = `http://localhost:${port}`
  process.env.OPERATOR_TOKEN = OPERATOR_TOKEN
  return app
}

export const ON_ACME = ['--tenant', 'acme']
