// Words for event streams.
import type { Outputs } from '../../api.ts'

export type Stream = Outputs['eventStreams']['list']['items'][number]

export const KIND_NAMES: Record<Stream['kind'], string> = {
  webhook: 'Webhook',
  set: 'Security event tokens'
}

/** Choices for narrowing a stream; the API accepts others. */
export const EVENT_TYPES = [
  { value: 'user.*', label: 'All about people' },
  { value: 'group.*', label: 'All about groups' },
  { value: 'invitation.*', label: 'All about invitations' },
  { value: 'session.*', label: 'Sign-ins' },
  { value: 'scimConnection.*', label: 'Connections of identity providers' },
  { value: 'user.created', label: 'Person added' },
  { value: 'user.invited', label: 'Person invited' },
  { value: 'user.activated', label: 'Person activated' },
  { value: 'user.deactivated', label: 'Person deactivated' },
  { value: 'user.removed', label: 'Person removed' },
  { value: 'user.updated', label: 'Profile changed' },
  { value: 'user.roleChanged', label: 'Role changed' },
  { value: 'group.membersChanged', label: 'Members changed' }
]

export function statusOf({ state, pausedBecause, deliveries }: Stream): {
  tone: 'good' | 'wait' | 'bad' | 'quiet'
  label: string
} {
  if (state === 'paused') return { tone: 'quiet', label: pausedBecause ? 'Stopped by the receiver' : 'Paused' }
  if (deliveries.dead > 0) return { tone: 'bad', label: `${deliveries.dead.toLocaleString()} given up` }
  if (deliveries.queued > 0) return { tone: 'wait', label: `${deliveries.queued.toLocaleString()} on their way` }
  return { tone: 'good', label: 'All delivered' }
}
