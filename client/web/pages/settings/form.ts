// The settings as a form: the values of the fields, their problems, and the update to send.
import { httpStatus, type Inputs, type Outputs } from '../../api.ts'

export type Settings = Outputs['settings']['get']['settings']
type Update = Inputs['settings']['update']

/** The values of the fields; a number is `''` while its field is empty. */
export interface Draft {
  name: string
  logoUrl: string
  senderName: string
  invitationTtlHours: number | string
  allowedDomains: string[]
  googleSignIn: boolean
  passwordMinLength: number | string
  secondFactor: 'nobody' | 'administrators' | 'everybody'
  scimScope: 'all' | 'own'
  scimWelcomeMail: boolean
  wireLogDays: number | string
  /** Whether mass deprovisioning is held. */
  brakeIsOn: boolean
  brakePercent: number | string
  brakePeople: number | string
  auditRetentionDays: number | string
  removedUserRetentionDays: number | string
  mailRetentionDays: number | string
}

export type Field = keyof Draft
export type Problems = Partial<Record<Field, string>>

export const PASSWORD_MIN = 8
export const PASSWORD_MAX = 128
export const TTL_MAX_HOURS = 8_760

/** The defaults of server/provisioning/brake.ts. */
const BRAKE_PERCENT = 10
const BRAKE_PEOPLE = 20

