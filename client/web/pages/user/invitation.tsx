import { Button, Group } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { trpc } from '../../api.ts'
import { counted } from '../../counted.ts'
import { peopleChanged } from '../../lists.ts'
import { Confirm } from '../../parts/confirm.tsx'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { shownName } from '../../parts/person.tsx'
import { Facts, Section } from '../../parts/section.tsx'
import { InvitationBadge, MailBadge } from '../../parts/state-badge.tsx'
import { Time } from '../../parts/time.tsx'
import { ROLE_LABELS } from '../../roles.ts'
import { useMe } from '../../shell.tsx'
import type { Details } from '../user.tsx'

const MAILS: Record<string, string> = {
  invitation: 'Invitation',
  'welcome-back': 'Welcome back',
  'password-reset': 'Password reset'
}

export function InvitationSection({ details }: { details: Details }) {
  const { invitation, mail, user } = details
  return (
    <Section title="Invitation and mail" action={<InvitationActions details={details} />}>
      <Facts
        facts={[
          ...(invitation
            ? ([
                ['Invitation', <InvitationBadge key="state" state={invitation.state} />],
                ['Invited by', invitation.inviterName],
                ['As', ROLE_LABELS[invitation.role]],
                ['Invited', <Time key="at" value={invitation.createdAt} as="dateTime" />],
                invitation.endedAt
                  ? ['Ended', <Time key="ended" value={invitation.endedAt} as="dateTime" />]
                  : ['Link works until', <Time key="until" value={invitation.expiresAt} as="dateTime" />]
              ] as [string, React.ReactNode][])
            : []),
          ...(mail
            ? ([
                [
                  'Latest mail',
                  <span key="mail">
                    {MAILS[mail.template]} · <MailBadge state={mail.state} />{' '}
                    <Time value={mail.sentAt ?? mail.queuedAt} />
                  </span>
                ],
                ...(mail.error ? [['Why it failed', mail.error]] : [])
              ] as [string, React.ReactNode][])
            : [])
        ]}
      />
      {mail?.state === 'failed' && (
        <p className="hint">
          {counted(mail.attempts, 'attempt', 'attempts')}. Check that {user.email ?? shownName(user)} is right, then
          send the invitation again.
        </p>
      )}
    </Section>
  )
}

function InvitationActions({ details: { invitation, user } }: { details: Details }) {
  const me = useMe()
  const [isRevoking, setIsRevoking] = useState(false)
  const resend = useMutation(
    trpc.invitations.resend.mutationOptions({
      onSuccess: () => {
        peopleChanged()
        notifyDone(`A new invitation is on its way to ${user.email}.`)
      }
    })
  )
  const revoke = useMutation(
    trpc.invitations.revoke.mutationOptions({
      onSuccess: () => {
        peopleChanged()
        notifyDone('The invitation is revoked.')
        setIsRevoking(false)
      }
    })
  )
  const isOpen = invitation?.state === 'pending' || invitation?.state === 'expired'
  if (!isOpen || !me.rolesYouMayGive.includes(invitation.role)) return null
  const invitationId = invitation.id
  return (
    <>
      <Group gap="xs">
        <Button size="xs" variant="default" loading={resend.isPending} onClick={() => resend.mutate({ invitationId })}>
          Send again
        </Button>
        <Button size="xs" variant="default" onClick={() => setIsRevoking(true)}>
          Revoke
        </Button>
      </Group>
      {resend.error && <Failure error={resend.error} />}
      <Confirm
        opened={isRevoking}
        onClose={() => setIsRevoking(false)}
        title={`Revoke the invitation of ${user.email}?`}
        action="Revoke"
        isDangerous
        isPending={revoke.isPending}
        error={revoke.error}
        onConfirm={() => revoke.mutate({ invitationId })}
      >
        The link in the mail stops working at once, and the address is free to be invited again.
      </Confirm>
    </>
  )
}
