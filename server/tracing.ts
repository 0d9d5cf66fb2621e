// Traces: what a request or a job did, and for how long. Where tracing is off, nothing of OpenTelemetry is loaded.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { TraceStatement } from '../db/trace.ts'
import type { Config } from './config.ts'

export interface SpanOptions {
  /** W3C traceparent of the trace that the work belongs to; by default the current trace, or a new one. */
  parent?: string | undefined
  attributes?: Record<string, string | number>
}

export interface Tracing {
  readonly statement: TraceStatement
  /** W3C traceparent of the current work, to pass on to whatever continues it. */
  traceparent(): string | undefined
  /** Makes every request of `app` a span, in the trace that its `traceparent` header names. */
  traceRequests(app: FastifyInstance): void
  /** Runs work as a span. A span of another trace is linked to the current one. */
  span<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T>
  /** Sends the remaining spans. */
  close(): Promise<void>
}

/** @returns undefined where OTEL_EXPORTER_OTLP_ENDPOINT is not set */
export async function loadTracing(config: Config, log: FastifyBaseLogger): Promise<Tracing | undefined> {
  if (!config.tracing) return undefined
  const { createTracing } = await import('./opentelemetry.ts')
  return createTracing(config.tracing, log)
}

/** Runs work as a span if tracing is on, else directly. */
export const inSpan = <T>(
  tracing: Tracing | undefined,
  name: string,
  options: SpanOptions,
  work: () => Promise<T>
): Promise<T> => (tracing ? tracing.span(name, options, work) : work())
