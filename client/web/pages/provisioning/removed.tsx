// Removed connections that still keep people and groups read-only.
import { Button, Title } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type Outputs, queryClient, trpc } from '../../api.ts'
import { Confirm } from '../../parts/confirm.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { Time } from '../../parts/time.tsx'
import { ownedInWords } from './connections.ts'

type Removed = Outputs['scimConnections']['removed']['items'][number]

export function RemovedConnections() {
  const removed = useQuery(trpc.scimConnections.removed.queryOptions())
  const [asked, setAsked] = useState<Removed>()
  const items = removed.data?.items ?? []
  if (items.length === 0) return null
  return (
    <>
      <Title order={2} mb="xs">
        Removed connections
      </Title>
      <ul className="card provisioning-section tokens">
        {items.map((item) => (
          <li key={item.id} className="token card-section">
            <span>
              {item.name} was removed <Time value={item.removedAt} empty="some time ago" /> and keeps{' '}
              {ownedInWords(item)} read-only.
            </span>
            <Button
              size="xs"
              variant="default"
              onClick={() => setAsked(item)}
              aria-label={`Release what ${item.name} keeps`}
            >
              Release
            </Button>
          </li>
        ))}
      </ul>
      {asked && <Release connection={asked} onClose={() => setAsked(undefined)} />}
    </>
  )
}

function Release({ connection, onClose }: { connection: Removed; onClose: () => void }) {
  const release = useMutation(
    trpc.scimConnections.release.mutationOptions({
      onSuccess: async () => {
        await Promise.all([
          queryClient.invalidateQueries(trpc.scimConnections.removed.queryFilter()),
          queryClient.invalidateQueries(trpc.users.pathFilter()),
          queryClient.invalidateQueries(trpc.groups.pathFilter())
        ])
        onClose()
        notifyDone(`What ${connection.name} kept can be changed here now.`)
      }
    })
  )
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Release what ${connection.name} keeps?`}
      action="Release"
      onConfirm={() => release.mutate({ connectionId: connection.id })}
      isPending={release.isPending}
      error={release.error}
    >
      Its {ownedInWords(connection)} become ordinary ones, whose attributes and roles can be changed here.
    </Confirm>
  )
}
