// `muster`: the operator's command line, on the typed client. Exit status 1 for errors, 2 for bad usage.
import { runProgram } from './program.ts'

process.exitCode = await runProgram(process.argv)
