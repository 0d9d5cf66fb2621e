// Shows whose role a mapping would change, before it is applied.
import { Button, Group, Skeleton, Text, VisuallyHidden } from '@mantine/core'
import type { UseQueryResult } from '@tanstack/react-query'
import type { Outputs } from '../../api.ts'
import { counted } from '../../counted.ts'
import { Failure } from '../../parts/failures.tsx'
import { Person } from '../../parts/person.tsx'
import { Section } from '../../parts/section.tsx'
import { RoleBadge } from '../../parts/state-badge.tsx'

type Changes = Outputs['groupRoles']['preview']

interface PreviewProps {
  preview: UseQueryResult<Changes, unknown>
  update: () => void
  isUpdating: boolean
  /** From the previous attempt. */
  error: unknown
  onBack: () => void
}

export function Preview({ preview, update, isUpdating, error, onBack }: PreviewProps) {
  const { data } = preview
  if (!data) {
    return preview.error ? (
      <Failure error={preview.error} retry={() => preview.refetch()} />
    ) : (
      <Skeleton height={200} radius="md" />
    )
  }
  return (
    <div className="card">
      <Section title={titleOf(data)} description={countsInWords(data)}>
        <ul className="role-changes" aria-label="Whose role would change">
          {data.changes.map((change) => (
            <Change key={change.user.id} change={change} />
          ))}
        </ul>
        {data.total > data.changes.length && (
          <Text size="sm" c="dimmed" mt="xs">
            And {(data.total - data.changes.length).toLocaleString()} more.
          </Text>
        )}
        {error ? <Failure error={error} /> : null}
        <Group justify="flex-end" gap="xs" mt="md">
          <Button variant="default" onClick={onBack} disabled={isUpdating}>
            Back
          </Button>
          <Button onClick={update} loading={isUpdating}>
            Let it count
          </Button>
        </Group>
      </Section>
    </div>
  )
}

const titleOf = ({ total }: Changes) =>
  total === 0 ? 'Nobody’s role would change' : `${counted(total, 'role', 'roles')} would change`

const countsInWords = ({ total, raised, lowered }: Changes) =>
  total === 0
    ? 'It counts for whoever joins or leaves these groups from now on.'
    : `${raised.toLocaleString()} would become higher, ${lowered.toLocaleString()} lower.`

function Change({ change: { user, from, to, group } }: { change: Changes['changes'][number] }) {
  return (
    <li>
      <Person user={{ displayName: user.name, email: user.email }} size={32} />
      <span className="role-change">
        <RoleBadge role={from} /> <span aria-hidden>→</span>
        <VisuallyHidden>becomes</VisuallyHidden> <RoleBadge role={to} />{' '}
        <Text span size="sm" c="dimmed">
          {group ? `by ${group.name}` : 'their own'}
        </Text>
      </span>
    </li>
  )
}
