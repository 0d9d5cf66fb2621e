// Types for what is measured: requests, the server that they go to, and the goal for their rate.
import type { Db } from '../../db/connect.ts'
import type { Population } from './population.ts'

export type Server = 'muster' | 'floor'

/** One request, and what its answer must be. */
export interface Ask {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  /** Header lines, each with CR LF at its end. */
  readonly headers: string
  readonly body?: string
  readonly status: number
  /** Receives the body of every answer, for what the next request needs. */
  readonly read?: (body: Buffer) => void
  /** Checks the bodies of a sample of the answers. @returns what is wrong, or undefined */
  readonly findFault?: (body: string) => string | undefined
}

/** Gives a connection (0, 1, …) its next request; undefined if nothing is left to request. */
export type Next = (connection: number) => Ask | undefined

/**
 * Makes the requests of one side of a comparison. It is made once for each population, so it can count across rounds.
 */
export type Source = (context: SourceContext) => Next

export interface SourceContext {
  readonly population: Population
  /** The port of each server. */
  readonly ports: Readonly<Record<Server, number>>
  readonly operatorToken: string
}

export interface Workload {
  /** The name for `--only`. */
  readonly name: string
  readonly title: string
  readonly muster: Source
  /** What the rate is divided by. */
  readonly against?: { readonly server: Server; readonly title: string; readonly source: Source }
  readonly goal: Goal
  /** The number of connections; 16 by default. */
  readonly connections?: number
  /** Ends a round early after so many requests, if there is only so much to change. */
  readonly maxRequests?: number
  /** How many operations one request counts as. */
  readonly operations?: number
  /** Whether the workload makes sense at this size; at every size by default. */
  readonly isFor?: (population: Population) => boolean
  /** Whether it leaves the data unchanged; such workloads run first. */
  readonly isRead: boolean
  /** Runs before each round, outside the measured time. */
  readonly prepare?: (db: Db, population: Population) => Promise<void>
  /** Runs before each side of each round, outside the measured time, and sets what the two sides differ in. */
  readonly prepareSide?: (db: Db, population: Population, side: Side) => Promise<void>
}

export type Side = 'muster' | 'against'

/** The goals, if any: `ratio` of the rates, `perSecond` requests, or `p99Ms`. */
export interface Goal {
  readonly ratio?: number
  readonly perSecond?: number
  readonly p99Ms?: number
}
