// Applies what a shadow shows, once the connection's name is typed, or discards it; and starts shadow mode.
import { Alert, Loader, Modal, Stack, Text } from '@mantine/core'
import { IconGhost2 } from '@tabler/icons-react'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { queryClient, reason, trpc } from '../../api.ts'
import { Confirm } from '../../parts/confirm.tsx'
import { DialogButtons } from '../../parts/dialog-buttons.tsx'
import { Failure } from '../../parts/failures.tsx'
import { TextLink } from '../../parts/link.tsx'
import { notifyDone, notifyNotDone } from '../../parts/notify.ts'
import { TypeToConfirm } from '../../parts/type-to-confirm.tsx'
import { type Counts, countsInWords, type Preference } from './shadow-words.ts'
import type { TabProps } from './tabs.ts'

interface DialogProps extends TabProps {
  opened: boolean
  onClose: () => void
}

interface Decided {
  counts: Counts
  prefer: Preference
}

export function GoLive({ connection, counts, prefer, opened, onClose }: DialogProps & Decided) {
  return (
    <Modal opened={opened} onClose={onClose} title={`Have ${connection.name} go live?`}>
      <GoLiveForm connection={connection} counts={counts} prefer={prefer} onClose={onClose} />
    </Modal>
  )
}

function GoLiveForm({ connection, counts, prefer, onClose }: TabProps & Decided & { onClose: () => void }) {
  const [typed, setTyped] = useState('')
  const goLive = useMutation(
    trpc.scimShadow.goLive.mutationOptions({
      onSuccess: async () => {
        onClose()
        notifyLive(connection)
        await queryClient.invalidateQueries()
      },
      onError: async (error) => {
        // a proxy that timed out, or a broken network, gives no answer of the service
        const isAnswered = reason(error) !== undefined
        const { shadow } = isAnswered ? connection : await readAgain(connection)
        if (!shadow) notifyLive(connection)
        if (!shadow || shadow.isGoingLive) onClose()
        // the numbers may have changed
        await queryClient.invalidateQueries(shadow ? trpc.scimShadow.pathFilter() : undefined)
      }
    })
  )
  const isConfirmed = typed.trim() === connection.name
  const isLoss = counts.users.deactivate + counts.users.remove + counts.groups.remove + counts.memberships.removed > 0
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (isConfirmed) goLive.mutate({ connectionId: connection.id, expected: counts, prefer })
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Alert color={isLoss ? 'red' : 'blue'} variant="light" title={`This will ${countsInWords(counts)}.`}>
          Everything that {connection.name} does from then on changes people here. Its History takes back what it did.
        </Alert>
        <TypeToConfirm text={connection.name} value={typed} onChange={setTyped} />
        {goLive.error && <Failure error={goLive.error} />}
        {goLive.isPending && (
          <Text size="sm" role="status">
            For very many people this takes a minute. It goes on if you leave this page.
          </Text>
        )}
        <DialogButtons onClose={onClose} isDangerous={isLoss} disabled={!isConfirmed} isPending={goLive.isPending}>
          Go live
        </DialogButtons>
      </Stack>
    </form>
  )
}

async function readAgain({ id: connectionId }: TabProps['connection']) {
  const asked = trpc.scimConnections.get.queryOptions({ connectionId }, { staleTime: 0 })
  return (await queryClient.fetchQuery(asked)).connection
}

const notifyLive = ({ id, name }: TabProps['connection']) => notifyDone(`${name} is live.`, `live ${id}`)

/** Reports how going live ended, as the page learns it: somebody else may have started it, or the answer was lost. */
export function useFollowGoingLive(connection: TabProps['connection']): void {
  const before = useRef(connection.shadow)
  useEffect(() => {
    const was = before.current
    before.current = connection.shadow
    if (!was?.isGoingLive || connection.shadow?.isGoingLive) return
    if (connection.shadow) notifyNotDone(`${connection.name} did not go live: nothing was changed. Look at it again.`)
    else notifyLive(connection)
    queryClient.invalidateQueries()
  }, [connection])
}

/** Replaces the shadow's changes while it goes live. */
export const GoesLive = ({ connection }: TabProps) => (
  <Alert color="blue" variant="light" icon={<Loader size={18} />} title="Going live…">
    <Text size="sm">
      What {connection.name} did is being done here, all of it at once; for very many people that takes a minute. It
      goes on if you leave this page.
    </Text>
  </Alert>
)

export function Discard({ connection, opened, onClose }: DialogProps) {
  const discard = useMutation(
    trpc.scimShadow.discard.mutationOptions({
      onSuccess: async () => {
        onClose()
        notifyDone('The shadow is discarded.')
        await queryClient.invalidateQueries()
      }
    })
  )
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Discard what ${connection.name} did?`}
      action="Discard"
      isDangerous
      onConfirm={() => discard.mutate({ connectionId: connection.id })}
      isPending={discard.isPending}
      error={discard.error}
    >
      Nothing of it was done here. Its tokens end, because the identity provider believes that it was; to try again,
      create a token in shadow mode and have the provider start over.
    </Confirm>
  )
}

/** Puts a live connection into shadow mode. */
export function EnterShadow({ connection, opened, onClose }: DialogProps) {
  const open = useMutation(
    trpc.scimShadow.open.mutationOptions({
      onSuccess: async () => {
        onClose()
        notifyDone(`${connection.name} is in shadow mode.`)
        await queryClient.invalidateQueries()
      }
    })
  )
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Put ${connection.name} into shadow mode?`}
      action="Enter shadow mode"
      onConfirm={() => open.mutate({ connectionId: connection.id })}
      isPending={open.isPending}
      error={open.error}
    >
      From now on it changes a copy of people and groups, and is answered as if it were real. You see what it would do,
      and have it done or forget it.
    </Confirm>
  )
}

/** Shown on every tab of a connection in shadow mode. */
export const ShadowBanner = ({ connection }: TabProps) => (
  <Alert color="blue" variant="light" mb="md" icon={<IconGhost2 size={20} />} title="Shadow: nothing is changed yet">
    <Text size="sm">
      {connection.name} provisions a copy.{' '}
      <TextLink
        to="/provisioning/$connectionId"
        params={{ connectionId: connection.id }}
        search={{ tab: 'shadow' }}
        size="sm"
        underline="always"
      >
        See what it would do, and decide
      </TextLink>
    </Text>
  </Alert>
)
