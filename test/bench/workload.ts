// What is measured: requests, the server they go to, and what is asked of their rate.
import type { Db } from '../../db/connect.ts'
import type { Population } from './population.ts'

export type Server = 'muster' | 'floor'

/** One request, and what its answer must be. */
export interface Ask {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  /** Header lines, each ended by CR LF. */
  readonly headers: string
  readonly body?: string
  readonly status: number
  /** Is given every answer's body, for what the next request needs of it. */
  readonly read?: (body: Buffer) => void
  /** Asked of a sample of the answers. @returns what is wrong with the body, or undefined */
  readonly findFault?: (body: string) => string | undefined
}

/** Gives a connection (0, 1, …) its next request; undefined where there is nothing left to ask. */
export type Next = (connection: number) => Ask | undefined

/** What both sides of a comparison are driven with. Made once a population, so it may count across rounds. */
export type Source = (context: SourceContext) => Next

export interface SourceContext {
  readonly population: Population
  /** Where each server listens. */
  readonly ports: Readonly<Record<Server, number>>
  readonly operatorToken: string
}

export interface Workload {
  /** For `--only`. */
  readonly name: string
  readonly title: string
  readonly muster: Source
  /** What the rate is divided by. */
  readonly against?: { readonly server: Server; readonly title: string; readonly source: Source }
  readonly goal: Goal
  /** 16 unless told. */
  readonly connections?: number
  /** Requests that end a round early, where there is only so much to change. */
  readonly maxRequests?: number
  /** What one request counts as. */
  readonly operations?: number
  /** Sizes at which it makes sense; all of them unless told. */
  readonly isFor?: (population: Population) => boolean
  /** Whether it leaves the data as it was: those that do run first. */
  readonly isRead: boolean
  /** Runs before each round, untimed. */
  readonly prepare?: (db: Db, population: Population) => Promise<void>
  /** Runs before each side of each round, untimed: for what both sides are compared in. */
  readonly prepareSide?: (db: Db, population: Population, side: Side) => Promise<void>
}

export type Side = 'muster' | 'against'

/** `ratio` of the rates, `perSecond` of requests, or `p99Ms`: whichever are asked for. */
export interface Goal {
  readonly ratio?: number
  readonly perSecond?: number
  readonly p99Ms?: number
}
