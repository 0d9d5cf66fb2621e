// One identity provider: whether it works, and its tokens.
import { Anchor, Group, Text, Title } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { Mark } from '../../parts/state-badge.tsx'
import { Time, useNow } from '../../parts/time.tsx'
import { ROLE_LABELS } from '../../roles.ts'
import { type Connection, expiresSoon, statusOf } from './connections.ts'
import { profileName } from './guides.ts'
import { Refused, Tokens } from './tokens.tsx'

export function ConnectionCard({ connection }: { connection: Connection }) {
  const now = useNow()
  const status = statusOf(connection, now)
  const titleId = `connection-${connection.id}`
  return (
    <section className="card-section" aria-labelledby={titleId}>
      <Group justify="space-between" gap="xs" mb={4}>
        <Title order={3} size="h3" id={titleId} className="page-title">
          <Anchor
            inherit
            underline="always"
            renderRoot={(props) => (
              <Link to="/provisioning/$connectionId" params={{ connectionId: connection.id }} {...props} />
            )}
          >
            {connection.name}
          </Anchor>
        </Title>
        <span className="marks">
          {connection.isShadow && <Mark tone="accent">Shadow</Mark>}
          {expiresSoon(connection, now) && <Mark tone="wait">Expires soon</Mark>}
          <Mark tone={status.tone}>{status.label}</Mark>
        </span>
      </Group>
      <Text size="sm" c="dimmed" mb="sm">
        {profileName(connection.profile)} · may give roles up to {ROLE_LABELS[connection.highestRole]} · last request{' '}
        <Time value={connection.lastUsedAt} empty="never" /> ·{' '}
        <Anchor
          size="sm"
          underline="always"
          renderRoot={(props) => <Link to="/audit" search={{ actor: connection.id }} {...props} />}
        >
          what it did
        </Anchor>
      </Text>
      {connection.errors && <Refused errors={connection.errors} />}
      <Tokens connection={connection} />
    </section>
  )
}
