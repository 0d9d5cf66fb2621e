// Plays an identity provider's requests against this organisation and rolls them back, to show what works.
import { Button, Group, Stack, Text, Title, UnstyledButton } from '@mantine/core'
import { IconChevronRight } from '@tabler/icons-react'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { type Inputs, type Outputs, trpc } from '../../api.ts'
import { Failure } from '../../parts/failures.tsx'
import { Mark, type Tone } from '../../parts/state-badge.tsx'
import { Shot } from '../connection/log-entry.tsx'
import { profileName } from './guides.ts'
import '../audit/audit.css'
import '../connection/wire.css'

type As = Inputs['scimAcceptance']['run']['as']
type Report = Outputs['scimAcceptance']['run']
type Conversation = Report['conversations'][number]
type Step = Conversation['steps'][number]

const PROVIDERS: readonly As[] = ['entra', 'okta', 'onelogin', 'jumpcloud', 'google']

/** @param connectionId gives the profile and highest role to try; without one, each provider's own profile */
export function Trial({ connectionId }: { connectionId?: string }) {
  const run = useMutation(trpc.scimAcceptance.run.mutationOptions())
  return (
    <Stack gap="md">
      <Group gap="xs">
        {PROVIDERS.map((as) => (
          <Button
            key={as}
            size="xs"
            variant="default"
            loading={run.isPending && run.variables.as === as}
            disabled={run.isPending}
            onClick={() => run.mutate({ as, connectionId })}
          >
            Test as {profileName(as)}
          </Button>
        ))}
      </Group>
      <div role="status">{run.data && <Summary report={run.data} />}</div>
      {run.error && <Failure error={run.error} title="The test did not run" />}
      {run.data?.conversations.map((conversation) => (
        <Played key={conversation.title} conversation={conversation} />
      ))}
    </Stack>
  )
}

function Summary({ report: { counts, connection, durationMs, as } }: { report: Report }) {
  const { passed, failed, skipped } = counts
  const total = passed + failed + skipped
  return (
    <Text size="sm">
      {failed + skipped === 0 ? (
        <strong>
          All {total} requests of {profileName(as)} work.
        </strong>
      ) : (
        <strong>
          {failed} of {total} requests of {profileName(as)} fail{skipped > 0 && `, ${skipped} could not be tried`}.
        </strong>
      )}{' '}
      Tried with the profile {profileName(connection.profile)}, in {(durationMs / 1_000).toLocaleString()} s. Nothing
      was changed, and nobody got a mail.
    </Text>
  )
}

function Played({ conversation: { title, steps } }: { conversation: Conversation }) {
  const passed = steps.filter(({ outcome }) => outcome === 'passed')
  const [showsPassed, setShowsPassed] = useState(passed.length === steps.length)
  return (
    <section aria-label={title}>
      <Group justify="space-between" mb="xs" gap="xs">
        <Title order={3} size="h4">
          {title}
        </Title>
        {passed.length > 0 && passed.length < steps.length && (
          <Button
            size="compact-sm"
            variant="subtle"
            color="gray"
            aria-expanded={showsPassed}
            onClick={() => setShowsPassed(!showsPassed)}
          >
            {showsPassed ? 'Hide what works' : `Show what works (${passed.length})`}
          </Button>
        )}
      </Group>
      <ol className="trial-steps">
        {steps.map(
          (step, index) => (showsPassed || step.outcome !== 'passed') && <PlayedStep key={index} step={step} />
        )}
      </ol>
    </section>
  )
}

const OUTCOMES: Record<Step['outcome'], { tone: Tone; label: string }> = {
  passed: { tone: 'good', label: 'Works' },
  failed: { tone: 'bad', label: 'Fails' },
  skipped: { tone: 'quiet', label: 'Not tried' }
}

function PlayedStep({ step }: { step: Step }) {
  const [isExpanded, setExpanded] = useState(false)
  const { tone, label } = OUTCOMES[step.outcome]
  return (
    <li className="trial-step">
      <UnstyledButton className="audit-line" aria-expanded={isExpanded} onClick={() => setExpanded(!isExpanded)}>
        <IconChevronRight size={16} className="audit-chevron" aria-hidden />
        <span className="audit-sentence">{step.title}</span>
        <Mark tone={tone}>{label}</Mark>
      </UnstyledButton>
      {step.hint && <div className="trial-hint">{step.hint}</div>}
      {isExpanded && <Details step={step} />}
    </li>
  )
}

const asBody = (text: string | null) => (text === null ? null : { text, cutFrom: null })

function Details({ step: { id, sent, got, expected, problems, leniences } }: { step: Step }) {
  return (
    <Stack gap="sm" className="audit-details">
      {problems.length > 0 && (
        <ul className="wire-changes">
          {problems.map((problem) => (
            <li key={problem}>{problem}</li>
          ))}
        </ul>
      )}
      <dl className="audit-facts">
        <dt>Case</dt>
        <dd>{id}</dd>
        {sent && (
          <>
            <dt>Request</dt>
            <dd className="mono">
              {sent.method} {sent.path}
            </dd>
          </>
        )}
        <dt>Answer</dt>
        <dd>
          {got ? got.status : 'none'}, expected {expected.statuses.join(' or ')}
        </dd>
        {leniences.length > 0 && (
          <>
            <dt>Needs</dt>
            <dd>{leniences.map(({ means }) => means).join('; ')}</dd>
          </>
        )}
      </dl>
      {sent && <Shot title="Sent" body={asBody(sent.body)} empty="No body is sent." />}
      {got && <Shot title="Answered" body={asBody(got.body)} empty="The answer has no body." />}
      {expected.body && <Shot title="Expected, among others" body={asBody(expected.body)} empty="" />}
    </Stack>
  )
}
