// Sends several invitations again, or revokes them; lists those that were refused, with the reason.
import { Button, Group, Progress, Text } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { client } from '../../api.ts'
import { counted } from '../../counted.ts'
import { peopleChanged } from '../../lists.ts'
import { Confirm } from '../../parts/confirm.tsx'
import { wordsFor } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import type { Invitation } from '../invitations.tsx'

type Action = 'resend' | 'revoke'

/** Calls made at once: they travel in one request. */
const BATCH = 20

export function BulkActions({ chosen, onDone }: { chosen: Invitation[]; onDone: () => void }) {
  const [asked, setAsked] = useState<Action>()
  const [doneCount, setDoneCount] = useState(0)
  const run = useMutation({
    mutationFn: async (action: Action) => {
      const refusals: Refusal[] = []
      for (let start = 0; start < chosen.length; start += BATCH) {
        const batch = chosen.slice(start, start + BATCH)
        const answers = await Promise.allSettled(
          batch.map(({ id }) => client.invitations[action].mutate({ invitationId: id }))
        )
        answers.forEach((answer, index) => {
          if (answer.status === 'rejected') refusals.push({ email: batch[index]!.email, why: wordsFor(answer.reason) })
        })
        setDoneCount(start + batch.length)
      }
      return { action, refusals, count: chosen.length - refusals.length }
    },
    onSuccess: ({ action, refusals, count }) => {
      if (refusals.length > 0) return
      notifyDone(action === 'resend' ? `${invitations(count)} sent again.` : `${invitations(count)} revoked.`)
      finish()
    }
  })
  const finish = () => {
    peopleChanged()
    setAsked(undefined)
    setDoneCount(0)
    run.reset()
    onDone()
  }
  const ask = (action: Action) => {
    run.reset()
    setAsked(action)
  }
  const isPartial = Boolean(run.data && run.data.refusals.length > 0)
  const verb = asked === 'revoke' ? 'Revoke' : 'Send'
  return (
    <Group gap="xs">
      <Button size="compact-sm" variant="default" onClick={() => ask('resend')}>
        Send again
      </Button>
      <Button size="compact-sm" variant="default" onClick={() => ask('revoke')}>
        Revoke
      </Button>
      <Confirm
        opened={asked !== undefined}
        onClose={() => (run.data ? finish() : setAsked(undefined))}
        title={
          asked === 'revoke' ? `Revoke ${invitations(chosen.length)}?` : `Send ${invitations(chosen.length)} again?`
        }
        action={isPartial ? 'Done' : verb}
        isDangerous={asked === 'revoke' && !isPartial}
        isPending={run.isPending}
        error={run.error}
        onConfirm={() => (isPartial ? finish() : asked && run.mutate(asked))}
      >
        {run.isPending && <Progress value={(doneCount / chosen.length) * 100} aria-label="How many are done" mb="sm" />}
        {run.data && isPartial ? (
          <Refusals refusals={run.data.refusals} count={run.data.count} />
        ) : asked === 'revoke' ? (
          'Their links stop working at once, and the addresses are free to be invited again.'
        ) : (
          'Each gets a mail with a new link; the links sent before stop working.'
        )}
      </Confirm>
    </Group>
  )
}

interface Refusal {
  email: string
  why: string
}

const invitations = (count: number) => counted(count, 'invitation', 'invitations')

const Refusals = ({ refusals, count }: { refusals: Refusal[]; count: number }) => (
  <>
    <Text size="sm" mb="xs">
      {invitations(count)} done; {refusals.length.toLocaleString()} not:
    </Text>
    <ul className="refusals">
      {refusals.map(({ email, why }) => (
        <li key={email}>
          <strong>{email}</strong>: {why}
        </li>
      ))}
    </ul>
  </>
)
