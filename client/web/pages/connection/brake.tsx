// The changes that a connection's brake held, and what happens to them.
import { Button, Group, Skeleton, Stack, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useMutation, useQuery } from '@tanstack/react-query'
import { type Outputs, queryClient, trpc } from '../../api.ts'
import { counted, peopleInWords } from '../../counted.ts'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { Section } from '../../parts/section.tsx'
import { Mark } from '../../parts/state-badge.tsx'
import { Time } from '../../parts/time.tsx'
import { BrakeSettings } from './brake-settings.tsx'
import { HeldList } from './held-list.tsx'
import type { ConnectionDetails, TabProps } from './tabs.ts'

type Brake = Outputs['brake']['get']['brake']

export function BrakeTab({ connection }: TabProps) {
  const status = useQuery(
    trpc.brake.get.queryOptions({ connectionId: connection.id }, { refetchInterval: 30_000, staleTime: 0 })
  )
  if (!status.data) {
    return status.error ? (
      <Failure error={status.error} retry={() => status.refetch()} />
    ) : (
      <Skeleton height={320} radius="md" />
    )
  }
  const { brake } = status.data
  return (
    <Stack gap="md">
      {brake.held.changes > 0 && <Held connection={connection} brake={brake} />}
      <div className="card">
        <Limits connection={connection} brake={brake} />
      </div>
      {brake.rejected.changes > 0 && <Rejected connection={connection} brake={brake} />}
    </Stack>
  )
}

interface PartProps {
  connection: ConnectionDetails
  brake: Brake
}

const changesInWords = (count: number) => counted(count, 'change', 'changes')

/** An administrator who decides here has seen who is affected, so one click is enough; both decisions can be undone. */
function Held({ connection, brake }: PartProps) {
  const { release, reject } = useDecision()
  const { name, id: connectionId } = connection
  const isPending = release.isPending || reject.isPending
  const error = release.error ?? reject.error
  return (
    <section className="card" aria-label="Held changes">
      <Section
        title={`${changesInWords(brake.held.changes)} held, of ${peopleInWords(brake.held.people)}`}
        action={
          <Group gap="xs">
            <Button loading={release.isPending} disabled={isPending} onClick={() => release.mutate({ connectionId })}>
              Release all
            </Button>
            {brake.limits && (
              <Button
                variant="default"
                loading={reject.isPending}
                disabled={isPending}
                onClick={() => reject.mutate({ connectionId })}
              >
                Reject all
              </Button>
            )}
          </Group>
        }
      >
        <Text size="sm" className="connection-errors">
          {name} asked for more than it may take away within an hour
          {brake.heldSince && (
            <>
              , first <Time value={brake.heldSince} />
            </>
          )}
          . Nobody below has lost anything. {brake.limits && 'It is told to try again later.'}
        </Text>
        {brake.limits ? (
          <Text size="sm" c="dimmed" mt="sm">
            <strong>Release</strong> takes away what is listed below, and lets {name} go on for an hour without being
            held, so that the rest of its run comes through; its History takes that back. <strong>Reject</strong> leaves
            everything as it is: {name} is refused when it asks again for the same people, until it asks for the
            opposite or you lift the rejection.
          </Text>
        ) : (
          <Text size="sm" c="dimmed" mt="sm">
            The brake is off by now: when {name} asks again, it comes through. <strong>Release</strong> takes away what
            is listed below at once; its History takes that back.
          </Text>
        )}
        {error && <Failure error={error} />}
      </Section>
      <HeldList connection={connection} state="held" />
    </section>
  )
}

/** Refreshes everything on this page, in the banner and in lists of people that a decision may change. */
const refresh = () =>
  Promise.all([
    queryClient.invalidateQueries(trpc.brake.pathFilter()),
    queryClient.invalidateQueries(trpc.users.pathFilter()),
    queryClient.invalidateQueries(trpc.groups.pathFilter()),
    queryClient.invalidateQueries(trpc.scimConnections.get.pathFilter())
  ])

function useDecision() {
  const release = useMutation(
    trpc.brake.release.mutationOptions({
      onSuccess: async ({ carriedOut, refused }) => {
        await refresh()
        const left = refused[0] ? ` ${changesInWords(refused.length)} could not be: ${refused[0].detail}.` : ''
        notifyDone(`${changesInWords(carriedOut)} carried out.${left}`)
      }
    })
  )
  const reject = useMutation(
    trpc.brake.reject.mutationOptions({
      onSuccess: async ({ rejected }) => {
        await refresh()
        notifyDone(`${changesInWords(rejected)} rejected: everything stays as it is.`)
      }
    })
  )
  return { release, reject }
}

function Limits({ connection, brake }: PartProps) {
  const [isChanging, changing] = useDisclosure()
  const { limits, base, counted } = brake
  const permits =
    limits && base !== null ? Math.max(limits.people, Math.floor((base * limits.percent) / 100)) : undefined
  return (
    <Section
      title="Brake against mass deprovisioning"
      action={
        <Button size="xs" variant="default" onClick={changing.open}>
          Change limits
        </Button>
      }
    >
      {limits ? (
        <Text size="sm">
          {connection.name} may deactivate, remove or take out of groups{' '}
          <strong>
            {limits.percent} % of the active people within an hour, {limits.people.toLocaleString()} at least
          </strong>
          . What goes beyond is held until an administrator decides.
        </Text>
      ) : (
        <Text size="sm">
          <Mark tone="wait">Off</Mark> {connection.name} may take away any number of people and memberships at once.
        </Text>
      )}
      <Text size="sm" c="dimmed" mt="xs">
        {limits &&
          `In the last hour: ${peopleInWords(counted)}${permits === undefined ? '' : ` of ${permits.toLocaleString()}`}.`}
        {brake.releasedUntil && (
          <>
            {' '}
            Everything is let through until <Time value={brake.releasedUntil} as="dateTime" />.
          </>
        )}
      </Text>
      <BrakeSettings connection={connection} brake={brake} opened={isChanging} onClose={changing.close} />
    </Section>
  )
}

function Rejected({ connection, brake }: PartProps) {
  const lift = useMutation(
    trpc.brake.lift.mutationOptions({
      onSuccess: async ({ lifted }) => {
        await refresh()
        notifyDone(`${counted(lifted, 'rejection', 'rejections')} lifted.`)
      }
    })
  )
  return (
    <section className="card" aria-label="Rejected changes">
      <Section
        title={`${changesInWords(brake.rejected.changes)} rejected`}
        action={
          <Button
            size="xs"
            variant="default"
            loading={lift.isPending}
            onClick={() => lift.mutate({ connectionId: connection.id })}
          >
            Lift all
          </Button>
        }
        description={
          brake.limits
            ? 'Further tries are refused, until the provider asks for the opposite or you lift the rejection.'
            : 'Further tries come through as long as the brake is off.'
        }
      >
        {lift.error ? <Failure error={lift.error} /> : null}
      </Section>
      <HeldList connection={connection} state="rejected" />
    </section>
  )
}
