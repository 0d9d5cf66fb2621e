// One identity provider: whether it works, and the tokens that it signs in with.
import { Anchor, Button, Group, Text, Title } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useMutation } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queryClient, trpc } from '../../api.ts'
import { Confirm } from '../../parts/confirm.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { Mark } from '../../parts/state-badge.tsx'
import { Time, useNow } from '../../parts/time.tsx'
import { ROLE_LABELS } from '../../roles.ts'
import { type Connection, type Errors, expiresSoon, statusOf, type Token } from './connections.ts'
import { profileName } from './guides.ts'
import { RotateToken } from './rotate-token.tsx'

export function ConnectionCard({ connection }: { connection: Connection }) {
  const now = useNow()
  const [showsEnded, ended] = useDisclosure()
  const status = statusOf(connection, now)
  const titleId = `connection-${connection.id}`
  return (
    <section className="card-section" aria-labelledby={titleId}>
      <Group justify="space-between" gap="xs" mb={4}>
        <Title order={3} size="h3" id={titleId} className="page-title">
          {connection.name}
        </Title>
        <span className="marks">
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
      <ul className="tokens">
        {connection.live.map((token) => (
          <LiveToken key={token.id} token={token} isNewest={token === connection.live[0]} />
        ))}
        {connection.live.length === 0 && connection.ended[0] && <NoToken newest={connection.ended[0]} />}
        {showsEnded && connection.ended.map((token) => <EndedToken key={token.id} token={token} />)}
      </ul>
      {connection.ended.length > 0 && (
        <Button
          variant="subtle"
          color="gray"
          size="compact-sm"
          mt="xs"
          onClick={ended.toggle}
          aria-expanded={showsEnded}
        >
          {showsEnded ? 'Hide ended tokens' : `Show ended tokens (${connection.ended.length})`}
        </Button>
      )}
    </section>
  )
}

function Refused({ errors: { count, last } }: { errors: Errors }) {
  return (
    <Text size="sm" mb="sm" className="connection-errors">
      <strong>
        {count.toLocaleString()} {count === 1 ? 'error' : 'errors'} in the last day.
      </strong>{' '}
      The latest, <Time value={last.at} />: {last.detail} ({last.status})
    </Text>
  )
}

function LiveToken({ token, isNewest }: { token: Token; isNewest: boolean }) {
  const [isRotating, rotating] = useDisclosure()
  const [isRevoking, revoking] = useDisclosure()
  return (
    <li className="token">
      <Facts token={token} label={isNewest ? 'Token' : 'Replaced token'} />
      <Group gap="xs">
        {isNewest && (
          <Button size="xs" variant="default" onClick={rotating.open} aria-label={`Rotate the token of ${token.name}`}>
            Rotate
          </Button>
        )}
        <Button
          size="xs"
          variant="default"
          onClick={revoking.open}
          aria-label={`Revoke the ${isNewest ? 'token' : 'replaced token'} of ${token.name}`}
        >
          Revoke
        </Button>
      </Group>
      <RotateToken token={token} opened={isRotating} onClose={rotating.close} />
      <RevokeToken token={token} opened={isRevoking} onClose={revoking.close} />
    </li>
  )
}

function NoToken({ newest }: { newest: Token }) {
  const [isRotating, rotating] = useDisclosure()
  return (
    <li className="token">
      <Text size="sm">This provider is refused until you create a new token and paste it into its console.</Text>
      <Button size="xs" variant="default" onClick={rotating.open} aria-label={`New token for ${newest.name}`}>
        New token
      </Button>
      <RotateToken token={newest} opened={isRotating} onClose={rotating.close} />
    </li>
  )
}

const EndedToken = ({ token }: { token: Token }) => (
  <li className="token">
    <Facts token={token} label={token.revoked ? 'Revoked token' : 'Expired token'} />
  </li>
)

function Facts({ token, label }: { token: Token; label: string }) {
  return (
    <dl className="token-facts">
      <div>
        <dt>{label}</dt>
        <dd>
          created <Time value={token.createdAt} as="date" />
        </dd>
      </div>
      <div>
        <dt>Last used</dt>
        <dd>
          <Time value={token.lastUsedAt} empty="never" />
        </dd>
      </div>
      <div>
        <dt>{token.revokedAt ? 'Revoked' : 'Expires'}</dt>
        <dd>
          <Time value={token.revokedAt ?? token.expiresAt} empty="never" />
        </dd>
      </div>
    </dl>
  )
}

function RevokeToken({ token, opened, onClose }: { token: Token; opened: boolean; onClose: () => void }) {
  const revoke = useMutation(
    trpc.scimTokens.revoke.mutationOptions({
      onSuccess: async () => {
        await queryClient.invalidateQueries(trpc.scimTokens.list.pathFilter())
        onClose()
        notifyDone('The token is revoked.')
      }
    })
  )
  return (
    <Confirm
      opened={opened}
      onClose={() => {
        revoke.reset()
        onClose()
      }}
      title={`Revoke the token of ${token.name}?`}
      action="Revoke token"
      isDangerous
      onConfirm={() => revoke.mutate({ scimTokenId: token.id })}
      isPending={revoke.isPending}
      error={revoke.error}
    >
      Requests with this token are refused at once. People and groups stay as they are. To change tokens without a gap,
      rotate instead.
    </Confirm>
  )
}
