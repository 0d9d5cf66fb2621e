// Tells administrators, on every page, that something waits for their decision.
import { Alert } from '@mantine/core'
import { IconHandStop } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useRouterState } from '@tanstack/react-router'
import { trpc } from '../api.ts'
import { TextLink } from './link.tsx'
import { Time } from './time.tsx'

export function HeldBanner() {
  const holding = useQuery(trpc.brake.holding.queryOptions(undefined, { refetchInterval: 60_000 }))
  const pathname = useRouterState({ select: ({ location }) => location.pathname })
  // the connection's own page shows the details
  const others = (holding.data?.connections ?? []).filter(({ id }) => pathname !== `/provisioning/${id}`)
  return others.map(({ id, name, since }) => (
    <Alert key={id} color="yellow" variant="light" radius={0} icon={<IconHandStop size={20} />} role="status" p="sm">
      {name} asked to take away more people than it may, <Time value={since} />. The rest is held.{' '}
      <TextLink
        to="/provisioning/$connectionId"
        params={{ connectionId: id }}
        search={{ tab: 'brake' }}
        size="sm"
        underline="always"
      >
        See who is affected and decide
      </TextLink>
    </Alert>
  ))
}
