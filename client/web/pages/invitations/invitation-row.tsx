import { Checkbox } from '@mantine/core'
import { memo } from 'react'
import { RowLink } from '../../parts/row-link.tsx'
import { MailBadge, RoleBadge } from '../../parts/state-badge.tsx'
import { Time } from '../../parts/time.tsx'
import type { Invitation } from '../invitations.tsx'

interface InvitationRowProps {
  invitation: Invitation
  isSelected: boolean
  /** Absent where nothing may be done with it. */
  onToggle?: (id: string) => void
}

export const InvitationRow = memo(function InvitationRow({ invitation, isSelected, onToggle }: InvitationRowProps) {
  const { id, email, userId, role, inviterName, mail } = invitation
  return (
    <>
      <span className="cell-check">
        {onToggle && (
          <Checkbox
            aria-label={`Select ${email}`}
            checked={isSelected}
            onChange={() => onToggle(id)}
            className="row-action"
          />
        )}
      </span>
      <div className="cell cell-person">
        <RowLink to={`/users/${userId}`} className="person-name">
          {email}
        </RowLink>
        <span className="person-address">
          by {inviterName}, <Time value={invitation.renewedAt} />
        </span>
      </div>
      <div className="cell">
        <RoleBadge role={role} />
      </div>
      <div className="cell">
        <MailBadge state={mail.state} />
        {mail.error && <span className="mail-error">{mail.error}</span>}
      </div>
      <div className="cell cell-quiet">
        <Fate invitation={invitation} />
      </div>
    </>
  )
})

function Fate({ invitation: { state, expiresAt, endedAt } }: { invitation: Invitation }) {
  if (state === 'pending') {
    return (
      <>
        Expires <Time value={expiresAt} />
      </>
    )
  }
  if (state === 'expired') {
    return (
      <>
        Expired <Time value={expiresAt} />
      </>
    )
  }
  return <Time value={endedAt} />
}
