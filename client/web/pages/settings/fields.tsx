// The fields of the settings, one section per topic.
import { Group, NumberInput, Radio, Stack, Switch, TagsInput, Text, TextInput, Title } from '@mantine/core'
import { type ReactNode, useId, useState } from 'react'
import { counted } from '../../counted.ts'
import {
  type Draft,
  PASSWORD_MAX,
  PASSWORD_MIN,
  type Problems,
  RETENTION_MIN_DAYS,
  TTL_MAX_HOURS,
  WIRE_LOG_MAX_DAYS
} from './form.ts'

interface FieldsProps {
  draft: Draft
  problems: Problems
  onChange: (part: Partial<Draft>) => void
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  const id = useId()
  return (
    <section className="card-section" aria-labelledby={id}>
      <Title order={2} id={id} mb="md">
        {title}
      </Title>
      <Stack gap="md">{children}</Stack>
    </section>
  )
}

export function OrganisationFields({ draft, problems, onChange }: FieldsProps) {
  return (
    <Section title="Organisation">
      <TextInput
        label="Name"
        description="Shown on this page and in mails."
        value={draft.name}
        onChange={(event) => onChange({ name: event.currentTarget.value })}
        error={problems.name}
        maxLength={200}
        required
      />
      <div>
        <TextInput
          type="url"
          label="Logo"
          description="The address of a picture, https only. It stands beside the name, 26 pixels high."
          placeholder="https://example.com/logo.svg"
          value={draft.logoUrl}
          onChange={(event) => onChange({ logoUrl: event.currentTarget.value })}
          error={problems.logoUrl}
          maxLength={2_000}
        />
        <LogoPreview key={draft.logoUrl} url={draft.logoUrl.trim()} />
      </div>
      <TextInput
        label="Sender’s name"
        description="Who mails come from. Left empty, it is the organisation’s name."
        placeholder={draft.name}
        value={draft.senderName}
        onChange={(event) => onChange({ senderName: event.currentTarget.value })}
        error={problems.senderName}
        maxLength={100}
      />
    </Section>
  )
}

function LogoPreview({ url }: { url: string }) {
  const [state, setState] = useState<'loading' | 'loaded' | 'failed'>('loading')
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:') return null
  return (
    <div className="logo-preview" role="status">
      {state === 'failed' ? (
        <Text size="sm">No picture could be loaded from this address. Check it before you save.</Text>
      ) : (
        <>
          <img
            src={url}
            alt=""
            height={26}
            onLoad={() => setState('loaded')}
            onError={() => setState('failed')}
            hidden={state === 'loading'}
          />
          <Text size="sm" c="dimmed">
            {state === 'loading' ? 'Loading the picture…' : 'This is how it will look.'}
          </Text>
        </>
      )}
    </div>
  )
}

export function InvitationFields({ draft, problems, onChange }: FieldsProps) {
  return (
    <Section title="Invitations">
      <NumberInput
        label="Lifetime of an invitation, in hours"
        description={`How long its link works. ${daysInWords(draft.invitationTtlHours)}`}
        value={draft.invitationTtlHours}
        onChange={(invitationTtlHours) => onChange({ invitationTtlHours })}
        error={problems.invitationTtlHours}
        min={0}
        max={TTL_MAX_HOURS}
        step={24}
        clampBehavior="none"
        maw={320}
      />
      <TagsInput
        label="Allowed address domains"
        description="Only addresses of these domains may be invited. Leave it empty to allow all. Enter or comma ends each."
        placeholder={draft.allowedDomains.length === 0 ? 'example.com' : undefined}
        value={draft.allowedDomains}
        onChange={(domains) => onChange({ allowedDomains: tidyDomains(domains) })}
        splitChars={[',', ';', ' ', '\n']}
        acceptValueOnBlur
        maxTags={100}
        clearable
        clearButtonProps={{ 'aria-label': 'Clear all domains' }}
        error={problems.allowedDomains}
      />
    </Section>
  )
}

/** `@Example.com, x.test` -> `example.com` and `x.test`, without duplicates. */
const tidyDomains = (texts: readonly string[]): string[] => {
  const domains = texts.flatMap((text) => text.toLowerCase().split(/[\s,;]+/)).map((text) => text.replace(/^@/, ''))
  return [...new Set(domains.filter(Boolean))]
}

function daysInWords(hours: number | string): string {
  if (typeof hours !== 'number' || hours < 24) return ''
  const days = Math.round((hours / 24) * 10) / 10
  return `${hours.toLocaleString()} hours are ${counted(days, 'day', 'days')}.`
}

