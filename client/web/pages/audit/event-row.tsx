// One entry of the audit log: a sentence that opens to show what changed.
import { Anchor, Button, Group, Stack, Table, Text, UnstyledButton } from '@mantine/core'
import { IconChevronRight } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { Time } from '../../parts/time.tsx'
import { UndoDialog, type UndoScope } from '../history/undo-dialog.tsx'
import { changesOf } from './changes.ts'
import type { AuditSearch } from './filter.ts'
import type { Event } from './filters.tsx'
import { MemberChanges, memberFacts } from './member-changes.tsx'
import { fieldName, ownVerbOf, verbOf } from './words.ts'

interface EventRowProps {
  event: Event
  isExpanded: boolean
  onToggle: () => void
  onFilter: (change: AuditSearch) => void
}

export function EventRow({ event, isExpanded, onToggle, onFilter }: EventRowProps) {
  return (
    <div className="audit-event">
      <UnstyledButton className="audit-line" aria-expanded={isExpanded} onClick={onToggle}>
        <IconChevronRight size={16} className="audit-chevron" aria-hidden />
        <span className="audit-sentence">
          <Sentence event={event} />
        </span>
        <span className="audit-when">
          <Time value={event.at} as="dateTime" />
          {event.ip && <span> · {event.ip}</span>}
        </span>
      </UnstyledButton>
      {isExpanded && <Details event={event} onFilter={onFilter} />}
    </div>
  )
}

function Sentence({ event }: { event: Event }) {
  if (isOwnDoing(event)) {
    return (
      <>
        <strong>{actorName(event)}</strong> {ownVerbOf(event.action)}
      </>
    )
  }
  return (
    <>
      <strong>{actorName(event)}</strong> {verbOf(event.action)} <strong>{targetName(event)}</strong>
    </>
  )
}

/** A session has the name of its person. */
const isOwnDoing = ({ actorId, actorName: name, targetId, targetType, targetName: target }: Event) =>
  actorId !== null && (actorId === targetId || (targetType === 'session' && name === target))

const actorName = ({ actorName: name, actorKind }: Event) => name ?? ACTOR_KIND_WORDS[actorKind]
const targetName = ({ targetName: name, targetId, targetType }: Event) => name ?? targetId ?? targetType

const ACTOR_KIND_WORDS: Record<Event['actorKind'], string> = {
  user: 'Somebody signed in',
  apiToken: 'An API token',
  scimToken: 'An identity provider',
  operator: 'The operator',
  system: 'Muster itself'
}
const ACTOR_KIND_NOTES: Partial<Record<Event['actorKind'], string>> = {
  apiToken: 'with an API token',
  scimToken: 'an identity provider',
  operator: 'runs the service',
  system: 'on its own account'
}

function Details({ event, onFilter }: { event: Event; onFilter: EventRowProps['onFilter'] }) {
  const { actorId, targetId } = event
  const [undoing, setUndoing] = useState<UndoScope>()
  const note = ACTOR_KIND_NOTES[event.actorKind]
  return (
    <Stack gap="sm" className="audit-details">
      <Changes event={event} />
      <dl className="audit-facts">
        <dt>Who</dt>
        <dd>
          {actorName(event)}
          {note && <span className="dimmed"> · {note}</span>}
        </dd>
        <dt>Whom or what</dt>
        <dd>
          <Target event={event} />
        </dd>
        <dt>When</dt>
        <dd className="tabular">{exact.format(new Date(event.at))}</dd>
        <dt>From</dt>
        <dd className="mono">{event.ip ?? 'unknown'}</dd>
        <dt>Action</dt>
        <dd className="mono">{event.action}</dd>
        {event.requestId && (
          <>
            <dt>Request</dt>
            <dd className="mono">{event.requestId}</dd>
          </>
        )}
      </dl>
      <Group gap="xs">
        {event.isUndoable && (
          <Button size="compact-sm" variant="default" onClick={() => setUndoing({ eventId: event.id })}>
            Undo…
          </Button>
        )}
        {actorId && (
          <Button size="compact-sm" variant="default" onClick={() => onFilter({ actor: actorId })}>
            Only by {actorName(event)}
          </Button>
        )}
        {targetId && (
          <Button size="compact-sm" variant="default" onClick={() => onFilter({ target: targetId })}>
            Only about {targetName(event)}
          </Button>
        )}
      </Group>
      <UndoDialog scope={undoing} title="Undo this change?" onClose={() => setUndoing(undefined)} />
    </Stack>
  )
}

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' })

function Target({ event }: { event: Event }) {
  const { targetType, targetId, action } = event
  const name = targetName(event)
  if (targetType === 'user' && targetId)
    return (
      <Anchor size="sm" component={Link} to={`/users/${targetId}`}>
        {name}
      </Anchor>
    )
  if (targetType === 'group' && targetId && action !== 'group.removed') {
    return (
      <Anchor size="sm" component={Link} to={`/groups/${targetId}`}>
        {name}
      </Anchor>
    )
  }
  return name
}

function Changes({ event }: { event: Event }) {
  const members = memberFacts(event.after)
  if (members) return <MemberChanges {...members} />
  const changes = changesOf(event.before, event.after)
  if (changes.length === 0) return null
  return (
    <Table.ScrollContainer minWidth={0} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
      <Table className="audit-changes" verticalSpacing={6} withTableBorder>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">What</Table.Th>
            <Table.Th scope="col">Before</Table.Th>
            <Table.Th scope="col">After</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {changes.map(({ path, before, after }) => (
            <Table.Tr key={path}>
              <Table.Th scope="row">{fieldName(path)}</Table.Th>
              <Table.Td>{before === undefined ? <Nothing /> : <del>{before}</del>}</Table.Td>
              <Table.Td>{after === undefined ? <Nothing /> : <ins>{after}</ins>}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

const Nothing = () => (
  <Text span size="sm" c="dimmed">
    nothing
  </Text>
)
