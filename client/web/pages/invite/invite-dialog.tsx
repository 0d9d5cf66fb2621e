// Invite people: paste, check, choose roles, send, read the result for each address.
import { Modal } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { trpc } from '../../api.ts'
import { peopleChanged } from '../../lists.ts'
import { Confirm } from '../../parts/confirm.tsx'
import type { Invitee } from './draft.ts'
import { InviteForm } from './invite-form.tsx'
import { InviteSummary } from './invite-summary.tsx'
import { type Results, withNewer } from './results.ts'

export default function InviteDialog({ onClose }: { onClose: () => void }) {
  const [invitees, setInvitees] = useState<Invitee[]>([])
  const [results, setResults] = useState<Results>()
  const [isLeaving, setIsLeaving] = useState(false)
  const isPhone = useMediaQuery('(max-width: 48em)')
  const create = useMutation(
    trpc.invitations.create.mutationOptions({
      onSuccess: (answer) => {
        setResults((before) => (before ? withNewer(before, answer) : answer))
        peopleChanged()
      }
    })
  )
  const isUnsent = invitees.length > 0 && !results
  const close = () => (isUnsent ? setIsLeaving(true) : onClose())
  const startAgain = (left: Invitee[]) => {
    setInvitees(left)
    setResults(undefined)
    create.reset()
  }
  return (
    <Modal.Stack>
      <Modal
        stackId="invite"
        opened
        onClose={close}
        title={results ? 'What became of your invitations' : 'Invite people'}
        size="lg"
        // its height changes during use
        centered={false}
        fullScreen={isPhone}
      >
        {results ? (
          <InviteSummary
            results={results}
            onDone={onClose}
            onMore={() => startAgain([])}
            onResend={(emails) => create.mutate({ invites: emails.map((email) => ({ email })), resend: true })}
            isResending={create.isPending}
            error={create.error}
          />
        ) : (
          <InviteForm
            invitees={invitees}
            onChange={setInvitees}
            onSend={(invites) => create.mutate({ invites })}
            isSending={create.isPending}
            error={create.error}
          />
        )}
      </Modal>
      <Confirm
        stackId="leave"
        opened={isLeaving}
        onClose={() => setIsLeaving(false)}
        title="Leave without sending?"
        action="Leave"
        isDangerous
        onConfirm={onClose}
      >
        {invitees.length === 1 ? 'The address' : `The ${invitees.length.toLocaleString()} addresses`} in the list will
        be lost.
      </Confirm>
    </Modal.Stack>
  )
}
