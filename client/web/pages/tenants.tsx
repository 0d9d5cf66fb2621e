// The operator's page, on the base domain: the organisations that this service serves. Its session is separate from
// those of people, and starts with the operator token.
import { Button, Group, Text } from '@mantine/core'
import { IconBuilding, IconLogout } from '@tabler/icons-react'
import { QueryClientProvider, useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { reason } from '../api.ts'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failures.tsx'
import { SchemeSwitch } from '../parts/scheme-switch.tsx'
import { PageLoading } from '../shell.tsx'
import { queryClient, rememberSession, trpc } from './tenants/operator.ts'
import { OperatorSignIn } from './tenants/operator-sign-in.tsx'
import { TenantList } from './tenants/tenant-list.tsx'
import './tenants/tenants.css'

export default function TenantsPage() {
  return (
    <QueryClientProvider client={queryClient}>
      <OperatorPage />
    </QueryClientProvider>
  )
}

function OperatorPage() {
  const session = useQuery(trpc.operator.session.queryOptions())
  const [hasEnded, setEnded] = useState(false)
  const turn = (isSignedIn: boolean) => {
    setEnded(!isSignedIn)
    rememberSession(isSignedIn)
  }
  return (
    <>
      <header className="operator-header">
        <Group gap="xs" wrap="nowrap">
          <IconBuilding size={20} aria-hidden />
          <Text fw={650}>Muster</Text>
          <Text c="dimmed" size="sm">
            Operator
          </Text>
        </Group>
        <Group gap="xs" wrap="nowrap">
          <SchemeSwitch />
          {session.data?.isSignedIn && <SignOut />}
        </Group>
      </header>
      <main id="content">
        {session.isPending ? (
          <PageLoading />
        ) : session.error ? (
          <Refused error={session.error} retry={() => session.refetch()} />
        ) : session.data.isSignedIn ? (
          <TenantList onRefused={() => turn(false)} />
        ) : (
          <OperatorSignIn hasEnded={hasEnded} onSignIn={() => turn(true)} />
        )}
      </main>
    </>
  )
}

const Refused = ({ error, retry }: { error: unknown; retry: () => void }) =>
  reason(error) === 'wrongHost' ? (
    <Empty title="The operator’s page is elsewhere">
      This is the address of one organisation. Open /tenants on the service’s base domain.
    </Empty>
  ) : (
    <Failure error={error} retry={retry} />
  )

function SignOut() {
  const signOut = useMutation(trpc.operator.signOut.mutationOptions({ onSuccess: () => rememberSession(false) }))
  return (
    <>
      {signOut.error && <Failure error={signOut.error} />}
      <Button
        variant="subtle"
        color="gray"
        leftSection={<IconLogout size={16} />}
        loading={signOut.isPending}
        onClick={() => signOut.mutate({})}
      >
        Sign out
      </Button>
    </>
  )
}
