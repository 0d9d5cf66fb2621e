// The last line of a dialog's form: cancel or submit.
import { Button, Group } from '@mantine/core'
import type { ReactNode } from 'react'

interface DialogButtonsProps {
  onClose: () => void
  /** The verb on the submit button: `Create token`. */
  children: ReactNode
  isPending: boolean
  isDangerous?: boolean
  disabled?: boolean
}

export function DialogButtons({ onClose, children, isPending, isDangerous = false, disabled }: DialogButtonsProps) {
  return (
    <Group justify="flex-end" gap="xs">
      <Button variant="default" onClick={onClose}>
        Cancel
      </Button>
      <Button type="submit" color={isDangerous ? 'red.8' : undefined} disabled={disabled} loading={isPending}>
        {children}
      </Button>
    </Group>
  )
}
