// `muster`: the operator's command line, on the typed client. Exit status 1 for errors, 2 for bad usage.
import { runProgram } from './program.ts'

// the reader has seen enough (`muster user list | head`): that is no failure
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

process.exitCode = await runProgram(process.argv)
