// The tokens of one identity provider, for its card and its page.
import { Button, Group, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useMutation } from '@tanstack/react-query'
import { queryClient, trpc } from '../../api.ts'
import { counted } from '../../counted.ts'
import { Confirm } from '../../parts/confirm.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { Time } from '../../parts/time.tsx'
import type { Connection, Errors, Token } from './connections.ts'
import { RotateToken } from './rotate-token.tsx'

export function Tokens({ connection }: { connection: Connection }) {
  const [showsEnded, ended] = useDisclosure()
  return (
    <>
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
    </>
  )
}

/** The provider's errors in the last day. */
export function Refused({ errors: { count, last } }: { errors: Errors }) {
  return (
    <Text size="sm" mb="sm" className="connection-errors">
      <strong>{counted(count, 'error', 'errors')} in the last day.</strong> The latest, <Time value={last.at} />:{' '}
      {last.detail} ({last.status})
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
      {token.lastUsedFrom.length > 0 && (
        <div>
          <dt>From</dt>
          <dd>
            {token.lastUsedFrom.map(({ address, lastUsedAt }) => (
              <div key={address}>
                {address} <Time value={lastUsedAt} />
              </div>
            ))}
          </dd>
        </div>
      )}
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
