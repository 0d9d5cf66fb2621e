import { Button, Group, Skeleton, Stack } from '@mantine/core'
import { useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { type Outputs, queryClient, trpc } from '../../api.ts'
import { AskAgain, needsConfirmation } from '../../parts/ask-again.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone, notifyFailure } from '../../parts/notify.ts'
import { Section } from '../../parts/section.tsx'
import { Mark } from '../../parts/state-badge.tsx'
import { Time } from '../../parts/time.tsx'
import { listOptions } from '../../parts/virtual-list.tsx'

type Session = Outputs['auth']['sessions']['items'][number]

export function SessionsSection() {
  const sessions = useInfiniteQuery(trpc.auth.sessions.infiniteQueryOptions({ limit: 20 }, listOptions))
  const items = sessions.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <Section
      title="Where you are signed in"
      description="End a session that you do not know, then change your password."
      action={<SignOutEverywhere />}
    >
      {sessions.error && !sessions.data && <Failure error={sessions.error} retry={() => sessions.refetch()} />}
      {sessions.isPending && (
        <Stack role="status" aria-label="Loading your sessions">
          <Skeleton height={40} />
          <Skeleton height={40} />
        </Stack>
      )}
      <ul className="things">
        {items.map((session) => (
          <SessionItem key={session.id} session={session} />
        ))}
      </ul>
      {sessions.hasNextPage && (
        <Button
          variant="default"
          size="xs"
          loading={sessions.isFetchingNextPage}
          onClick={() => sessions.fetchNextPage()}
        >
          Show older
        </Button>
      )}
    </Section>
  )
}

const METHODS: Record<Session['method'], string> = {
  password: 'by password',
  google: 'with Google',
  invitation: 'by accepting an invitation',
  reset: 'by a password reset',
  link: 'by a sign-in link'
}

function SessionItem({ session }: { session: Session }) {
  const revoke = useMutation(
    trpc.auth.revokeSession.mutationOptions({
      onSuccess: () => {
        void queryClient.invalidateQueries(trpc.auth.sessions.pathFilter())
        notifyDone('That session has ended.')
      },
      onError: (error) => needsConfirmation(error) || notifyFailure(error)
    })
  )
  const end = () => revoke.mutate({ sessionId: session.id })
  const device = describeAgent(session.userAgent)
  return (
    <li className="thing">
      <div>
        <div className="thing-name">
          {device} {session.current && <Mark tone="good">This session</Mark>}
        </div>
        <div className="thing-facts">
          Signed in <Time value={session.createdAt} /> {METHODS[session.method]}
          {session.ip && `, from ${session.ip}`}; last seen <Time value={session.lastSeenAt} />
        </div>
      </div>
      {!session.current && (
        <Button
          size="xs"
          variant="default"
          aria-label={`End the session of ${device}`}
          loading={revoke.isPending}
          onClick={end}
        >
          End
        </Button>
      )}
      <AskAgain error={revoke.error} onConfirmed={end} onClose={() => revoke.reset()} />
    </li>
  )
}

const BROWSERS: [RegExp, string][] = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\//, 'Firefox'],
  [/Chrome\//, 'Chrome'],
  [/Safari\//, 'Safari']
]
const SYSTEMS: [RegExp, string][] = [
  [/iPhone|iPad/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux']
]

/** `Firefox on Windows`; the text itself for an unknown browser. */
function describeAgent(agent: string | null): string {
  if (!agent) return 'Unknown device'
  const nameIn = (known: [RegExp, string][]) => known.find(([pattern]) => pattern.test(agent))?.[1]
  const browser = nameIn(BROWSERS)
  const system = nameIn(SYSTEMS)
  if (!browser) return agent.slice(0, 60)
  return system ? `${browser} on ${system}` : browser
}

function SignOutEverywhere() {
  const navigate = useNavigate()
  const [isAsking, setIsAsking] = useState(false)
  const signOut = useMutation(
    trpc.auth.signOutEverywhere.mutationOptions({
      onSuccess: async () => {
        await navigate({ to: '/sign-in' })
        queryClient.clear()
      }
    })
  )
  return (
    <Group>
      <Button size="xs" variant="default" onClick={() => setIsAsking(true)}>
        Sign out everywhere
      </Button>
      <Confirm
        opened={isAsking && !needsConfirmation(signOut.error)}
        onClose={() => setIsAsking(false)}
        title="Sign out everywhere?"
        action="Sign out everywhere"
        isPending={signOut.isPending}
        error={signOut.error}
        onConfirm={() => signOut.mutate({})}
      >
        Every session of yours ends, this one too. Your API tokens go on working.
      </Confirm>
      <AskAgain error={signOut.error} onConfirmed={() => signOut.mutate({})} onClose={() => signOut.reset()} />
    </Group>
  )
}
