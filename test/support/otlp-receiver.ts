// A collector of traces on a free loopback port: it takes OTLP over HTTP as JSON and keeps the spans.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { createWaiting } from './waiting.ts'

export interface ReceivedSpan {
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  name: string
  /** OTLP's number: 2 server, 3 client, 5 consumer. */
  kind: number
  attributes: Record<string, string | number>
  links: { traceId: string; spanId: string }[]
  isError: boolean
  service: string
}

interface OtlpReceiver {
  /** The value for OTEL_EXPORTER_OTLP_ENDPOINT. */
  url: string
  /** All bodies that came, unparsed. */
  text(): string
  /** The spans that match, once there is at least one. */
  spans(matches: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan[]>
}

interface KeyValue {
  key: string
  value: { stringValue?: string; intValue?: number | string; doubleValue?: number }
}

const valuesOf = (attributes: KeyValue[] = []): ReceivedSpan['attributes'] =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue ?? value.doubleValue)])
  )

// biome-ignore lint/suspicious/noExplicitAny: OTLP's shape is deep, and read here alone
function read(body: any): ReceivedSpan[] {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  return body.resourceSpans.flatMap(({ resource, scopeSpans }: any) =>
    // biome-ignore lint/suspicious/noExplicitAny: as above
    scopeSpans.flatMap(({ spans }: any) =>
      // biome-ignore lint/suspicious/noExplicitAny: as above
      spans.map((span: any) => ({
        ...span,
        attributes: valuesOf(span.attributes),
        links: span.links ?? [],
        isError: span.status?.code === 2,
        service: valuesOf(resource.attributes)['service.name']
      }))
    )
  )
}

export async function startOtlpReceiver(t: Test): Promise<OtlpReceiver> {
  const found: ReceivedSpan[] = []
  const waiting = createWaiting()
  let everything = ''
  const server = createServer(async (request, response) => {
    const body = await text(request)
    everything += body
    if (request.url === '/v1/traces') found.push(...read(JSON.parse(body)))
    response.writeHead(request.url === '/v1/traces' ? 200 : 404, { 'content-type': 'application/json' }).end('{}')
    waiting.look()
  })
  await new Promise<void>((listening) => {
    server.listen(0, '127.0.0.1', listening)
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    text: () => everything,
    spans: (matches) =>
      waiting.until(() => {
        const matching = found.filter(matches)
        return matching.length === 0 ? undefined : matching
      })
  }
}
