// A field in which to type a text, to confirm a dangerous action.
import { TextInput } from '@mantine/core'

interface TypeToConfirmProps {
  /** The text to type. */
  text: string
  value: string
  onChange: (value: string) => void
}

export const TypeToConfirm = ({ text, value, onChange }: TypeToConfirmProps) => (
  <TextInput
    label={`Type ${text} to confirm`}
    value={value}
    onChange={(event) => onChange(event.currentTarget.value)}
    autoComplete="off"
    autoCapitalize="none"
    spellCheck={false}
    data-autofocus
  />
)
