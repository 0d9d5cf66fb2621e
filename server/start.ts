// Reads the settings, starts the service, prints its addresses, and stops on SIGTERM and SIGINT.
import { DataFolderInUseError } from '../db/postmaster.ts'
import { boot, isEmpty } from './boot.ts'
import { type Config, ConfigError, loadConfig, publicUrl, readEnvironment } from './config.ts'
import { createDemo } from './demo.ts'
import { outliveStrayRejections } from './log.ts'

async function main(): Promise<void> {
  const config = loadConfig(readEnvironment())
  const running = await boot(config, { onOpening: stopOnSignals })
  const { deps, app } = running
  outliveStrayRejections(deps.log)
  if (!app) {
    deps.log.info({ port: running.port }, 'worker started')
    return
  }
  const demo = deps.config.isDemo && (await isEmpty(deps.db)) ? await createDemo(deps) : []
  const lines = [
    '',
    `  Muster answers at ${publicUrl(deps.config)}`,
    ...(deps.config.mail.smtpUrl ? [] : [`  ${mailLine(deps.config)}`]),
    ...demo.map((line) => `  ${line}`),
    ''
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

const mailLine = (config: Config) =>
  config.isDemo
    ? `Development mailbox: ${publicUrl(config)}/mailbox`
    : 'Nobody gets mail: SMTP_URL is not set, and the development mailbox is off (DEMO)'

/** How long stopping may take before the process gives up and exits. */
const STOP_MS = 9_000

/** Ctrl-C arrives from the terminal and again from npm; a signal later than this means impatience. */
const SAME_SIGNAL_MS = 500

let stoppingSinceMs: number | undefined

function stopOnSignals(close: () => Promise<void>): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stoppingSinceMs !== undefined) {
        if (performance.now() - stoppingSinceMs > SAME_SIGNAL_MS) process.exit(1)
        return
      }
      stoppingSinceMs = performance.now()
      // a frozen database never answers the closing
      setTimeout(() => {
        process.stderr.write('Muster did not end in time, and ends now\n')
        process.exit(1)
      }, STOP_MS).unref()
      close().then(
        () => process.exit(0),
        (error) => {
          process.stderr.write(`${String(error)}\n`)
          process.exit(1)
        }
      )
    })
  }
}

/** Starts the service; if that fails, says why and ends the process. */
export function start(): void {
  main().catch((error: unknown) => {
    // stopping has closed what was being opened
    if (stoppingSinceMs !== undefined) return
    process.stderr.write(`Muster did not start: ${describe(error)}\n`)
    process.exit(1)
  })
}

/** One line for problems that whoever starts it can fix; other errors also show the stack. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  const line = `${error.message}${cause}`
  const isMendable = error instanceof ConfigError || error instanceof DataFolderInUseError
  return isMendable ? line : `${line}\n${error.stack ?? ''}`
}
