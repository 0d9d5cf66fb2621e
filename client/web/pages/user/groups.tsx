import { Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { ManagedNote } from '../../parts/managed.tsx'
import { Section } from '../../parts/section.tsx'
import type { Details } from '../user.tsx'

export function GroupsSection({ details: { groups, groupCount } }: { details: Details }) {
  return (
    <Section title={groupCount > 0 ? `Groups (${groupCount.toLocaleString()})` : 'Groups'}>
      {groupCount === 0 && (
        <Text size="sm" c="dimmed">
          In no group.
        </Text>
      )}
      <ul className="chips">
        {groups.map(({ id, displayName, authority }) => (
          <li key={id}>
            <Link to="/groups/$groupId" params={{ groupId: id }} className="chip-link">
              {displayName} <ManagedNote authority={authority} />
            </Link>
          </li>
        ))}
      </ul>
      {groupCount > groups.length && (
        <Text size="sm" c="dimmed" mt="xs">
          and {(groupCount - groups.length).toLocaleString()} more
        </Text>
      )}
    </Section>
  )
}
