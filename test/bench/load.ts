// The closed loop: each connection sends its next request as soon as it has the answer, until the time is over.
import { type Answer, Connection } from './connection.ts'
import type { Ask, Next } from './workload.ts'

export interface Load {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  readonly maxRequests: number
}

export interface Measured {
  readonly requests: number
  readonly seconds: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Processor time of the driver itself, in microseconds. */
  readonly driverMicros: number
}

/** The body of one in so many answers is checked. */
const SAMPLE = 64

/** @throws Error if an answer is wrong */
export async function drive(next: Next, { port, connections, seconds, maxRequests }: Load): Promise<Measured> {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)))
  const latencies: number[] = []
  let sent = 0
  const cpu = process.cpuUsage()
  const began = performance.now()
  const deadline = began + seconds * 1000

  async function loop(connection: Connection, index: number): Promise<void> {
    while (performance.now() < deadline && sent < maxRequests) {
      const ask = next(index)
      if (!ask) return
      const isSampled = sent++ % SAMPLE === 0
      const request = write(ask)
      const sentAt = performance.now()
      const answer = await connection.send(request)
      latencies.push(performance.now() - sentAt)
      check(ask, answer, isSampled)
    }
  }
  try {
    await Promise.all(open.map(loop))
  } finally {
    for (const connection of open) connection.close()
  }
  const elapsed = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  latencies.sort((a, b) => a - b)
  return {
    requests: latencies.length,
    seconds: elapsed,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    driverMicros: user + system
  }
}

/** Sends one request on a connection of its own. @throws Error if the answer is wrong */
export async function askOnce(port: number, ask: Ask): Promise<void> {
  const connection = await Connection.open(port)
  try {
    check(ask, await connection.send(write(ask)), true)
  } finally {
    connection.close()
  }
}

const quantile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

function write({ method, path, headers, body }: Ask): string {
  if (body === undefined) return `${method} ${path} HTTP/1.1\r\n${headers}\r\n`
  return `${method} ${path} HTTP/1.1\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

function check(ask: Ask, { status, body }: Answer, isSampled: boolean): void {
  if (status !== ask.status) throw new Error(`${describe(ask)} answered ${status}: ${body.toString().slice(0, 500)}`)
  ask.read?.(body)
  const fault = isSampled ? ask.findFault?.(body.toString()) : undefined
  if (fault) throw new Error(`${describe(ask)}: ${fault}`)
}

const describe = ({ method, path }: Ask) => `${method} ${path.slice(0, 200)}`
