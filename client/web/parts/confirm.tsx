// Asks before an action that ends access or cannot be undone, and shows a refusal in the dialog.
import { Button, Group, Modal, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { Failure } from './failures.tsx'

interface ConfirmProps {
  opened: boolean
  onClose: () => void
  /** A question: `Deactivate Ada Lovelace?` */
  title: string
  /** The consequence. */
  children: ReactNode
  /** The verb on the button: `Deactivate`. */
  action: string
  isDangerous?: boolean
  onConfirm: () => void
  isPending?: boolean
  /** Within a `Modal.Stack`: Escape closes only the dialog on top. */
  stackId?: string
  /** From the previous attempt; shown in the dialog, which stays open. */
  error?: unknown
}

export function Confirm(props: ConfirmProps) {
  const { opened, onClose, title, children, action, isDangerous = false, onConfirm, isPending, error, stackId } = props
  return (
    <Modal opened={opened} onClose={onClose} title={title} {...(stackId && { stackId })}>
      <Stack gap="md">
        <Text size="sm" component="div">
          {children}
        </Text>
        {error ? <Failure error={error} /> : null}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose} data-autofocus>
            Cancel
          </Button>
          <Button color={isDangerous ? 'red.8' : undefined} onClick={onConfirm} loading={isPending}>
            {action}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
