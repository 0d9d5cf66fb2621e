// What a connection in shadow mode would do: the numbers, person by person, and the choice to apply it or not.
import { Button, Group, SegmentedControl, Select, Skeleton, Stack, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { queryClient, trpc } from '../../api.ts'
import { counted } from '../../counted.ts'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { Facts, Section } from '../../parts/section.tsx'
import { Mark, type Tone } from '../../parts/state-badge.tsx'
import { Time } from '../../parts/time.tsx'
import { listOptions, VirtualList } from '../../parts/virtual-list.tsx'
import { Discard, GoesLive, GoLive } from './shadow-decision.tsx'
import {
  type Counts,
  changesInWords,
  conflictsInWords,
  EFFECTS,
  FILTER_LABELS,
  type Filter,
  membershipsInWords,
  type Preference,
  type ShadowItem
} from './shadow-words.ts'
import type { TabProps } from './tabs.ts'
import './shadow.css'

export function ShadowTab({ connection }: TabProps) {
  return connection.shadow?.isGoingLive ? <GoesLive connection={connection} /> : <Shadow connection={connection} />
}

function Shadow({ connection }: TabProps) {
  const { id: connectionId } = connection
  const [prefer, setPrefer] = useState<Preference>('tenant')
  const summary = useQuery(
    trpc.scimShadow.summary.queryOptions({ connectionId, prefer }, { staleTime: 0, placeholderData: keepPreviousData })
  )
  const countAgain = () => queryClient.invalidateQueries(trpc.scimShadow.pathFilter())
  const refresh = useMutation(
    trpc.scimShadow.refresh.mutationOptions({
      onSuccess: async ({ users }) => {
        notifyDone(`${counted(users, 'person was', 'people were')} taken over into the shadow.`)
        await countAgain()
      }
    })
  )
  const [isGoing, going] = useDisclosure()
  const [isDiscarding, discarding] = useDisclosure()
  return (
    <Stack gap="md">
      <div className="card">
        <Section
          title="What going live would do"
          description={
            <>
              {connection.name} changes a copy of people and groups
              {connection.shadow && (
                <>
                  , made <Time value={connection.shadow.openedAt} />
                </>
              )}
              . Going live does the same here, at once, and what it does from then on is real.
            </>
          }
          action={
            <Group gap="xs">
              <Button onClick={going.open} disabled={!summary.data || summary.isPlaceholderData}>
                Go live…
              </Button>
              <Button variant="default" onClick={discarding.open}>
                Discard…
              </Button>
            </Group>
          }
        >
          {summary.error && !summary.data && <Failure error={summary.error} retry={() => summary.refetch()} />}
          {summary.isPending && <Skeleton height={160} />}
          {summary.data && <Numbers counts={summary.data.counts} refused={summary.data.refused} />}
          <Select
            mt="sm"
            size="xs"
            maw="20rem"
            label="Where both have changed the same"
            description="Below you decide otherwise for single ones."
            value={prefer}
            onChange={(value) => setPrefer(value as Preference)}
            data={[
              { value: 'tenant', label: 'What was changed here stays' },
              { value: 'provider', label: 'The provider’s value counts' }
            ]}
            allowDeselect={false}
          />
          {refresh.error && <Failure error={refresh.error} />}
          <Group gap="xs" mt="sm">
            <Button size="xs" variant="default" loading={summary.isFetching} onClick={countAgain}>
              Count again
            </Button>
            <Button
              size="xs"
              variant="default"
              loading={refresh.isPending}
              onClick={() => refresh.mutate({ connectionId })}
            >
              Show it who came and went here since
            </Button>
          </Group>
        </Section>
      </div>
      <Items connection={connection} prefer={prefer} />
      {summary.data && (
        <GoLive
          connection={connection}
          prefer={prefer}
          counts={summary.data.counts}
          opened={isGoing}
          onClose={going.close}
        />
      )}
      <Discard connection={connection} opened={isDiscarding} onClose={discarding.close} />
    </Stack>
  )
}

const NUMBER_LABELS: Record<(typeof EFFECTS)[number], string> = {
  create: 'Would create',
  link: 'Link',
  change: 'Change',
  deactivate: 'Deactivate',
  remove: 'Remove'
}

function Numbers({ counts: { users, groups, memberships, conflicts }, refused }: { counts: Counts; refused: number }) {
  const both = (people: number, ofGroups: number) =>
    ofGroups > 0 ? `${people.toLocaleString()} and ${ofGroups.toLocaleString()} groups` : people.toLocaleString()
  return (
    <>
      <Facts
        facts={[
          ...EFFECTS.map((effect): [string, string] => [NUMBER_LABELS[effect], both(users[effect], groups[effect])]),
          ['Memberships', `${memberships.added.toLocaleString()} more, ${memberships.removed.toLocaleString()} fewer`],
          ['Conflicts', conflicts.toLocaleString()]
        ]}
      />
      {refused > 0 && (
        <Text size="sm" className="connection-errors" mt="sm">
          {counted(refused, 'more person was', 'more people were')} refused, because somebody here may be the same: they
          wait for a decision once the connection is live.
        </Text>
      )}
    </>
  )
}

const CHOICES = (['create', 'link', 'change', 'deactivate', 'remove', 'conflict'] as const).map((value) => ({
  value,
  label: FILTER_LABELS[value]
}))

function Items({ connection, prefer }: TabProps & { prefer: Preference }) {
  const [kind, setKind] = useState<ShadowItem['kind']>('user')
  const [filter, setFilter] = useState<Filter>()
  const items = useInfiniteQuery(
    trpc.scimShadow.list.infiniteQueryOptions(
      { connectionId: connection.id, prefer, kind, filter, limit: 100 },
      listOptions
    )
  )
  return (
    <section className="card" aria-label="One by one">
      <Group p="md" gap="sm" align="end">
        <SegmentedControl
          value={kind}
          onChange={(value) => setKind(value as ShadowItem['kind'])}
          data={[
            { value: 'user', label: 'People' },
            { value: 'group', label: 'Groups' }
          ]}
          aria-label="People or groups"
        />
        <Select
          aria-label="What happens"
          placeholder="Whatever happens"
          data={CHOICES}
          value={filter ?? null}
          onChange={(value) => setFilter((value as Filter | null) ?? undefined)}
          clearable
        />
      </Group>
      <VirtualList
        query={items}
        label={kind === 'user' ? 'People' : 'Groups'}
        itemKey={(item) => item.id}
        rowClass="shadow-columns"
        row={(item) => <Row item={item} connectionId={connection.id} prefer={prefer} />}
        empty={
          <Text size="sm" c="dimmed" p="md">
            {kind === 'user' ? 'Nothing happens to anybody.' : 'No group is made, changed or deleted.'}
          </Text>
        }
      />
    </section>
  )
}

const TONES: Record<NonNullable<ShadowItem['effect']>, Tone> = {
  create: 'good',
  link: 'accent',
  change: 'quiet',
  deactivate: 'wait',
  remove: 'bad'
}

interface RowProps {
  item: ShadowItem
  connectionId: string
  prefer: Preference
}

function Row({ item, connectionId, prefer }: RowProps) {
  const { effect, conflicts, name, id } = item
  return (
    <>
      <span className="break">
        <strong>{name ?? id}</strong>
      </span>
      <span className="marks">
        {effect && <Mark tone={TONES[effect]}>{FILTER_LABELS[effect]}</Mark>}
        {conflicts.length > 0 && <Mark tone="wait">{FILTER_LABELS.conflict}</Mark>}
      </span>
      <span className="break">
        {[...changesInWords(item), ...membershipsInWords(item)].map((line) => (
          <span key={line} className="wire-fact">
            {line}
          </span>
        ))}
        {conflictsInWords(item).map((line) => (
          <span key={line} className="wire-fact dimmed">
            Stays: {line}
          </span>
        ))}
        {item.isContested && <Decide item={item} connectionId={connectionId} prefer={prefer} />}
      </span>
    </>
  )
}

/** For a value that both sides changed: lets the other side's value win, for this item only. */
function Decide({ item: { kind, id, prefer: own, name }, connectionId, prefer }: RowProps) {
  const other: Preference = (own ?? prefer) === 'tenant' ? 'provider' : 'tenant'
  const decide = useMutation(
    trpc.scimShadow.decide.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries(trpc.scimShadow.pathFilter())
    })
  )
  const label = other === 'provider' ? 'Let the provider’s count' : 'Keep what is here'
  return (
    <>
      {decide.error && <Failure error={decide.error} />}
      <Button
        size="compact-xs"
        variant="default"
        mt={4}
        loading={decide.isPending}
        onClick={() => decide.mutate({ connectionId, kind, id, prefer: other })}
        aria-label={`${label}: ${name ?? id}`}
      >
        {label}
      </Button>
    </>
  )
}
