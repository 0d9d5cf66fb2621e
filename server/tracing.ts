// Traces: what a request or a job did, and for how long. Where nobody collects them there is no tracing, and nothing of
// OpenTelemetry is loaded.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { TraceStatement } from '../db/trace.ts'
import type { Config } from './config.ts'

export interface SpanOptions {
  /** W3C traceparent of the trace that the work belongs to; left out: the one that runs just now, or a new one. */
  parent?: string | undefined
  attributes?: Record<string, string | number>
}

export interface Tracing {
  readonly statement: TraceStatement
  /** W3C traceparent of what runs just now, to be handed to whoever goes on with it. */
  traceparent(): string | undefined
  /** Every request of `app` becomes a span, in the trace that its `traceparent` header names. */
  traceRequests(app: FastifyInstance): void
  /** Runs work as a span. One that belongs to another trace is linked to what runs just now. */
  span<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T>
  /** Sends what has not been sent. */
  close(): Promise<void>
}

/** @returns undefined where OTEL_EXPORTER_OTLP_ENDPOINT is not set */
export async function loadTracing(config: Config, log: FastifyBaseLogger): Promise<Tracing | undefined> {
  if (!config.tracing) return undefined
  const { createTracing } = await import('./opentelemetry.ts')
  return createTracing(config.tracing, log)
}

/** Runs work as a span, or just so. */
export const inSpan = <T>(
  tracing: Tracing | undefined,
  name: string,
  options: SpanOptions,
  work: () => Promise<T>
): Promise<T> => (tracing ? tracing.span(name, options, work) : work())
