import { Button, Group, Stack, Text } from '@mantine/core'
import { Failure } from '../../parts/failures.tsx'
import { Mark } from '../../parts/state-badge.tsx'
import { groupResults, type ResultGroup, type Results } from './results.ts'

interface InviteSummaryProps {
  results: Results
  onDone: () => void
  onMore: () => void
  /** Sends another link to people who are already invited. */
  onResend: (emails: string[]) => void
  isResending: boolean
  error: unknown
}

export function InviteSummary({ results, onDone, onMore, onResend, isResending, error }: InviteSummaryProps) {
  return (
    <Stack gap="md">
      <ul className="outcomes">
        {groupResults(results).map((group) => (
          <li key={group.result}>
            <OutcomeGroup group={group} />
            {group.result === 'alreadyInvited' && (
              <Button size="compact-sm" variant="default" loading={isResending} onClick={() => onResend(group.emails)}>
                Send {group.emails.length === 1 ? 'it' : 'them'} again
              </Button>
            )}
          </li>
        ))}
      </ul>
      {error ? <Failure error={error} /> : null}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onMore}>
          Invite more
        </Button>
        <Button onClick={onDone} data-autofocus>
          Done
        </Button>
      </Group>
    </Stack>
  )
}

/** The number, its meaning, and the addresses; open where they are few, or something is left to do. */
function OutcomeGroup({ group }: { group: ResultGroup }) {
  const { emails, label, text, tone } = group
  return (
    <details open={emails.length <= 5 || tone === 'bad'}>
      <summary>
        <span className="outcome-count tabular">{emails.length.toLocaleString()}</span> <Mark tone={tone}>{label}</Mark>
      </summary>
      <Text size="sm" c="dimmed" mt={4}>
        {text}
      </Text>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <section className="outcome-emails" tabIndex={0} aria-label={`${label}: addresses`}>
        {emails.join('\n')}
      </section>
    </details>
  )
}
