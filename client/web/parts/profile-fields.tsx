// The fields that people fill in about themselves: names, time zone, language.
import { Group, Select, TextInput } from '@mantine/core'
import { useMemo } from 'react'
import type { ManagedFields } from './managed.tsx'

export interface ProfileValues {
  displayName: string
  givenName: string
  familyName: string
  /** IANA name, such as `Europe/Zurich`; empty for none. */
  timeZone: string
  /** BCP 47, such as `en-GB`; empty for none. */
  locale: string
}

/** Empty names, and the time zone and language of the browser. */
export const presetProfile = (): ProfileValues => ({
  displayName: '',
  givenName: '',
  familyName: '',
  timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? '',
  locale: navigator.language ?? ''
})

const LOCALES = ['en', 'en-GB', 'en-US', 'de', 'de-AT', 'de-CH', 'es', 'es-MX', 'fr', 'fr-CA', 'fr-CH', 'it', 'nl']
  .concat(['pt', 'pt-BR', 'pl', 'cs', 'da', 'sv', 'nb', 'fi', 'tr', 'uk', 'el', 'hu', 'ro', 'ru', 'ar', 'he', 'hi'])
  .concat(['id', 'vi', 'th', 'ja', 'ko', 'zh-CN', 'zh-TW'])

interface ProfileFieldsProps {
  values: ProfileValues
  onChange: (values: ProfileValues) => void
  autoFocus?: boolean
  /** Fields that cannot be changed here, and why. */
  managed?: ManagedFields
}

export function ProfileFields({ values, onChange, autoFocus, managed = {} }: ProfileFieldsProps) {
  const set = (name: keyof ProfileValues) => (value: string | null) => onChange({ ...values, [name]: value ?? '' })
  const refused = (name: keyof ProfileValues) => ({
    disabled: Boolean(managed[name]),
    description: managed[name],
    className: managed[name] && 'managed-field'
  })
  const focuses = (autoFocus && !managed.displayName) || undefined
  const zones = useMemo(() => withValue(Intl.supportedValuesOf('timeZone'), values.timeZone), [values.timeZone])
  const locales = useMemo(() => localeOptions(values.locale), [values.locale])
  return (
    <>
      <TextInput
        label="Display name"
        {...refused('displayName')}
        description={managed.displayName ?? 'What colleagues see'}
        autoComplete="name"
        required
        withAsterisk={false}
        maxLength={200}
        value={values.displayName}
        onChange={(event) => set('displayName')(event.currentTarget.value)}
        data-autofocus={focuses}
        autoFocus={focuses}
      />
      <Group grow gap="sm" align="flex-end">
        <TextInput
          label="Given name"
          autoComplete="given-name"
          maxLength={200}
          {...refused('givenName')}
          value={values.givenName}
          onChange={(event) => set('givenName')(event.currentTarget.value)}
        />
        <TextInput
          label="Family name"
          autoComplete="family-name"
          maxLength={200}
          {...refused('familyName')}
          value={values.familyName}
          onChange={(event) => set('familyName')(event.currentTarget.value)}
        />
      </Group>
      <Select
        label="Time zone"
        data={zones}
        value={values.timeZone || null}
        onChange={set('timeZone')}
        searchable
        clearable
        limit={60}
        {...refused('timeZone')}
        nothingFoundMessage="No such time zone"
        clearButtonProps={{ 'aria-label': 'Clear the time zone' }}
      />
      <Select
        label="Language"
        data={locales}
        value={values.locale || null}
        onChange={set('locale')}
        searchable
        clearable
        {...refused('locale')}
        nothingFoundMessage="No such language"
        clearButtonProps={{ 'aria-label': 'Clear the language' }}
      />
    </>
  )
}

/** The current value stays selectable, even if this browser does not know it. */
const withValue = (known: string[], value: string) => (!value || known.includes(value) ? known : [value, ...known])

function localeOptions(value: string) {
  return withValue(LOCALES, value).map((tag) => ({ value: tag, label: localeName(tag) }))
}

/** `English (United Kingdom)`, each in its own language; the tag itself where the browser has no name for it. */
export function localeName(tag: string): string {
  try {
    return new Intl.DisplayNames([tag], { type: 'language', languageDisplay: 'standard' }).of(tag) ?? tag
  } catch {
    return tag
  }
}
