// Text to be copied: a field with a button, and the form that a secret takes which is shown this once.
import { Alert, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useClipboard } from '@mantine/hooks'
import { IconCheck, IconCopy, IconKey } from '@tabler/icons-react'
import { useId } from 'react'

/** @param label says what is copied, also to screen readers */
export function CopyField({ label, value }: { label: string; value: string }) {
  const clipboard = useClipboard({ timeout: 2_000 })
  const id = useId()
  return (
    <Group gap="xs" align="flex-end" wrap="nowrap">
      <TextInput
        id={id}
        label={label}
        value={value}
        readOnly
        flex={1}
        miw={0}
        onFocus={(event) => event.currentTarget.select()}
        classNames={{ input: 'mono' }}
      />
      <Button
        variant="default"
        leftSection={clipboard.copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
        onClick={() => clipboard.copy(value)}
      >
        <span aria-live="polite">{clipboard.copied ? 'Copied' : 'Copy'}</span>
        <span className="visually-hidden"> {label}</span>
      </Button>
    </Group>
  )
}

/** A secret just made: the service keeps only its hash, so this is the one time that it can be read. */
export function CopyOnce({ label, value }: { label: string; value: string }) {
  return (
    <Alert color="pine" variant="light" icon={<IconKey size={18} />} title="Copy it now">
      <Stack gap="sm">
        <Text size="sm">
          This is the only time it is shown. Whoever has it can act with it: keep it like a password.
        </Text>
        <CopyField label={label} value={value} />
      </Stack>
    </Alert>
  )
}
