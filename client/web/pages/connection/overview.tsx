// What a connection is, its tokens, and what an administrator may change of it.
import { Anchor, Button, Group, Skeleton, Stack, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { queryClient, trpc } from '../../api.ts'
import { Confirm } from '../../parts/confirm.tsx'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { Facts, Section } from '../../parts/section.tsx'
import { Mark } from '../../parts/state-badge.tsx'
import { Time, useNow } from '../../parts/time.tsx'
import { ROLE_LABELS } from '../../roles.ts'
import { connectionsOf, statusOf } from '../provisioning/connections.ts'
import { profileName } from '../provisioning/guides.ts'
import { Refused, Tokens } from '../provisioning/tokens.tsx'
import { EditConnection } from './edit-connection.tsx'
import type { TabProps } from './tabs.ts'

/** What a list gives at most; a tenant has a handful of identity providers. */
const MAX_TOKENS = 200

export function Overview({ connection }: TabProps) {
  const [isEditing, editing] = useDisclosure()
  const [isRemoving, removing] = useDisclosure()
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
              ['Groups', connection.groups.toLocaleString()]
            ]}
          />
          <Anchor
            size="sm"
            underline="always"
            mt="xs"
            renderRoot={(props) => <Link to="/audit" search={{ actor: connection.id }} {...props} />}
          >
            What it did
          </Anchor>
        </Section>
      </div>
      <div className="card">
        <TokensSection connection={connection} />
      </div>
      <EditConnection connection={connection} opened={isEditing} onClose={editing.close} />
      <RemoveConnection connection={connection} opened={isRemoving} onClose={removing.close} />
    </Stack>
  )
}

function TokensSection({ connection }: TabProps) {
  const now = useNow()
  const tokens = useQuery(trpc.scimTokens.list.queryOptions({ limit: MAX_TOKENS }, { refetchInterval: 60_000 }))
  const errors = connection.errors && { connectionId: connection.id, ...connection.errors }
  if (!tokens.data) {
    return (
      <Section title="Tokens">
        {tokens.error ? <Failure error={tokens.error} retry={() => tokens.refetch()} /> : <Skeleton height={64} />}
      </Section>
    )
  }
  const own = tokens.data.items.filter(({ connectionId }) => connectionId === connection.id)
  const [gathered] = connectionsOf(own, errors ? [errors] : [], now)
  if (!gathered) return <Section title="Tokens">It has no token.</Section>
  const { tone, label } = statusOf(gathered, now)
  return (
    <Section title="Tokens" action={<Mark tone={tone}>{label}</Mark>}>
      {gathered.errors && <Refused errors={gathered.errors} />}
      <Tokens connection={gathered} />
    </Section>
  )
}

function RemoveConnection({ connection, opened, onClose }: TabProps & { opened: boolean; onClose: () => void }) {
  const navigate = useNavigate()
  const remove = useMutation(
    trpc.scimConnections.remove.mutationOptions({
      onSuccess: async () => {
        void queryClient.invalidateQueries(trpc.scimTokens.list.pathFilter())
        await navigate({ to: '/provisioning', replace: true })
        queryClient.removeQueries(trpc.scimConnections.get.queryFilter({ connectionId: connection.id }))
        notifyDone(`The connection ${connection.name} is removed.`)
      }
    })
  )
  return (
    <Confirm
      opened={opened}
      onClose={() => {
        remove.reset()
        onClose()
      }}
      title={`Remove ${connection.name}?`}
      action="Remove connection"
      isDangerous
      onConfirm={() => remove.mutate({ connectionId: connection.id })}
      isPending={remove.isPending}
      error={remove.error}
    >
      <Text size="sm" mb="xs">
        Its tokens are refused at once, for good.
      </Text>
      <Text size="sm">
        Its {connection.users.toLocaleString()} people and {connection.groups.toLocaleString()} groups stay as they are,
        and are changed here from then on, until another identity provider takes them on.
      </Text>
    </Confirm>
  )
}
