// The doctor's checks of the network: the mail server, and the names under which tenants are reached.
import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import type { Config } from '../config.ts'
import { createTransport } from '../mail/transport.ts'
import { failed, type Outcome, ok, warning } from './finding.ts'

/** Connects, says EHLO and signs in; sends nothing. @throws MailError with the server's own words */
export async function checkMail({ mail, public: { baseDomain } }: Config): Promise<Outcome> {
  if (!mail.smtpUrl) {
    const found = 'SMTP_URL is not set: mail is kept in the mailbox and nothing is sent'
    return isLocal(baseDomain) ? ok(found) : warning(found, 'Set SMTP_URL and MAIL_FROM')
  }
  const silent = { debug() {}, warn() {} }
  const transport = createTransport({ ...mail, store: async () => {}, logger: silent })
  try {
    await transport.verify()
  } finally {
    await transport.close()
  }
  const { hostname, username } = new URL(mail.smtpUrl)
  return ok(`${hostname} takes mail${username ? ` from ${decodeURIComponent(username)}` : ''}; sender ${mail.from}`)
}

/** Any subdomain may be a tenant's, so a newly made-up one must resolve. */
export async function checkDns(baseDomain: string): Promise<Outcome> {
  if (isLocal(baseDomain)) return ok(`${baseDomain} needs no DNS: browsers and this command know where it is`)
  const made = `muster-doctor-${randomBytes(6).toString('hex')}.${baseDomain}`
  const [base, wildcard] = await Promise.all([addressesOf(baseDomain), addressesOf(made)])
  if (!base) return failed(`${baseDomain} does not resolve`, `Make an A or AAAA record for ${baseDomain}`)
  if (!wildcard) {
    return failed(`${made} does not resolve`, `Make a wildcard record: *.${baseDomain} CNAME ${baseDomain}`)
  }
  const elsewhere = wildcard.some((address) => !base.includes(address))
  return elsewhere
    ? warning(
        `*.${baseDomain} leads to ${wildcard.join(', ')}, ${baseDomain} to ${base.join(', ')}`,
        'Check that both reach this service'
      )
    : ok(`${baseDomain} and *.${baseDomain} lead to ${base.join(', ')}`)
}

const isLocal = (baseDomain: string) => baseDomain === 'localhost' || baseDomain.endsWith('.localhost')

const addressesOf = (name: string): Promise<string[] | undefined> =>
  lookup(name, { all: true }).then(
    (found) => found.map(({ address }) => address).sort(),
    () => undefined
  )
