// Text to copy: a field with a button, and a secret that is shown only once.
import { Alert, Button, Group, Modal, type ModalProps, Stack, Text, TextInput } from '@mantine/core'
import { useClipboard } from '@mantine/hooks'
import { IconCheck, IconCopy, IconKey } from '@tabler/icons-react'
import { useId } from 'react'

/** @param label what is copied, also for screen readers */
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

/** A new secret: the service keeps only its hash, so it can be read only now. */
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

/** A dialog that creates a secret. Once it is shown, neither Esc nor a click outside loses it. */
export const OnceDialog = ({ isShown, ...props }: ModalProps & { isShown: boolean }) => (
  <Modal closeOnClickOutside={!isShown} closeOnEscape={!isShown} {...props} />
)
