// Turns a mail's row into a message: its link, and the data for its template.
import type { MailToSend } from '../../db/mails.ts'
import type { Notice } from '../../db/schema.ts'
import { type Config, publicUrl } from '../../server/config.ts'
import { formatInstant, render, type Templates } from '../../server/mail/render.ts'
import type { MailMessage, RenderedMail } from '../../server/mail/types.ts'

interface Stationery {
  readonly config: Pick<Config, 'public'>
  readonly templates: Templates
  readonly now: () => Date
}

/** The link that a mail carries. */
interface MailLink {
  readonly token: string
  readonly expiresAt: Date
}

/**
 * @param link undefined only for a notice
 * @throws MailError permanent, if the tenant's look or a name can't be put into a mail
 */
export function writeMail(stationery: Stationery, mail: MailToSend, link: MailLink | undefined): MailMessage {
  const { senderName } = mail.tenant_settings
  return {
    ...(mail.notice ? renderNotice(stationery, mail, mail.notice) : renderLink(stationery, mail, link!)),
    id: mail.id,
    to: mail.to_address,
    fromName: senderName ?? mail.tenant_name
  }
}

function renderNotice({ config, templates }: Stationery, mail: MailToSend, notice: Notice): RenderedMail {
  const { actionPath, ...told } = notice
  return render(templates, 'notice', {
    ...sharedData(mail),
    ...told,
    actionUrl: `${publicUrl(config, mail.tenant_subdomain)}${actionPath}`
  })
}

const sharedData = ({ tenant_name, tenant_settings: { logoUrl, senderName }, to_address }: MailToSend) => ({
  tenantName: tenant_name,
  email: to_address,
  logoUrl,
  senderName
})

function renderLink(
  { config, templates, now }: Stationery,
  mail: MailToSend,
  { token, expiresAt }: MailLink
): RenderedMail {
  const shared = sharedData(mail)
  const host = publicUrl(config, mail.tenant_subdomain)
  if (mail.template === 'password-reset') {
    return render(templates, mail.has_password ? mail.template : 'first-password', {
      ...shared,
      resetUrl: `${host}/reset?token=${token}`,
      expiresInMinutes: minutesUntil(expiresAt, now())
    })
  }
  return render(templates, mail.template === 'welcome-back' ? 'welcome-back' : 'invitation', {
    ...shared,
    acceptUrl: `${host}/accept?token=${token}`,
    inviterName: mail.inviter_name ?? '',
    roleName: toTitle(mail.role ?? ''),
    expiresAt: formatInstant(expiresAt)
  })
}

const toTitle = (word: string) => word.charAt(0).toUpperCase() + word.slice(1)

/** In whole hours from two hours on: nobody wants to read of 10,077 minutes. */
function minutesUntil(time: Date, now: Date): number {
  const minutes = Math.max(1, Math.round((time.getTime() - now.getTime()) / 60_000))
  return minutes < 120 ? minutes : Math.round(minutes / 60) * 60
}
