// Creates a connection's next token; the previous one keeps working while the provider is changed over.
import { Button, Group, Select, Stack, Text } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { queryClient, trpc } from '../../api.ts'
import { OnceDialog } from '../../parts/copy-once.tsx'
import { Failure } from '../../parts/failures.tsx'
import { useNow } from '../../parts/time.tsx'
import { isLive, type Token } from './connections.ts'
import { TokenSecret } from './token-secret.tsx'

const OVERLAPS = [
  { value: '0', label: 'Not at all' },
  { value: '1', label: 'An hour' },
  { value: '24', label: 'A day' },
  { value: '168', label: 'A week' },
  { value: '720', label: '30 days' }
]

export function RotateToken({ token, opened, onClose }: { token: Token; opened: boolean; onClose: () => void }) {
  const isOverlapping = isLive(token, useNow())
  const [overlap, setOverlap] = useState('24')
  const rotate = useMutation(trpc.scimTokens.rotate.mutationOptions())
  const close = () => {
    onClose()
    // refreshed only now, since the list may then drop this dialog's row
    void queryClient.invalidateQueries(trpc.scimTokens.list.pathFilter())
  }
  const made = rotate.data
  return (
    <OnceDialog
      opened={opened}
      onClose={close}
      onExitTransitionEnd={rotate.reset}
      title={made ? 'The new token is ready' : `New token for ${token.name}`}
      isShown={made !== undefined}
      size="lg"
    >
      {made ? (
        <TokenSecret made={made} onClose={close} />
      ) : (
        <Stack gap="md">
          <Text size="sm">
            The new token belongs to the same connection: its people and groups stay its own. It lasts as long as the
            one before did.
          </Text>
          {isOverlapping && (
            <Select
              label="How much longer the old token works"
              description="Long enough to paste the new one into the identity provider’s console."
              data={OVERLAPS}
              value={overlap}
              onChange={(value) => value && setOverlap(value)}
              allowDeselect={false}
              data-autofocus
            />
          )}
          {rotate.error && <Failure error={rotate.error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button
              loading={rotate.isPending}
              onClick={() => rotate.mutate({ scimTokenId: token.id, overlapHours: Number(overlap) })}
            >
              Create new token
            </Button>
          </Group>
        </Stack>
      )}
    </OnceDialog>
  )
}