export const WIRE_LOG_MAX_DAYS = 365
export const RETENTION_MIN_DAYS = { auditRetentionDays: 30, removedUserRetentionDays: 1, mailRetentionDays: 1 }
const DOMAIN = /^([\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+[\p{L}\p{N}-]{2,}$/u

export function toDraft({ name, logoUrl, passwordMinLength, administration }: Settings): Draft {
  return {
    name,
    logoUrl: logoUrl ?? '',
    senderName: administration?.senderName ?? '',
    invitationTtlHours: administration?.invitationTtlHours ?? '',
    allowedDomains: administration?.allowedDomains ?? [],
    googleSignIn: administration?.wantsGoogle ?? true,
    passwordMinLength,
    secondFactor: administration?.secondFactor ?? 'nobody',
    scimScope: administration?.scimScope ?? 'all',
    scimWelcomeMail: administration?.scimWelcomeMail ?? false,
    wireLogDays: administration?.wireLogDays ?? '',
    brakeIsOn: !administration?.brake.off,
    brakePercent: administration?.brake.percent ?? BRAKE_PERCENT,
    brakePeople: administration?.brake.people ?? BRAKE_PEOPLE,
    auditRetentionDays: administration?.auditRetentionDays ?? '',
    removedUserRetentionDays: administration?.removedUserRetentionDays ?? '',
    mailRetentionDays: administration?.mailRetentionDays ?? ''
  }
}

/** Problems that can be found before sending; the service decides. */
export function problemsOf(draft: Draft): Problems {
  const problems: Problems = {}
  if (!draft.name.trim()) problems.name = 'Give the organisation a name.'
  if (draft.logoUrl.trim() && !isHttpsUrl(draft.logoUrl.trim())) {
    problems.logoUrl = 'Enter a whole address that begins with https://, or leave it empty.'
  }
  const hours = draft.invitationTtlHours
  if (typeof hours !== 'number' || hours <= 0 || hours > TTL_MAX_HOURS) {
    problems.invitationTtlHours = `Enter a number of hours above 0 and up to ${TTL_MAX_HOURS.toLocaleString()} (a year).`
  }
  const wrong = draft.allowedDomains.filter((domain) => !DOMAIN.test(domain))
  if (wrong.length > 0) problems.allowedDomains = `Not a domain such as example.com: ${wrong.join(', ')}.`
  const length = draft.passwordMinLength
  if (typeof length !== 'number' || length < PASSWORD_MIN || length > PASSWORD_MAX) {
    problems.passwordMinLength = `Enter a length from ${PASSWORD_MIN} to ${PASSWORD_MAX}.`
  }
  const days = draft.wireLogDays
  if (typeof days !== 'number' || days < 0 || days > WIRE_LOG_MAX_DAYS) {
    problems.wireLogDays = `Enter a number of days from 0 to ${WIRE_LOG_MAX_DAYS}.`
  }
  const percent = draft.brakePercent
  if (typeof percent !== 'number' || percent < 0 || percent > 100)
    problems.brakePercent = 'Enter a percentage up to 100.'
  const people = draft.brakePeople
  if (typeof people !== 'number' || people < 1) problems.brakePeople = 'Enter a number from 1.'
  for (const [field, least] of Object.entries(RETENTION_MIN_DAYS) as [keyof typeof RETENTION_MIN_DAYS, number][]) {
    const kept = draft[field]
    if (kept !== '' && (typeof kept !== 'number' || kept < least)) {
      problems[field] = `Enter a number of days from ${least}, or nothing to keep them for ever.`
    }
  }
  return problems
}

const isHttpsUrl = (text: string) => URL.canParse(text) && new URL(text).protocol === 'https:'

/** Only the changed facts, so that two people who change different ones do not undo each other's. */
export function changesFrom(saved: Draft, draft: Draft): Update {
  const next = {
    name: draft.name.trim(),
    logoUrl: draft.logoUrl.trim() || null,
    senderName: draft.senderName.trim() || null,
    invitationTtlHours: Number(draft.invitationTtlHours),
    allowedDomains: draft.allowedDomains,
    googleSignIn: draft.googleSignIn,
    passwordMinLength: Number(draft.passwordMinLength),
    secondFactor: draft.secondFactor === 'nobody' ? null : draft.secondFactor,
    scimScope: draft.scimScope,
    scimWelcomeMail: draft.scimWelcomeMail,
    wireLogDays: Number(draft.wireLogDays),
    auditRetentionDays: daysOrNull(draft.auditRetentionDays),
    removedUserRetentionDays: daysOrNull(draft.removedUserRetentionDays),
    mailRetentionDays: daysOrNull(draft.mailRetentionDays)
  }
  const brakeOf = ({ brakeIsOn, brakePercent, brakePeople }: Draft) => ({
    ...(!brakeIsOn && { off: true }),
    ...(brakePercent !== BRAKE_PERCENT && { percent: Number(brakePercent) }),
    ...(brakePeople !== BRAKE_PEOPLE && { people: Number(brakePeople) })
  })
  const brake = brakeOf(draft)
  const changed = Object.entries(next).filter(([field]) => !isSame(saved[field as Field], draft[field as Field]))
  return { ...(Object.fromEntries(changed) as Update), ...(!isSame(brakeOf(saved), brake) && { brake }) }
}

/** An empty field means: keep for ever. */
const daysOrNull = (days: number | string) => (days === '' ? null : Number(days))

export const isDirty = (saved: Draft, draft: Draft) =>
  Object.keys(saved).some((field) => !isSame(saved[field as Field], draft[field as Field]))

const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)

/** `logoUrl: Must be …; allowedDomains.0: Not a …` -> each message under its field. */
export function problemsIn(error: unknown): Problems {
  const problems: Problems = {}
  if (httpStatus(error) !== 400 || !(error instanceof Error)) return problems
  for (const part of error.message.split('; ')) {
    const [, field, message] = /^(\w+)(?:\.\d+)?: (.+)$/.exec(part) ?? []
    if (field && message && field in EMPTY) problems[field as Field] ??= message
  }
  return problems
}

const EMPTY: Record<Field, true> = {
  name: true,
  logoUrl: true,
  senderName: true,
  invitationTtlHours: true,
  allowedDomains: true,
  googleSignIn: true,
  passwordMinLength: true,
  secondFactor: true,
  scimScope: true,
  scimWelcomeMail: true,
  wireLogDays: true,
  brakeIsOn: true,
  brakePercent: true,
  brakePeople: true,
  auditRetentionDays: true,
  removedUserRetentionDays: true,
  mailRetentionDays: true
}
