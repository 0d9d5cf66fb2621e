// What the errors of PostgreSQL mean.

/** The constraint or unique index that a statement violated, or undefined for any other error. */
export function violatedConstraint(error: unknown): string | undefined {
  const { code, constraint, message } = (error ?? {}) as { code?: string; constraint?: string; message?: string }
  if (code !== '23505' && code !== '23503' && code !== '23514') return undefined
  return (constraint ?? NAMED_IN_MESSAGE.exec(message ?? '')?.[1])?.replace(SHARD_SUFFIX, '')
}

/** Citus passes on only the message of a node's error. */
const NAMED_IN_MESSAGE = /constraint "([^"]+)"/
/** Citus gives the shard's constraint name, `addresses_pkey_102046`; none of our names ends like that. */
const SHARD_SUFFIX = /_\d{6,}$/

/** Whether an error says that the database can't be reached or can't serve just now, but may soon. */
export function isUnavailable(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string }
  if (code && UNAVAILABLE_CODES.has(code)) return true
  if (isOutdatedPlan(error)) return true
  return UNAVAILABLE_MESSAGES.test(message ?? '')
}

/** Whether a prepared statement no longer returns the same columns, because one was added to a table since. */
export function isOutdatedPlan(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string }
  return code === '0A000' && /cached plan must not change result type/.test(message ?? '')
}

// from pg and pg-pool, which give no codes; from PgBouncer, which gives that of a protocol violation; and from Citus,
// which reports a node lost during a statement as an internal error
const UNAVAILABLE_MESSAGES =
  /SSL SYSCALL error|SSL connection has been closed unexpectedly|server closed the connection unexpectedly|could not (?:send|receive) data|invalid socket|Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|not queryable|not currently accepting|no more connections allowed|query_wait_timeout|server_login_retry|server conn(ection)? crashed|pgbouncer cannot connect/

const UNAVAILABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout: this process or the database was frozen
  '25006', // read_only_sql_transaction: a replica, during a failover
  '53000', // insufficient_resources
  '53100', // disk_full
  '53200', // out_of_memory
  '53300', // too_many_connections
  '58030', // io_error
  '08000',
  '08001',
  '08003',
  '08004',
  '08006'
])
