// Asks for the password again where the service wants to be sure of the person, then continues.
import { Modal, Stack, Text } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { reason, trpc } from '../api.ts'
import { CodeField, wantsCode } from './code-field.tsx'
import { DialogButtons } from './dialog-buttons.tsx'
import { Failure } from './failures.tsx'
import { KnownPassword } from './password-field.tsx'

/** Whether a failed call works once the person has confirmed who they are. */
export const needsConfirmation = (error: unknown) => reason(error) === 'reauthenticationRequired'

interface AskAgainProps {
  /** From the failed call; other errors ask for nothing. */
  error: unknown
  /** Repeats the call. */
  onConfirmed: () => void
  onClose: () => void
}

export const AskAgain = (props: AskAgainProps) => (needsConfirmation(props.error) ? <Dialog {...props} /> : null)

function Dialog({ onConfirmed, onClose }: AskAgainProps) {
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const [isCodeWanted, setCodeWanted] = useState(false)
  const confirm = useMutation(
    trpc.auth.confirm.mutationOptions({
      onSuccess: onConfirmed,
      onError: (error) => setCodeWanted((wanted) => wanted || wantsCode(error))
    })
  )
  const submit = (event: FormEvent) => {
    event.preventDefault()
    confirm.mutate({ password, ...(isCodeWanted && { code }) })
  }
  const isWrong = reason(confirm.error) === 'wrongPassword'
  return (
    <Modal opened onClose={onClose} title="Is it still you?">
      <form onSubmit={submit}>
        <Stack gap="md">
          <Text size="sm">You signed in a while ago. Enter your password to go on.</Text>
          {confirm.error && !isWrong && !wantsCode(confirm.error) && <Failure error={confirm.error} />}
          <KnownPassword
            value={password}
            onChange={setPassword}
            error={isWrong ? 'That is not your password.' : undefined}
            data-autofocus
          />
          {isCodeWanted && <CodeField value={code} onChange={setCode} refusal={confirm.error} autoFocus />}
          <DialogButtons onClose={onClose} isPending={confirm.isPending}>
            Go on
          </DialogButtons>
        </Stack>
      </form>
    </Modal>
  )
}
