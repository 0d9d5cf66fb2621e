// A connection's details, its tokens, and what an administrator may change.
import { Anchor, Button, Group, Skeleton, Stack } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { trpc } from '../../api.ts'
import { Failure } from '../../parts/failures.tsx'
import { Facts, Section } from '../../parts/section.tsx'
import { Mark } from '../../parts/state-badge.tsx'
import { Time, useNow } from '../../parts/time.tsx'
import { ROLE_LABELS } from '../../roles.ts'
import { connectionsOf, statusOf } from '../provisioning/connections.ts'
import { profileName } from '../provisioning/guides.ts'
import { Refused, Tokens } from '../provisioning/tokens.tsx'
import { EditConnection } from './edit-connection.tsx'
import { RemoveConnection } from './remove-connection.tsx'
import { EnterShadow } from './shadow-decision.tsx'
import type { TabProps } from './tabs.ts'

/** The most that a list returns; a tenant has a handful of identity providers. */
const MAX_TOKENS = 200

export function Overview({ connection }: TabProps) {
  const [isEditing, editing] = useDisclosure()
  const [isRemoving, removing] = useDisclosure()
  const [isEntering, entering] = useDisclosure()
  return (
    <Stack gap="md">
      <div className="card">
        <Section
          title="Connection"
          action={
            <Group gap="xs">
              <Button size="xs" variant="default" onClick={editing.open}>
                Change
              </Button>
              {!connection.shadow && (
                <Button size="xs" variant="default" onClick={entering.open}>
                  Shadow mode…
                </Button>
              )}
              <Button size="xs" variant="default" onClick={removing.open}>
                Remove
              </Button>
            </Group>
          }
        >
          <Facts
            facts={[
              ['Provider', profileName(connection.profile)],
              ['Highest role', ROLE_LABELS[connection.highestRole]],
              ['Created', <Time key="created" value={connection.createdAt} as="date" />],
              ['Last request', <Time key="used" value={connection.lastUsedAt} empty="never" />],
              ['People', connection.users.toLocaleString()],
              ['Groups', connection.groups.toLocaleString()],
              ['Memberships', connection.memberships.toLocaleString()]
            ]}
          />
          <Anchor
            size="sm"
            underline="always"
            mt="xs"
            display="inline-block"
            renderRoot={(props) => <Link to="/audit" search={{ actor: connection.id }} {...props} />}
          >
            What it did
          </Anchor>
        </Section>
      </div>
      <div className="card">
        <TokensSection connection={connection} />
      </div>
      <EnterShadow connection={connection} opened={isEntering} onClose={entering.close} />
      <EditConnection connection={connection} opened={isEditing} onClose={editing.close} />
      <RemoveConnection connection={connection} opened={isRemoving} onClose={removing.close} />
    </Stack>
  )
}

function TokensSection({ connection }: TabProps) {
  const now = useNow()
  const tokens = useQuery(
    trpc.scimTokens.list.queryOptions(
      { filter: { connectionId: connection.id }, limit: MAX_TOKENS },
      { refetchInterval: 60_000 }
    )
  )
  const errors = connection.errors && { connectionId: connection.id, ...connection.errors }
  if (!tokens.data) {
    return (
      <Section title="Tokens">
        {tokens.error ? <Failure error={tokens.error} retry={() => tokens.refetch()} /> : <Skeleton height={64} />}
      </Section>
    )
  }
  const [gathered] = connectionsOf(tokens.data.items, errors ? [errors] : [], now)
  if (!gathered) return <Section title="Tokens">It has no token.</Section>
  const { tone, label } = statusOf(gathered, now)
  return (
    <Section title="Tokens" action={<Mark tone={tone}>{label}</Mark>}>
      {gathered.errors && <Refused errors={gathered.errors} />}
      <Tokens connection={gathered} />
    </Section>
  )
}
