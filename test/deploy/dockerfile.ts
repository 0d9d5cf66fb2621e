// Reads a Dockerfile and plays its last stage in a folder. It knows as much of the format as ours needs, and throws for
// the rest.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

interface Instruction {
  name: string
  /** An instruction as written, with continued lines joined. */
  text: string
}

export interface Stage {
  from: string
  name: string | undefined
  instructions: Instruction[]
}

export function parseDockerfile(text: string): Stage[] {
  const lines = text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith('#'))
  const stages: Stage[] = []
  for (const line of lines) {
    const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    if (!name || rest === undefined) throw new Error(`Not an instruction: ${line}`)
    if (name === 'FROM') {
      const [, from, as] = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(rest) ?? []
      stages.push({ from: from!, name: as, instructions: [] })
    } else if (stages.length > 0) {
      stages.at(-1)!.instructions.push({ name, text: rest })
    } else if (name !== 'ARG') {
      throw new Error(`${name} stands before FROM`)
    }
  }
  return stages
}

export const textsOf = ({ instructions }: Stage, name: string): string[] =>
  instructions.filter((one) => one.name === name).map(({ text }) => text)

/** The variables of all ENV lines, such as `ENV A=1 B=2`. */
export const environmentOf = (stage: Stage): Record<string, string> =>
  Object.fromEntries(
    textsOf(stage, 'ENV')
      .flatMap((text) => text.split(/\s+/))
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)])
  )

interface Playing {
  /** The build context. */
  context: string
  /** Stands for the root of the image's file system. */
  root: string
  env: Record<string, string>
}

/**
 * Plays COPY and RUN of every stage; absolute paths of the image lie below `root`. @returns the folder of the last
 * stage
 */
export function playDockerfile(stages: readonly Stage[], { context, root, env }: Playing): string {
  let folder = ''
  const played = new Map<string, string>()
  for (const [index, stage] of stages.entries()) {
    const own = join(root, stage.name ?? String(index))
    folder = join(own, 'app')
    mkdirSync(folder, { recursive: true })
    for (const { name, text } of stage.instructions) {
      if (name === 'COPY') copy(text, { context, folder, played })
      if (name === 'RUN') {
        // /var of the image is not this machine's
        const command = text.replaceAll('/var/', `${own}/var/`)
        execFileSync('/bin/sh', ['-c', command], {
          cwd: folder,
          env: { ...env, ...environmentOf(stage) },
          stdio: 'pipe'
        })
      }
    }
    if (stage.name) played.set(stage.name, own)
  }
  return folder
}

function copy(
  text: string,
  { context, folder, played }: { context: string; folder: string; played: Map<string, string> }
): void {
  const words = text.split(/\s+/)
  const from = /^--from=(.+)$/.exec(words[0]!)?.[1]
  if (from) words.shift()
  const target = words.pop()!
  for (const source of words) {
    const path = from ? join(played.get(from)!, source) : join(context, source)
    const to = target.endsWith('/') ? join(folder, target, source.split('/').at(-1)!) : join(folder, target)
    // leaves out what was built or installed here
    const filter = (file: string) => Boolean(from) || !/\/(node_modules|dist)$/.test(file)
    cpSync(path, to, { recursive: true, filter })
  }
}
