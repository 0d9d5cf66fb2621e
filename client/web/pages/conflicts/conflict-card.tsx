// One conflict: what the provider sent, who exists here, and the possible decisions.
import { Anchor, Button, Group, Text, Title } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Outputs } from '../../api.ts'
import { TextLink } from '../../parts/link.tsx'
import { Facts } from '../../parts/section.tsx'
import { Mark, RoleBadge, StateBadge } from '../../parts/state-badge.tsx'
import { Time } from '../../parts/time.tsx'
import { ROLE_LABELS } from '../../roles.ts'
import { type Choice, Decide } from './decide.tsx'

export type Conflict = Outputs['scimConflicts']['list']['items'][number]
type Candidate = Conflict['candidates'][number]

export function ConflictCard({ conflict }: { conflict: Conflict }) {
  const [choice, setChoice] = useState<Choice>()
  const { connection, sent, candidates, apart } = conflict
  const titleId = `conflict-${conflict.id}`
  return (
    <section className="card" aria-labelledby={titleId}>
      <div className="card-section">
        <Group justify="space-between" gap="xs" mb={4}>
          <Title order={2} size="h3" id={titleId} className="page-title">
            {sent.name}
          </Title>
          <Decided conflict={conflict} />
        </Group>
        <Text size="sm" mb="sm">
          {conflict.explanation}
        </Text>
        <div className="conflict-sides">
          <div>
            <Title order={3} fz="md" mb={4}>
              {connection.name} sends
            </Title>
            <SentFacts conflict={conflict} />
          </div>
          {candidates.map((candidate) => (
            <Side
              key={candidate.id}
              candidate={candidate}
              onAdopt={() => setChoice({ decision: 'adopt', candidate })}
            />
          ))}
        </div>
        <Group gap="xs" mt="md">
          <Button
            variant="default"
            onClick={() => setChoice({ decision: 'apart' })}
            disabled={!apart.isPossible}
            aria-describedby={apart.isPossible ? undefined : `${titleId}-apart`}
          >
            Keep apart
          </Button>
          <Button
            variant="default"
            onClick={() => setChoice({ decision: 'ignore' })}
            disabled={conflict.decision === 'ignore'}
          >
            Ignore
          </Button>
        </Group>
        {!apart.isPossible && (
          <Text size="sm" c="dimmed" mt="xs" id={`${titleId}-apart`}>
            They cannot be kept apart. {apart.text}.
          </Text>
        )}
      </div>
      <Decide conflict={conflict} choice={choice} onClose={() => setChoice(undefined)} />
    </section>
  )
}

const DECISIONS = { adopt: 'Adopt', apart: 'Keep apart', ignore: 'Ignored' } as const

function Decided({ conflict: { decision, decidedBy, adoptUserId, candidates } }: { conflict: Conflict }) {
  if (decision === null) return null
  const whom = decision === 'adopt' ? ` ${candidates.find(({ id }) => id === adoptUserId)?.name ?? ''}` : ''
  return (
    <Mark tone={decision === 'ignore' ? 'quiet' : 'wait'}>
      {DECISIONS[decision]}
      {whom}
      {decidedBy && `, by ${decidedBy}`}
    </Mark>
  )
}

function SentFacts({ conflict: { sent, connection, firstTriedAt, lastTriedAt, tries } }: { conflict: Conflict }) {
  return (
    <>
      <Facts
        facts={[
          ['Name', fullName(sent) ?? sent.displayName],
          ['User name', sent.userName],
          ['E-mail', sent.emails.length > 0 ? sent.emails.join(', ') : null],
          ['External id', sent.externalId],
          ['Role', sent.role ? <RoleBadge key="role" role={sent.role} /> : 'not said'],
          ['State', <StateBadge key="state" state={sent.active ? 'active' : 'deactivated'} />]
        ]}
      />
      <Text size="sm" c="dimmed">
        {tries === 1 ? 'Tried once, ' : `Tried ${tries.toLocaleString()} times, last `}
        <Time value={lastTriedAt} />
        {tries > 1 && (
          <>
            , first <Time value={firstTriedAt} />
          </>
        )}
        . It may give roles up to {ROLE_LABELS[connection.highestRole]}.
      </Text>
    </>
  )
}

const fullName = ({ givenName, familyName }: { givenName: string | null; familyName: string | null }) =>
  [givenName, familyName].filter(Boolean).join(' ') || null

const MATCHES = {
  address: 'same address',
  userName: 'same user name',
  externalId: 'same external id',
  secondAddress: 'one of the addresses'
} as const

function Side({ candidate, onAdopt }: { candidate: Candidate; onAdopt: () => void }) {
  const { id, name, matches, connection, adopt } = candidate
  return (
    <div>
      <Title order={3} fz="md" mb={4}>
        Here:{' '}
        <TextLink to="/users/$userId" params={{ userId: id }} inherit underline="always">
          {name}
        </TextLink>
      </Title>
      <span className="marks">
        {matches.map((match) => (
          <Mark key={match}>{MATCHES[match]}</Mark>
        ))}
      </span>
      <Facts
        facts={[
          ['Name', fullName(candidate) ?? name],
          ['User name', candidate.userName],
          ['E-mail', candidate.email],
          ['External id', candidate.externalId],
          ['Role', <RoleBadge key="role" role={candidate.role} />],
          ['State', <StateBadge key="state" state={candidate.state} locked={candidate.locked} />],
          ['Managed by', connection ? <ConnectionLink key="by" connection={connection} /> : 'people here']
        ]}
      />
      <Text size="sm" c="dimmed" mb="xs">
        {adopt.text}
      </Text>
      <Button onClick={onAdopt} disabled={!adopt.isPossible}>
        Adopt {name}
      </Button>
    </div>
  )
}

const ConnectionLink = ({ connection: { id, name } }: { connection: { id: string; name: string } }) => (
  <Anchor
    underline="always"
    renderRoot={(props) => <Link to="/provisioning/$connectionId" params={{ connectionId: id }} {...props} />}
  >
    {name}
  </Anchor>
)
