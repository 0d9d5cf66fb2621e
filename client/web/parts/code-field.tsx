// A second factor's code: from an authenticator app, or a recovery code.
import { TextInput, type TextInputProps } from '@mantine/core'
import { reason } from '../api.ts'

interface CodeFieldProps extends Omit<TextInputProps, 'onChange' | 'error'> {
  value: string
  onChange: (value: string) => void
  /** The error of the previous attempt. */
  refusal: unknown
}

export const CodeField = ({ onChange, refusal, ...props }: CodeFieldProps) => (
  <TextInput
    label="Code"
    description="The six digits that your authenticator app shows, or one of your recovery codes"
    autoComplete="one-time-code"
    autoCapitalize="off"
    spellCheck={false}
    required
    withAsterisk={false}
    maxLength={100}
    onChange={(event) => onChange(event.currentTarget.value)}
    error={reason(refusal) === 'wrongCode' ? 'That code is wrong, or was used already. Enter the next one.' : undefined}
    {...props}
  />
)

/** Whether the service wants a code, or has refused one. */
export const wantsCode = (error: unknown) => ['secondFactorRequired', 'wrongCode'].includes(reason(error) ?? '')
