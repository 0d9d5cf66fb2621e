// The operator's page, on the base domain: the organisations that this service serves. It has no session: the operator
// token signs each call, and is kept for as long as the tab is open.
import { Button, Group, Text } from '@mantine/core'
import { IconBuilding, IconLogout } from '@tabler/icons-react'
import { QueryClientProvider } from '@tanstack/react-query'
import { useState } from 'react'
import { SchemeSwitch } from '../parts/scheme-switch.tsx'
import { connectOperator, forgetToken, keepToken, keptToken, queryClient } from './tenants/operator.ts'
import { OperatorContext } from './tenants/operator-context.ts'
import { OperatorSignIn } from './tenants/operator-sign-in.tsx'
import { TenantList } from './tenants/tenant-list.tsx'
import './tenants/tenants.css'

export default function TenantsPage() {
  const [operator, setOperator] = useState(() => {
    const token = keptToken()
    return token ? connectOperator(token) : undefined
  })
  const [isRefused, setRefused] = useState(false)
  const signOut = (refused = false) => {
    forgetToken()
    queryClient.clear()
    setRefused(refused)
    setOperator(undefined)
  }
  return (
    <QueryClientProvider client={queryClient}>
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
          {operator && (
            <Button variant="subtle" color="gray" leftSection={<IconLogout size={16} />} onClick={() => signOut()}>
              Sign out
            </Button>
          )}
        </Group>
      </header>
      <main id="content">
        {operator ? (
          <OperatorContext value={{ ...operator, signOut }}>
            <TenantList />
          </OperatorContext>
        ) : (
          <OperatorSignIn
            isRefused={isRefused}
            onSignIn={(token) => {
              keepToken(token)
              setOperator(connectOperator(token))
            }}
          />
        )}
      </main>
    </QueryClientProvider>
  )
}
