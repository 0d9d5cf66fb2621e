// Asks for a group's name, for creating or renaming it.
import { Modal, Stack, TextInput } from '@mantine/core'
import { type FormEvent, useState } from 'react'
import { httpStatus } from '../../api.ts'
import { DialogButtons } from '../../parts/dialog-buttons.tsx'
import { wordsFor } from '../../parts/failures.tsx'

interface NameDialogProps {
  opened: boolean
  onClose: () => void
  title: string
  /** The button: `Create group`. */
  action: string
  /** The current name. */
  value: string
  onSubmit: (name: string) => void
  isPending: boolean
  /** From the previous attempt. */
  error: unknown
  /** Clears that error. */
  onReset: () => void
}

export function NameDialog(props: NameDialogProps) {
  const { opened, onClose, title, onReset } = props
  const close = () => {
    onReset()
    onClose()
  }
  return (
    <Modal opened={opened} onClose={close} title={title}>
      <NameForm {...props} onClose={close} />
    </Modal>
  )
}

function NameForm({ value, action, onSubmit, onClose, isPending, error, onReset }: NameDialogProps) {
  const [name, setName] = useState(value)
  const [isMissing, setMissing] = useState(false)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!name.trim()) return setMissing(true)
    onSubmit(name.trim())
  }
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput
          label="Name"
          description="Each group has a name of its own, in any letter case."
          value={name}
          onChange={(event) => {
            setName(event.currentTarget.value)
            setMissing(false)
            if (error) onReset()
          }}
          error={isMissing ? 'Give the group a name.' : error ? failureInWords(error) : undefined}
          maxLength={500}
          required
          data-autofocus
        />
        <DialogButtons onClose={onClose} isPending={isPending}>
          {action}
        </DialogButtons>
      </Stack>
    </form>
  )
}

const failureInWords = (error: unknown) =>
  httpStatus(error) === 409 ? 'Another group has this name. Choose a different one.' : wordsFor(error)
