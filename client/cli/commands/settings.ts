// muster settings …
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Inputs, Outputs } from '../../index.ts'
import { connectTenant, onTenant, UsageError } from '../connection.ts'
import { done, print, table } from '../output.ts'

type Update = Inputs['settings']['update']
type Settings = Outputs['settings']['get']['settings']
type Brake = NonNullable<Update['brake']>

/** Resets a setting to its default. null would mean that, but gets lost in commander. */
const DEFAULT = 'default'

const orDefault =
  <T>(parse: (text: string) => T) =>
  (text: string): T | typeof DEFAULT =>
    text === DEFAULT ? DEFAULT : parse(text)

const settingOf = <T>(value: T | typeof DEFAULT): T | null => (value === DEFAULT ? null : value)

const text = orDefault((value) => value)

const number = orDefault((value) => {
  const parsed = Number(value)
  if (value.trim() === '' || !Number.isFinite(parsed))
    throw new InvalidArgumentError('It must be a number, or default.')
  return parsed
})

const oneOf = <const V extends readonly string[]>(values: V) =>
  orDefault((value) => {
    const found = values.find((one) => one === value)
    if (found === undefined) throw new InvalidArgumentError(`It must be ${values.join(', ')} or ${DEFAULT}.`)
    return found as V[number]
  })

const onOrOff = oneOf(['on', 'off'])
const toggle = (value: string) => {
  const chosen = onOrOff(value)
  return chosen === DEFAULT ? chosen : chosen === 'on'
}

const list = orDefault((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean)
)

/** By field: the option, its description, and how its text is parsed. */
const FIELDS = {
  logoUrl: ['--logo-url <url>', 'an https address of the picture on the page', text],
  senderName: ['--sender-name <name>', 'whom mails are from', text],
  invitationTtlHours: ['--invitation-ttl-hours <hours>', "how long an invitation's link works", number],
  allowedDomains: ['--allowed-domains <domains>', 'such as acme.test,acme.example: only they may be invited', list],
  googleSignIn: ['--google-sign-in <on|off>', 'whether people may sign in with Google', toggle],
  passwordMinLength: ['--password-min-length <characters>', 'of passwords from now on', number],
  secondFactor: [
    '--second-factor <administrators|everybody>',
    'who must have one to sign in by password',
    oneOf(['administrators', 'everybody'])
  ],
  scimScope: [
    '--scim-scope <all|own>',
    'whether a connection sees all people and groups, or its own',
    oneOf(['all', 'own'])
  ],
  scimWelcomeMail: ['--scim-welcome-mail <on|off>', 'whether people made by SCIM get a mail', toggle],
  wireLogDays: ['--wire-log-days <days>', 'how long what identity providers sent is kept; 0: not at all', number],
  auditRetentionDays: ['--audit-retention-days <days>', 'after which audit events go for good', number],
  removedUserRetentionDays: ['--removed-user-retention-days <days>', 'after which removed people go for good', number],
  mailRetentionDays: ['--mail-retention-days <days>', 'after which mails go for good', number]
} satisfies Partial<Record<keyof Update, [flags: string, description: string, parse: (text: string) => unknown]>>

type Field = keyof typeof FIELDS

type UpdateOptions = { [F in Field]?: ReturnType<(typeof FIELDS)[F][2]> } & {
  tenant: string
  name?: string
  brake?: 'on' | 'off' | typeof DEFAULT
  brakePercent?: number | typeof DEFAULT
  brakePeople?: number | typeof DEFAULT
}

export function settingsCommands(program: Command): void {
  const settings = program.command('settings').description("a tenant's name and settings")

  onTenant(settings.command('show'))
    .description('show what is set, and what stands where nothing is')
    .action(async (options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).settings.get.query()
      print(command, answer, (shown) => settingsTable(shown.settings))
    })

  const update = onTenant(settings.command('update'))
    .description(`change settings; what is not named stays, and ${DEFAULT} takes one back`)
    .option('--name <name>', "the organisation's name")
  for (const [flags, description, parse] of Object.values(FIELDS)) {
    update.addOption(new Option(flags, description).argParser<unknown>(parse))
  }
  update
    .option('--brake <on|off>', 'whether mass deprovisioning is held', onOrOff)
    .option('--brake-percent <percent>', 'of the active people that a connection may take away within an hour', number)
    .option('--brake-people <people>', 'the least number that is let through', number)
    .action(async ({ tenant, brake, brakePercent, brakePeople, ...rest }: UpdateOptions, command: Command) => {
      const client = connectTenant(tenant)
      const { name } = rest
      const fields = Object.fromEntries(
        (Object.keys(FIELDS) as Field[]).map((field) => [field, settingOf(rest[field])])
      )
      const off = brake === undefined || brake === DEFAULT ? settingOf(brake) : brake === 'off'
      const limits = { off, percent: settingOf(brakePercent), people: settingOf(brakePeople) }
      const isBraked = Object.values(limits).some((value) => value !== undefined)
      const patch: Update = { name, ...fields }
      if (isBraked) patch.brake = brakeWith((await client.settings.get.query()).settings, limits)
      if (Object.values(patch).every((value) => value === undefined)) throw new UsageError('Name what shall change')
      const answer = await client.settings.update.mutate(patch)
      print(command, answer, () => done('The settings are changed.'))
    })
}

/** The setting is written as a whole: options that are not given keep their value. */
function brakeWith(
  { administration }: Settings,
  limits: { [K in keyof Brake]: Brake[K] | null | undefined }
): Brake | null {
  const wanted = { ...administration?.brake } as Record<string, unknown>
  for (const [name, value] of Object.entries(limits)) {
    if (value === null) delete wanted[name]
    else if (value !== undefined) wanted[name] = value
  }
  return Object.keys(wanted).length > 0 ? (wanted as Brake) : null
}

function settingsTable({ administration, ...shown }: Settings): string {
  const { brake, ...others } = administration ?? {}
  const facts = Object.entries({ ...shown, ...others, ...(brake && { brake: brakeInWords(brake) }) })
  return table(facts, {
    setting: ([name]) => name,
    value: ([, value]) => (Array.isArray(value) ? value.join(', ') || undefined : value)
  })
}

const brakeInWords = ({ off, percent, people }: Brake): string | undefined =>
  off
    ? 'off'
    : [percent !== undefined && `${percent} %`, people !== undefined && `${people} people at least`]
        .filter(Boolean)
        .join(', ') || undefined
