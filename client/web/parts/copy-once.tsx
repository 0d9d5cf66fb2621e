// Text to be copied: a field with a button, and the form that a secret takes which is shown this once.
import { Alert, Button, Group, Modal, type ModalProps, Stack, Text, TextInput } from '@mantine/core'
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

interface CopyOnceProps {
  label: string
  value: string
  onCopied: () => void
}

/** A secret just made: the service keeps only its hash, so this is the one time that it can be read. */
export function CopyOnce({ label, value, onCopied }: CopyOnceProps) {
  return (
    <Stack gap="md">
      <Alert color="pine" variant="light" icon={<IconKey size={18} />} title="Copy it now">
        <Stack gap="sm">
          <Text size="sm">
            This is the only time it is shown. Whoever has it can act with it: keep it like a password.
          </Text>
          <CopyField label={label} value={value} />
        </Stack>
      </Alert>
      <Group justify="flex-end">
        <Button onClick={onCopied}>I have copied it</Button>
      </Group>
    </Stack>
  )
}

/** A dialog in which a secret is made. Once it is there, neither Esc nor a click beside the dialog loses it. */
export const OnceDialog = ({ isShown, ...props }: ModalProps & { isShown: boolean }) => (
  <Modal closeOnClickOutside={!isShown} closeOnEscape={!isShown} {...props} />
)
