// A search field. Sends the text shortly after the last key; takes over a change of the address (back button).
import { CloseButton, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { useEffect, useRef, useState } from 'react'

interface SearchFieldProps {
  /** For screen readers: what is searched, by what. */
  label: string
  placeholder: string
  value: string
  onChange: (text: string) => void
  /** For the field that an opening dialog focuses. */
  autoFocus?: boolean
}

const SETTLES_AFTER_MS = 250

export function SearchField({ label, placeholder, value, onChange, autoFocus }: SearchFieldProps) {
  const [text, setText] = useState(value)
  const sent = useRef(value)
  const send = (next: string) => {
    sent.current = next
    onChange(next)
  }
  const settle = useDebouncedCallback(send, SETTLES_AFTER_MS)
  useEffect(() => {
    // an address that answers an earlier key must not undo later typing
    if (value !== sent.current) setText(value)
    sent.current = value
  }, [value])
  return (
    <TextInput
      type="search"
      aria-label={label}
      placeholder={placeholder}
      leftSection={<IconSearch size={16} aria-hidden />}
      flex={1}
      miw={200}
      maxLength={200}
      data-autofocus={autoFocus || undefined}
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value)
        settle(event.currentTarget.value)
      }}
      rightSection={
        text && (
          <CloseButton
            size="sm"
            aria-label="Clear the search"
            onClick={() => {
              setText('')
              settle.cancel?.()
              send('')
            }}
          />
        )
      }
    />
  )
}
