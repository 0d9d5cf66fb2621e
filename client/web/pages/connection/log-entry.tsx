// One exchange: what a refusal means, what was sent and answered, and what the same request would do now.
import { Button, Group, Skeleton, Stack, Text, Title } from '@mantine/core'
import { useClipboard } from '@mantine/hooks'
import { IconCheck, IconCopy, IconPlayerPlay } from '@tabler/icons-react'
import { useMutation, useQuery } from '@tanstack/react-query'
import { type Outputs, trpc } from '../../api.ts'
import { Failure } from '../../parts/failures.tsx'
import { changesOf } from '../audit/changes.ts'
import { fieldName, verbOf } from '../audit/words.ts'

type Entry = Outputs['wireLog']['get']['entry']
type Body = Entry['request']
type Replay = Outputs['wireLog']['replay']

export function LogEntry({ id }: { id: string }) {
  const found = useQuery(trpc.wireLog.get.queryOptions({ id }))
  if (!found.data) {
    return (
      <div className="audit-details">
        {found.error ? <Failure error={found.error} retry={() => found.refetch()} /> : <Skeleton height={120} />}
      </div>
    )
  }
  return <Shown entry={found.data.entry} />
}

function Shown({ entry }: { entry: Entry }) {
  const replay = useMutation(trpc.wireLog.replay.mutationOptions())
  return (
    <Stack gap="sm" className="audit-details">
      {entry.explanation && <Explanation {...entry.explanation} />}
      {entry.leniences.map(({ name, means, where }) => (
        <Text size="sm" key={name}>
          Understood although it departs from the standard: {means}. Here:{' '}
          <span className="mono">{where.join(', ')}</span>
        </Text>
      ))}
      <dl className="audit-facts">
        <dt>From</dt>
        <dd>
          {entry.name ?? 'somebody unknown'}
          {entry.ip && <span className="dimmed"> · {entry.ip}</span>}
        </dd>
        <dt>Client</dt>
        <dd>{entry.headers['user-agent'] ?? 'not told'}</dd>
        <dt>Request</dt>
        <dd className="mono">{entry.requestId}</dd>
      </dl>
      <Shot title="Sent" body={entry.request} empty="No body was sent." />
      <Shot title="Answered" body={entry.response} empty="The answer had no body." />
      <Group gap="xs">
        <Button
          size="xs"
          leftSection={<IconPlayerPlay size={14} />}
          loading={replay.isPending}
          onClick={() => replay.mutate({ id: entry.id })}
        >
          Replay as a dry run
        </Button>
        <CopyCurl curl={entry.curl} />
      </Group>
      <div role="status">
        {replay.data && <Replayed replay={replay.data} />}
        {replay.error && <Failure error={replay.error} title="It was not replayed" />}
      </div>
    </Stack>
  )
}

export const Explanation = ({ means, change }: { means: string; change: string }) => (
  <Text size="sm" className="connection-errors" component="div">
    <strong>{means}</strong> {change}
  </Text>
)

export function Shot({ title, body, empty }: { title: string; body: Body; empty: string }) {
  return (
    <div>
      <Title order={3} size="sm" mb={4}>
        {title}
      </Title>
      {body ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
        <pre className="wire-body" tabIndex={0}>
          {body.text}
          {body.cutFrom !== null && `\n… (cut, of ${body.cutFrom.toLocaleString()} characters)`}
        </pre>
      ) : (
        <Text size="sm" c="dimmed">
          {empty}
        </Text>
      )}
    </div>
  )
}

function CopyCurl({ curl }: { curl: string }) {
  const clipboard = useClipboard({ timeout: 2_000 })
  return (
    <Button
      size="xs"
      variant="default"
      leftSection={clipboard.copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
      onClick={() => clipboard.copy(curl)}
    >
      <span aria-live="polite">{clipboard.copied ? 'Copied' : 'Copy as curl'}</span>
    </Button>
  )
}

function Replayed({ replay: { before, now, changes, mails } }: { replay: Replay }) {
  return (
    <Stack gap="xs" className="wire-replay">
      <Text size="sm">
        {now.status === before.status ? (
          <>
            It would be answered <strong>{now.status}</strong> again.
          </>
        ) : (
          <>
            It was answered {before.status}; now it would be <strong>{now.status}</strong>.
          </>
        )}{' '}
        {changes.length === 0 ? 'It would change nothing.' : 'It would change this:'}
        {mails > 0 && ` It would send ${mails === 1 ? 'a mail' : `${mails} mails`}.`}
      </Text>
      {now.explanation && <Explanation {...now.explanation} />}
      {changes.length > 0 && (
        <ul className="wire-changes">
          {changes.map((change, index) => (
            <li key={index}>
              {verbOf(change.action)} <strong>{change.targetName ?? change.targetId}</strong>
              <Facts change={change} />
            </li>
          ))}
        </ul>
      )}
      <Shot title="It would be answered" body={now.response} empty="The answer would have no body." />
      <Text size="sm" c="dimmed">
        Nothing was changed.
      </Text>
    </Stack>
  )
}

function Facts({ change: { before, after } }: { change: Replay['changes'][number] }) {
  const facts = changesOf(before, after)
  if (facts.length === 0) return null
  return (
    <span className="dimmed">
      {facts.map(({ path, before: was, after: is }) => (
        <span key={path} className="wire-fact">
          {fieldName(path)}: {was === undefined ? '' : `${was} → `}
          {is ?? 'nothing'}
        </span>
      ))}
    </span>
  )
}
