// Writes RESULTS.md: the table of faults, and the machine.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, totalmem, type } from 'node:os'
import { join } from 'node:path'
import type { Played } from './play.ts'

export function writeResults(results: readonly Played[]): void {
  const rows = results.map(({ fault, outcome, skipped, problem }) => {
    if (skipped) return `| ${fault} | | | | | skipped: ${skipped} |`
    if (!outcome) return `| ${fault} | | | | | **${problem}** |`
    const { acknowledged, kept, recoveryMs, note } = outcome
    return `| ${fault} | ${acknowledged} | ${kept} | ${acknowledged - kept} | ${(recoveryMs / 1000).toFixed(1)} s | ${note} |`
  })
  const text = `# Faults

Written by \`npm run faults\`: each fault is played against real processes and a PostgreSQL with fsync on.
*Acknowledged*: changes answered with success, or mails that an acknowledged change asked for. After each fault, SQL
checks that users, addresses, e-mail keys, counts, memberships, invitations, mails, jobs and the audit log agree
(\`test/faults/invariants.ts\`). *Recovery*: until a read was answered and a user made again (or
a mail sent), from the moment the fault was over, or struck where it was sudden.

${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB, ${type()}, Node ${process.versions.node}, commit ${commit()}

| fault | acknowledged | kept | lost | recovery | how it went |
|---|--:|--:|--:|--:|---|
${rows.join('\n')}
`
  writeFileSync(join(import.meta.dirname, 'RESULTS.md'), text)
}

const commit = () => execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
