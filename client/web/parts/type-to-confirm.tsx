// A field for what only somebody types who means it.
import { TextInput } from '@mantine/core'

interface TypeToConfirmProps {
  /** What is to be typed. */
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
