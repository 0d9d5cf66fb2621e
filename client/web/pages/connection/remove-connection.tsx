// Removes a connection: what ends, and what happens to its people, groups and memberships.
import { Radio, Stack, Text } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { type Inputs, queryClient, trpc } from '../../api.ts'
import { Confirm } from '../../parts/confirm.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { ownedInWords } from '../provisioning/connections.ts'
import type { TabProps } from './tabs.ts'

type Afterwards = NonNullable<Inputs['scimConnections']['remove']['afterwards']>

export function RemoveConnection({ connection, opened, onClose }: TabProps & { opened: boolean; onClose: () => void }) {
  const navigate = useNavigate()
  const [afterwards, setAfterwards] = useState<Afterwards>('release')
  const remove = useMutation(
    trpc.scimConnections.remove.mutationOptions({
      onSuccess: async () => {
        void queryClient.invalidateQueries(trpc.scimTokens.list.pathFilter())
        void queryClient.invalidateQueries(trpc.scimConnections.removed.queryFilter())
        void queryClient.invalidateQueries(trpc.users.pathFilter())
        void queryClient.invalidateQueries(trpc.groups.pathFilter())
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
      onConfirm={() => remove.mutate({ connectionId: connection.id, afterwards })}
      isPending={remove.isPending}
      error={remove.error}
    >
      <Text size="sm" mb="md">
        Its tokens are refused at once, for good. Its {ownedInWords(connection)} stay, until another identity provider
        takes them on:
      </Text>
      <Radio.Group
        aria-label="What becomes of them"
        value={afterwards}
        onChange={(value) => setAfterwards(value as Afterwards)}
      >
        <Stack gap="sm">
          <Radio
            value="release"
            label="As ordinary members and groups"
            description="Their attributes, roles and memberships can be changed here."
          />
          <Radio
            value="keep"
            label={`Read-only, as ${connection.name} left them`}
            description="For a change of provider. You can release them at any time, under Provisioning."
          />
        </Stack>
      </Radio.Group>
    </Confirm>
  )
}
