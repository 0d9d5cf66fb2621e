// What an identity provider did, and how to undo it.
import { Button, Group, Text, TextInput } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { trpc } from '../../api.ts'
import { Section } from '../../parts/section.tsx'
import { listOptions } from '../../parts/virtual-list.tsx'
import { UndoDialog, type UndoScope } from '../history/undo-dialog.tsx'
import { Versions } from '../history/versions.tsx'
import type { TabProps } from './tabs.ts'

export function HistoryTab({ connection }: TabProps) {
  const connectionId = connection.id
  const history = useInfiniteQuery(
    trpc.history.connection.infiniteQueryOptions({ connectionId, limit: 20 }, listOptions)
  )
  return (
    <div className="card">
      <UndoSince connectionId={connectionId} name={connection.name} />
      <Section title="What it did">
        <Versions query={history} isAboutMany />
      </Section>
    </div>
  )
}

function UndoSince({ connectionId, name }: { connectionId: string; name: string }) {
  const [since, setSince] = useState(hourAgo)
  const [scope, setScope] = useState<UndoScope>()
  const moment = new Date(since)
  const isMoment = !Number.isNaN(moment.getTime())
  return (
    <Section title="Undo a bad synchronization">
      <Text size="sm" c="dimmed" mb="sm">
        Takes back all that {name} changed from a moment on: people, groups and memberships, exactly. What others have
        changed since stays.
      </Text>
      <Group gap="xs" align="end">
        <TextInput
          type="datetime-local"
          label="Since"
          value={since}
          onChange={(event) => setSince(event.currentTarget.value)}
        />
        <Button disabled={!isMoment} onClick={() => setScope({ connectionId, since: moment.toISOString() })}>
          Undo everything since…
        </Button>
      </Group>
      <UndoDialog scope={scope} title={`Undo what ${name} did?`} onClose={() => setScope(undefined)} />
    </Section>
  )
}

/** In the format of `datetime-local`: the reader's local time, without a zone. */
function hourAgo(): string {
  const time = new Date(Date.now() - 3_600_000)
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}
