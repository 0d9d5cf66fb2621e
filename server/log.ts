// The log: JSON lines for machines, readable text on a terminal, one line for each request.
import { type FastifyBaseLogger, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import { pino } from 'pino'

interface LoggedError extends Error {
  type?: string
  code?: string
  detail?: string
}

/**
 * Structured logs; people at a terminal get them readable. Secrets never reach them (also not in headers).
 * Lines that come while others are being written go out together, and what is left when the process exits: a system
 * call for each of them would cost a busy server a sixth of its time.
 */
export function createLogger(level: string): FastifyBaseLogger {
  const options = {
    level,
    redact: {
      paths: ['req.headers.authorization', 'req.headers.cookie', 'res.headers["set-cookie"]', '*.password', '*.token'],
      censor: '[redacted]'
    },
    serializers: {
      // an error of the database carries its connection along
      err: ({ type, message, stack, code, detail, cause }: LoggedError) => ({
        type,
        message,
        stack,
        code,
        detail,
        cause
      }),
      req: (request: { id: string; method: string; url: string; host?: string; ip?: string }) => ({
        id: request.id,
        method: request.method,
        // queries carry tokens (/accept?token=…) and e-mail addresses (filters)
        path: request.url.split('?', 1)[0],
        host: request.host,
        ip: request.ip
      })
    }
  }
  const readable = { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' } }
  const logger = process.stdout.isTTY
    ? pino({ ...options, transport: readable })
    : pino(options, pino.destination({ sync: false }))
  return logger as unknown as FastifyBaseLogger
}

/** One line for each request, once it is answered: what it was, the status, the milliseconds. */
export class RequestLog extends LogController {
  override incomingRequest(): void {
    // the line of the answer tells it
  }

  override requestCompleted(error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    const facts = { req: request, res: reply, responseTime: reply.elapsedTime }
    if (error) reply.log.error({ ...facts, err: error }, 'request errored')
    else reply.log.info(facts, 'request completed')
  }
}
