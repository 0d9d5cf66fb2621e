// Password fields: for a known password, and for a new one with an estimate of how hard it is to guess.
import { PasswordInput, type PasswordInputProps, Progress, Stack, Text } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { counted } from '../counted.ts'
import { estimate, type Strength } from '../strength.ts'

const toggle = { tabIndex: 0, 'aria-hidden': false, 'aria-label': 'Show the password' } as const

const PasswordField = ({ onChange, ...props }: Omit<PasswordInputProps, 'onChange'> & TypedInto) => (
  <PasswordInput
    visibilityToggleButtonProps={toggle}
    required
    withAsterisk={false}
    onChange={(event) => onChange(event.currentTarget.value)}
    {...props}
  />
)

interface TypedInto {
  value: string
  onChange: (value: string) => void
}

interface KnownPasswordProps extends TypedInto {
  label?: string
  /** Why the service refused it. */
  error?: string | undefined
  /** In a dialog, which focuses it once open. */
  'data-autofocus'?: boolean
}

/** An existing password. */
export const KnownPassword = (props: KnownPasswordProps) => (
  <PasswordField label="Password" autoComplete="current-password" {...props} />
)

const STRENGTHS: { label: string; color: string; percent: number }[] = [
  { label: 'Very easy to guess', color: 'red.7', percent: 10 },
  { label: 'Easy to guess', color: 'red.7', percent: 30 },
  { label: 'Could be stronger', color: 'yellow.7', percent: 55 },
  { label: 'Strong', color: 'pine.7', percent: 80 },
  { label: 'Very strong', color: 'pine.7', percent: 100 }
]

interface NewPasswordProps extends TypedInto {
  /** What somebody who knows the person would try: their address, their names, the organisation. */
  words: (string | null | undefined)[]
  minLength: number
  /** Why the service refused it. */
  error?: string
  label?: string
  autoFocus?: boolean
}

export function NewPassword({ value, onChange, words, minLength, error, label, autoFocus }: NewPasswordProps) {
  const strength = useStrength(value, words)
  const missing = Math.max(0, minLength - [...value].length)
  return (
    <Stack gap={6}>
      <PasswordField
        label={label ?? 'Password'}
        description={`At least ${minLength} characters. A few words that have nothing to do with you work well.`}
        autoComplete="new-password"
        value={value}
        onChange={onChange}
        error={error}
        data-autofocus={autoFocus || undefined}
        autoFocus={autoFocus}
      />
      {value && (
        <div>
          <Progress
            value={missing > 0 ? 5 : (strength?.percent ?? 0)}
            color={missing > 0 ? 'red.7' : strength?.color}
            size={6}
            aria-label="How hard the password is to guess"
          />
          <Text size="xs" c="dimmed" mt={4} aria-live="polite">
            {missing > 0 ? counted(missing, 'more character', 'more characters') : (strength?.label ?? 'Estimating…')}
            {missing === 0 && strength?.hint ? `. ${strength.hint}` : ''}
          </Text>
        </div>
      )}
    </Stack>
  )
}

function useStrength(value: string, words: NewPasswordProps['words']) {
  const [settled] = useDebouncedValue(value, 120)
  const known = words.filter((word): word is string => Boolean(word))
  const { data } = useQuery<Strength>({
    // the cache drops the key, which holds the password, once the page is left
    queryKey: ['strength', settled, known],
    queryFn: () => estimate(settled, known),
    enabled: settled !== '',
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY
  })
  return settled === value && data ? { ...STRENGTHS[data.score]!, hint: data.hint } : undefined
}
