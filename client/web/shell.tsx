// The frame of every signed-in page: who and where you are, and where you can go.
import {
  AppShell,
  Box,
  Burger,
  Button,
  Group,
  Loader,
  Menu,
  NavLink,
  ScrollArea,
  Stack,
  Text,
  UnstyledButton
} from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import {
  IconBroadcast,
  IconBuilding,
  IconHistory,
  IconLogout,
  IconMail,
  IconPlugConnected,
  IconSettings,
  IconUser,
  IconUsers,
  IconUsersGroup
} from '@tabler/icons-react'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, Navigate, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { type ComponentType, lazy, Suspense, useEffect } from 'react'
import { httpStatus, type Outputs, queryClient, reason, trpc } from './api.ts'
import { useLiveRefresh } from './live.ts'
import { Failure } from './parts/failures.tsx'
import { HeldBanner } from './parts/held-banner.tsx'
import { OpenConflicts } from './parts/open-conflicts.tsx'
import { Initials } from './parts/person.tsx'
import { SchemeSwitch } from './parts/scheme-switch.tsx'

export type Me = Outputs['auth']['me']

/** The signed-in user, always known inside the shell. */
export function useMe(): Me {
  const { data } = useQuery(trpc.auth.me.queryOptions())
  if (!data) throw new Error('useMe is for pages inside the shell')
  return data
}

export const isAdministrator = (me: Me) => me.role === 'administrator'

const PAGES: { to: string; label: string; icon: ComponentType<{ size?: number }>; isFor?: (me: Me) => boolean }[] = [
  { to: '/users', label: 'People', icon: IconUsers },
  { to: '/invitations', label: 'Invitations', icon: IconMail },
  { to: '/groups', label: 'Groups', icon: IconUsersGroup },
  { to: '/provisioning', label: 'Provisioning', icon: IconPlugConnected, isFor: isAdministrator },
  { to: '/events', label: 'Events', icon: IconBroadcast, isFor: isAdministrator },
  { to: '/audit', label: 'Audit log', icon: IconHistory, isFor: isAdministrator },
  { to: '/settings', label: 'Settings', icon: IconSettings, isFor: isAdministrator }
]

const MustSetUp = lazy(() => import('./pages/must-set-up.tsx'))

export function Shell() {
  const me = useQuery(trpc.auth.me.queryOptions())
  const [isOpen, { toggle, close }] = useDisclosure()
  const pathname = useRouterState({ select: (state) => state.location.pathname })
  useLiveRefresh(me.data !== undefined && isAdministrator(me.data) && !me.data.mustSetUpSecondFactor)
  // following a link closes the drawer on a phone, and starts the page at its top
  useEffect(close, [pathname])

  // the base domain has no people, only the operator's page
  if (reason(me.error) === 'wrongHost') return <Navigate to="/tenants" replace />
  // whenSignedOut (main.tsx) is about to open the sign-in
  if (httpStatus(me.error) === 401) return <PageLoading />
  if (me.error) {
    return (
      <Box p="xl" maw={640} mx="auto">
        <Failure error={me.error} retry={() => me.refetch()} />
      </Box>
    )
  }
  if (!me.data) return <PageLoading />
  // the service answers nothing else before that
  if (me.data.mustSetUpSecondFactor) {
    return (
      <Suspense fallback={<PageLoading />}>
        <MustSetUp />
      </Suspense>
    )
  }
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 232, breakpoint: 'sm', collapsed: { mobile: !isOpen } }}
      padding={0}
    >
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <AppShell.Header px="md">
        <Group h="100%" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap" miw={0}>
            <Burger
              opened={isOpen}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label="Navigation"
              aria-expanded={isOpen}
            />
            <TenantMark me={me.data} />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <SchemeSwitch />
            <AccountMenu me={me.data} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" aria-label="Main">
        <AppShell.Section grow component={ScrollArea}>
          {PAGES.filter(({ isFor }) => isFor?.(me.data) ?? true).map(({ to, label, icon: Icon }) => (
            <NavLink
              key={to}
              component={Link}
              to={to}
              label={label}
              leftSection={<Icon size={18} />}
              active={pathname === to || pathname.startsWith(`${to}/`)}
              rightSection={to === '/provisioning' && <OpenConflicts />}
              aria-current={pathname === to ? 'page' : undefined}
              mb={2}
              style={{ borderRadius: 'var(--mantine-radius-md)' }}
            />
          ))}
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        {isAdministrator(me.data) && <HeldBanner />}
        <Suspense fallback={<PageLoading />}>
          <Outlet />
        </Suspense>
      </AppShell.Main>
    </AppShell>
  )
}

function TenantMark({ me }: { me: Me }) {
  const { tenant } = me
  return (
    <UnstyledButton component={Link} to="/users" miw={0} aria-label={`${tenant.name}: people`}>
      <Group gap="xs" wrap="nowrap" miw={0}>
        {tenant.logoUrl ? <img src={tenant.logoUrl} alt="" className="logo" /> : <IconBuilding size={20} aria-hidden />}
        <Text fw={650} truncate>
          {tenant.name}
        </Text>
      </Group>
    </UnstyledButton>
  )
}

export function useSignOut() {
  const navigate = useNavigate()
  return useMutation(
    trpc.auth.signOut.mutationOptions({
      onSuccess: async () => {
        await navigate({ to: '/sign-in' })
        queryClient.clear()
      }
    })
  )
}

function AccountMenu({ me }: { me: Me }) {
  const signOut = useSignOut()
  const name = me.user?.displayName ?? 'Operator'
  return (
    <Menu position="bottom-end" width={220} withinPortal>
      <Menu.Target>
        <Button variant="subtle" color="gray" px="xs" aria-label={`Account of ${name}`}>
          <Initials name={name} size={28} />
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Stack gap={0} px="sm" py="xs">
          <Text size="sm" fw={600} truncate>
            {name}
          </Text>
          <Text size="xs" c="dimmed" truncate>
            {me.user?.email} · {me.role}
          </Text>
        </Stack>
        <Menu.Divider />
        <Menu.Item component={Link} to="/account" leftSection={<IconUser size={16} />}>
          My account
        </Menu.Item>
        <Menu.Item
          leftSection={<IconLogout size={16} />}
          onClick={() => signOut.mutate({})}
          disabled={signOut.isPending}
        >
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

export function PageLoading() {
  return (
    <Group justify="center" mih="50vh" aria-busy="true">
      <Loader aria-label="Loading" />
    </Group>
  )
}
