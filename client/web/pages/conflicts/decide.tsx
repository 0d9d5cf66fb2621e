// Asks for confirmation of a decision, and explains its consequences.
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { queryClient, trpc } from '../../api.ts'
import { Confirm } from '../../parts/confirm.tsx'
import { notifyDone } from '../../parts/notify.ts'
import type { Conflict } from './conflict-card.tsx'

export type Choice =
  | { readonly decision: 'adopt'; readonly candidate: Conflict['candidates'][number] }
  | { readonly decision: 'apart' | 'ignore' }

interface DecideProps {
  conflict: Conflict
  /** Undefined while the dialog is closed. */
  choice: Choice | undefined
  onClose: () => void
}

export function Decide({ conflict, choice, onClose }: DecideProps) {
  // keeps the text readable while the dialog closes
  const [shown, setShown] = useState<Choice>({ decision: 'ignore' })
  if (choice && choice !== shown) setShown(choice)
  const decide = useMutation(
    trpc.scimConflicts.decide.mutationOptions({
      onSuccess: async (_, { decision }) => {
        await queryClient.invalidateQueries(trpc.scimConflicts.pathFilter())
        onClose()
        notifyDone(
          decision === 'ignore'
            ? `${conflict.sent.name} is ignored.`
            : 'Decided. It is carried out when the provider tries again.'
        )
      }
    })
  )
  const { title, action, text } = wordsOf(conflict, shown)
  const userId = shown.decision === 'adopt' ? shown.candidate.id : undefined
  return (
    <Confirm
      opened={choice !== undefined}
      onClose={() => {
        decide.reset()
        onClose()
      }}
      title={title}
      action={action}
      onConfirm={() => decide.mutate({ conflictId: conflict.id, decision: shown.decision, userId })}
      isPending={decide.isPending}
      error={decide.error}
    >
      {text}
    </Confirm>
  )
}

function wordsOf({ connection, sent, apart }: Conflict, choice: Choice) {
  switch (choice.decision) {
    case 'adopt':
      return {
        title: `Is ${sent.name} the same person as ${choice.candidate.name}?`,
        action: 'Adopt',
        text: `${connection.name} manages ${choice.candidate.name} from its next try on. ${choice.candidate.adopt.text}`
      }
    case 'apart':
      return { title: `Keep ${sent.name} apart?`, action: 'Keep apart', text: apart.text }
    case 'ignore':
      return {
        title: `Ignore ${sent.name}?`,
        action: 'Ignore',
        text: `${connection.name} is refused whenever it tries, and nobody is asked again. You find it under Ignored, and can decide otherwise.`
      }
  }
}
