// Small marks for states: in words, with a colour that only supports them.
import { IconLock } from '@tabler/icons-react'
import { ROLE_LABELS, type Role } from '../roles.ts'

export type Tone = 'good' | 'wait' | 'bad' | 'quiet' | 'accent'

/** A word in a coloured pill, with AA contrast in light and dark (styles/people.css). */
export function Mark({ tone = 'quiet', children, title }: { tone?: Tone; children: React.ReactNode; title?: string }) {
  return (
    <span className={`mark mark-${tone}`} title={title}>
      {children}
    </span>
  )
}

const USER_STATES: Record<string, { label: string; tone: Tone }> = {
  active: { label: 'Active', tone: 'good' },
  invited: { label: 'Invited', tone: 'wait' },
  deactivated: { label: 'Deactivated', tone: 'quiet' },
  removed: { label: 'Removed', tone: 'bad' }
}

/** A user's state, with a lock next to it. */
export function StateBadge({ state, locked = false }: { state: string; locked?: boolean }) {
  const { label, tone } = USER_STATES[state] ?? { label: state, tone: 'quiet' }
  return (
    <span className="marks">
      <Mark tone={tone}>{label}</Mark>
      {locked && (
        <Mark tone="bad">
          <IconLock size={12} aria-hidden /> Locked
        </Mark>
      )}
    </span>
  )
}

export const RoleBadge = ({ role }: { role: Role }) => (
  <Mark tone={role === 'administrator' ? 'accent' : 'quiet'}>{ROLE_LABELS[role] ?? role}</Mark>
)

const INVITATION_STATES: Record<string, { label: string; tone: Tone }> = {
  pending: { label: 'Pending', tone: 'wait' },
  expired: { label: 'Expired', tone: 'bad' },
  accepted: { label: 'Accepted', tone: 'good' },
  revoked: { label: 'Revoked', tone: 'quiet' },
  adopted: { label: 'Provisioned', tone: 'good' }
}

export function InvitationBadge({ state }: { state: string }) {
  const { label, tone } = INVITATION_STATES[state] ?? { label: state, tone: 'quiet' }
  return <Mark tone={tone}>{label}</Mark>
}

const MAIL_STATES: Record<string, { label: string; tone: Tone }> = {
  queued: { label: 'Mail on its way', tone: 'wait' },
  sent: { label: 'Mail sent', tone: 'good' },
  failed: { label: 'Mail failed', tone: 'bad' },
  cancelled: { label: 'Mail not sent', tone: 'quiet' }
}

export function MailBadge({ state }: { state: string }) {
  const { label, tone } = MAIL_STATES[state] ?? { label: state, tone: 'quiet' }
  return <Mark tone={tone}>{label}</Mark>
}