export function SignInFields({ draft, problems, onChange, canGoogle }: FieldsProps & { canGoogle: boolean }) {
  return (
    <Section title="Sign-in">
      <Switch
        label="Sign in with Google"
        description={
          canGoogle
            ? 'People may sign in with the Google account of the same verified address.'
            : 'This service is not set up for Google. Its operator can do that; until then the switch has no effect.'
        }
        checked={draft.googleSignIn}
        disabled={!canGoogle}
        onChange={(event) => onChange({ googleSignIn: event.currentTarget.checked })}
        error={problems.googleSignIn}
      />
      <NumberInput
        label="Minimum length of passwords"
        description="Holds for passwords that are chosen from now on. Weak and breached ones are refused at any length."
        value={draft.passwordMinLength}
        onChange={(passwordMinLength) => onChange({ passwordMinLength })}
        error={problems.passwordMinLength}
        min={PASSWORD_MIN}
        max={PASSWORD_MAX}
        allowDecimal={false}
        clampBehavior="none"
        maw={320}
      />
      <Radio.Group
        label="Who must have a second factor"
        description="A code of an app, beside the password. Whoever has none sets it up the next time they come."
        value={draft.secondFactor}
        onChange={(value) => onChange({ secondFactor: value as Draft['secondFactor'] })}
        error={problems.secondFactor}
      >
        <Stack gap="xs" mt="xs">
          <Radio value="nobody" label="Nobody must" />
          <Radio value="administrators" label="Administrators" />
          <Radio value="everybody" label="Everybody" />
        </Stack>
      </Radio.Group>
    </Section>
  )
}

export function ProvisioningFields({ draft, problems, onChange }: FieldsProps) {
  return (
    <Section title="Provisioning">
      <Radio.Group
        label="What identity providers see and manage"
        value={draft.scimScope}
        onChange={(scimScope) => onChange({ scimScope: scimScope as Draft['scimScope'] })}
        error={problems.scimScope}
      >
        <Stack gap="sm" mt="xs">
          <Radio
            value="all"
            label="Everybody"
            description="An identity provider takes over people who were invited before it was connected."
          />
          <Radio
            value="own"
            label="Only what it provisioned itself"
            description="People who were invited, or came by another connection, are out of its sight."
          />
        </Stack>
      </Radio.Group>
      <Switch
        label="Welcome mail"
        description="People whom an identity provider adds get a mail that tells them how to sign in."
        checked={draft.scimWelcomeMail}
        onChange={(event) => onChange({ scimWelcomeMail: event.currentTarget.checked })}
        error={problems.scimWelcomeMail}
      />
      <NumberInput
        label="Keep the log of requests, in days"
        description="What identity providers sent and were answered, without passwords and tokens. 0 keeps none."
        value={draft.wireLogDays}
        onChange={(wireLogDays) => onChange({ wireLogDays })}
        error={problems.wireLogDays}
        min={0}
        max={WIRE_LOG_MAX_DAYS}
        allowDecimal={false}
        clampBehavior="none"
        maw={320}
      />
      <Switch
        label="Hold mass deprovisioning"
        description="An identity provider that takes away more people than this within an hour is stopped, until an administrator decides. Each connection may have limits of its own."
        checked={draft.brakeIsOn}
        onChange={(event) => onChange({ brakeIsOn: event.currentTarget.checked })}
        error={problems.brakeIsOn}
      />
      {draft.brakeIsOn && (
        <Group grow maw={480} align="flex-start">
          <NumberInput
            label="Percent of the active people"
            value={draft.brakePercent}
            onChange={(brakePercent) => onChange({ brakePercent })}
            error={problems.brakePercent}
            min={0}
            max={100}
            clampBehavior="none"
          />
          <NumberInput
            label="People at least"
            value={draft.brakePeople}
            onChange={(brakePeople) => onChange({ brakePeople })}
            error={problems.brakePeople}
            min={1}
            allowDecimal={false}
            clampBehavior="none"
          />
        </Group>
      )}
    </Section>
  )
}

const RETENTION = [
  {
    field: 'auditRetentionDays',
    label: 'Keep the audit log, in days',
    description: 'Older entries are deleted each night, and with them what history and undo know of that time.'
  },
  {
    field: 'removedUserRetentionDays',
    label: 'Keep removed people, in days',
    description: 'Their profiles are deleted for good then. Somebody invited again later starts anew.'
  },
  {
    field: 'mailRetentionDays',
    label: 'Keep what was mailed, in days',
    description: 'The list of mails that were sent, cancelled or failed; mails that wait are not touched.'
  }
] as const

export function RetentionFields({ draft, problems, onChange }: FieldsProps) {
  return (
    <Section title="Retention">
      {RETENTION.map(({ field, label, description }) => (
        <NumberInput
          key={field}
          label={label}
          description={description}
          placeholder="for ever"
          value={draft[field]}
          onChange={(days) => onChange({ [field]: days })}
          error={problems[field]}
          min={RETENTION_MIN_DAYS[field]}
          allowDecimal={false}
          clampBehavior="none"
          maw={320}
        />
      ))}
    </Section>
  )
}
