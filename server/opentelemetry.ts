// Tracing with OpenTelemetry over OTLP/HTTP. Spans are created at our own seams (requests, statements, jobs). Nothing
// global is registered: no library is patched, and module loading is not hooked.
import { setTimeout } from 'node:timers/promises'
import {
  type Context,
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider
} from '@opentelemetry/sdk-trace'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { Config } from './config.ts'
import { routeOf } from './metrics.ts'
import type { SpanOptions, Tracing } from './tracing.ts'

/** Polled all the time, and nobody looks for them in a trace. */
const UNTRACED = new Set(['/healthz', '/readyz', '/metrics', '/assets/*'])
const SEND_EVERY_MS = 1_000
const CLOSE_MS = 2_000
const MAX_STATEMENT_LENGTH = 2_000

const propagator = new W3CTraceContextPropagator()
const getter = {
  get: (headers: Record<string, unknown>, name: string) => headers[name] as string | undefined,
  keys: (headers: Record<string, unknown>) => Object.keys(headers)
}

export function createTracing(config: NonNullable<Config['tracing']>, log: FastifyBaseLogger): Tracing {
  // an unreachable collector deserves a log line, nothing more
  const warn = (message: string, ...facts: unknown[]) => log.warn({ facts: facts.map(String) }, `traces: ${message}`)
  diag.setLogger({ error: warn, warn, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN)
  const exporter = new OTLPTraceExporter({ url: `${config.endpoint.replace(/\/+$/, '')}/v1/traces` })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': config.serviceName, 'process.pid': process.pid }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(config.ratio) }),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: SEND_EVERY_MS })]
  })
  const tracer = provider.getTracer('muster')
  const contexts = new AsyncLocalStorageContextManager().enable()
  const active = () => contexts.active()
  const parentOf = (traceparent: string | undefined): Context =>
    traceparent === undefined ? active() : propagator.extract(ROOT_CONTEXT, { traceparent }, getter)

  return {
    statement(text) {
      const [, operation = 'statement'] = /^\s*(\w+)/.exec(text) ?? []
      const span = tracer.startSpan(
        `postgresql ${operation.toLowerCase()}`,
        {
          kind: SpanKind.CLIENT,
          // values travel apart from the text, so it names nobody
          attributes: { 'db.system.name': 'postgresql', 'db.query.text': text.slice(0, MAX_STATEMENT_LENGTH) }
        },
        active()
      )
      return (error) => end(span, error)
    },

    traceparent() {
      const carrier: { traceparent?: string } = {}
      propagator.inject(active(), carrier, { set: (into, name, value) => Object.assign(into, { [name]: value }) })
      return carrier.traceparent
    },

    traceRequests(app) {
      const running = new WeakMap<FastifyRequest, Context>()
      app.addHook('onRequest', (request, _reply, done) => {
        if (UNTRACED.has(request.routeOptions.url ?? '')) return done()
        const route = routeOf(request)
        const parent = propagator.extract(ROOT_CONTEXT, request.headers, getter)
        const attributes = {
          'http.request.method': request.method,
          'http.route': route,
          'server.address': request.host,
          'muster.request_id': request.id
        }
        const span = tracer.startSpan(`${request.method} ${route}`, { kind: SpanKind.SERVER, attributes }, parent)
        const context = trace.setSpan(parent, span)
        running.set(request, context)
        contexts.with(context, done)
      })
      // the body's last chunk comes from the socket, outside the request's context
      app.addHook('preValidation', (request, _reply, done) => {
        const context = running.get(request)
        if (context) contexts.with(context, done)
        else done()
      })
      app.addHook('onResponse', async (request, reply) => {
        const span = trace.getSpan(running.get(request) ?? ROOT_CONTEXT)
        span?.setAttribute('http.response.status_code', reply.statusCode)
        if (reply.statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR })
        span?.end()
      })
    },

    async span<T>(name: string, { parent, attributes }: SpanOptions, work: () => Promise<T>): Promise<T> {
      const context = parentOf(parent)
      const linked = parent === undefined ? undefined : trace.getSpanContext(active())
      const links = linked ? [{ context: linked }] : []
      const span = tracer.startSpan(name, { kind: SpanKind.CONSUMER, attributes, links }, context)
      try {
        const result = await contexts.with(trace.setSpan(context, span), work)
        end(span)
        return result
      } catch (error) {
        end(span, error)
        throw error
      }
    },

    async close() {
      const sent = provider.shutdown().catch((error: unknown) => warn(String(error)))
      // an unreachable collector is retried for long: do not wait for that
      await Promise.race([sent, setTimeout(CLOSE_MS, undefined, { ref: false })])
    }
  }
}

function end(span: Span, error?: unknown): void {
  if (error !== undefined) {
    // its message may name people; the log has it
    const { code, name } = error as { code?: string; name?: string }
    span.setAttribute('error.type', code ?? name ?? 'error')
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.end()
}
